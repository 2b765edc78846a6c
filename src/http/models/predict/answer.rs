//! Predictions as they are sent, in one piece.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use serde::Serialize;

use super::accept::Media;
use super::encode::{Encoder, json_row};
use super::rows::Found;
use super::score::Scale;
use super::wording::{header_list, header_text};
use crate::http::error::ApiError;
use crate::http::models::Served;
use crate::http::models::explained::{Explained, RowExplanation};

pub(super) const MODEL_ID: HeaderName = HeaderName::from_static("evenkeel-model-id");
pub(super) const MODEL_NAME: HeaderName = HeaderName::from_static("evenkeel-model-name");
pub(super) const MODEL_VERSION: HeaderName = HeaderName::from_static("evenkeel-model-version");
pub(super) const POSITIVE_LABEL: HeaderName = HeaderName::from_static("evenkeel-positive-label");
pub(super) const THRESHOLD: HeaderName = HeaderName::from_static("evenkeel-threshold");
pub(super) const PREVALENCE: HeaderName = HeaderName::from_static("evenkeel-prevalence");
/// Of one picture alone, whose answer is a picture.
pub(super) const LABEL: HeaderName = HeaderName::from_static("evenkeel-label");
pub(super) const PROBABILITY: HeaderName = HeaderName::from_static("evenkeel-probability");
pub(super) const HEAT_MAP_LABEL: HeaderName = HeaderName::from_static("evenkeel-heat-map-label");
pub(super) const IGNORED_COLUMNS: HeaderName = HeaderName::from_static("evenkeel-ignored-columns");
/// What headers tell of ignored columns, at most.
const MAX_IGNORED_BYTES: usize = 4096;

/// Everything that headers say.
pub(in crate::http) const HEADERS: [HeaderName; 10] = [
    MODEL_ID,
    MODEL_NAME,
    MODEL_VERSION,
    POSITIVE_LABEL,
    THRESHOLD,
    PREVALENCE,
    LABEL,
    PROBABILITY,
    HEAT_MAP_LABEL,
    IGNORED_COLUMNS,
];

/// What an answer says besides its predictions.
pub(super) struct About<'a> {
    pub(super) served: &'a Served,
    pub(super) scale: &'a Scale,
    pub(super) ignored_columns: &'a [String],
}

/// The bytes of an answer.
///
/// # Errors
/// 500 if they cannot be written, which does not happen.
pub(super) fn write(
    answer: Media,
    served: &Served,
    found: &Found,
    explained: Option<&Explained>,
) -> Result<Vec<u8>, ApiError> {
    let about = About { served, scale: &found.scored.scale, ignored_columns: &found.ignored_columns };
    let probabilities = found.scored.probabilities.as_slice();
    if answer == Media::Json {
        return json(&about, probabilities, found.paths.as_deref(), explained);
    }
    let (mut encoder, mut bytes) = Encoder::new(answer, &about, found.paths.is_some())?;
    bytes.append(&mut encoder.rows(served, about.scale.threshold, probabilities, found.paths.as_deref())?);
    bytes.append(&mut encoder.finish()?);
    Ok(bytes)
}

/// Room for the longest number, and for what stands around it.
const ROW_BYTES: usize = 28;

/// JSON, written piece by piece: a tree of values would take longer than the prediction.
fn json(
    about: &About<'_>,
    probabilities: &[f64],
    paths: Option<&[String]>,
    explained: Option<&Explained>,
) -> Result<Vec<u8>, ApiError> {
    let (wording, scale) = (&about.served.wording, about.scale);
    let row_bytes = wording.json.of(false).len().max(wording.json.of(true).len()) + ROW_BYTES;
    let mut out = Vec::with_capacity(wording.model.len() + 256 + probabilities.len() * row_bytes);
    out.push(b'{');
    out.extend_from_slice(wording.model.as_bytes());
    member(&mut out, ",\"threshold\":", &scale.threshold)?;
    member(&mut out, ",\"prevalence\":", &scale.prevalence())?;
    member(&mut out, ",\"ignored_columns\":", &about.ignored_columns)?;
    if let Some(explained) = explained {
        member(&mut out, ",\"explanation\":", &explained.view())?;
    }
    out.extend_from_slice(b",\"predictions\":[");
    let mut explanations = explained.into_iter().flat_map(Explained::rows);
    for (index, probability) in probabilities.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let words = wording.json.of(*probability >= scale.threshold);
        match paths.and_then(|paths| paths.get(index)) {
            Some(path) => {
                json_row(&mut out, path, words)?;
                member(&mut out, "", probability)?;
            }
            None => member(&mut out, words, probability)?,
        }
        if let Some(explanation) = explanations.next() {
            member::<RowExplanation<'_>>(&mut out, ",\"explanation\":", &explanation)?;
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    Ok(out)
}

#[inline]
pub(super) fn member<T: Serialize>(out: &mut Vec<u8>, name: &str, value: &T) -> Result<(), ApiError> {
    out.extend_from_slice(name.as_bytes());
    serde_json::to_writer(out, value).map_err(ApiError::internal)
}

/// The answer with its headers.
pub(super) fn response(answer: Media, about: &About<'_>, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.name()));
    // JSON says all of it in its body.
    if answer != Media::Json {
        set_headers(headers, about);
    }
    response
}

/// Says in headers what a JSON body would.
pub(super) fn set_headers(headers: &mut HeaderMap, about: &About<'_>) {
    let record = &about.served.record;
    let prevalence = about.scale.prevalence().map(|prevalence| prevalence.to_string());
    let texts = [
        (MODEL_ID, Some(record.id.to_string())),
        (MODEL_NAME, Some(header_text(&record.name))),
        (MODEL_VERSION, Some(record.version.to_string())),
        (POSITIVE_LABEL, Some(header_text(&record.classes.positive))),
        (THRESHOLD, Some(about.scale.threshold.to_string())),
        (PREVALENCE, prevalence),
    ];
    for (name, text) in texts {
        if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(name, value);
        }
    }
    if let Some(list) = header_list(about.ignored_columns, MAX_IGNORED_BYTES) {
        headers.insert(IGNORED_COLUMNS, list);
    }
}
