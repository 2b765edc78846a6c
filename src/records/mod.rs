//! The words that store, jobs and http share.

mod alias;
mod api_key;
mod dataset;
mod ids;
mod job;
mod job_config;
mod model;

pub use crate::ml::metrics::Verdict;
pub use alias::{AliasRecord, AliasTarget, NamedModel, ShadowComparison, ShadowCounts, ShadowPair};
pub use api_key::{ApiKeyRecord, Scope};
pub use dataset::DatasetRecord;
pub use ids::{AliasId, ApiKeyId, DatasetId, JobId, ModelId};
pub use job::{Failure, JobCheckpoint, JobRecord, JobResult, JobStatus, Lease, PhaseSeconds, Transition};
pub use job_config::{CompareJob, EvaluateJob, JobConfig, JobType, PredictJob, ResampleJob, TrainJob, TypedConfig};
pub use model::{ModelFeature, ModelRecord, ThresholdChange, TrainingSummary};
