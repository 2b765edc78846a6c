//! Whether the process lives, whether the service can work, and what it speaks.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::AppState;
use super::document::OPENAPI_YAML;
use super::error::ApiError;
use super::routes::Handlers;

/// A dependency that does not answer within this time is not ready.
const PATIENCE: Duration = Duration::from_secs(5);
/// The key of no blob: asking for it reaches the blob store and finds nothing.
const NO_BLOB: &str = "0000000000000000000000000000000000000000000000000000000000000000";

pub(super) fn register(handlers: &mut Handlers) {
    handlers.add("livez", livez);
    handlers.add("readyz", readyz);
    handlers.add("getOpenapi", openapi);
    handlers.add("getDocs", docs);
}

async fn livez() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// A load balancer takes the hint of a 503 and sends requests elsewhere.
async fn readyz(State(state): State<AppState>) -> Result<Json<Value>, ApiError> {
    check_ready(&state).await?;
    Ok(Json(json!({ "status": "ready" })))
}

/// # Errors
/// 503 while the database or the blob store does not answer, or the server is stopping.
pub(super) async fn check_ready(state: &AppState) -> Result<(), ApiError> {
    if state.stopping.is_cancelled() {
        return Err(ApiError::unavailable("the server is stopping"));
    }
    let answers = async {
        state.store.ping().await?;
        state.store.blobs().exists(NO_BLOB).await
    };
    match tokio::time::timeout(PATIENCE, answers).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(ApiError::unavailable(error)),
        Err(elapsed) => Err(ApiError::unavailable(elapsed)),
    }
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/yaml"))], OPENAPI_YAML).into_response()
}

async fn docs(State(state): State<AppState>) -> Response {
    state.docs_page.response()
}
