//! One network in training: steps, then validation, epoch after epoch.

mod pictures;
mod state;

use std::ops::ControlFlow;

use ndarray::ArrayViewMut2;
use ndarray::ShapeBuilder;

use super::averaging::Averager;
use super::batches::Batches;
use super::curves::{Scored, dead_share, layer_logs};
use super::design::Design;
use super::early_stop::{EarlyStopper, Verdict};
use super::inference::Scorer;
use super::init;
use super::loss::LossFunction;
use super::members;
use super::network::Network;
use super::optimizer::OptimizerState;
use super::pass::{Batch, Pass};
use super::picture::dead_channels;
use super::position::{EpochChance, Position};
use super::rows::{Rows, Source};
use super::schedule::RateSchedule;
use crate::ml::augment::{Augmenter, PictureAugmenter, PictureChance};
use crate::ml::calibrate::Correction;
use crate::ml::config::{AugmentStep, Loss, Optimizer, Regularization, Training};
use crate::ml::kernel::{Buffer, l1_and_squares};
use crate::ml::labels::ClassWeights;
use crate::ml::observe::{EpochLog, Stop, StoppedBy, TrainObserver};
use crate::ml::seed::{Rng, Seed};
use crate::ml::sets::{EvalSet, TrainSet};
use pictures::{Drawn, disturber, read_pictures};

/// Validation rows scored between two questions to the observer.
const VALIDATION_BLOCK: usize = 1024;
/// Of pictures so many that it takes no more than this many multiply-adds.
const VALIDATION_WORK: u64 = 1 << 30;

/// What to train a network on, and how.
#[derive(Clone, Copy)]
pub struct NetworkTask<'a> {
    /// The rows as resampled.
    pub train: &'a TrainSet,
    /// For the learning curve and early stopping; may be empty.
    pub validation: &'a EvalSet,
    pub design: &'a Design,
    pub loss: &'a Loss,
    pub class_weights: ClassWeights,
    pub regularization: &'a Regularization,
    pub optimizer: &'a Optimizer,
    pub training: &'a Training,
    pub augment: &'a [AugmentStep],
    /// Per feature column the standard deviation of a scaled numeric column, 0 for a column never touched.
    pub noise_scale: &'a [f64],
    /// Which class was rarer before resampling; what `classes: minority` of an augmentation means.
    pub minority_is_positive: bool,
    /// From logits to natural log-odds, for the validation loss: resampling and weights raise the log-odds, and
    /// without a correction the loss at the natural prevalence gets worse while a weighted network learns, and
    /// early stopping keeps its first epoch.
    pub correction: Correction,
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
    #[error("training rows have {found} values where the network reads {expected}")]
    OtherInputs { expected: usize, found: usize },
    #[error("the layers make no network of these pictures: {detail}")]
    Layers { detail: String },
}

/// Trains a network. The same task gives the same network, to the last bit.
///
/// # Errors
/// If the observer stops it, the loss is no longer finite, or the task makes no sense; see [`NetworkError`].
pub fn train(task: &NetworkTask<'_>, observer: &mut dyn TrainObserver) -> Result<TrainedNetwork, NetworkError> {
    Ok(members::train_all(std::slice::from_ref(task), observer)?.remove(0))
}

/// The batches that an epoch is cut into.
pub(super) fn batches(task: &NetworkTask<'_>) -> Batches {
    let minimum = if task.design.looks_at_the_batch() { 2 } else { 1 };
    Batches::new(&task.train.labels, task.training.batch_size, task.training.batches, minimum)
}

pub(super) fn check(task: &NetworkTask<'_>) -> Result<(), NetworkError> {
    let counts = task.train.class_counts();
    if counts.positive == 0 || counts.negative == 0 {
        return Err(NetworkError::OneClass { positive: counts.positive, negative: counts.negative });
    }
    let [train, validation] = [task.train.examples(), task.validation.examples()].map(|rows| rows.width());
    if task.validation.rows() > 0 && train != validation {
        return Err(NetworkError::UnequalFeatures { train, validation });
    }
    let expected = task.design.architecture().inputs();
    if train != expected {
        return Err(NetworkError::OtherInputs { expected, found: train });
    }
    Ok(())
}

