//! Takes in the bytes of an upload: raw, or as the one file of a multipart body.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;

use super::multipart;
use super::parameters::FormatKind;
use crate::http::AppState;
use crate::http::body::{self, BodyLimits};
use crate::http::error::{ApiError, Code};
use crate::http::extract::media_type;
use crate::store::StagedBlob;

/// Bytes that are stored but belong to nothing yet.
pub(super) struct Received {
    pub(super) staged: StagedBlob,
    pub(super) kind: FormatKind,
    /// What the client called the file, without directories and extensions.
    pub(super) file_name: Option<String>,
}

/// Streams the body to the blob store; never more than a few pieces of it are in memory.
///
/// # Errors
/// 415 for a media type that is no table's, and all that can be wrong with a body. Nothing is kept of it then.
pub(super) async fn receive(state: &AppState, request: Request) -> Result<Received, ApiError> {
    let (parts, body) = request.into_parts();
    match media_type(&parts.headers).as_deref() {
        Some("multipart/form-data") => {
            let bytes = body::decoded(&parts.headers, body, limits(state))?;
            multipart::receive(state, &parts.headers, bytes).await
        }
        Some(other) => match FormatKind::of_media_type(other) {
            Some(kind) => raw(state, &parts.headers, body, kind).await,
            None => Err(unsupported()),
        },
        None => Err(unsupported()),
    }
}

async fn raw(state: &AppState, headers: &HeaderMap, body: Body, kind: FormatKind) -> Result<Received, ApiError> {
    require_utf8(headers)?;
    let bytes = body::decoded(headers, body, limits(state))?;
    let staged = state.store.blobs().stage(bytes, state.config.max_decompressed_bytes).await?;
    Ok(Received { staged, kind, file_name: None })
}

fn limits(state: &AppState) -> BodyLimits {
    BodyLimits {
        max_bytes: state.config.max_upload_bytes,
        max_decompressed_bytes: state.config.max_decompressed_bytes,
        idle: Duration::from_secs_f64(state.config.body_idle_seconds),
    }
}

pub(super) fn unsupported() -> ApiError {
    let detail = "send text/csv, application/x-ndjson, application/vnd.apache.parquet, \
                  application/vnd.apache.arrow.stream, application/zip, or multipart/form-data with one of them as its file";
    ApiError::new(Code::UnsupportedMediaType, detail)
}

/// Text is UTF-8; another `charset` would be misread without a word.
fn require_utf8(headers: &HeaderMap) -> Result<(), ApiError> {
    let value = headers.get(axum::http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let parameters = value.into_iter().flat_map(|value| value.split(';').skip(1));
    let charset = parameters
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    match charset.map(|(_, value)| value.trim().trim_matches('"').to_ascii_lowercase()).as_deref() {
        None | Some("utf-8" | "utf8" | "us-ascii") => Ok(()),
        Some(_) => Err(ApiError::new(Code::UnsupportedMediaType, "text is read as UTF-8; send it in that charset")),
    }
}
