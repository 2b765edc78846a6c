//! The epoch loop.

use std::ops::ControlFlow;

use ndarray::{Array2, s};

use super::batches::Batches;
use super::early_stop::{EarlyStopper, Verdict};
use super::loss::{batch_loss, mean_loss};
use super::network::{Network, NetworkShape};
use super::optim::OptimizerState;
use super::pass::Pass;
use super::{init, penalty};
use crate::ml::augment::Augmenter;
use crate::ml::config::{AugmentStep, ModelConfig, Monitor, Optimizer, Regularization, Training};
use crate::ml::labels::ClassWeights;
use crate::ml::metrics::{average_precision, roc_auc};
use crate::ml::observe::{EpochLog, Stop, StoppedBy, TrainObserver};
use crate::ml::seed::{Rng, Seed};
use crate::ml::sets::{EvalSet, TrainSet};

/// Validation rows scored between two questions to the observer.
const VALIDATION_BLOCK: usize = 4096;

/// What to train a network on, and how.
pub struct MlpTask<'a> {
    /// The rows as resampled.
    pub train: &'a TrainSet,
    /// For the learning curve and early stopping; may be empty.
    pub validation: &'a EvalSet,
    /// Must be [`ModelConfig::Mlp`].
    pub model: &'a ModelConfig,
    pub class_weights: ClassWeights,
    pub regularization: &'a Regularization,
    pub optimizer: &'a Optimizer,
    pub training: &'a Training,
    pub augment: &'a [AugmentStep],
    /// Per feature column the standard deviation of a scaled numeric column, 0 for a column never touched.
    pub noise_scale: &'a [f64],
    /// Which class was rarer before resampling; what `classes: minority` of an augmentation means.
    pub minority_is_positive: bool,
    /// How far resampling and class weights raise the log-odds over those of the natural rows. Validation logits
    /// are lowered by it before the validation loss is taken: without that the loss at the natural prevalence
    /// gets worse while a weighted network learns, and early stopping keeps its first epoch.
    pub prior_shift: f64,
    pub seed: Seed,
}

/// A network and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainedNetwork {
    pub network: Network,
    pub epochs_run: usize,
    /// The epoch, from 1, whose monitored value was best; the last one where nothing was monitored.
    pub best_epoch: usize,
    pub stopped_by: StoppedBy,
    /// Rows learnt from, each counted once per epoch.
    pub examples_seen: u64,
}

/// Why there is no network.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NetworkError {
    #[error("training was stopped from outside: {0:?}")]
    Stopped(Stop),
    #[error(
        "the loss was no longer a finite number in epoch {epoch}; a lower learning rate, or scaled numeric columns, \
         keep training from diverging"
    )]
    Diverged { epoch: usize },
    #[error("training needs rows of both classes; there are {positive} positive and {negative} negative ones")]
    OneClass { positive: usize, negative: usize },
    #[error("validation rows have {validation} features where training rows have {train}")]
    UnequalFeatures { train: usize, validation: usize },
    #[error("expected a model of type mlp, found {found}")]
    NotAnMlp { found: &'static str },
}

/// Trains a network. The same task gives the same network, to the last bit.
///
/// # Errors
/// If the observer stops it, the loss is no longer finite, or the task makes no sense; see [`NetworkError`].
pub fn train(task: &MlpTask<'_>, observer: &mut dyn TrainObserver) -> Result<TrainedNetwork, NetworkError> {
    check(task)?;
    let mut trainer = Trainer::new(task)?;
    let mut stopper = task.training.early_stopping.as_ref().map(|config| (EarlyStopper::new(config), config));
    let mut best = None;
    let mut stopped_by = StoppedBy::Epochs;
    let mut epochs_run = 0;
    while epochs_run < task.training.epochs && stopped_by == StoppedBy::Epochs {
        epochs_run += 1;
        let log = trainer.epoch(epochs_run, observer)?;
        go_on(observer.epoch(&finite(log)))?;
        let Some((stopper, config)) = &mut stopper else { continue };
        let value = match config.monitor {
            Monitor::ValidationLoss => log.validation_loss,
            Monitor::ValidationAveragePrecision => log.validation_average_precision,
        };
        match stopper.observe(epochs_run, value) {
            Verdict::Improved if config.restore_best => best = Some(trainer.network.clone()),
            Verdict::Stop => stopped_by = StoppedBy::EarlyStopping,
            Verdict::Improved | Verdict::Waiting => {}
        }
    }
    Ok(TrainedNetwork {
        best_epoch: stopper.and_then(|(stopper, _)| stopper.best_epoch()).unwrap_or(epochs_run),
        network: best.unwrap_or(trainer.network),
        epochs_run,
        stopped_by,
        examples_seen: epochs_run as u64 * task.train.rows() as u64,
    })
}

fn check(task: &MlpTask<'_>) -> Result<(), NetworkError> {
    let counts = task.train.class_counts();
    if counts.positive == 0 || counts.negative == 0 {
        return Err(NetworkError::OneClass { positive: counts.positive, negative: counts.negative });
    }
    let (train, validation) = (task.train.features.ncols(), task.validation.features().ncols());
    if task.validation.rows() > 0 && train != validation {
        return Err(NetworkError::UnequalFeatures { train, validation });
    }
    Ok(())
}

/// Everything that changes while training; allocated once.
struct Trainer<'a> {
    task: &'a MlpTask<'a>,
    network: Network,
    gradient: Network,
    pass: Pass,
    optimizer: OptimizerState,
    batches: Batches,
    augmenter: Augmenter,
    /// Features and labels of the batch.
    input: Array2<f32>,
    labels: Vec<bool>,
    shuffle_rng: Rng,
    dropout_rng: Rng,
}

