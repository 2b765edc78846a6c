//! The words that store, jobs and http share.

mod alias;
mod api_key;
mod card;
mod dataset;
mod ids;
mod job;
mod job_config;
mod model;

pub use crate::ml::metrics::Verdict;
pub use alias::{AliasRecord, AliasTarget, NamedModel, ShadowComparison, ShadowCounts, ShadowPair};
pub use api_key::{ApiKeyRecord, Scope};
pub use card::{CardError, ModelCard};
pub use dataset::DatasetRecord;
pub use ids::{AliasId, ApiKeyId, DatasetId, JobId, ModelId};
pub use job::{Failure, JobCheckpoint, JobRecord, JobResult, JobStatus, Lease, PhaseSeconds, Transition};
pub use job_config::{CompareJob, EvaluateJob, JobConfig, JobType, PredictJob, ResampleJob, TrainJob, TypedConfig};
pub use model::{ModelFeature, ModelOrigin, ModelRecord, ThresholdChange, TrainingSummary};
