//! The query of an upload: what the file is called, how it is read, what it is about.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::http::error::ApiError;
use crate::http::extract::Query;
use crate::ml::json::{self, Json};
use crate::ml::table::{ColumnType, DEFAULT_MISSING, TableFormat};

pub(super) const MAX_NAME_CHARS: usize = 200;
const MAX_LABEL_CHARS: usize = 500;
const MAX_MARKERS: usize = 50;
const MAX_MARKER_CHARS: usize = 100;
const MAX_PATH_CHARS: usize = 1000;

/// What an upload says about itself besides its media type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct UploadParameters {
    pub(super) name: Option<String>,
    pub(super) target: Option<String>,
    pub(super) positive_label: Option<String>,
    pub(super) missing_markers: Vec<String>,
    pub(super) column_types: BTreeMap<String, ColumnType>,
    /// CSV only, as the next.
    header: Option<bool>,
    delimiter: Option<char>,
    /// Archives only.
    manifest: Option<String>,
}

impl UploadParameters {
    /// # Errors
    /// 422 with every mistake.
    pub(super) fn read(mut query: Query) -> Result<Self, ApiError> {
        let parameters = Self {
            name: query.text("name", MAX_NAME_CHARS),
            target: query.text("target", MAX_LABEL_CHARS),
            positive_label: query.text("positive_label", MAX_LABEL_CHARS),
            missing_markers: missing_markers(&mut query),
            column_types: column_types(&mut query),
            header: query.parsed("header", "true or false"),
            delimiter: delimiter(&mut query),
            manifest: query.text("manifest", MAX_PATH_CHARS),
        };
        query.finish()?;
        Ok(parameters)
    }

    /// The format, given its kind by the media type.
    ///
    /// # Errors
    /// 422 for parameters that this kind does not have.
    pub(super) fn format(&self, kind: FormatKind) -> Result<TableFormat, ApiError> {
        let (csv, zip) = (kind == FormatKind::Csv, kind == FormatKind::Zip);
        let of_csv = "only CSV has it, and the body is none";
        let of_zip = "only archives of pictures have it, and the body is none";
        let mut refused = Query::new("");
        for (name, is_wrong, detail) in [
            ("header", self.header.is_some() && !csv, of_csv),
            ("delimiter", self.delimiter.is_some() && !csv, of_csv),
            ("manifest", self.manifest.is_some() && !zip, of_zip),
        ] {
            if is_wrong {
                refused.error(name, detail);
            }
        }
        refused.finish()?;
        Ok(match kind {
            FormatKind::Csv => {
                TableFormat::Csv { delimiter: self.delimiter.unwrap_or(','), header: self.header.unwrap_or(true) }
            }
            FormatKind::Ndjson => TableFormat::Ndjson,
            FormatKind::Parquet => TableFormat::Parquet,
            FormatKind::ArrowStream => TableFormat::ArrowStream,
            FormatKind::Zip => TableFormat::Zip { manifest: self.manifest.clone() },
        })
    }
}

/// A format without its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FormatKind {
    Csv,
    Ndjson,
    Parquet,
    ArrowStream,
    Zip,
}

impl FormatKind {
    pub(super) fn of_media_type(media_type: &str) -> Option<Self> {
        match media_type {
            "text/csv" => Some(FormatKind::Csv),
            "application/x-ndjson" => Some(FormatKind::Ndjson),
            "application/vnd.apache.parquet" => Some(FormatKind::Parquet),
            "application/vnd.apache.arrow.stream" => Some(FormatKind::ArrowStream),
            "application/zip" | "application/x-zip-compressed" => Some(FormatKind::Zip),
            _ => None,
        }
    }

    pub(super) fn of_file_name(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "csv" | "tsv" | "txt" | "data" => Some(FormatKind::Csv),
            "ndjson" | "jsonl" => Some(FormatKind::Ndjson),
            "parquet" => Some(FormatKind::Parquet),
            "arrows" => Some(FormatKind::ArrowStream),
            "zip" => Some(FormatKind::Zip),
            _ => None,
        }
    }
}

fn missing_markers(query: &mut Query) -> Vec<String> {
    let Some(list) = query.raw("missing") else { return DEFAULT_MISSING.map(str::to_owned).to_vec() };
    let mut markers: Vec<String> = list.split(',').map(|marker| marker.trim().to_owned()).collect();
    markers.retain(|marker| !marker.is_empty());
    let long = markers.iter().any(|marker| marker.chars().count() > MAX_MARKER_CHARS);
    if markers.len() > MAX_MARKERS || long {
        let detail = format!("expected at most {MAX_MARKERS} texts of at most {MAX_MARKER_CHARS} characters each");
        query.error("missing", detail);
    }
    if markers.iter().flat_map(|marker| marker.chars()).any(char::is_control) {
        query.error("missing", "expected no control characters, found one");
    }
    markers
}