impl<'a> Trainer<'a> {
    fn new(task: &'a MlpTask<'a>) -> Result<Self, NetworkError> {
        let ModelConfig::Mlp { hidden_layers, activation, dropout, batch_normalization, initializer, prior_bias } =
            task.model
        else {
            return Err(NetworkError::NotAnMlp { found: task.model.name() });
        };
        let shape = NetworkShape {
            inputs: task.train.features.ncols(),
            hidden_layers: hidden_layers.clone(),
            activation: *activation,
            batch_normalization: *batch_normalization,
        };
        let bias = prior_bias.then(|| init::prior_log_odds(task.train.class_counts(), task.class_weights));
        let network = Network::initialized(&shape, *initializer, bias, task.seed);
        let minimum = if *batch_normalization { 2 } else { 1 };
        let batches = Batches::new(task.train.rows(), task.training.batch_size, minimum);
        let largest = batches.largest();
        Ok(Self {
            task,
            gradient: Network::zeros(&shape),
            pass: Pass::new(&network, largest, *dropout),
            optimizer: OptimizerState::new(task.optimizer, &network),
            augmenter: Augmenter::new(task.augment, task.noise_scale, task.minority_is_positive),
            input: Array2::zeros((largest, shape.inputs)),
            labels: Vec::with_capacity(largest),
            shuffle_rng: task.seed.stream("shuffle"),
            dropout_rng: task.seed.stream("dropout"),
            network,
            batches,
        })
    }

    /// One pass over the training rows, then over the validation rows.
    fn epoch(&mut self, epoch: usize, observer: &mut dyn TrainObserver) -> Result<EpochLog, NetworkError> {
        self.batches.shuffle(&mut self.shuffle_rng);
        let mut augment_rng = self.task.seed.derive("augment").stream(&format!("epoch {epoch}"));
        let batches = self.batches.count();
        let total = (self.task.training.epochs * batches) as f64;
        let mut sum = 0.0;
        for batch in 0..batches {
            let loss = self.batch(batch, &mut augment_rng);
            if !loss.is_finite() {
                return Err(NetworkError::Diverged { epoch });
            }
            sum += loss;
            go_on(observer.step(((epoch - 1) * batches + batch + 1) as f64 / total))?;
        }
        // The step of the last batch is seen by no later loss.
        if !self.network.is_finite() {
            return Err(NetworkError::Diverged { epoch });
        }
        let logits = self.validate((epoch * batches) as f64 / total, observer)?;
        Ok(self.log(epoch, sum / self.task.train.rows() as f64, &logits))
    }

    /// One step, unless the loss is not finite. Returns the sum of the unweighted losses of the rows.
    fn batch(&mut self, batch: usize, augment_rng: &mut Rng) -> f64 {
        let rows = self.gather(batch);
        self.augmenter.disturb(self.input.slice_mut(s![..rows, ..]), &self.labels, augment_rng);
        let input = self.input.slice(s![..rows, ..]);
        self.pass.forward(&mut self.network, input, &mut self.dropout_rng);
        let (logits, slopes) = self.pass.logits_and_slopes(rows);
        let loss = batch_loss(logits, &self.labels, self.task.class_weights, slopes);
        if loss.sum.is_finite() {
            self.pass.backward(&self.network, input, &mut self.gradient);
            penalty::add_gradient(self.task.regularization, &self.network, &mut self.gradient);
            self.optimizer.step(&mut self.network, &self.gradient);
        }
        loss.sum
    }

    /// Copies the rows of a batch to the buffers; how many they are.
    fn gather(&mut self, batch: usize) -> usize {
        let rows = self.batches.get(batch);
        self.labels.clear();
        for (mut to, &row) in self.input.outer_iter_mut().zip(rows) {
            to.zip_mut_with(&self.task.train.features.row(row), |to, &from| *to = from as f32);
            self.labels.push(self.task.train.labels.get(row).copied().unwrap_or_default());
        }
        self.labels.len()
    }

    fn validate(&self, fraction: f64, observer: &mut dyn TrainObserver) -> Result<Vec<f64>, NetworkError> {
        let features = self.task.validation.features();
        let mut logits = Vec::with_capacity(features.nrows());
        for start in (0..features.nrows()).step_by(VALIDATION_BLOCK) {
            let end = features.nrows().min(start + VALIDATION_BLOCK);
            logits.extend(self.network.logits_of(features.slice(s![start..end, ..])));
            go_on(observer.step(fraction))?;
        }
        Ok(logits)
    }

    /// A validation loss that is not finite stays so here, for early stopping to see.
    fn log(&self, epoch: usize, train_loss: f64, logits: &[f64]) -> EpochLog {
        let labels = self.task.validation.labels();
        EpochLog {
            epoch,
            train_loss: Some(train_loss),
            penalty: Some(penalty::value(self.task.regularization, &self.network)),
            validation_loss: mean_loss(logits, labels, self.task.prior_shift),
            validation_average_precision: average_precision(labels, logits),
            validation_roc_auc: roc_auc(labels, logits),
            learning_rate: self.optimizer.learning_rate(),
        }
    }
}

/// The log as it is shown: JSON has no number for what is not finite.
fn finite(log: EpochLog) -> EpochLog {
    let keep = |value: Option<f64>| value.filter(|value| value.is_finite());
    EpochLog {
        train_loss: keep(log.train_loss),
        penalty: keep(log.penalty),
        validation_loss: keep(log.validation_loss),
        ..log
    }
}

fn go_on(flow: ControlFlow<Stop>) -> Result<(), NetworkError> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(stop) => Err(NetworkError::Stopped(stop)),
    }
}

#[cfg(test)]
#[path = "trainer_tests.rs"]
mod tests;
