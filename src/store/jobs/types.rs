//! What goes into the queue and what comes out of it.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::clock::Timestamp;
use crate::ml::diagnose::Diagnosis;
use crate::ml::observe::{EpochLog, Phase};
use crate::records::{
    DatasetId, DatasetRecord, JobConfig, JobId, JobRecord, JobResult, JobStatus, JobType, Lease, PhaseSeconds,
};
use crate::store::NewModel;

/// A job to be put in the queue.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    pub id: JobId,
    pub dataset_id: DatasetId,
    /// The job that this one tries again with another configuration.
    pub retry_of: Option<JobId>,
    pub config: JobConfig,
    pub max_attempts: u32,
}

/// What became of a job to be put in the queue.
#[derive(Debug, Clone, PartialEq)]
pub enum Enqueue {
    Enqueued(Box<JobRecord>),
    /// There is no such dataset (any more).
    DatasetGone,
    /// As many jobs wait as may.
    QueueFull {
        limit: u64,
    },
}

/// Which jobs to list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobFilter {
    pub status: Option<JobStatus>,
    pub dataset_id: Option<DatasetId>,
    pub job_type: Option<JobType>,
}

/// What a worker has to tell about a job that it holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Beat {
    /// 0..=1 over the whole job. What is shown never falls.
    pub progress: f64,
    /// Phases entered, epochs ended and beginnings anew since the last beat that was held, in their order.
    pub news: Vec<News>,
    /// All phases of this attempt that have ended.
    pub timings: Vec<PhaseSeconds>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum News {
    Phase(Phase),
    Epoch(Box<EpochLog>),
    /// What the run's diagnosis found.
    Diagnosis(Box<Diagnosis>),
    /// The checkpoint was of no use: training began anew, and the curves with it.
    Anew,
}

/// What a worker hears when it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heartbeat {
    /// The job is still the worker's, now under `lease`.
    Held { lease: Lease, cancel_requested: bool },
    /// Another has it or it has ended; nothing was written.
    Lost,
}

/// Whether a write under a lease was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    Done,
    /// Another has the job or it has ended; nothing was written.
    LostLease,
}

/// What a job leaves, its bytes stored. A job that leaves nothing at all has not succeeded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewResults {
    pub model: Option<NewModel>,
    pub dataset: Option<DatasetRecord>,
    pub result: Option<JobResult>,
}

impl From<NewModel> for NewResults {
    fn from(model: NewModel) -> Self {
        Self { model: Some(model), ..Self::default() }
    }
}

/// What became of a job that was worked to its end.
#[derive(Debug, Clone, PartialEq)]
pub enum Finish {
    Succeeded(Box<JobRecord>),
    /// Somebody had asked to cancel the job before it was finished; nothing is left of it.
    Cancelled,
    LostLease,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// `{status, attempt, model_id, result_dataset_id, failure}`, the last three as far as there are any.
    Status,
    /// `{phase, attempt}`.
    Phase,
    /// An [`EpochLog`].
    Epoch,
    /// `{progress}`, at most one per hundredth.
    Progress,
}

impl EventKind {
    const ALL: [EventKind; 4] = [EventKind::Status, EventKind::Phase, EventKind::Epoch, EventKind::Progress];

    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::Status => "status",
            EventKind::Phase => "phase",
            EventKind::Epoch => "epoch",
            EventKind::Progress => "progress",
        }
    }
}

/// The text is not a kind of event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a kind of event")]
pub struct UnknownEventKind(String);

impl FromStr for EventKind {
    type Err = UnknownEventKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        EventKind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownEventKind(text.to_owned()))
    }
}

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobEvent {
    /// 1, 2, ... within the job, without gaps.
    pub sequence: u64,
    pub kind: EventKind,
    pub at: Timestamp,
    pub data: serde_json::Value,
}

/// How the queue stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueueStats {
    /// By the name of the status; all statuses are there.
    pub by_status: BTreeMap<&'static str, u64>,
    /// Jobs at work, by the name of their phase; all phases are there.
    pub running_by_phase: BTreeMap<&'static str, u64>,
    /// Parts of jobs at work: `waiting`, `running` and `finished`.
    pub parts: BTreeMap<&'static str, u64>,
    /// How long the oldest queued job has been there.
    pub oldest_queued_seconds: Option<f64>,
}
