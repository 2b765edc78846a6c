//! `"strength": "auto"`: how strong the penalty of a logistic regression should be, by cross-validation within the
//! training rows.
//!
//! Each fold goes through what the training rows go through: it is resampled, weighted and augmented without the
//! rows that it is scored on, which stay as they were collected.

use std::ops::ControlFlow;

use ndarray::Axis;

use super::draws::Draw;
use super::fit::{Lesson, Prepared};
use super::provenance::ResamplingLog;
use crate::ml::augment::{self, Once};
use crate::ml::config::{ModelConfig, Regularization, TrainConfig};
use crate::ml::labels::{ClassCounts, ClassWeights};
use crate::ml::logistic::{self, LogisticError, LogisticTask};
use crate::ml::metrics::StrengthSearch;
use crate::ml::nn::CheckpointError;
use crate::ml::nn::loss::mean_loss;
use crate::ml::observe::{EpochLog, Phase, Stop, TrainObserver, WriteCheckpoint};
use crate::ml::picture::FlatPictures;
use crate::ml::pipeline::TrainError;
use crate::ml::sets::TrainSet;
use crate::ml::split::stratified_folds;

/// Strengths tried.
const STRENGTHS: usize = 20;
/// The share of the training that the search is: about twenty fits in each of five folds to one in the end.
const SEARCH_SHARE: f64 = 0.95;

/// What a search is made on.
pub(super) struct Search<'a> {
    pub(super) lesson: Lesson<'a>,
    /// Which columns noise may touch.
    pub(super) noise_columns: &'a [bool],
    /// The pictures that features were taken from.
    pub(super) flat: Option<&'a FlatPictures>,
}

/// The penalty to train with.
pub(super) struct Searched<'o> {
    pub(super) penalty: Regularization,
    /// How it was found, if it was.
    pub(super) search: Option<StrengthSearch>,
    /// Who watches the rest of the phase.
    pub(super) rest: Part<'o>,
}

impl Search<'_> {
    /// The penalty of the configuration, its strength searched for on `train` if there is something to search on:
    /// the training rows, preprocessed, before any resampling.
    ///
    /// # Errors
    /// If a class has too few rows, if a fold cannot be resampled or fitted, or if the observer stops the run.
    pub(super) fn run<'o>(
        &self,
        train: Option<TrainSet>,
        observer: &'o mut dyn TrainObserver,
    ) -> Result<Searched<'o>, TrainError> {
        let penalty = self.lesson.config.regularization.penalty.clone();
        let (Some(train), ModelConfig::Logistic { tolerance, max_iterations }) = (train, &self.lesson.config.model)
        else {
            return Ok(Searched { penalty, search: None, rest: Part { observer, before: 0.0, share: 1.0 } });
        };
        let folds = Folds { search: self, train: &train, tolerance: *tolerance, max_iterations: *max_iterations };
        let found = folds.search(&mut Part { observer, before: 0.0, share: SEARCH_SHARE })?;
        let penalty = Regularization { l1: found.strength * penalty.l1, l2: found.strength * penalty.l2 };
        let rest = Part { observer, before: SEARCH_SHARE, share: 1.0 - SEARCH_SHARE };
        Ok(Searched { penalty, search: Some(found), rest })
    }
}

struct Folds<'a> {
    search: &'a Search<'a>,
    train: &'a TrainSet,
    tolerance: f64,
    max_iterations: usize,
}