/// Everything that changes while training; allocated once.
pub(super) struct Trainer<'a> {
    task: &'a NetworkTask<'a>,
    train: Source<'a>,
    validation: Source<'a>,
    network: Network,
    gradient: Buffer,
    /// The weights before the last step of an epoch.
    before: Buffer,
    pass: Pass,
    loss: LossFunction,
    optimizer: OptimizerState,
    schedule: RateSchedule,
    averager: Option<Averager>,
    stopper: Option<EarlyStopper>,
    /// The weights of the best epoch, where they are to be restored.
    best: Option<Network>,
    stopped_by: StoppedBy,
    at: Position,
    /// Drawn from while the steps of an epoch last.
    chance: Option<EpochChance>,
    batches: Batches,
    augmenter: Option<Augmenter>,
    /// Of pictures.
    disturber: Option<PictureAugmenter>,
    /// Features, labels and weights of the batch.
    input: Rows,
    labels: Vec<bool>,
    weights: Vec<f32>,
}

impl<'a> Trainer<'a> {
    /// `train` and `validation` are the task's rows.
    pub(super) fn new(task: &'a NetworkTask<'a>, train: Source<'a>, validation: Source<'a>) -> Self {
        let (training, design) = (task.training, task.design);
        let batches = batches(task);
        let counts = batches.class_counts();
        let bias = design.prior_bias.then(|| init::prior_log_odds(counts, task.class_weights));
        let network = Network::of_design(design, bias, task.seed);
        let largest = batches.largest();
        let augmenter = Augmenter::new(task.augment, task.noise_scale, task.minority_is_positive);
        let disturber = match &train {
            Source::Pictures(pictures) if !task.augment.is_empty() => Some(disturber(task, pictures)),
            _ => None,
        };
        Self {
            task,
            train,
            validation,
            gradient: Buffer::zeros(network.parameters().len()),
            before: Buffer::zeros(network.parameters().len()),
            pass: Pass::new(&network, largest, design.dropout),
            loss: LossFunction::new(task.loss, counts, task.class_weights),
            optimizer: OptimizerState::new(task.optimizer, task.regularization, training.gradient_clipping, &network),
            schedule: RateSchedule::new(&training.schedule, training.epochs, batches.count()),
            averager: training.weight_averaging.map(|kind| Averager::new(kind, &network)),
            stopper: training.early_stopping.as_ref().map(EarlyStopper::new),
            best: None,
            stopped_by: StoppedBy::Epochs,
            at: Position::start_of(1),
            chance: None,
            augmenter: (!task.augment.is_empty()).then_some(augmenter),
            disturber,
            input: Rows::zeros(largest, network.inputs()),
            labels: Vec::with_capacity(largest),
            weights: Vec::with_capacity(largest),
            network,
            batches,
        }
    }

    /// The network as it would be used now: the average where weights are averaged.
    fn present(&self) -> &Network {
        self.averager.as_ref().and_then(Averager::average).unwrap_or(&self.network)
    }

    /// Whether nothing is left to do.
    pub(super) fn is_done(&self) -> bool {
        self.at.epoch > self.task.training.epochs || self.stopped_by != StoppedBy::Epochs
    }

    /// The share of all steps that are done.
    pub(super) fn fraction(&self) -> f64 {
        let batches = self.batches.count();
        ((self.at.epoch - 1) * batches + self.at.batch) as f64 / (self.task.training.epochs * batches) as f64
    }

    /// The epochs that have ended.
    pub(super) fn epochs_run(&self) -> usize {
        self.at.epoch - 1
    }

    /// What came of it.
    pub(super) fn finish(mut self) -> TrainedNetwork {
        let epochs_run = self.epochs_run();
        TrainedNetwork {
            best_epoch: self.stopper.as_ref().and_then(EarlyStopper::best_epoch).unwrap_or(epochs_run),
            network: self.best.take().unwrap_or_else(|| self.present().clone()),
            epochs_run,
            stopped_by: self.stopped_by,
            examples_seen: epochs_run as u64 * self.batches.rows() as u64,
        }
    }

