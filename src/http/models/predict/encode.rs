//! Predictions in the formats that go on and on: CSV, NDJSON, Arrow stream, Parquet.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::accept::Media;
use super::answer::About;
use super::wording::field;
use crate::http::error::ApiError;
use crate::http::models::Served;

/// Rows of a part of a Parquet file, which is held in memory until it is whole.
const GROUP_ROWS: usize = 128 << 10;

/// Writes an answer a piece at a time.
pub(super) enum Encoder {
    Text(Media),
    Arrow(Arc<Schema>, Box<StreamWriter<Vec<u8>>>),
    Parquet(Arc<Schema>, Box<ArrowWriter<Vec<u8>>>),
}

impl Encoder {
    /// The encoder, and what comes before the first row.
    ///
    /// # Errors
    /// 500 if it cannot be written, which does not happen.
    pub(super) fn new(answer: Media, about: &About<'_>, with_paths: bool) -> Result<(Self, Vec<u8>), ApiError> {
        match answer {
            Media::Csv => {
                let path = if with_paths { "path," } else { "" };
                Ok((Encoder::Text(answer), format!("{path}label,probability\n").into_bytes()))
            }
            Media::Ndjson => Ok((Encoder::Text(answer), Vec::new())),
            Media::Arrow => {
                let schema = Arc::new(schema(about, with_paths));
                let writer = StreamWriter::try_new(Vec::new(), &schema).map_err(ApiError::internal)?;
                let mut writer = Box::new(writer);
                let head = std::mem::take(writer.get_mut());
                Ok((Encoder::Arrow(schema, writer), head))
            }
            Media::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::SNAPPY)
                    .set_max_row_group_row_count(Some(GROUP_ROWS))
                    .build();
                let schema = Arc::new(schema(about, with_paths));
                let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties));
                Ok((Encoder::Parquet(schema, Box::new(writer.map_err(ApiError::internal)?)), Vec::new()))
            }
            Media::Json | Media::Picture | Media::Multipart | Media::Zip => {
                Err(ApiError::internal("no answer is written so, or in one piece"))
            }
        }
    }

    /// Some rows; with the paths of their pictures, if that was said before.
    ///
    /// # Errors
    /// 500 if they cannot be written, which does not happen.
    pub(super) fn rows(
        &mut self,
        served: &Served,
        threshold: f64,
        probabilities: &[f64],
        paths: Option<&[String]>,
    ) -> Result<Vec<u8>, ApiError> {
        match self {
            Encoder::Text(media) => text(*media, served, threshold, probabilities, paths),
            Encoder::Arrow(schema, writer) => {
                writer.write(&batch(schema, served, threshold, probabilities, paths)?).map_err(ApiError::internal)?;
                Ok(std::mem::take(writer.get_mut()))
            }
            Encoder::Parquet(schema, writer) => {
                writer.write(&batch(schema, served, threshold, probabilities, paths)?).map_err(ApiError::internal)?;
                Ok(std::mem::take(writer.inner_mut()))
            }
        }
    }

    /// What comes after the last row.
    ///
    /// # Errors
    /// 500 if it cannot be written, which does not happen.
    pub(super) fn finish(self) -> Result<Vec<u8>, ApiError> {
        match self {
            Encoder::Text(_) => Ok(Vec::new()),
            Encoder::Arrow(_, mut writer) => {
                writer.finish().map_err(ApiError::internal)?;
                Ok(std::mem::take(writer.get_mut()))
            }
            Encoder::Parquet(_, writer) => writer.into_inner().map_err(ApiError::internal),
        }
    }
}

/// Rows of CSV or NDJSON.
///
/// # Errors
/// 500 if they cannot be written, which does not happen.
pub(super) fn text(
    media: Media,
    served: &Served,
    threshold: f64,
    probabilities: &[f64],
    paths: Option<&[String]>,
) -> Result<Vec<u8>, ApiError> {
    let (words, end) = match media {
        Media::Csv => (&served.wording.csv, "\n"),
        _ => (&served.wording.json, "}\n"),
    };
    let mut out = Vec::with_capacity(probabilities.len() * (words.of(true).len() + 28));
    let mut paths = paths.into_iter().flatten();
    for probability in probabilities {
        let words = words.of(*probability >= threshold);
        match (paths.next(), media) {
            (None, _) => out.extend_from_slice(words.as_bytes()),
            (Some(path), Media::Csv) => {
                out.extend_from_slice(field(path).as_bytes());
                out.push(b',');
                out.extend_from_slice(words.as_bytes());
            }
            (Some(path), _) => json_row(&mut out, path, words)?,
        }
        serde_json::to_writer(&mut out, probability).map_err(ApiError::internal)?;
        out.extend_from_slice(end.as_bytes());
    }
    Ok(out)
}

/// The beginning of an object as `words` has it, with a path before its members.
///
/// # Errors
/// 500 if it cannot be written, which does not happen.
pub(super) fn json_row(out: &mut Vec<u8>, path: &str, words: &str) -> Result<(), ApiError> {
    out.extend_from_slice(b"{\"path\":");
    serde_json::to_writer(&mut *out, path).map_err(ApiError::internal)?;
    out.push(b',');
    out.extend_from_slice(words.strip_prefix('{').unwrap_or(words).as_bytes());
    Ok(())
}

fn fields(with_paths: bool) -> Vec<Field> {
    let path = with_paths.then(|| Field::new("path", DataType::Utf8, false));
    let others = [Field::new("label", DataType::Utf8, false), Field::new("probability", DataType::Float64, false)];
    path.into_iter().chain(others).collect()
}

/// The columns, with what JSON says of the model as metadata.
fn schema(about: &About<'_>, with_paths: bool) -> Schema {
    let record = &about.served.record;
    let ignored = serde_json::Value::from(about.ignored_columns.to_vec());
    let mut metadata = HashMap::from([
        ("evenkeel.model_id".to_owned(), record.id.to_string()),
        ("evenkeel.model_name".to_owned(), record.name.clone()),
        ("evenkeel.version".to_owned(), record.version.to_string()),
        ("evenkeel.positive_label".to_owned(), record.classes.positive.clone()),
        ("evenkeel.threshold".to_owned(), about.scale.threshold.to_string()),
        ("evenkeel.ignored_columns".to_owned(), ignored.to_string()),
    ]);
    if let Some(prevalence) = about.scale.prevalence() {
        metadata.insert("evenkeel.prevalence".to_owned(), prevalence.to_string());
    }
    Schema::new_with_metadata(fields(with_paths), metadata)
}

fn batch(
    schema: &Arc<Schema>,
    served: &Served,
    threshold: f64,
    probabilities: &[f64],
    paths: Option<&[String]>,
) -> Result<RecordBatch, ApiError> {
    let classes = &served.record.classes;
    let labels = probabilities.iter().map(|probability| classes.name(*probability >= threshold));
    let paths = paths.map(|paths| Arc::new(StringArray::from_iter_values(paths)) as ArrayRef);
    let predicted: [ArrayRef; 2] = [
        Arc::new(StringArray::from_iter_values(labels)),
        Arc::new(Float64Array::from_iter_values(probabilities.iter().copied())),
    ];
    RecordBatch::try_new(schema.clone(), paths.into_iter().chain(predicted).collect()).map_err(ApiError::internal)
}
