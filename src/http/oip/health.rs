//! `GET /v2/health/live` and `GET /v2/health/ready`.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::health::check_ready;

pub(super) async fn live() -> Json<Value> {
    Json(json!({ "live": true }))
}

/// 503 while it is not.
pub(super) async fn ready(State(state): State<AppState>) -> Result<Json<Value>, ApiError> {
    check_ready(&state).await?;
    Ok(Json(json!({ "ready": true })))
}