fn column_types(query: &mut Query) -> BTreeMap<String, ColumnType> {
    let Some(text) = query.raw("column_types") else { return BTreeMap::new() };
    // The parser's own limit of nesting holds: a query is short, and deep JSON is no object of texts.
    let Ok(Json { value: Value::Object(members), repeated }) = json::parse(text.as_bytes()) else {
        query.error("column_types", "expected a JSON object such as {\"zip_code\": \"categorical\"}");
        return BTreeMap::new();
    };
    for pointer in repeated {
        let shown: String = pointer.chars().take(100).collect();
        query.error("column_types", format!("{shown}: the object has this member more than once"));
    }
    let mut types = BTreeMap::new();
    for (name, value) in members {
        match serde_json::from_value(value) {
            Ok(ColumnType::Image) | Err(_) => {
                let shown: String = name.chars().take(100).collect();
                let detail = format!("column {shown:?}: expected \"numeric\", \"categorical\" or \"boolean\"");
                query.error("column_types", detail);
            }
            Ok(column_type) => {
                types.insert(name, column_type);
            }
        }
    }
    types
}

/// The character between the fields of CSV.
pub(in crate::http) fn delimiter(query: &mut Query) -> Option<char> {
    let text = query.raw("delimiter")?;
    let mut chars = text.chars();
    match (text.as_str(), chars.next(), chars.next()) {
        ("tab" | "\\t", ..) => Some('\t'),
        (_, Some(one), None) if one.is_ascii() && !matches!(one, '"' | '\n' | '\r' | '\0') => Some(one),
        _ => {
            query.error("delimiter", "expected tab or one ASCII character that is no quote and no line break");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<UploadParameters, Vec<String>> {
        UploadParameters::read(Query::new(query))
            .map_err(|error| error.errors().iter().filter_map(|error| error.parameter.clone()).collect())
    }

    #[test]
    fn a_bare_upload_has_every_default() {
        let parameters = read("").unwrap();
        assert_eq!(parameters.missing_markers, ["NA", "NaN", "null", "?"]);
        assert_eq!(parameters.format(FormatKind::Csv).unwrap(), TableFormat::Csv { delimiter: ',', header: true });
    }

    #[test]
    fn what_is_said_is_kept() {
        let parameters = read(
            "name=a&target=y&positive_label=1&header=false&delimiter=tab&missing=-,%20none&column_types=%7B%22zip%22:%22categorical%22%7D",
        )
        .unwrap();
        assert_eq!(parameters.format(FormatKind::Csv).unwrap(), TableFormat::Csv { delimiter: '\t', header: false });
        assert_eq!(parameters.missing_markers, ["-", "none"]);
        assert_eq!(parameters.column_types, BTreeMap::from([("zip".to_owned(), ColumnType::Categorical)]));
    }

    #[test]
    fn nothing_but_the_empty_field_may_be_missing() {
        assert!(read("missing=").unwrap().missing_markers.is_empty());
    }

    #[test]
    fn all_mistakes_are_reported() {
        let wrong = read("delimiter=;;&header=1&column_types=%7B%22a%22:1,%22b%22:%22x%22%7D&targte=y").unwrap_err();
        assert_eq!(wrong, ["column_types", "column_types", "header", "delimiter", "targte"]);
        let twice = "column_types=%7B%22a%22:%22numeric%22,%22a%22:%22boolean%22%7D";
        assert_eq!(read(twice).unwrap_err(), ["column_types"]);
        assert_eq!(read("column_types=%5B%5D").unwrap_err(), ["column_types"]);
        assert_eq!(read("delimiter=%22").unwrap_err(), ["delimiter"]);
    }

    #[test]
    fn only_archives_have_a_manifest() {
        let zip = read("manifest=a/b.csv").unwrap().format(FormatKind::Zip).unwrap();
        assert_eq!(zip, TableFormat::Zip { manifest: Some("a/b.csv".to_owned()) });
        assert_eq!(read("").unwrap().format(FormatKind::Zip).unwrap(), TableFormat::Zip { manifest: None });
        assert_eq!(read("manifest=a").unwrap().format(FormatKind::Csv).unwrap_err().errors().len(), 1);
        assert_eq!(read("delimiter=;").unwrap().format(FormatKind::Zip).unwrap_err().errors().len(), 1);
        assert_eq!(read("column_types=%7B%22a%22:%22image%22%7D").unwrap_err(), ["column_types"]);
    }

    #[test]
    fn only_csv_has_a_delimiter() {
        let refused = read("delimiter=;&header=true").unwrap().format(FormatKind::Parquet).unwrap_err();
        assert_eq!(refused.errors().len(), 2);
        assert_eq!(read("").unwrap().format(FormatKind::ArrowStream).unwrap(), TableFormat::ArrowStream);
    }
}
