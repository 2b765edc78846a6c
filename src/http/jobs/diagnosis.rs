//! `GET /v1/jobs/{job_id}/diagnosis`: what was found on the way, also where it led to no model.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::find;
use crate::http::AppState;
use crate::http::diagnosis::DiagnosisView;
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
    let diagnosis = state.store.diagnosis(id).await?;
    let diagnosis = diagnosis.ok_or_else(|| ApiError::not_found("diagnosis of this job"))?;
    let model = match job.model_id {
        Some(model) => state.store.model(model).await?,
        None => None,
    };
    respond::resource(&headers, &DiagnosisView::new(model.map(|model| model.verdict), diagnosis))
}