impl Folds<'_> {
    /// Tries a falling series of strengths on every fold and takes the one with the least loss on the rows left out.
    fn search(&self, observer: &mut dyn TrainObserver) -> Result<StrengthSearch, TrainError> {
        let Lesson { config, classes, seed, .. } = self.search.lesson;
        let folds = TrainConfig::STRENGTH_FOLDS;
        let counts = self.train.class_counts();
        if counts.positive.min(counts.negative) < folds {
            let ClassCounts { positive, negative } = counts;
            return Err(TrainError::TooFewForFolds { folds, positive, negative });
        }
        let weights = config.loss.class_weights(classes, counts);
        let whole = self.task(self.train, weights);
        let strengths = logistic::strengths(&whole, STRENGTHS, &mut |_| observer.step(0.0))?;
        let fold_of = stratified_folds(&self.train.labels, folds, seed.derive("strength folds"));
        let mut losses = vec![Vec::with_capacity(folds); strengths.len()];
        let mut rows = Vec::with_capacity(folds);
        for fold in 0..folds {
            let mut part = Part { observer, before: fold as f64 / folds as f64, share: 1.0 / folds as f64 };
            let held_out: Vec<usize> = (0..fold_of.len()).filter(|&row| fold_of[row] == fold).collect();
            let kept: Vec<usize> = (0..fold_of.len()).filter(|&row| fold_of[row] != fold).collect();
            for (place, loss) in
                self.fold_losses(fold, &kept, &held_out, &strengths, &mut part)?.into_iter().enumerate()
            {
                losses[place].push(loss);
            }
            rows.push(held_out.len());
        }
        StrengthSearch::choose(&strengths, &losses, &rows)
            .ok_or(TrainError::Logistic(LogisticError::NotFinite { iteration: 0 }))
    }

    /// The mean loss on the rows held out, for each strength.
    fn fold_losses(
        &self,
        fold: usize,
        kept: &[usize],
        held_out: &[usize],
        strengths: &[f64],
        observer: &mut dyn TrainObserver,
    ) -> Result<Vec<f64>, TrainError> {
        let Search { lesson, noise_columns, flat } = *self.search;
        let lesson = Lesson { seed: lesson.seed.derive(&format!("strength fold {fold}")), ..lesson };
        let Prepared { mut draws, correction, noise_scale, minority_is_positive, .. } =
            lesson.prepare(self.rows(kept), noise_columns, &mut ResamplingLog::none(), observer)?;
        // An ensemble is not searched for a strength: there is one draw.
        let Draw { rows: set, weights, .. } = draws.swap_remove(0);
        let flat = flat.map(|flat| flat.select(kept));
        let once = Once {
            steps: &lesson.config.augment,
            noise_scale: &noise_scale,
            flat: flat.as_ref(),
            minority_is_positive,
            seed: lesson.seed.derive("augment"),
        };
        let train = augment::apply_once(set, &once);
        let fits = logistic::fit_path(&self.task(&train, weights), strengths, &mut |fraction| observer.step(fraction))?;
        // The rows held out are scored at their own prevalence.
        let held_out = self.rows(held_out);
        let loss = |fit: &logistic::PathFit| {
            let logits = fit.model.logits(&held_out.features).into_iter().map(|logit| correction.natural(logit));
            mean_loss(&logits.collect::<Vec<f64>>(), &held_out.labels).unwrap_or(f64::NAN)
        };
        Ok(fits.iter().map(loss).collect())
    }

    /// Rows by their index, each its own origin.
    fn rows(&self, rows: &[usize]) -> TrainSet {
        let labels = rows.iter().map(|&row| self.train.labels[row]).collect();
        let set = TrainSet::new(self.train.features.select(Axis(0), rows), labels);
        TrainSet { kinds: self.train.kinds.clone(), ..set }
    }

    fn task<'t>(&self, train: &'t TrainSet, class_weights: ClassWeights) -> LogisticTask<'t> {
        let Regularization { l1, l2 } = self.search.lesson.config.regularization.penalty;
        LogisticTask {
            features: train.features.view(),
            labels: &train.labels,
            class_weights,
            l1,
            l2,
            tolerance: self.tolerance,
            max_iterations: self.max_iterations,
        }
    }
}

/// Shows the steps of a part of some work as steps of the whole.
pub(super) struct Part<'a> {
    pub(super) observer: &'a mut dyn TrainObserver,
    /// The share of the whole that comes before this part, and this part's own.
    pub(super) before: f64,
    pub(super) share: f64,
}

impl TrainObserver for Part<'_> {
    fn phase(&mut self, phase: Phase) -> ControlFlow<Stop> {
        self.observer.phase(phase)
    }

    fn step(&mut self, fraction: f64) -> ControlFlow<Stop> {
        self.observer.step(self.before + fraction * self.share)
    }

    fn epoch(&mut self, log: &EpochLog) -> ControlFlow<Stop> {
        self.observer.epoch(log)
    }

    fn checkpoint(&mut self, epochs: usize, write: &mut WriteCheckpoint<'_>) {
        self.observer.checkpoint(epochs, write);
    }

    fn earlier_checkpoint(&mut self) -> Option<Vec<u8>> {
        self.observer.earlier_checkpoint()
    }

    fn resumed(&mut self, outcome: Result<(), CheckpointError>) {
        self.observer.resumed(outcome);
    }
}
