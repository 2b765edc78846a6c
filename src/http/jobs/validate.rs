//! `POST /v1/jobs/validate`: the checks of posting a job, and what it would need, without posting it.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::plan::{EstimateView, Plan, plan};
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::extract::JsonBody;
use crate::ml::diagnose::Finding;
use crate::records::JobConfig;

/// A job that could be posted.
#[derive(Debug, Serialize)]
pub(super) struct Validation {
    /// With every default filled in.
    config: JobConfig,
    estimate: EstimateView,
    /// What deserves a look although it is allowed, as far as the configuration alone tells.
    findings: Vec<Finding>,
}

pub(super) async fn handle(
    State(state): State<AppState>,
    JsonBody(body): JsonBody,
) -> Result<Json<Validation>, ApiError> {
    let Plan { request, estimate, findings } = plan(&state, &body).await?;
    Ok(Json(Validation { config: request.config, estimate, findings }))
}
