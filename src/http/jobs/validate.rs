//! `POST /v1/jobs/validate`: the checks of posting a job, and what it would need, without posting it.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;

use super::plan::{EstimateView, plan};
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::extract::JsonBody;
use crate::records::JobConfig;

/// A job that could be posted.
#[derive(Debug, Serialize)]
pub(super) struct Validation {
    /// With every default filled in.
    config: JobConfig,
    estimate: EstimateView,
    /// What deserves a look although it is allowed. No check gives one yet; the member is part of the contract.
    findings: [Value; 0],
}

pub(super) async fn handle(
    State(state): State<AppState>,
    JsonBody(body): JsonBody,
) -> Result<Json<Validation>, ApiError> {
    let plan = plan(&state, &body).await?;
    Ok(Json(Validation { config: plan.request.config, estimate: plan.estimate, findings: [] }))
}
