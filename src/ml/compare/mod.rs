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

mod crew;
mod finish;
mod parts;
mod student;
mod summary;
mod unit;

pub use crew::{Finished, Memory};
pub use student::{critical_value, two_sided_p};
pub use summary::{CandidateSummary, Comparison, MetricSummary, Versus};
pub use unit::UnitResult;

use std::ops::ControlFlow;

use super::config::CompareConfig;
use super::observe::{Phase, TrainObserver};
use super::pipeline::{TrainError, TrainInput, Trained};
use parts::Divided;

/// What a comparison leaves.
#[derive(Debug)]
pub struct Compared {
    pub comparison: Comparison,
    /// The model of the chosen candidate.
    pub trained: Trained,
}

/// Compares. `memory` has the results of an earlier run that was interrupted, and is told every new one; `parallel`
/// trainings at most are under way at once, which changes no result; `clock` gives seconds from any start.
///
/// # Errors
/// If the rows cannot be divided, no candidate can be trained, or the observer stops the run.
pub fn compare(
    input: TrainInput,
    config: &CompareConfig,
    memory: &mut dyn Memory,
    parallel: usize,
    clock: &(dyn Fn() -> f64 + Sync),
    observer: &mut dyn TrainObserver,
) -> Result<Compared, TrainError> {
    if let ControlFlow::Break(stop) = observer.phase(Phase::Comparing) {
        return Err(TrainError::Stopped(stop));
    }
    let divided = Divided::of(input, config)?;
    let results = crew::run(&divided, config, memory, parallel, clock, observer)?;
    let comparison = summary::summarize(&divided, config, &results)?;
    let trained = finish::train_chosen(divided, config, &comparison, &results, observer)?;
    Ok(Compared { comparison, trained })
}
