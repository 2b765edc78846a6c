//! `GET /v1/jobs/{job_id}`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::find;
use super::representation::JobView;
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::extract::Id;
use crate::http::respond;
use crate::records::JobId;

pub(super) async fn handle(
    State(state): State<AppState>,
    Id(id): Id<JobId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let job = find(&state, id).await?;
    respond::resource(&headers, &JobView::from(&job))
}
