//! A stored model version.

use serde::{Deserialize, Serialize};

use super::ids::{DatasetId, JobId, ModelId};
use crate::clock::Timestamp;
use crate::ml::config::ThresholdRule;
use crate::ml::labels::ClassNames;
use crate::ml::metrics::{Report, ThresholdBasis, Verdict};
use crate::ml::model::Model;
use crate::ml::picture::PictureSpec;
use crate::ml::pipeline::{StageCounts, StepProvenance};
use crate::ml::table::ColumnType;

/// One version of a named model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRecord {
    pub id: ModelId,
    pub name: String,
    /// 1, 2, ... within the name; never given twice, also after a deletion.
    pub version: u32,
    pub created_at: Timestamp,
    /// The job that made it; a model that was imported has none.
    pub job_id: Option<JobId>,
    /// What it was trained on; of a model that was imported that is not known here.
    pub dataset_id: Option<DatasetId>,
    /// Of the artifact's bytes, hexadecimal; also the key of the blob.
    pub sha256: String,
    pub size_bytes: u64,
    pub classes: ClassNames,
    pub threshold_rule: ThresholdRule,
    pub threshold: f64,
    /// How the threshold came about; models made by older versions do not say.
    pub threshold_basis: Option<ThresholdBasis>,
    /// Of the file with its scores and what was found out about it; models made by older versions have none.
    pub dossier_sha256: Option<String>,
    pub features: Vec<ModelFeature>,
    pub training: TrainingSummary,
    pub verdict: Verdict,
    pub report: Report,
}

/// A threshold that a model has or had.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdChange {
    /// 1, 2, ... within the model; 1 is what training chose.
    pub sequence: u32,
    pub set_at: Timestamp,
    /// Who set it; nobody where training chose it.
    pub set_by: Option<String>,
    pub rule: ThresholdRule,
    pub threshold: f64,
    pub basis: Option<ThresholdBasis>,
}

/// A column that the model reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFeature {
    pub name: String,
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// The categories with a column of their own, of categorical features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<Vec<String>>,
    /// What happens to a missing value, in one sentence.
    pub missing_policy: String,
    /// What happens to a category never seen in training, in one sentence; of categorical features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen_policy: Option<String>,
    /// What pictures are turned into before they are read; of columns of pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<PictureSpec>,
}

impl ModelRecord {
    /// How the model came to be here.
    pub fn origin(&self) -> ModelOrigin {
        if self.job_id.is_some() { ModelOrigin::Training } else { ModelOrigin::Import }
    }
}

/// How a model came to be here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelOrigin {
    /// A job made it.
    Training,
    /// Its artifact was uploaded.
    Import,
}

impl ModelFeature {
    /// The columns that a model reads, as a record shows them.
    pub fn all_of(model: &Model) -> Vec<Self> {
        let feature = |input: crate::ml::preprocess::InputColumn| Self {
            name: input.name,
            column_type: input.column_type,
            categories: input.categories,
            missing_policy: input.missing_policy,
            unseen_policy: input.unseen_policy,
            picture: input.picture,
        };
        model.inputs().into_iter().map(feature).collect()
    }
}

/// How the training went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingSummary {
    pub epochs_run: usize,
    /// Counts from 1; the epoch whose weights the model has.
    pub best_epoch: usize,
    /// `epochs`, `early_stopping` or `converged`.
    pub stopped_by: String,
    pub examples_per_second: Option<f64>,
    /// Seconds per phase are the job's `timings`; these are rows per class along the way.
    pub class_counts: Vec<StageCounts>,
    /// What each resampling step did; of models that say so.
    #[serde(default)]
    pub resampling: Vec<StepProvenance>,
    /// Columns without any variation in the training rows, dropped.
    pub dropped_columns: Vec<String>,
    /// Rows without a label, used for nothing.
    pub unlabelled_rows: usize,
    /// Why the threshold is not quite what the rule asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold_note: Option<String>,
}