    /// Makes the next step; or, when all steps of the epoch are made, scores the validation rows and ends the epoch,
    /// whose line of the learning curves it gives. `ask` may stop the scoring, between blocks of rows; it begins anew
    /// then.
    pub(super) fn advance(
        &mut self,
        ask: &mut dyn FnMut() -> ControlFlow<Stop>,
    ) -> Result<Option<EpochLog>, NetworkError> {
        if self.at.batch < self.batches.count() {
            self.next_step()?;
            return Ok(None);
        }
        let (scored, dead_units) = self.validate(ask)?;
        let log = self.log(&scored, &dead_units);
        self.end_epoch(&scored);
        Ok(Some(log))
    }

    fn next_step(&mut self) -> Result<(), NetworkError> {
        let Position { epoch, batch, loss_sum, words } = self.at;
        let mut chance = self.chance.take().unwrap_or_else(|| {
            self.batches.draw(&mut EpochChance::shuffle(self.task.seed, epoch));
            EpochChance::of(self.task.seed, epoch, words)
        });
        let is_last = batch + 1 == self.batches.count();
        if is_last {
            self.before.copy_from_slice(self.network.parameters());
        }
        let loss = self.batch(batch, self.schedule.factor(epoch - 1, batch), &mut chance);
        if !loss.is_finite() {
            return Err(NetworkError::Diverged { epoch });
        }
        self.at = Position { epoch, batch: batch + 1, loss_sum: loss_sum + loss, words: chance.words() };
        self.chance = (!is_last).then_some(chance);
        if is_last { self.end_steps(epoch) } else { Ok(()) }
    }

    /// After the last step of an epoch.
    fn end_steps(&mut self, epoch: usize) -> Result<(), NetworkError> {
        // That step is seen by no later loss.
        if !self.network.is_finite() {
            return Err(NetworkError::Diverged { epoch });
        }
        if let Some(averager) = &mut self.averager {
            averager.end_epoch(epoch, &self.network);
        }
        Ok(())
    }

    /// After the validation rows of an epoch: what it meant for the rate, for the best weights and for going on.
    fn end_epoch(&mut self, scored: &Scored) {
        let epoch = self.at.epoch;
        self.schedule.end_epoch(epoch - 1, scored.loss);
        self.at = Position::start_of(epoch + 1);
        let config = self.task.training.early_stopping.as_ref();
        let (Some(stopper), Some(config)) = (&mut self.stopper, config) else { return };
        match stopper.observe(epoch, scored.monitored(config.monitor)) {
            Verdict::Improved if config.restore_best => self.best = Some(self.present().clone()),
            Verdict::Stop => self.stopped_by = StoppedBy::EarlyStopping,
            Verdict::Improved | Verdict::Waiting => {}
        }
    }

    /// One step, unless the loss is not finite. Returns the sum of the unweighted losses of the rows.
    fn batch(&mut self, batch: usize, rate: f64, chance: &mut EpochChance) -> f64 {
        let rows = self.gather(batch, &mut chance.augment);
        let stride = self.input.stride();
        let input = Batch { values: self.input.slice(0..rows), stride, rows };
        self.pass.forward(&mut self.network, input, &mut chance.dropout);
        let (logits, slopes) = self.pass.logits_and_slopes(rows);
        let loss = self.loss.evaluate(logits, &self.labels, &self.weights, slopes);
        if loss.sum.is_finite() {
            self.pass.backward(&self.network, input, &mut self.gradient);
            self.optimizer.step(&mut self.network, &mut self.gradient, rate);
            if let Some(averager) = &mut self.averager {
                averager.step(&self.network);
            }
        }
        loss.sum
    }

