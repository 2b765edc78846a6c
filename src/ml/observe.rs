//! How a run is watched and stopped from outside: one observer, asked at every batch.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::diagnose::Diagnosis;
use super::nn::CheckpointError;

/// The stages of jobs, in their only order; a job has those of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Loading,
    Comparing,
    Splitting,
    Preprocessing,
    Resampling,
    Training,
    CrossValidating,
    Calibrating,
    Thresholding,
    Predicting,
    Evaluating,
    Writing,
    Storing,
}

impl Phase {
    pub const ALL: [Phase; 13] = [
        Phase::Loading,
        Phase::Comparing,
        Phase::Splitting,
        Phase::Preprocessing,
        Phase::Resampling,
        Phase::Training,
        Phase::CrossValidating,
        Phase::Calibrating,
        Phase::Thresholding,
        Phase::Predicting,
        Phase::Evaluating,
        Phase::Writing,
        Phase::Storing,
    ];

    /// The name used in the API, in SQL and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Loading => "loading",
            Phase::Comparing => "comparing",
            Phase::Splitting => "splitting",
            Phase::Preprocessing => "preprocessing",
            Phase::Resampling => "resampling",
            Phase::Training => "training",
            Phase::CrossValidating => "cross_validating",
            Phase::Calibrating => "calibrating",
            Phase::Thresholding => "thresholding",
            Phase::Predicting => "predicting",
            Phase::Evaluating => "evaluating",
            Phase::Writing => "writing",
            Phase::Storing => "storing",
        }
    }
}

/// One line of the learning curves. Losses are in nats, without class weights and without penalty.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EpochLog {
    /// Counts from 1.
    pub epoch: usize,
    /// The mean of the loss that is trained, on the rows as trained (resampled, augmented), dropout on; `null` when
    /// not finite.
    pub train_loss: Option<f64>,
    /// The L1 and L2 penalty added to the objective at the end of the epoch.
    pub penalty: Option<f64>,
    /// The mean binary cross-entropy on the validation rows, logits corrected to the natural prevalence; `null` where
    /// there is none.
    pub validation_loss: Option<f64>,
    pub validation_average_precision: Option<f64>,
    pub validation_roc_auc: Option<f64>,
    /// The share of the positive validation rows whose logit is at least 0, the threshold 1/2 of what was taught.
    pub validation_recall: Option<f64>,
    /// The share of all validation rows whose logit is at least 0.
    pub validation_predicted_positive: Option<f64>,
    /// In the last step of the epoch.
    pub learning_rate: f64,
    /// The Euclidean norm of the gradient of the last step; of a network.
    pub gradient_norm: Option<f64>,
    /// Per hidden layer from the input on, then for the output; empty for a convex model.
    pub layers: Vec<LayerLog>,
    /// Rows learnt from in the epoch, each as often as it was seen.
    pub examples: u64,
    /// The time the epoch took, known to whoever watches the run.
    pub seconds: Option<f64>,
    pub examples_per_second: Option<f64>,
}

/// How one layer learns, in the last step of an epoch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LayerLog {
    /// The Euclidean norm of the derivatives by the weights.
    pub gradient_norm: Option<f64>,
    /// How far the step moved the weights, over their norm before it; about 0.001 is healthy.
    pub update_ratio: Option<f64>,
    /// The share of hidden units whose output is the same for the first 1,024 validation rows; of hidden layers. Of a
    /// convolutional network, of channels that have one value everywhere in the first 128 pictures.
    pub dead_units: Option<f64>,
}

/// Why training ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoppedBy {
    /// All epochs, or all iterations, were run.
    Epochs,
    /// The monitored value did not improve for as long as the configuration allows.
    EarlyStopping,
    /// A convex solver reached its tolerance.
    Converged,
}

impl StoppedBy {
    /// The name used in the API and in artifacts.
    pub fn as_str(self) -> &'static str {
        match self {
            StoppedBy::Epochs => "epochs",
            StoppedBy::EarlyStopping => "early_stopping",
            StoppedBy::Converged => "converged",
        }
    }
}

/// Why an observer ends a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The user asked for it.
    Cancelled,
    /// The process is going down; the job goes back to the queue.
    Shutdown,
    /// The lease is gone: another worker has the job, and whatever this one makes is dropped.
    LostLease,
    /// `max_seconds` have passed.
    OutOfTime,
}

/// Watches a run, which may be computed on another thread. The first three methods may end it.
pub trait TrainObserver: Send {
    /// A phase begins; the one before it has ended.
    fn phase(&mut self, phase: Phase) -> ControlFlow<Stop>;

    /// Some work has been done: called at least once per batch and per block of rows. Must be cheap.
    /// `fraction` is the share of the present phase that is done, in `0..=1`.
    fn step(&mut self, fraction: f64) -> ControlFlow<Stop>;

    /// An epoch has ended.
    fn epoch(&mut self, log: &EpochLog) -> ControlFlow<Stop>;

    /// The run has ended, with a model or without; this is why. Not told of a run that was stopped.
    fn diagnosed(&mut self, diagnosis: &Diagnosis) {
        let _ = diagnosis;
    }

    /// The state of the run, as it is now, can be had from `write`; with it goes the learning curve up to `epochs`,
    /// which has been told. Offered at least once per batch of a network, also when the run was just told to stop.
    fn checkpoint(&mut self, epochs: usize, write: &mut WriteCheckpoint<'_>) {
        let _ = (epochs, write);
    }

    /// A checkpoint of an earlier run of the same job, if there is one; asked for once, before a network is trained.
    fn earlier_checkpoint(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// The learning curve up to the earlier checkpoint.
    fn earlier_epochs(&mut self) -> Vec<EpochLog> {
        Vec::new()
    }

    /// Whether the run goes on from the earlier checkpoint; if not, it begins anew.
    fn resumed(&mut self, outcome: Result<(), CheckpointError>) {
        let _ = outcome;
    }
}

/// Writes a checkpoint, or says why there can be none.
pub type WriteCheckpoint<'a> = dyn FnMut() -> Result<Vec<u8>, CheckpointError> + 'a;

/// Watches nothing.
pub struct Unobserved;

impl TrainObserver for Unobserved {
    fn phase(&mut self, _: Phase) -> ControlFlow<Stop> {
        ControlFlow::Continue(())
    }
    fn step(&mut self, _: f64) -> ControlFlow<Stop> {
        ControlFlow::Continue(())
    }
    fn epoch(&mut self, _: &EpochLog) -> ControlFlow<Stop> {
        ControlFlow::Continue(())
    }
}
