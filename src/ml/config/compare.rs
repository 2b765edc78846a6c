//! A checked configuration for comparing trainings on the same folds.

use serde::{Deserialize, Serialize};

use super::TrainConfig;
use crate::ml::picture::PictureSpec;

/// Everything that defines a comparison besides its data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompareConfig {
    /// From the simplest to the most elaborate: of those that are as good as the best, the first is taken. All have one
    /// seed, target, positive label, split and list of excluded columns.
    pub candidates: Vec<Candidate>,
    pub cross_validation: Folds,
    /// The name of a metric of the report, by which candidates are compared.
    pub metric: String,
    /// Of intervals; a difference whose interval at this confidence has 0 in it is noise.
    pub confidence: f64,
}

/// One of the trainings that are compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    pub name: String,
    pub train: TrainConfig,
}

/// How often rows are divided, and into how many parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folds {
    pub folds: usize,
    pub repeats: usize,
}

impl CompareConfig {
    /// Metrics to compare by; of all but the losses more is better.
    pub const METRICS: [&str; 8] =
        ["average_precision", "roc_auc", "log_loss", "brier", "mcc", "balanced_accuracy", "g_mean", "f1"];

    /// Whether more of the metric is better.
    pub fn higher_is_better(&self) -> bool {
        !["log_loss", "brier"].contains(&self.metric.as_str())
    }

    /// What all candidates turn pictures into, where there are any.
    pub fn picture_spec(&self) -> Option<PictureSpec> {
        self.candidates.first().and_then(|candidate| candidate.train.picture_spec())
    }

    /// Trainings of one fold that the comparison takes.
    pub fn units(&self) -> usize {
        self.candidates.len() * self.cross_validation.folds * self.cross_validation.repeats
    }
}
