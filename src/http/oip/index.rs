//! `POST /v2/repository/index`: the models that there are.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::http::AppState;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::extract::{parse_json, small_body_limits};
use crate::ml::config::{FieldError, ObjectReader};

/// Models that are listed, the newest.
const MAX_MODELS: u32 = 10_000;

/// One version of a name. All are loaded when they are asked, so all are ready.
#[derive(Debug, Serialize)]
pub(super) struct ModelIndex {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) state: &'static str,
    pub(super) reason: &'static str,
}

/// # Errors
/// 503 if the database does not answer.
pub(super) async fn model_index(state: &AppState) -> Result<Vec<ModelIndex>, ApiError> {
    let index = state.store.model_index(MAX_MODELS).await?;
    let entry =
        |(name, version): (String, u32)| ModelIndex { name, version: version.to_string(), state: "READY", reason: "" };
    Ok(index.into_iter().map(entry).collect())
}

pub(super) async fn handle(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    let (parts, sent) = request.into_parts();
    let bytes = body::collected(&parts.headers, sent, small_body_limits(&state)).await?;
    check(&bytes, state.config.max_json_depth)?;
    Ok(Json(model_index(&state).await?).into_response())
}

/// The body may say that only models that are ready are wanted, which all are, or nothing at all.
fn check(bytes: &[u8], max_depth: usize) -> Result<(), ApiError> {
    if bytes.trim_ascii().is_empty() {
        return Ok(());
    }
    let body = parse_json(bytes, max_depth)?;
    let mut errors: Vec<FieldError> = Vec::new();
    let mut reader = ObjectReader::new(&body, "", &mut errors);
    if reader.present("ready").is_some_and(|ready| !ready.is_boolean()) {
        reader.error("ready", "expected true or false", &mut errors);
    }
    reader.finish(&mut errors);
    if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid(errors)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Code;

    #[test]
    fn the_body_is_empty_or_asks_for_what_is_ready() {
        for body in ["", " ", "{}", "{\"ready\": true}", "{\"ready\": false}"] {
            assert!(check(body.as_bytes(), 64).is_ok(), "{body}");
        }
        for (body, code) in [
            ("{", Code::MalformedJson),
            ("[]", Code::InvalidRequest),
            ("{\"ready\": 1}", Code::InvalidRequest),
            ("{\"raedy\": true}", Code::InvalidRequest),
        ] {
            assert_eq!(check(body.as_bytes(), 64).unwrap_err().code(), code, "{body}");
        }
    }
}
