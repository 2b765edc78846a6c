//! The checks, by what they look at.

mod batches;
mod blockers;
mod columns;
mod curves;
mod evaluation;
mod fit;
mod loss;
mod parts;
mod pictures;
mod probabilities;
mod rows;
mod signal;
mod stopping;

use super::{Checked, MatrixFacts, Order, Run, Setting, Survey};
use crate::ml::baseline::Baseline;
use crate::ml::labels::ClassCounts;

pub use blockers::Failure;

/// What needs no data but the counts of the classes.
pub fn check_config(setting: &Setting<'_>) -> Vec<Checked> {
    [
        blockers::of_config(setting),
        pictures::of_config(setting),
        loss::of_config(setting),
        batches::of_config(setting),
        stopping::of_config(setting),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What the rows tell, before anything is learnt. `order` is that of the labels in the file.
pub fn check_data(setting: &Setting<'_>, survey: &Survey, matrix: &MatrixFacts, order: Option<&Order>) -> Vec<Checked> {
    [
        blockers::of_data(setting, survey),
        columns::of_data(setting, survey, matrix),
        rows::of_data(setting, survey, matrix, order),
        parts::of_data(setting, survey),
        pictures::of_data(setting, survey, matrix),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Whether there is anything to learn: by the columns one by one, and by the baselines on the test rows of these
/// classes. `model` is the model's own area under the ROC curve there, if there is a model.
pub fn check_signal(survey: &Survey, baselines: &[Baseline], test: ClassCounts, model: Option<f64>) -> Vec<Checked> {
    signal::of(survey, baselines, test, model)
}

/// What a run that left a model tells.
pub fn check_run(setting: &Setting<'_>, run: &Run<'_>) -> Vec<Checked> {
    [
        signal::of_run(run),
        curves::of_run(setting, run),
        fit::of_run(setting, run),
        stopping::of_run(setting, run),
        evaluation::of_run(setting, run),
        probabilities::of_run(setting, run),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What the end of a run that left no model tells.
pub fn check_failure(setting: &Setting<'_>, failure: &Failure) -> Vec<Checked> {
    blockers::of_failure(setting, failure).into_iter().collect()
}
