//! Fitting the model that a configuration asks for to the rows as trained.

use std::ops::ControlFlow;

use super::error::TrainError;
use crate::ml::augment;
use crate::ml::calibrate::Calibrator;
use crate::ml::config::{BatchKind, ClassWeight, Loss, MlpConfig, ModelConfig, Regularization, TrainConfig};
use crate::ml::labels::{ClassCounts, ClassNames, ClassWeights};
use crate::ml::logistic::{self, LogisticTask};
use crate::ml::metrics::{average_precision, roc_auc};
use crate::ml::model::Predictor;
use crate::ml::nn::loss::mean_loss;
use crate::ml::nn::{self, MlpTask};
use crate::ml::observe::{EpochLog, StoppedBy, TrainObserver};
use crate::ml::seed::Seed;
use crate::ml::sets::{EvalSet, TrainSet};

/// The rows per class that an epoch learns from.
pub(super) fn learnt_counts(config: &TrainConfig, counts: ClassCounts) -> ClassCounts {
    let balanced = config.training.as_ref().is_some_and(|training| training.batches == BatchKind::Balanced);
    let larger = counts.positive.max(counts.negative);
    if balanced { ClassCounts { positive: larger, negative: larger } } else { counts }
}

/// The weight of each class in the loss, over the rows that an epoch learns from.
pub(super) fn class_weights(config: &TrainConfig, classes: &ClassNames, counts: ClassCounts) -> ClassWeights {
    match &config.loss {
        Loss::Bce { class_weight: Some(ClassWeight::Balanced(_)), .. } => ClassWeights::balanced(counts),
        Loss::Bce { class_weight: Some(ClassWeight::PerLabel(weights)), .. } => {
            let weight = |label: &str| weights.get(label).copied().unwrap_or(1.0);
            ClassWeights { positive: weight(&classes.positive), negative: weight(&classes.negative) }
        }
        Loss::ClassBalanced { beta } => ClassWeights::class_balanced(counts, *beta),
        _ => ClassWeights::EQUAL,
    }
}

/// Everything a model is fitted with besides its rows.
pub(super) struct Learner<'a> {
    pub(super) config: &'a TrainConfig,
    pub(super) weights: ClassWeights,
    pub(super) penalty: Regularization,
    /// From logits to natural log-odds, as far as that is known before calibration.
    pub(super) correction: Calibrator,
    pub(super) noise_scale: &'a [f64],
    pub(super) minority_is_positive: bool,
    pub(super) seed: Seed,
}

pub(super) struct Fitted {
    pub(super) predictor: Predictor,
    pub(super) epochs_run: usize,
    pub(super) best_epoch: usize,
    pub(super) stopped_by: StoppedBy,
    pub(super) examples_seen: u64,
}

impl Learner<'_> {
    pub(super) fn fit(
        &self,
        train: TrainSet,
        validation: &EvalSet,
        observer: &mut dyn TrainObserver,
    ) -> Result<Fitted, TrainError> {
        match &self.config.model {
            ModelConfig::Logistic { tolerance, max_iterations } => {
                self.fit_logistic(train, validation, *tolerance, *max_iterations, observer)
            }
            ModelConfig::Mlp(model) => self.fit_mlp(model, &train, validation, observer),
        }
    }

    fn fit_mlp(
        &self,
        model: &MlpConfig,
        train: &TrainSet,
        validation: &EvalSet,
        observer: &mut dyn TrainObserver,
    ) -> Result<Fitted, TrainError> {
        let (Some(optimizer), Some(training)) = (&self.config.optimizer, &self.config.training) else {
            return Err(TrainError::NoOptimizer);
        };
        let task = MlpTask {
            train,
            validation,
            model,
            loss: &self.config.loss,
            class_weights: self.weights,
            regularization: &self.penalty,
            optimizer,
            training,
            augment: &self.config.augment,
            noise_scale: self.noise_scale,
            minority_is_positive: self.minority_is_positive,
            correction: self.correction,
            seed: self.seed.derive("mlp"),
        };
        let trained = nn::train_ensemble(&task, observer)?;
        Ok(Fitted {
            predictor: Predictor::Mlp(trained.ensemble),
            epochs_run: trained.epochs_run,
            best_epoch: trained.best_epoch,
            stopped_by: trained.stopped_by,
            examples_seen: trained.examples_seen,
        })
    }

    fn fit_logistic(
        &self,
        train: TrainSet,
        validation: &EvalSet,
        tolerance: f64,
        max_iterations: usize,
        observer: &mut dyn TrainObserver,
    ) -> Result<Fitted, TrainError> {
        let noise_seed = self.seed.derive("augment");
        let train =
            augment::apply_once(train, &self.config.augment, self.noise_scale, self.minority_is_positive, noise_seed);
        let task = LogisticTask {
            features: train.features.view(),
            labels: &train.labels,
            class_weights: self.weights,
            l1: self.penalty.l1,
            l2: self.penalty.l2,
            tolerance,
            max_iterations,
        };
        let fitted = logistic::fit(&task, &mut |fraction| observer.step(fraction))?;
        let iterations = fitted.iterations.max(1);
        let stopped_by = if fitted.converged { StoppedBy::Converged } else { StoppedBy::Epochs };
        let predictor = Predictor::Logistic(fitted);
        let log = self.closing_log(&predictor, iterations, &train, validation);
        if let ControlFlow::Break(stop) = observer.epoch(&log) {
            return Err(TrainError::Stopped(stop));
        }
        Ok(Fitted {
            predictor,
            epochs_run: iterations,
            best_epoch: iterations,
            stopped_by,
            examples_seen: (iterations * train.rows()) as u64,
        })
    }

    /// The one line of the learning curves of a convex model: where it ended.
    fn closing_log(
        &self,
        predictor: &Predictor,
        iterations: usize,
        train: &TrainSet,
        validation: &EvalSet,
    ) -> EpochLog {
        let Regularization { l1, l2 } = self.penalty;
        let train_logits = predictor.logits(&train.features);
        let logits = predictor.logits(validation.features());
        let natural: Vec<f64> = logits.iter().map(|&logit| self.correction.natural(logit)).collect();
        let labels = validation.labels();
        let called = |only_positive: bool| {
            let rows = logits.iter().zip(labels).filter(|(_, label)| **label || !only_positive);
            let (all, found) = rows.fold((0, 0), |(all, found), (z, _)| (all + 1, found + usize::from(*z >= 0.0)));
            (all > 0).then(|| found as f64 / f64::from(all))
        };
        EpochLog {
            epoch: iterations,
            train_loss: mean_loss(&train_logits, &train.labels),
            penalty: predictor.penalty(l1, l2),
            validation_loss: mean_loss(&natural, labels),
            validation_average_precision: average_precision(labels, &logits),
            validation_roc_auc: roc_auc(labels, &logits),
            validation_recall: called(true),
            validation_predicted_positive: called(false),
            examples: train.rows() as u64,
            ..EpochLog::default()
        }
    }
}
