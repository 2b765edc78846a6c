//! Several trainings on the same folds, and which of their differences are more than noise.
//!
//! The rows that the split gives to test are set aside first and seen by nothing until the end. The others are divided
//! into folds, more than once; every candidate is trained on the same folds, each time preprocessed, resampled,
//! calibrated and given a threshold within the training part of the fold alone, and scored on the rest of it. The
//! simplest candidate that is not significantly worse than the best is then trained on all rows but those set aside,
//! its threshold is chosen on its pooled out-of-fold scores, and its report is on the rows set aside: neither the choice
//! of the candidate nor of the threshold has seen them.
//!
//! Folds share training rows, so that their results are not independent; differences are tested with the corrected
//! resampled t-test of C. Nadeau and Y. Bengio, "Inference for the generalization error", Machine Learning 52, 2003.

mod board;
mod crew;
mod finish;
mod packed;
mod parts;
mod student;
mod summary;
mod unit;

pub use board::{Board, LocalBoard, Taken};
pub use student::{critical_value, two_sided_p};
pub use summary::{CandidateSummary, Comparison, MetricSummary, Versus};
pub use unit::UnitResult;

use std::ops::ControlFlow;

use super::config::CompareConfig;
use super::observe::{Phase, TrainObserver};
use super::pipeline::{TrainError, TrainInput, Trained};
use crew::Task;
use parts::Divided;

/// What a comparison leaves.
#[derive(Debug)]
pub struct Compared {
    pub comparison: Comparison,
    /// The model of the chosen candidate.
    pub trained: Trained,
}

/// How a comparison is computed; nothing of it changes the result.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// Where the units are taken from, beside others that may take from it, and where results of an earlier run are.
    pub board: &'a dyn Board,
    /// Trainings under way here at once, at most.
    pub parallel: usize,
    /// Seconds from any start.
    pub clock: &'a (dyn Fn() -> f64 + Sync),
}

/// Compares.
///
/// # Errors
/// If the rows cannot be divided, no candidate can be trained, the board fails, or the observer stops the run.
pub fn compare(
    input: TrainInput,
    config: &CompareConfig,
    means: Means<'_>,
    observer: &mut dyn TrainObserver,
) -> Result<Compared, TrainError> {
    begin(observer)?;
    let divided = Divided::of(input, config)?;
    let results = crew::finish_all(task(&divided, config, means), observer)?;
    let comparison = summary::summarize(&divided, config, &results)?;
    let trained = finish::train_chosen(divided, config, &comparison, &results, observer)?;
    Ok(Compared { comparison, trained })
}

/// Computes units of a comparison that somebody else has opened on the board, as long as there are some to take.
///
/// # Errors
/// As [`compare`].
pub fn assist(
    input: TrainInput,
    config: &CompareConfig,
    means: Means<'_>,
    observer: &mut dyn TrainObserver,
) -> Result<(), TrainError> {
    begin(observer)?;
    crew::help(task(&Divided::of(input, config)?, config, means), observer)
}

fn begin(observer: &mut dyn TrainObserver) -> Result<(), TrainError> {
    match observer.phase(Phase::Comparing) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(stop) => Err(TrainError::Stopped(stop)),
    }
}

fn task<'a>(divided: &'a Divided, config: &'a CompareConfig, means: Means<'a>) -> Task<'a> {
    let Means { board, parallel, clock } = means;
    Task { divided, config, board, parallel, clock }
}
