//! `POST /v1/jobs/{job_id}/cancel`.

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use super::job_document;
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::extract::Id;
use crate::records::JobId;

/// Asks for the job's end; asking again, or asking for a job that has ended, changes nothing. The answer's `status`
/// says what became of it: `cancelled` at once for a queued job, `cancelling` for a running one.
pub(super) async fn handle(State(state): State<AppState>, Id(id): Id<JobId>) -> Result<Json<Value>, ApiError> {
    let job = state.store.request_cancel(id).await?.ok_or_else(|| ApiError::not_found("job"))?;
    Ok(Json(job_document(&job)))
}
