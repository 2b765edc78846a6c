//! The formats of rows and predictions, and which of them a client accepts.

use axum::http::{HeaderMap, header};

use crate::http::error::{ApiError, Code};

/// A format of rows and of predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Media {
    Json,
    Csv,
    Ndjson,
    Arrow,
    Parquet,
    /// Rows only, as the next two: one picture.
    Picture,
    /// Several pictures, one a part.
    Multipart,
    /// Many pictures.
    Zip,
}

impl Media {
    /// In the order in which they are preferred where a client likes several as much.
    const ALL: [Media; 5] = [Media::Json, Media::Ndjson, Media::Csv, Media::Arrow, Media::Parquet];
    pub(super) const SEND: &str = "send application/json, text/csv, application/x-ndjson, \
                                   application/vnd.apache.arrow.stream or application/vnd.apache.parquet; pictures also as \
                                   image/*, multipart/form-data or application/zip";

    /// The format of a media type in lower case without parameters.
    pub(super) fn of(name: &str) -> Option<Self> {
        let pictures = || match name {
            "application/zip" | "application/x-zip-compressed" => Some(Media::Zip),
            "multipart/form-data" => Some(Media::Multipart),
            // Which format it is in, its first bytes say better.
            _ => name.starts_with("image/").then_some(Media::Picture),
        };
        Media::ALL.into_iter().find(|media| media.name() == name).or_else(pictures)
    }

    /// Whether the body is pictures and nothing but pictures.
    pub(super) fn is_pictures(self) -> bool {
        matches!(self, Media::Picture | Media::Multipart | Media::Zip)
    }

    pub(in crate::http) fn name(self) -> &'static str {
        match self {
            Media::Json => "application/json",
            Media::Csv => "text/csv",
            Media::Ndjson => "application/x-ndjson",
            Media::Arrow => "application/vnd.apache.arrow.stream",
            Media::Parquet => "application/vnd.apache.parquet",
            Media::Picture => "image/*",
            Media::Multipart => "multipart/form-data",
            Media::Zip => "application/zip",
        }
    }

    /// What rows of this format are answered with if the client does not say: the same, but JSON for CSV, which says
    /// what a prediction is of.
    pub(super) fn usual_answer(self) -> Self {
        match self {
            Media::Json | Media::Csv | Media::Picture | Media::Multipart | Media::Zip => Media::Json,
            other => other,
        }
    }
}

/// The format that a client likes best.
///
/// # Errors
/// 406 if it accepts none.
pub(super) fn accepted(headers: &HeaderMap, usual: Media) -> Result<Media, ApiError> {
    let all: Vec<Media> = std::iter::once(usual).chain(Media::ALL).collect();
    let best = preferred(headers, all.iter().map(|media| media.name()));
    best.and_then(|best| all.get(best).copied()).ok_or_else(|| {
        let detail = "predictions come as application/json, text/csv, application/x-ndjson, \
                      application/vnd.apache.arrow.stream or application/vnd.apache.parquet";
        ApiError::new(Code::NotAcceptable, detail)
    })
}

/// The place of the media type that a client likes best: the first of those that it likes as much, and of all if it does not
/// say. `None` if it accepts none of them.
pub(super) fn preferred<'n>(headers: &HeaderMap, names: impl Iterator<Item = &'n str>) -> Option<usize> {
    let mut ranges = Vec::new();
    for value in headers.get_all(header::ACCEPT) {
        // What cannot be read accepts nothing, and is no reason to refuse what the rest accepts.
        let value = value.to_str().unwrap_or("?");
        if value == "*/*" {
            return Some(0);
        }
        ranges.extend(value.split(',').filter(|range| !range.trim().is_empty()).map(Range::read));
    }
    if ranges.is_empty() {
        return Some(0);
    }
    let liking = |name: &str| {
        let best = ranges.iter().filter_map(|range| Some((range.closeness(name)?, range.weight)));
        // The closest range decides, whatever the weight of wider ones.
        best.max_by_key(|(closeness, _)| *closeness).map_or(0, |(_, weight)| weight)
    };
    let likings = names.map(liking).enumerate();
    let best = likings.fold((0, 0), |best, next| if next.1 > best.1 { next } else { best });
    (best.1 > 0).then_some(best.0)
}

/// Such as `text/*;q=0.5`.
struct Range {
    name: String,
    /// In thousandths.
    weight: u32,
}

impl Range {
    fn read(range: &str) -> Self {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let quality = quality.map_or(1.0, |text| text.parse::<f64>().unwrap_or(0.0));
        Self { name, weight: (quality.clamp(0.0, 1.0) * 1000.0) as u32 }
    }

    /// How exactly a media type is named; `None` if it is not.
    fn closeness(&self, media: &str) -> Option<u8> {
        let family = |name: &str| name.split('/').next().map(str::to_owned);
        match self.name.as_str() {
            name if name == media => Some(2),
            "*/*" => Some(0),
            name if name.ends_with("/*") && family(name) == family(media) => Some(1),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn ask(accept: &'static str, usual: Media) -> Option<Media> {
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
        accepted(&headers, usual).ok()
    }

    #[test]
    fn who_does_not_mind_gets_the_usual() {
        assert_eq!(accepted(&HeaderMap::new(), Media::Arrow).unwrap(), Media::Arrow);
        for accept in ["*/*", "", "text/html, */*;q=0.1", "application/*, text/*"] {
            assert_eq!(ask(accept, Media::Ndjson), Some(Media::Ndjson), "{accept}");
        }
    }

    #[test]
    fn the_heaviest_wins_and_the_closest_decides() {
        let cases = [
            ("text/csv", Media::Csv),
            ("TEXT/CSV; charset=utf-8", Media::Csv),
            ("application/json;q=0.5, text/csv;q=0.6", Media::Csv),
            ("text/*", Media::Csv),
            ("*/*;q=0.5, application/vnd.apache.parquet", Media::Parquet),
            ("application/json;q=0, */*", Media::Ndjson),
            ("application/json, application/x-ndjson", Media::Json),
        ];
        for (accept, expected) in cases {
            assert_eq!(ask(accept, Media::Json), Some(expected), "{accept}");
        }
    }

    #[test]
    fn who_accepts_nothing_is_told() {
        for accept in ["text/html", "application/json;q=0", "application/xml, image/*", "json", "application/json;q=x"]
        {
            assert_eq!(ask(accept, Media::Json), None, "{accept}");
        }
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_bytes(b"\xff").unwrap())]);
        assert_eq!(accepted(&headers, Media::Json).unwrap_err().code(), Code::NotAcceptable);
    }
}
