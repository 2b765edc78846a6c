//! Where pictures lie for the neighbour methods of `"space": "embedding"`: in what a `small` network makes of them before its
//! logit.
//!
//! The network is trained on the training rows as they were split off, before any step, by the job's seed, and on nothing
//! else: rows that are evaluated later move no neighbour, and each fold of a cross-validation has a network of its own. Both
//! classes weigh the same in it, so that the rarer one is not learnt last.

use std::ops::ControlFlow;

use ndarray::Array2;

use super::error::TrainError;
use crate::ml::calibrate::Correction;
use crate::ml::config::{
    BalancedTag, BatchKind, ClassWeight, CnnConfig, Loss, Optimizer, Regularization, Schedule, TrainConfig, Training,
};
use crate::ml::labels::ClassWeights;
use crate::ml::nn::{self, Design, Ensemble, NetworkError, NetworkTask};
use crate::ml::observe::{EpochLog, Phase, Stop, TrainObserver};
use crate::ml::picture::PictureSet;
use crate::ml::seed::Seed;
use crate::ml::sets::{EvalSet, TrainSet};

/// The share of the resampling that the training of the network is.
pub(super) const SHARE: f64 = 0.6;
const BATCH: usize = 64;
/// Steps that few rows are gone through again and again for, and the least and most epochs.
const STEPS: usize = 200;
const EPOCHS: std::ops::RangeInclusive<usize> = 5..=30;
/// Pictures that are embedded between two questions to the observer, of a network of so many multiply-adds.
const BLOCK_WORK: u64 = 4 << 30;

/// A network that says where pictures lie.
pub(super) struct Embedder {
    ensemble: Ensemble,
}

/// Passes over so many rows.
pub(super) fn epochs(rows: usize) -> usize {
    STEPS.div_ceil(rows.div_ceil(BATCH).max(1)).clamp(*EPOCHS.start(), *EPOCHS.end())
}

/// Pictures of a step of its training.
pub(super) fn batch_size() -> usize {
    BATCH
}

/// Whether any step of a configuration needs one.
pub(super) fn is_wanted(config: &TrainConfig) -> bool {
    let bagged = config.bagging.iter().flat_map(|bagging| &bagging.resample);
    config.resample.iter().chain(bagged).any(|step| step.embeds())
}

impl Embedder {
    /// Trains one on rows that are pictures.
    ///
    /// # Errors
    /// If the training diverges or the observer stops it.
    pub(super) fn train(train: &TrainSet, seed: Seed, observer: &mut dyn TrainObserver) -> Result<Self, TrainError> {
        let none = || NetworkError::Layers { detail: "there are no pictures to embed".to_owned() };
        let pictures = train.pictures.as_ref().ok_or_else(none)?;
        let told = |errors: Vec<crate::ml::config::LayerError>| {
            let details: Vec<String> = errors.into_iter().map(|error| error.detail).collect();
            NetworkError::Layers { detail: details.join("; ") }
        };
        let design = Design::of_cnn(&CnnConfig::embedding(), pictures.shape()).map_err(told)?;
        let nobody = Array2::zeros((0, train.features.ncols()));
        let nobody = EvalSet::new(nobody, Vec::new()).with_pictures(Some(pictures.select(&[])));
        let counts = train.class_counts();
        let task = NetworkTask {
            train,
            validation: &nobody,
            design: &design,
            loss: &Loss::Bce { class_weight: Some(ClassWeight::Balanced(BalancedTag::Balanced)), label_smoothing: 0.0 },
            class_weights: ClassWeights::balanced(counts),
            regularization: &Regularization { l1: 0.0, l2: 0.0 },
            optimizer: &Optimizer::Adam { learning_rate: 1e-3, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8 },
            training: &training(train.rows()),
            augment: &[],
            noise_scale: &[],
            minority_is_positive: counts.minority_is_positive(),
            correction: Correction::None,
            seed: seed.derive("embedding"),
        };
        let trained = nn::train_ensemble(&task, &[], &mut Quietly { observer })?;
        Ok(Self { ensemble: trained.ensemble })
    }

    /// One row of numbers for each picture.
    pub(super) fn embed(
        &self,
        pictures: &PictureSet,
        progress: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
    ) -> Result<Array2<f64>, Stop> {
        let work = self.ensemble.first().multiply_adds().max(1);
        let block = usize::try_from(BLOCK_WORK / work).unwrap_or(usize::MAX).clamp(1, 1 << 16);
        let mut all = Array2::zeros((0, 0));
        for start in (0..pictures.len()).step_by(block) {
            if let ControlFlow::Break(stop) = progress(start as f64 / pictures.len() as f64) {
                return Err(stop);
            }
            let rows: Vec<usize> = (start..pictures.len().min(start + block)).collect();
            // The network is a convolutional one.
            let found = self.ensemble.embeddings(&pictures.select(&rows)).unwrap_or_default();
            if all.is_empty() {
                all = Array2::zeros((pictures.len(), found.ncols()));
            }
            all.slice_mut(ndarray::s![start..start + found.nrows(), ..]).assign(&found);
        }
        Ok(all)
    }
}

fn training(rows: usize) -> Training {
    Training {
        epochs: epochs(rows),
        batch_size: BATCH,
        batches: BatchKind::Shuffled,
        schedule: Schedule::Constant { warm_up_epochs: 0 },
        gradient_clipping: None,
        weight_averaging: None,
        early_stopping: None,
    }
}

/// Shows training as steps of the phase that it is a part of: no learning curves, no checkpoints.
struct Quietly<'a> {
    observer: &'a mut dyn TrainObserver,
}

impl TrainObserver for Quietly<'_> {
    fn phase(&mut self, _: Phase) -> ControlFlow<Stop> {
        ControlFlow::Continue(())
    }

    fn step(&mut self, fraction: f64) -> ControlFlow<Stop> {
        self.observer.step(fraction)
    }

    fn epoch(&mut self, _: &EpochLog) -> ControlFlow<Stop> {
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_rows_are_gone_through_more_often() {
        assert_eq!([1, 640, 6_400, 1_000_000].map(epochs), [30, 20, 5, 5]);
    }
}
