//! What a job is to do: what every job is told, and what those of its type are told.

use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::ids::ModelId;
use crate::ml::config::{CompareConfig, Evaluation, ResampleConfig, TrainConfig};
use crate::ml::table::WriteFormat;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobType {
    /// A dataset becomes a model.
    Train,
    /// A dataset becomes another one.
    Resample,
    /// A model is measured on a dataset.
    Evaluate,
    /// A model gives each row of a dataset a probability.
    Predict,
    /// Several ways to train are compared, and the best simple one makes a model.
    Compare,
}

impl JobType {
    pub const ALL: [JobType; 5] =
        [JobType::Train, JobType::Resample, JobType::Evaluate, JobType::Predict, JobType::Compare];

    pub fn as_str(self) -> &'static str {
        match self {
            JobType::Train => "train",
            JobType::Resample => "resample",
            JobType::Evaluate => "evaluate",
            JobType::Predict => "predict",
            JobType::Compare => "compare",
        }
    }
}

/// The text is not a type of job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a type of job")]
pub struct UnknownType(pub String);

impl FromStr for JobType {
    type Err = UnknownType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        JobType::ALL.into_iter().find(|known| known.as_str() == text).ok_or_else(|| UnknownType(text.to_owned()))
    }
}

/// What a job is to do, every default filled in: the API's `config`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobConfig {
    /// Higher is claimed first; equal ones oldest first. -100..=100.
    pub priority: i32,
    /// The job fails when it has been running for longer, over all attempts of one claim.
    pub max_seconds: f64,
    #[serde(flatten, deserialize_with = "typed_or_train")]
    pub typed: TypedConfig,
}

/// What jobs of one type are told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TypedConfig {
    Train(Box<TrainJob>),
    Resample(Box<ResampleJob>),
    Evaluate(Box<EvaluateJob>),
    Predict(Box<PredictJob>),
    Compare(Box<CompareJob>),
}

/// A model is to be trained on the job's dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainJob {
    /// The model that it becomes a version of.
    pub model_name: String,
    #[serde(flatten)]
    pub train: TrainConfig,
}

/// The rows of the job's dataset are to be resampled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResampleJob {
    /// The name of the new dataset.
    pub name: String,
    #[serde(flatten)]
    pub resample: ResampleConfig,
}

/// A model is to be measured on all rows of the job's dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluateJob {
    pub model_id: ModelId,
    /// Of the bootstrap.
    pub seed: u64,
    /// Instead of the model's own.
    pub threshold: Option<f64>,
    pub evaluation: Evaluation,
}

/// A model is to predict all rows of the job's dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PredictJob {
    pub model_id: ModelId,
    /// Instead of the model's own.
    pub threshold: Option<f64>,
    /// Columns of the dataset that the file has too, before the predictions.
    pub columns: Vec<String>,
    pub format: WriteFormat,
}

/// Several ways to train are to be compared on the job's dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompareJob {
    /// The model that the chosen one becomes a version of.
    pub model_name: String,
    #[serde(flatten)]
    pub compare: CompareConfig,
}

impl JobConfig {
    /// Whether it is a training that is cross-validated.
    pub fn cross_validates(&self) -> bool {
        matches!(&self.typed, TypedConfig::Train(job) if job.train.evaluation.cross_validation.is_some())
    }

    pub fn job_type(&self) -> JobType {
        match self.typed {
            TypedConfig::Train(_) => JobType::Train,
            TypedConfig::Resample(_) => JobType::Resample,
            TypedConfig::Evaluate(_) => JobType::Evaluate,
            TypedConfig::Predict(_) => JobType::Predict,
            TypedConfig::Compare(_) => JobType::Compare,
        }
    }

    /// The name of the model that the job makes, if it makes one.
    pub fn model_name(&self) -> Option<&str> {
        match &self.typed {
            TypedConfig::Train(job) => Some(&job.model_name),
            TypedConfig::Compare(job) => Some(&job.model_name),
            TypedConfig::Resample(_) | TypedConfig::Evaluate(_) | TypedConfig::Predict(_) => None,
        }
    }

    /// The model that the job works with, if it needs one.
    pub fn input_model(&self) -> Option<ModelId> {
        match &self.typed {
            TypedConfig::Train(_) | TypedConfig::Resample(_) | TypedConfig::Compare(_) => None,
            TypedConfig::Evaluate(job) => Some(job.model_id),
            TypedConfig::Predict(job) => Some(job.model_id),
        }
    }
}

/// Configurations that were stored while there was one type of job do not name it.
fn typed_or_train<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TypedConfig, D::Error> {
    let mut members = Map::<String, Value>::deserialize(deserializer)?;
    members.entry("type").or_insert_with(|| JobType::Train.as_str().into());
    serde_json::from_value(Value::Object(members)).map_err(D::Error::custom)
}
