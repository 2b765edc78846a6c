//! What a request's body is, of a closed list.

use axum::http::{HeaderMap, header};

/// The format of a request's body by its media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// There is no `Content-Type`.
    None,
    Json,
    Csv,
    Ndjson,
    Arrow,
    Parquet,
    Multipart,
    /// Such as tensors of the inference protocol.
    Binary,
    Grpc,
    /// None of these.
    Other,
}

impl Format {
    pub(super) const ALL: [Format; 10] = [
        Format::None,
        Format::Json,
        Format::Csv,
        Format::Ndjson,
        Format::Arrow,
        Format::Parquet,
        Format::Multipart,
        Format::Binary,
        Format::Grpc,
        Format::Other,
    ];

    pub(super) fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(header::CONTENT_TYPE) else { return Format::None };
        let Ok(value) = value.to_str() else { return Format::Other };
        let essence = value.split(';').next().unwrap_or_default().trim();
        const KNOWN: [(&str, Format); 8] = [
            ("application/json", Format::Json),
            ("text/csv", Format::Csv),
            ("application/x-ndjson", Format::Ndjson),
            ("application/vnd.apache.arrow.stream", Format::Arrow),
            ("application/vnd.apache.parquet", Format::Parquet),
            ("multipart/form-data", Format::Multipart),
            ("application/octet-stream", Format::Binary),
            ("application/grpc", Format::Grpc),
        ];
        let known = KNOWN.iter().find(|(name, _)| essence.eq_ignore_ascii_case(name));
        known.map_or(Format::Other, |(_, format)| *format)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Format::None => "none",
            Format::Json => "json",
            Format::Csv => "csv",
            Format::Ndjson => "ndjson",
            Format::Arrow => "arrow",
            Format::Parquet => "parquet",
            Format::Multipart => "multipart",
            Format::Binary => "binary",
            Format::Grpc => "grpc",
            Format::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(value: &'static str) -> &'static str {
        Format::of(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))])).as_str()
    }

    #[test]
    fn a_media_type_is_one_of_the_list() {
        assert_eq!(of("application/json; charset=utf-8"), "json");
        assert_eq!(of("Text/CSV"), "csv");
        assert_eq!(of("application/json-evil-17"), "other");
        assert_eq!(Format::of(&HeaderMap::new()).as_str(), "none");
    }

    #[test]
    fn every_format_has_its_place_in_the_list() {
        for (place, format) in Format::ALL.into_iter().enumerate() {
            assert_eq!(format as usize, place);
        }
    }
}
