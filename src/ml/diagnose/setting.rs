//! What was asked for, and how many rows there are for it.

use crate::ml::config::{
    MlpConfig, ModelConfig, Optimizer, ResampleMethod, ResampleStep, SamplingStrategy, Scale, TrainConfig,
};
use crate::ml::labels::{ClassCounts, ClassNames, ClassWeights};

/// A configuration with the rows that it is for.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    pub config: &'a TrainConfig,
    pub classes: &'a ClassNames,
    /// The training part before resampling, or what it will be about.
    pub train: ClassCounts,
    /// The rows per class that an epoch learns from, resampled and batched; `None` before that is known.
    pub learnt: Option<ClassCounts>,
}

impl Setting<'_> {
    pub(super) fn mlp(&self) -> Option<&MlpConfig> {
        match &self.config.model {
            ModelConfig::Mlp(mlp) => Some(mlp),
            ModelConfig::Logistic { .. } | ModelConfig::Cnn(_) => None,
        }
    }

    /// Whether a network of any kind is trained.
    pub(super) fn is_network(&self) -> bool {
        !matches!(self.config.model, ModelConfig::Logistic { .. })
    }

    pub(super) fn is_unscaled(&self) -> bool {
        self.config.preprocess.numeric.scale == Scale::None
    }

    /// Rows of the rarer class of the training part.
    pub(super) fn minority(&self) -> usize {
        self.train.positive.min(self.train.negative)
    }

    pub(super) fn majority(&self) -> usize {
        self.train.positive.max(self.train.negative)
    }

    /// Majority over minority, at least 1; infinite without a minority.
    pub(super) fn imbalance(&self) -> f64 {
        self.majority() as f64 / self.minority() as f64
    }

    /// The rows per class that an epoch learns from, as exactly as is known.
    pub(super) fn learnt(&self) -> ClassCounts {
        self.learnt.unwrap_or_else(|| {
            let resampled =
                self.config.resample.iter().fold(self.train, |counts, step| after(step, counts, self.classes));
            self.config.learnt_counts(resampled)
        })
    }

    /// The weight of each class over the rows that an epoch learns from.
    pub(super) fn weights(&self) -> ClassWeights {
        self.config.loss.class_weights(self.classes, self.learnt())
    }

    pub(super) fn weight_decay(&self) -> f64 {
        match self.config.optimizer {
            Some(Optimizer::Adamw { weight_decay, .. }) => weight_decay,
            _ => 0.0,
        }
    }
}

/// About the rows per class after a step.
fn after(step: &ResampleStep, counts: ClassCounts, classes: &ClassNames) -> ClassCounts {
    if let Ok(SamplingStrategy::RowsOf([negative, positive])) = step.sampling_strategy.of(classes) {
        return ClassCounts {
            positive: positive.unwrap_or(counts.positive),
            negative: negative.unwrap_or(counts.negative),
        };
    }
    let minority_is_positive = counts.minority_is_positive();
    let (minority, majority) = (counts.positive.min(counts.negative), counts.positive.max(counts.negative));
    let ratio = step.sampling_strategy.ratio();
    let (minority, majority) = match &step.method {
        method if method.adds_rows() => (minority.max((majority as f64 * ratio) as usize), majority),
        ResampleMethod::RandomUnderSampler { .. }
        | ResampleMethod::NearMiss { .. }
        | ResampleMethod::ClusterCentroids { .. }
        | ResampleMethod::InstanceHardnessThreshold { .. } => {
            (minority, majority.min((minority as f64 / ratio) as usize))
        }
        _ => (minority, majority),
    };
    if minority_is_positive {
        ClassCounts { positive: minority, negative: majority }
    } else {
        ClassCounts { positive: majority, negative: minority }
    }
}
