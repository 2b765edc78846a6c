//! A body that is here as a whole, to probabilities.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::Asked;
use super::accept::Media;
use super::blocks::{Block, Cutter, invalid_rows, with_pictures};
use super::call::Call;
use super::json_body::{PREVALENCE, PredictRows, THRESHOLD, read_predict_body};
use super::pictures::{PictureRows, picture_rows};
use super::score::{Instead, Scale, Scored, score_rows};
use crate::http::error::{ApiError, Code};
use crate::http::extract::parse_json;
use crate::http::limits::HttpConfig;
use crate::http::models::Served;
use crate::ml::table::{
    CellError, IMAGE_COLUMN, InputRows, JsonRows, PictureLimits, TableLimits, from_json_columns, from_json_rows,
    parquet_row_count, quick_json, read_parquet, with_picture_mistakes,
};

/// Bytes of rows that are looked at together.
const BLOCK_BYTES: usize = 4 << 20;
/// Values of a JSON body in which something is wrong, at most: to say where, each needs some dozens of bytes.
const MAX_JSON_VALUES: usize = 2 << 20;
/// Parquet may have so many times as many bytes once decompressed.
const DECOMPRESSED: u64 = 8;

/// What a request may hold.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct RowLimits {
    pub(in crate::http) max_rows: usize,
    pub(in crate::http) max_json_depth: usize,
    pub(in crate::http) max_body_bytes: u64,
    pub(in crate::http) max_batch_bytes: usize,
    pub(in crate::http) pictures: PictureLimits,
}

impl RowLimits {
    pub(in crate::http) fn new(config: &HttpConfig, call: &Call) -> Self {
        let streamed = usize::try_from(config.max_streamed_rows).unwrap_or(usize::MAX);
        Self {
            // A short body may have as many as a long one that comes the same way.
            max_rows: if call.can_stream() { streamed } else { config.max_predict_rows },
            max_json_depth: config.max_json_depth,
            max_body_bytes: config.max_body_bytes,
            max_batch_bytes: config.max_batch_bytes,
            pictures: config.tables.pictures,
        }
    }

    pub(super) fn table(&self, served: &Served) -> TableLimits {
        TableLimits {
            pictures: self.pictures,
            max_field_bytes: max_field_bytes(served),
            max_rows: self.max_rows as u64,
            max_decompressed_bytes: self.max_body_bytes.saturating_mul(DECOMPRESSED),
            ..TableLimits::STANDARD
        }
    }
}

/// A picture is a long text.
pub(super) fn max_field_bytes(served: &Served) -> usize {
    match served.model.picture_spec() {
        Some(_) => TableLimits::STANDARD.max_row_bytes,
        None => TableLimits::STANDARD.max_field_bytes,
    }
}

/// What was found of a whole body.
pub(super) struct Found {
    /// Of pictures that have names.
    pub(super) paths: Option<Vec<String>>,
    pub(super) scored: Scored,
    pub(super) ignored_columns: Vec<String>,
    /// The rows themselves, where they were looked at all together.
    pub(super) rows: Option<InputRows>,
}

/// Scores the rows of a body.
///
/// # Errors
/// 400 for what is no JSON, 413 for too many rows, 422 with every mistake in the body or in its cells.
pub(super) fn score_body(asked: &Asked, served: &Served) -> Result<Found, ApiError> {
    let Asked { call, bytes, content_type, limits } = asked;
    let limits = *limits;
    match call.rows {
        Media::Json => {
            let (rows, instead) = read_json(bytes, served, limits)?;
            // What the query says of pictures holds for JSON as well.
            of_rows(rows, served, Instead { views: call.instead.views, ..instead })
        }
        Media::Parquet => {
            let said = parquet_row_count(bytes).unwrap_or(0);
            check_count(usize::try_from(said).unwrap_or(usize::MAX), limits.max_rows)?;
            let table_limits = limits.table(served);
            let rows = read_parquet(bytes.clone(), &served.inputs, &table_limits);
            let rows = rows.and_then(|rows| with_pictures(rows, served, &table_limits));
            let rows = rows.map_err(|errors| invalid_rows(errors, 0))?;
            check_not_empty(rows.rows)?;
            of_rows(rows, served, call.instead)
        }
        Media::Csv | Media::Ndjson | Media::Arrow => score_blocks(call, bytes, served, limits),
        Media::Picture | Media::Multipart | Media::Zip => {
            let content_type = content_type.as_ref();
            let PictureRows { rows, paths } =
                picture_rows(call.rows, content_type, bytes, served, &limits.table(served))?;
            Ok(Found { paths, ..of_rows(rows, served, call.instead)? })
        }
    }
}

fn of_rows(rows: InputRows, served: &Served, instead: Instead) -> Result<Found, ApiError> {
    let scale = Scale::new(served, instead)?;
    let probabilities = score_rows(served, &rows, &scale)?;
    let ignored_columns = rows.ignored_columns.clone();
    Ok(Found { paths: None, scored: Scored { scale, probabilities }, ignored_columns, rows: Some(rows) })
}

/// One block after the other, up to the first in which something is wrong.
fn score_blocks(call: &Call, bytes: &Bytes, served: &Served, limits: RowLimits) -> Result<Found, ApiError> {
    let Some(mut cutter) = Cutter::new(call, limits.max_batch_bytes) else {
        return Err(ApiError::internal("a format without blocks was to be read in blocks"));
    };
    let table_limits = TableLimits { max_rows: u64::MAX, ..limits.table(served) };
    let mut sum = Sum {
        scale: Scale::new(served, call.instead)?,
        probabilities: Vec::new(),
        ignored: BTreeSet::new(),
        first: None,
        blocks: 0,
    };
    let mut add = |block: Block| {
        let before = sum.probabilities.len() as u64;
        let rows = block.read(call, served, &table_limits).map_err(|errors| invalid_rows(errors, before))?;
        sum.add(rows, served, limits)
    };
    for piece in bytes.chunks(BLOCK_BYTES) {
        cutter.push(piece)?;
        while let Some(block) = cutter.cut() {
            add(block)?;
        }
        if cutter.is_overlong(table_limits.max_row_bytes) {
            break;
        }
    }
    while let Some(block) = cutter.rest()? {
        add(block)?;
    }
    sum.finish()
}

