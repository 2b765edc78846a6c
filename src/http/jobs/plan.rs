//! From the body of a request to a job that could be queued, with what it will need.

use serde::Serialize;
use serde_json::Value;

use super::request::{JobRequest, Named, named_dataset, named_model, read_job_request};
use crate::http::AppState;
use crate::http::error::{ApiError, Code};
use crate::jobs::{estimate_comparison, estimate_scoring};
use crate::ml::diagnose::Finding;
use crate::ml::pipeline::{Estimate, diagnose_config, estimate};
use crate::ml::resample_table::estimate_resampling;
use crate::records::{DatasetRecord, ModelRecord, TypedConfig};

/// A checked job that fits into memory.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) request: JobRequest,
    pub(super) estimate: EstimateView,
    /// What deserves a look although it is allowed.
    pub(super) findings: Vec<Finding>,
}

/// What a job will need, as the API shows it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct EstimateView {
    memory_bytes: u64,
    memory_limit_bytes: u64,
    rows_train: u64,
    features: u64,
    parameters: u64,
    multiply_adds: u64,
}

/// Checks a request whole.
///
/// # Errors
/// 422 with every mistake, or with the estimate if the job needs more memory than this server gives one.
pub(super) async fn plan(state: &AppState, body: &Value) -> Result<Plan, ApiError> {
    let found = look_up(state, body).await?;
    let limits = &state.config.jobs;
    let request = read_job_request(body, found.named(), limits).map_err(ApiError::invalid)?;
    let needed = needed(&request.config.typed, found.named())
        .ok_or_else(|| ApiError::internal("a job without its dataset or model passed its checks"))?;
    let estimate = within_memory(&needed, limits.memory_bytes)?;
    Ok(Plan { findings: findings(&request.config.typed, found.named()), estimate, request })
}

/// What the configuration of a training gives away; of other types of jobs nothing is known before they run.
fn findings(typed: &TypedConfig, named: Named<'_>) -> Vec<Finding> {
    match (typed, named.dataset) {
        (TypedConfig::Train(job), Some(dataset)) => diagnose_config(&job.train, &dataset.facts()).findings,
        _ => Vec::new(),
    }
}

/// What a request names, as far as it is stored.
pub(super) struct Found {
    dataset: Option<DatasetRecord>,
    model: Option<ModelRecord>,
}

impl Found {
    pub(super) fn named(&self) -> Named<'_> {
        Named { dataset: self.dataset.as_ref(), model: self.model.as_ref() }
    }
}

/// Looks up what a request names.
pub(super) async fn look_up(state: &AppState, body: &Value) -> Result<Found, ApiError> {
    let dataset = match named_dataset(body) {
        Some(id) => state.store.dataset(id).await?,
        None => None,
    };
    let model = match named_model(body) {
        Some(id) => state.store.model(id).await?,
        None => None,
    };
    Ok(Found { dataset, model })
}

/// What a job of any type needs; nothing without what it names.
fn needed(typed: &TypedConfig, named: Named<'_>) -> Option<Estimate> {
    let dataset = named.dataset?;
    Some(match typed {
        TypedConfig::Train(job) => estimate(&job.train, &dataset.facts()),
        TypedConfig::Compare(job) => estimate_comparison(&job.compare, &dataset.facts()),
        TypedConfig::Resample(job) => estimate_resampling(&job.resample, &dataset.facts()),
        TypedConfig::Evaluate(_) | TypedConfig::Predict(_) => estimate_scoring(dataset, named.model?),
    })
}

/// Refuses a job that would end in an out-of-memory kill, which takes other jobs with it.
fn within_memory(needed: &Estimate, memory_limit_bytes: u64) -> Result<EstimateView, ApiError> {
    let Estimate { memory_bytes, train_rows, features, parameters, multiply_adds } = *needed;
    if memory_bytes <= memory_limit_bytes {
        return Ok(EstimateView {
            memory_bytes,
            memory_limit_bytes,
            rows_train: train_rows,
            features,
            parameters,
            multiply_adds,
        });
    }
    let detail = format!(
        "the job needs about {memory_bytes} bytes ({train_rows} training rows, {features} features, {parameters} \
         parameters); this server allows {memory_limit_bytes}"
    );
    Err(ApiError::new(Code::JobTooLarge, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: Estimate =
        Estimate { memory_bytes: 1_000, train_rows: 60, features: 7, parameters: 8, multiply_adds: 9 };

    #[test]
    fn a_job_that_fits_comes_with_its_estimate() {
        let view = serde_json::to_value(within_memory(&NEEDED, 1_000).unwrap()).unwrap();
        let expected = serde_json::json!({
            "memory_bytes": 1000, "memory_limit_bytes": 1000, "rows_train": 60, "features": 7, "parameters": 8,
            "multiply_adds": 9
        });
        assert_eq!(view, expected);
    }

    #[test]
    fn a_job_that_does_not_fit_is_refused_with_its_estimate() {
        let error = within_memory(&NEEDED, 999).unwrap_err();
        assert_eq!(error.code(), Code::JobTooLarge);
        let expected = "the job needs about 1000 bytes (60 training rows, 7 features, 8 parameters); this server \
                        allows 999";
        assert_eq!(error.detail(), expected);
    }
}
