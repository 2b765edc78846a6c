//! Fitting the model that a configuration asks for to the rows as trained.

use std::ops::ControlFlow;

use super::draws::{Draw, mean_correction};
use super::error::TrainError;
use crate::ml::augment::{self, Once};
use crate::ml::calibrate::Correction;
use crate::ml::config::{LayerError, ModelConfig, Regularization, TrainConfig};
use crate::ml::logistic::{self, FittedLogistic, LogisticTask};
use crate::ml::metrics::{average_precision, roc_auc};
use crate::ml::model::Predictor;
use crate::ml::nn::loss::mean_loss;
use crate::ml::nn::{self, Design, NetworkError, NetworkTask};
use crate::ml::observe::{EpochLog, StoppedBy, TrainObserver};
use crate::ml::picture::FlatPictures;
use crate::ml::seed::Seed;
use crate::ml::sets::{EvalSet, TrainSet};

/// Everything a model is fitted with besides its rows.
pub(super) struct Learner<'a> {
    pub(super) config: &'a TrainConfig,
    pub(super) penalty: Regularization,
    pub(super) noise_scale: &'a [f64],
    /// The pictures that features were taken from.
    pub(super) flat: Option<&'a FlatPictures>,
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
    /// Fits a model to the only draw, or an ensemble to several; there is at least one.
    pub(super) fn fit(
        &self,
        draws: Vec<Draw>,
        validation: &EvalSet,
        observer: &mut dyn TrainObserver,
    ) -> Result<Fitted, TrainError> {
        match &self.config.model {
            ModelConfig::Logistic { tolerance, max_iterations } => {
                self.fit_logistic(draws, validation, *tolerance, *max_iterations, observer)
            }
            ModelConfig::Mlp(_) | ModelConfig::Cnn(_) => self.fit_network(&draws, validation, observer),
        }
    }

    /// The network that is asked for, on rows like these.
    fn design(&self, rows: &TrainSet) -> Result<Design, TrainError> {
        match &self.config.model {
            ModelConfig::Mlp(model) => Ok(Design::of_mlp(model, rows.examples().width())),
            ModelConfig::Cnn(model) => {
                let none = NetworkError::Layers { detail: "there are no pictures".to_owned() };
                let shape = rows.pictures.as_ref().ok_or(none)?.shape();
                let told = |errors: Vec<LayerError>| {
                    let details = errors.into_iter().map(|error| error.detail).collect::<Vec<_>>();
                    NetworkError::Layers { detail: details.join("; ") }
                };
                Ok(Design::of_cnn(model, shape).map_err(told)?)
            }
            ModelConfig::Logistic { .. } => Err(TrainError::NoOptimizer),
        }
    }

    fn fit_network(
        &self,
        draws: &[Draw],
        validation: &EvalSet,
        observer: &mut dyn TrainObserver,
    ) -> Result<Fitted, TrainError> {
        let (Some(optimizer), Some(training)) = (&self.config.optimizer, &self.config.training) else {
            return Err(TrainError::NoOptimizer);
        };
        let mut design = self.design(&draws[0].rows)?;
        if draws.len() > 1 {
            design.members = draws.len();
        }
        let task = NetworkTask {
            train: &draws[0].rows,
            validation,
            design: &design,
            loss: &self.config.loss,
            class_weights: draws[0].weights,
            regularization: &self.penalty,
            optimizer,
            training,
            augment: &self.config.augment,
            noise_scale: self.noise_scale,
            minority_is_positive: self.minority_is_positive,
            correction: draws[0].correction,
            seed: self.seed.derive(self.config.model.name()),
        };
        let own: Vec<NetworkTask<'_>> = draws
            .iter()
            .map(|draw| NetworkTask {
                train: &draw.rows,
                class_weights: draw.weights,
                correction: draw.correction,
                ..task
            })
            .collect();
        let trained = nn::train_ensemble(&task, if own.len() > 1 { &own } else { &[] }, observer)?;
        Ok(Fitted {
            predictor: match self.config.model {
                ModelConfig::Cnn(_) => Predictor::Cnn(trained.ensemble),
                _ => Predictor::Mlp(trained.ensemble),
            },
            epochs_run: trained.epochs_run,
            best_epoch: trained.best_epoch,
            stopped_by: trained.stopped_by,
            examples_seen: trained.examples_seen,
        })
    }

    /// The mean of the fits: an average of the logits of linear models is one.
    fn fit_logistic(
        &self,
        draws: Vec<Draw>,
        validation: &EvalSet,
        tolerance: f64,
        max_iterations: usize,
        observer: &mut dyn TrainObserver,
    ) -> Result<Fitted, TrainError> {
        let (count, correction) = (draws.len(), mean_correction(&draws));
        let mut fits = Vec::with_capacity(count);
        let mut first_rows = None;
        let mut examples_seen = 0;
        for (member, Draw { rows, weights, .. }) in draws.into_iter().enumerate() {
            let seed = if member == 0 { self.seed } else { self.seed.derive(&format!("member {member}")) };
            let once = Once {
                steps: &self.config.augment,
                noise_scale: self.noise_scale,
                flat: self.flat,
                minority_is_positive: self.minority_is_positive,
                seed: seed.derive("augment"),
            };
            let rows = augment::apply_once(rows, &once);
            let task = LogisticTask {
                features: rows.features.view(),
                labels: &rows.labels,
                class_weights: weights,
                l1: self.penalty.l1,
                l2: self.penalty.l2,
                tolerance,
                max_iterations,
            };
            let share = |fraction: f64| (member as f64 + fraction) / count as f64;
            let fitted = logistic::fit(&task, &mut |fraction| observer.step(share(fraction)))?;
            examples_seen += (fitted.iterations.max(1) * rows.rows()) as u64;
            fits.push(fitted);
            first_rows.get_or_insert(rows);
        }
        let iterations = fits[0].iterations.max(1);
        let fitted = FittedLogistic::mean(fits);
        let stopped_by = if fitted.converged { StoppedBy::Converged } else { StoppedBy::Epochs };
        let predictor = Predictor::Logistic(fitted);
        if let Some(rows) = &first_rows
            && let ControlFlow::Break(stop) =
                observer.epoch(&self.closing_log(&predictor, correction, iterations, rows, validation))
        {
            return Err(TrainError::Stopped(stop));
        }
        Ok(Fitted { predictor, epochs_run: iterations, best_epoch: iterations, stopped_by, examples_seen })
    }

    /// The one line of the learning curves of a convex model: where it ended.
    fn closing_log(
        &self,
        predictor: &Predictor,
        correction: Correction,
        iterations: usize,
        train: &TrainSet,
        validation: &EvalSet,
    ) -> EpochLog {
        let Regularization { l1, l2 } = self.penalty;
        let train_logits = predictor.logits(train.examples());
        let logits = predictor.logits(validation.examples());
        let natural: Vec<f64> = logits.iter().map(|&logit| correction.natural(logit)).collect();
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
