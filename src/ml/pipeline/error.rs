//! Why a run ended without a model.

use super::target::TargetError;
use crate::ml::calibrate::PriorError;
use crate::ml::logistic::LogisticError;
use crate::ml::nn::NetworkError;
use crate::ml::observe::Stop;
use crate::ml::preprocess::PreprocessError;
use crate::ml::resample::ResampleError;
use crate::ml::split::SplitError;
use crate::ml::table::TableError;

/// A run that ended without a model. Every variant but [`TrainError::Stopped`] and [`TrainError::Board`] is an answer about
/// the data or the configuration: the same job would end the same way again.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error("the run was stopped from outside")]
    Stopped(Stop),
    #[error("the target cannot be learnt")]
    Target(#[from] TargetError),
    #[error("the data has no column {name:?}")]
    MissingColumn { name: String },
    #[error("no column is left to learn from")]
    NoFeatures,
    #[error("the table is not well formed")]
    Table(#[source] TableError),
    #[error("the rows cannot be split as asked")]
    Split(#[from] SplitError),
    #[error("the preprocessing cannot be fitted")]
    Preprocess(#[from] PreprocessError),
    #[error("resampling step {step} ({method}) cannot be applied")]
    Resample { step: usize, method: &'static str, source: ResampleError },
    #[error("resampling leaves {positive} positive and {negative} negative training rows; both classes need some")]
    ClassVanished { positive: usize, negative: usize },
    #[error("the probabilities cannot be corrected for resampling and weights")]
    Prior(#[from] PriorError),
    #[error("row {row} of the weights {name:?} is not a number from 0 to 1,000,000,000")]
    SampleWeight { name: String, row: usize },
    #[error("the weights {name:?} of all {class} training rows are 0; a class without any weight cannot be learnt")]
    NoWeight { name: String, class: &'static str },
    #[error("fold {fold} of cross-validation has no result")]
    Fold { fold: usize, source: Box<TrainError> },
    #[error(
        "the search for the strength of the penalty needs at least {folds} training rows of each class; there are \
         {positive} positive and {negative} negative"
    )]
    TooFewForFolds { folds: usize, positive: usize, negative: usize },
    #[error("a network cannot be trained without `optimizer` and `training`")]
    NoOptimizer,
    #[error("the network cannot be trained")]
    Network(#[source] NetworkError),
    #[error("no candidate can be compared: {reason}")]
    NoCandidate { reason: String },
    #[error("the logistic regression cannot be fitted")]
    Logistic(#[source] LogisticError),
    #[error("the parts of the comparison cannot be shared out")]
    Board { source: Box<dyn std::error::Error + Send + Sync> },
}

impl TrainError {
    /// A stable name, as `failure.code` of a job shows it.
    pub fn code(&self) -> &'static str {
        match self {
            TrainError::Stopped(Stop::Cancelled | Stop::Shutdown | Stop::LostLease) => "stopped",
            TrainError::Stopped(Stop::OutOfTime) => "out-of-time",
            TrainError::Target(_)
            | TrainError::MissingColumn { .. }
            | TrainError::NoFeatures
            | TrainError::Table(_)
            | TrainError::Preprocess(_)
            | TrainError::Prior(_)
            | TrainError::SampleWeight { .. }
            | TrainError::NoWeight { .. }
            | TrainError::TooFewForFolds { .. }
            | TrainError::NoCandidate { .. }
            | TrainError::NoOptimizer => "invalid-data",
            TrainError::Split(_) => "split-failed",
            TrainError::Fold { source, .. } => source.code(),
            TrainError::Resample { .. } | TrainError::ClassVanished { .. } => "resampling-failed",
            TrainError::Network(_) | TrainError::Logistic(_) => "diverged",
            TrainError::Board { .. } => "storage-failed",
        }
    }

    pub(super) fn resample(step: usize, method: &'static str, source: ResampleError) -> Self {
        match source {
            ResampleError::Stopped(stop) => TrainError::Stopped(stop),
            source => TrainError::Resample { step, method, source },
        }
    }
}

impl From<NetworkError> for TrainError {
    fn from(error: NetworkError) -> Self {
        match error {
            NetworkError::Stopped(stop) => TrainError::Stopped(stop),
            error => TrainError::Network(error),
        }
    }
}

impl From<LogisticError> for TrainError {
    fn from(error: LogisticError) -> Self {
        match error {
            LogisticError::Stopped(stop) => TrainError::Stopped(stop),
            error => TrainError::Logistic(error),
        }
    }
}
