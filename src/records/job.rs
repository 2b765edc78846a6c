//! A job: where it stands, who holds it, what it has left.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ids::{DatasetId, JobId, ModelId};
use super::job_config::{JobConfig, JobType};
use crate::clock::Timestamp;
use crate::ml::observe::Phase;

/// Where a job stands.
///
/// ```text
/// queued ──claim──▶ running ──finish──▶ succeeded
///    ▲                 ├──fail─────────▶ failed
///    └──lease expired──┤
///       or given back  └──cancel──▶ cancelling ──seen──▶ cancelled
/// queued ──cancel──▶ cancelled
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    Queued,
    Running,
    Cancelling,
    Succeeded,
    Failed,
    Cancelled,
}

impl JobStatus {
    pub const ALL: [JobStatus; 6] = [
        JobStatus::Queued,
        JobStatus::Running,
        JobStatus::Cancelling,
        JobStatus::Succeeded,
        JobStatus::Failed,
        JobStatus::Cancelled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            JobStatus::Queued => "queued",
            JobStatus::Running => "running",
            JobStatus::Cancelling => "cancelling",
            JobStatus::Succeeded => "succeeded",
            JobStatus::Failed => "failed",
            JobStatus::Cancelled => "cancelled",
        }
    }

    /// Whether the job will never change again.
    pub fn is_terminal(self) -> bool {
        matches!(self, JobStatus::Succeeded | JobStatus::Failed | JobStatus::Cancelled)
    }

    /// Whether a job may go from this status to `next`.
    pub fn may_become(self, next: JobStatus) -> bool {
        use JobStatus::*;
        matches!(
            (self, next),
            (Queued, Running | Cancelled)
                | (Running, Queued | Cancelling | Succeeded | Failed | Cancelled)
                | (Cancelling, Cancelled | Succeeded | Failed)
        )
    }
}

/// The text is not a status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a job status")]
pub struct UnknownStatus(pub String);

impl FromStr for JobStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        JobStatus::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

/// One job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRecord {
    pub id: JobId,
    pub status: JobStatus,
    /// The present phase of a running job, the last one of a finished one.
    pub phase: Option<Phase>,
    /// 0..=1; never falls.
    pub progress: f64,
    /// Claims so far.
    pub attempt: u32,
    pub max_attempts: u32,
    pub created_at: Timestamp,
    /// When the present or last attempt was claimed.
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub dataset_id: DatasetId,
    /// The job that this one tries again with another configuration; it may have been removed since.
    pub retry_of: Option<JobId>,
    /// The model that the job made; it may be deleted later.
    pub model_id: Option<ModelId>,
    /// The dataset that the job made; it may be deleted later.
    pub result_dataset_id: Option<DatasetId>,
    /// The bytes that the job left, kept as long as the job. A job that succeeded has a model, a dataset or this, and
    /// no other job has any.
    pub result: Option<JobResult>,
    pub config: JobConfig,
    /// Set exactly when the status is `failed`.
    pub failure: Option<Failure>,
    /// In the order of the phases of the last attempt.
    pub timings: Vec<PhaseSeconds>,
    /// Oldest first.
    pub transitions: Vec<Transition>,
    /// What the next attempt goes on from; none of an ended job.
    pub checkpoint: Option<JobCheckpoint>,
}

impl JobRecord {
    pub fn job_type(&self) -> JobType {
        self.config.job_type()
    }
}

/// A file or a document that a job left, kept as a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobResult {
    pub sha256: String,
    pub size_bytes: u64,
    pub media_type: String,
    /// Of a file with rows, the header not counted.
    pub rows: Option<u64>,
}

/// The state of an unfinished training, kept as a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobCheckpoint {
    pub sha256: String,
    /// Epochs of the learning curves that belong to it.
    pub epochs: u64,
    /// When it was written down.
    pub at: Timestamp,
}

/// Why a job failed. `code` is one of the problem codes in the API documentation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub code: String,
    pub title: String,
    pub detail: String,
    /// Whether the same job might succeed if posted again unchanged.
    pub retryable: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseSeconds {
    pub phase: Phase,
    pub seconds: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    pub status: JobStatus,
    pub at: Timestamp,
}

/// The right to work on a job until `expires_at`. Every write of a worker carries the token; a worker whose token
/// is no longer the job's has lost the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub job_id: JobId,
    pub token: Uuid,
    pub expires_at: Timestamp,
}
