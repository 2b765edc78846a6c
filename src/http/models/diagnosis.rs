//! `GET /v1/models/{model_id}/diagnosis`: whether the model is of use, and if not, why.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::find;
use crate::http::AppState;
use crate::http::diagnosis::DiagnosisView;
use crate::http::error::{ApiError, Code};
use crate::http::extract::Id;
use crate::http::respond;
use crate::records::ModelId;

pub(super) async fn handle(
    State(state): State<AppState>,
    Id(id): Id<ModelId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let model = find(&state, id).await?;
    let Some(job_id) = model.job_id else {
        let detail = "the model was imported; what was found out about its training is kept where it was trained";
        return Err(ApiError::new(Code::NotAvailable, detail));
    };
    let diagnosis = state.store.diagnosis(job_id).await?;
    let diagnosis = diagnosis.ok_or_else(|| ApiError::not_found("diagnosis of this model"))?;
    respond::resource(&headers, &DiagnosisView::new(Some(model.verdict), diagnosis))
}
