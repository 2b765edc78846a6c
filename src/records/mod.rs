//! The words that store, jobs and http share.

mod api_key;
mod dataset;
mod ids;
mod job;
mod model;

pub use crate::ml::metrics::Verdict;
pub use api_key::{ApiKeyRecord, Scope};
pub use dataset::DatasetRecord;
pub use ids::{ApiKeyId, DatasetId, JobId, ModelId};
pub use job::{Failure, JobCheckpoint, JobConfig, JobRecord, JobStatus, JobType, Lease, PhaseSeconds, Transition};
pub use model::{ModelFeature, ModelRecord, TrainingSummary};
