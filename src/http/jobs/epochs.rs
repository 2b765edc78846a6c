//! `GET /v1/jobs/{job_id}/epochs`: the learning curves.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::find;
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::extract::Id;
use crate::ml::observe::EpochLog;
use crate::records::JobId;

/// The epochs of one attempt, oldest first.
#[derive(Debug, Serialize)]
pub(super) struct Epochs {
    job_id: JobId,
    attempt: u32,
    items: Vec<EpochLog>,
}

pub(super) async fn handle(State(state): State<AppState>, Id(id): Id<JobId>) -> Result<Json<Epochs>, ApiError> {
    // A claim between the two reads starts a new attempt and clears the epochs. Read in this order, epochs may be
    // missing for one answer; in the other, those of the old attempt would appear under the number of the new one.
    let job = find(&state, id).await?;
    let items = state.store.epochs(id).await?;
    Ok(Json(Epochs { job_id: id, attempt: job.attempt, items }))
}