    /// Copies the rows of a batch to the buffers, disturbed; how many they are.
    fn gather(&mut self, batch: usize, chance: &mut Rng) -> usize {
        let rows = self.batches.get(batch);
        let set = self.task.train;
        self.labels.clear();
        self.labels.extend(rows.iter().map(|&row| set.labels.get(row as usize).copied().unwrap_or_default()));
        self.weights.clear();
        if let Some(weights) = &set.weights {
            self.weights.extend(rows.iter().map(|&row| weights.get(row as usize).copied().unwrap_or(1.0)));
        }
        match &self.train {
            Source::Rows(train) => {
                self.input.gather(train, rows);
                let (stride, width) = (self.input.stride(), self.network.inputs());
                let shape = (rows.len(), width).strides((stride, 1));
                if let (Some(augmenter), Ok(view)) =
                    (&self.augmenter, ArrayViewMut2::from_shape(shape, self.input.front_mut(rows.len())))
                {
                    augmenter.disturb(view, &self.labels, chance);
                }
            }
            Source::Pictures(pictures) => match &self.disturber {
                None => read_pictures(pictures, rows, &mut self.input),
                Some(disturber) => {
                    let chance = PictureChance::of_epoch(self.task.seed, self.at.epoch);
                    let first = batch * self.task.training.batch_size;
                    let drawn = Drawn { disturber, pictures, rows, labels: &self.labels, chance, first };
                    drawn.write(&mut self.input);
                }
            },
        }
        rows.len()
    }

    /// Scores the validation rows; with them, the share of dead units per layer among the first of them.
    fn validate(&self, ask: &mut dyn FnMut() -> ControlFlow<Stop>) -> Result<(Scored, Vec<f64>), NetworkError> {
        let (rows, most) = (self.validation.len(), validation_block(&self.network));
        let block = rows.min(most);
        let mut scorer = Scorer::new(self.present(), block);
        // Rows of a matrix are read where they are.
        let mut read = match &self.validation {
            Source::Rows(_) => None,
            Source::Pictures(_) => Some(Rows::zeros(block, self.network.inputs())),
        };
        let mut logits = vec![0.0; rows];
        let mut dead_units = Vec::new();
        for (block, logits) in logits.chunks_mut(most).enumerate() {
            let range = block * most..block * most + logits.len();
            let (values, stride) = match (&self.validation, &mut read) {
                (Source::Rows(rows), _) => (rows.slice(range), rows.stride()),
                (source, Some(room)) => {
                    source.copy(range, room);
                    (room.slice(0..logits.len()), room.stride())
                }
                (Source::Pictures(_), None) => (&[][..], 0),
            };
            let batch = Batch { values, stride, rows: logits.len() };
            scorer.score(batch, logits);
            match (block, &scorer, &self.network.layout().plan) {
                (0, Scorer::Rows(scorer), _) => {
                    dead_units.extend(scorer.outputs(logits.len()).map(|(outputs, units)| dead_share(outputs, units)));
                }
                (0, Scorer::Pictures(scorer), Some(plan)) => dead_units.extend(dead_channels(scorer, plan, batch)),
                _ => {}
            }
            go_on(ask())?;
        }
        Ok((Scored::new(&logits, self.task.validation.labels(), self.task.correction), dead_units))
    }

    /// The epoch whose steps are made.
    fn log(&self, scored: &Scored, dead_units: &[f64]) -> EpochLog {
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        let epoch = self.at.epoch;
        let rate = self.schedule.factor(epoch - 1, self.batches.count().saturating_sub(1));
        EpochLog {
            epoch,
            train_loss: Some(self.at.loss_sum / self.batches.rows() as f64),
            penalty: finite(Some(self.network.penalty(self.task.regularization))),
            validation_loss: finite(scored.loss),
            validation_average_precision: scored.average_precision(),
            validation_roc_auc: scored.roc_auc(),
            validation_recall: scored.recall(),
            validation_predicted_positive: scored.predicted_positive(),
            learning_rate: self.task.optimizer.learning_rate() * rate,
            gradient_norm: finite(Some(l1_and_squares(&self.gradient)[1].sqrt())),
            layers: layer_logs(&self.before, &self.network, &self.gradient, dead_units),
            seconds: None,
            examples_per_second: None,
            examples: self.batches.rows() as u64,
        }
    }
}

/// Validation rows of a network that are scored together.
fn validation_block(network: &Network) -> usize {
    let most = VALIDATION_WORK / network.multiply_adds().max(1);
    (most as usize).clamp(16, VALIDATION_BLOCK)
}

pub(super) fn go_on(flow: ControlFlow<Stop>) -> Result<(), NetworkError> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(stop) => Err(NetworkError::Stopped(stop)),
    }
}

#[cfg(test)]
#[path = "trainer_tests.rs"]
mod tests;