/// What was found of the blocks so far.
struct Sum {
    scale: Scale,
    probabilities: Vec<f64>,
    ignored: BTreeSet<String>,
    first: Option<InputRows>,
    blocks: usize,
}

impl Sum {
    fn add(&mut self, rows: InputRows, served: &Served, limits: RowLimits) -> Result<(), ApiError> {
        check_count(self.probabilities.len() + rows.rows, limits.max_rows)?;
        self.probabilities.extend(score_rows(served, &rows, &self.scale)?);
        self.ignored.extend(rows.ignored_columns.iter().cloned());
        self.blocks += usize::from(rows.rows > 0);
        if rows.rows > 0 && self.first.is_none() {
            self.first = Some(rows);
        }
        Ok(())
    }

    fn finish(self) -> Result<Found, ApiError> {
        check_not_empty(self.probabilities.len())?;
        Ok(Found {
            paths: None,
            scored: Scored { scale: self.scale, probabilities: self.probabilities },
            ignored_columns: self.ignored.into_iter().collect(),
            rows: self.first.filter(|_| self.blocks == 1),
        })
    }
}

/// Reads a JSON body: in one pass if all is plainly right, else so that every mistake is found.
fn read_json(bytes: &Bytes, served: &Served, limits: RowLimits) -> Result<(InputRows, Instead), ApiError> {
    let table_limits = limits.table(served);
    let (rows, instead) = json_rows(bytes, served, limits, &table_limits)?;
    let rows = with_pictures(rows, served, &table_limits).map_err(|errors| invalid_rows(errors, 0))?;
    Ok((rows, instead))
}

/// The rows of a JSON body, with pictures that are texts still.
///
/// # Errors
/// 400 for what is no JSON, 413 for too many rows, 422 with every mistake.
pub(super) fn json_rows(
    bytes: &Bytes,
    served: &Served,
    limits: RowLimits,
    table_limits: &TableLimits,
) -> Result<(InputRows, Instead), ApiError> {
    if let Some(JsonRows { rows, threshold, prevalence }) = quick_json(bytes, &served.inputs, table_limits)
        && threshold.is_none_or(|threshold| THRESHOLD.contains(threshold))
        && prevalence.is_none_or(|prevalence| PREVALENCE.contains(prevalence))
    {
        return Ok((rows, Instead { threshold, prevalence, views: None }));
    }
    if bytes.iter().filter(|byte| **byte == b',').count() > MAX_JSON_VALUES {
        let detail = format!("more than {MAX_JSON_VALUES} values, of which something is wrong or too much; send fewer");
        return Err(ApiError::new(Code::TooManyRows, detail));
    }
    let body = read_predict_body(parse_json(bytes, limits.max_json_depth)?).map_err(ApiError::invalid)?;
    check_count(body.rows.len(), limits.max_rows)?;
    if body.rows.len() == 0 {
        return Ok((InputRows::default(), body.instead));
    }
    let parsed = match &body.rows {
        PredictRows::Objects(rows) => from_json_rows(rows, &served.inputs, table_limits),
        PredictRows::Arrays { columns, data } => from_json_columns(columns, data, &served.inputs, table_limits),
    };
    let all = |errors| invalid_rows(of_pictures_too(errors, &body.rows, served, table_limits), 0);
    Ok((parsed.map_err(all)?.into(), body.instead))
}

/// The mistakes of rows with those of the pictures in them, which nobody has looked at.
fn of_pictures_too(
    errors: Vec<CellError>,
    rows: &PredictRows,
    served: &Served,
    limits: &TableLimits,
) -> Vec<CellError> {
    let Some(spec) = served.model.picture_spec() else { return errors };
    match rows {
        PredictRows::Objects(rows) => {
            let values = rows.iter().map(|row| row.get(IMAGE_COLUMN));
            with_picture_mistakes(errors, IMAGE_COLUMN, values, &spec, limits)
        }
        PredictRows::Arrays { columns, data } => {
            let Some(place) = columns.iter().position(|column| column == IMAGE_COLUMN) else { return errors };
            // Of a row of another length nobody knows which value is the picture.
            let values = data.iter().map(|row| row.get(place).filter(|_| row.len() == columns.len()));
            with_picture_mistakes(errors, IMAGE_COLUMN, values, &spec, limits)
        }
    }
}

pub(super) fn check_count(rows: usize, max_rows: usize) -> Result<(), ApiError> {
    if rows <= max_rows {
        return Ok(());
    }
    Err(ApiError::new(Code::TooManyRows, format!("{rows} rows; at most {max_rows} are predicted at once")))
}

pub(super) fn check_not_empty(rows: usize) -> Result<(), ApiError> {
    if rows > 0 {
        return Ok(());
    }
    let nothing = CellError { row: None, column: None, detail: "there are no rows".to_owned() };
    Err(invalid_rows(vec![nothing], 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_at_the_limit_passes_and_one_above_does_not() {
        assert!(check_count(3, 3).is_ok());
        let error = check_count(4, 3).unwrap_err();
        assert_eq!(error.code(), Code::TooManyRows);
        assert_eq!(error.detail(), "4 rows; at most 3 are predicted at once");
    }
}
