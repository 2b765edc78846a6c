//! A job as the API shows it.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::ml::observe::Phase;
use crate::records::{
    DatasetId, Failure, JobCheckpoint, JobConfig, JobId, JobRecord, JobResult, JobStatus, JobType, ModelId,
    PhaseSeconds, Transition,
};

/// One job. Its members are the contract's, in the contract's order.
#[derive(Debug, Serialize)]
pub(super) struct JobView<'a> {
    id: JobId,
    #[serde(rename = "type")]
    job_type: JobType,
    status: JobStatus,
    phase: Option<Phase>,
    progress: f64,
    attempt: u32,
    max_attempts: u32,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    dataset_id: DatasetId,
    retry_of: Option<JobId>,
    model_id: Option<ModelId>,
    result_dataset_id: Option<DatasetId>,
    result: Option<ResultView<'a>>,
    config: &'a JobConfig,
    failure: Option<FailureView<'a>>,
    timings: &'a [PhaseSeconds],
    transitions: &'a [Transition],
    checkpoint: Option<CheckpointView>,
}

/// What `GET /v1/jobs/{job_id}/result` gives.
#[derive(Debug, Serialize)]
struct ResultView<'a> {
    media_type: &'a str,
    size_bytes: u64,
    sha256: &'a str,
    rows: Option<u64>,
}

/// How far an interrupted training would go on from.
#[derive(Debug, Serialize)]
struct CheckpointView {
    epochs: u64,
    at: Timestamp,
}

/// Why a job failed: a problem without a status, since no request failed.
#[derive(Debug, Serialize)]
struct FailureView<'a> {
    r#type: String,
    title: &'a str,
    code: &'a str,
    detail: &'a str,
    retryable: bool,
}

impl<'a> From<&'a JobRecord> for JobView<'a> {
    fn from(job: &'a JobRecord) -> Self {
        // Taken apart whole, so that a member added to the record is shown or left out on purpose.
        let JobRecord {
            id,
            status,
            phase,
            progress,
            attempt,
            max_attempts,
            created_at,
            started_at,
            finished_at,
            dataset_id,
            retry_of,
            model_id,
            result_dataset_id,
            result,
            config,
            failure,
            timings,
            transitions,
            checkpoint,
        } = job;
        Self {
            id: *id,
            job_type: job.job_type(),
            status: *status,
            phase: *phase,
            progress: *progress,
            attempt: *attempt,
            max_attempts: *max_attempts,
            created_at: *created_at,
            started_at: *started_at,
            finished_at: *finished_at,
            dataset_id: *dataset_id,
            retry_of: *retry_of,
            model_id: *model_id,
            result_dataset_id: *result_dataset_id,
            result: result.as_ref().map(ResultView::from),
            config,
            failure: failure.as_ref().map(FailureView::from),
            timings,
            transitions,
            checkpoint: checkpoint.as_ref().map(CheckpointView::from),
        }
    }
}

impl<'a> From<&'a JobResult> for ResultView<'a> {
    fn from(result: &'a JobResult) -> Self {
        let JobResult { sha256, size_bytes, media_type, rows } = result;
        Self { media_type, size_bytes: *size_bytes, sha256, rows: *rows }
    }
}

impl From<&JobCheckpoint> for CheckpointView {
    fn from(checkpoint: &JobCheckpoint) -> Self {
        // Where the bytes are is nobody else's business.
        let JobCheckpoint { sha256: _, epochs, at } = checkpoint;
        Self { epochs: *epochs, at: *at }
    }
}

impl<'a> From<&'a Failure> for FailureView<'a> {
    fn from(failure: &'a Failure) -> Self {
        let Failure { code, title, detail, retryable } = failure;
        Self { r#type: problem_type(code), title, code, detail, retryable: *retryable }
    }
}

/// Where a code is explained, relative to the server.
pub(super) fn problem_type(code: &str) -> String {
    format!("/docs#{code}")
}

/// A job as the API shows it, for those who show it elsewhere. Never fails: the members are all of this program's
/// own making.
pub fn job_document(job: &JobRecord) -> serde_json::Value {
    serde_json::to_value(JobView::from(job)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::http::jobs::samples::sample_job;

    fn shown(job: &JobRecord) -> Value {
        serde_json::to_value(JobView::from(job)).unwrap()
    }

    #[test]
    fn a_job_has_exactly_the_members_of_the_contract() {
        let value = shown(&sample_job());
        let members: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = [
            "id",
            "type",
            "status",
            "phase",
            "progress",
            "attempt",
            "max_attempts",
            "created_at",
            "started_at",
            "finished_at",
            "dataset_id",
            "retry_of",
            "model_id",
            "result_dataset_id",
            "result",
            "config",
            "failure",
            "timings",
            "transitions",
            "checkpoint",
        ];
        assert_eq!(members, expected);
        assert_eq!(value["status"], "running");
        assert_eq!(value["phase"], "training");
        assert_eq!(value["created_at"], "2023-11-14T22:13:20.000000Z");
        assert_eq!(value["failure"], Value::Null);
        assert_eq!(value["timings"], json!([{"phase": "loading", "seconds": 0.5}]));
        assert_eq!(value["checkpoint"], json!({"epochs": 3, "at": "2023-11-14T22:13:51.000000Z"}));
        assert_eq!(value["transitions"][0], json!({"status": "queued", "at": "2023-11-14T22:13:20.000000Z"}));
    }

    #[test]
    fn every_default_is_filled_in() {
        let config = shown(&sample_job())["config"].clone();
        assert_eq!((&config["type"], &config["model_name"]), (&json!("train"), &json!("mammography")));
        assert_eq!(config["split"]["strategy"], "stratified");
        assert_eq!(config["threshold"]["rule"], "max_f_beta");
        assert_eq!(config["resample"], json!([]));
    }

    #[test]
    fn a_failure_says_whether_to_retry() {
        let mut job = sample_job();
        job.failure = Some(Failure {
            code: "worker-lost".to_owned(),
            title: "The worker was lost".to_owned(),
            detail: "3 of 3 attempts were used.".to_owned(),
            retryable: true,
        });
        let expected = json!({
            "type": "/docs#worker-lost", "title": "The worker was lost", "code": "worker-lost",
            "detail": "3 of 3 attempts were used.", "retryable": true
        });
        assert_eq!(shown(&job)["failure"], expected);
    }
}
