//! Over-sampling, under-sampling and cleaning of training rows, with imbalanced-learn's names and parameters.
//!
//! [`apply`] takes a [`TrainSet`] and gives one back; evaluation rows have another type and cannot come here.
//! Features are finite, as [`TrainSet`] promises, so that no method checks for NaN.
//!
//! Order of the rows: over-samplers keep all rows in their order and append the new ones; under-samplers give
//! the negative rows, then the positive ones, each in the order in which they were drawn or ranked; cleaning
//! keeps the order. Where imbalanced-learn sorts by label, negative comes before positive.
//!
//! Where two distances are equal, neighbours are ordered by row index. imbalanced-learn's order is then an
//! artefact of its heap, so that its rows are promised only for data without such ties.

mod draws;
mod near_miss;
mod numpy_rng;
mod plan;
mod random_over;
mod random_under;
mod smote;
mod smote_tomek;
mod tomek;

pub use plan::PlanError;

use std::ops::ControlFlow;

use ndarray::{Array2, s};

use self::draws::Draws;
use self::plan::SamplingPlan;
use super::config::{ResampleMethod, ResampleStep, SamplingStrategy};
use super::neighbours::Progress;
use super::observe::Stop;
use super::seed::Seed;
use super::sets::{Origin, TrainSet};

/// The most rows that an over-sampler may leave behind.
pub const RESAMPLED_ROWS_MAX: usize = 50_000_000;

/// What a step made of the training rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Resampled {
    pub set: TrainSet,
    /// The rows that are no longer there, in their order before the step.
    pub removed: Vec<Removed>,
}

/// A row that a step removed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Removed {
    /// What the row was; a row that an earlier step had made can be removed too.
    pub origin: Origin,
    /// Counts all steps of the job from 0.
    pub step: usize,
    pub reason: RemovalReason,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RemovalReason {
    /// It and a row of the other class are each other's nearest neighbours.
    TomekLink { other: Origin },
    /// An under-sampler did not draw it or ranked it too low.
    NotSelected,
}

/// Why a step could not be done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ResampleError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("the {class} class has {}; {parameter} must be at most {most}, found {found}", rows_text(*.rows))]
    TooFewRows { class: &'static str, rows: usize, parameter: &'static str, most: usize, found: usize },
    #[error("the minority class has 1 row; SMOTE needs at least 2 to draw between")]
    OneMinorityRow,
    #[error("resampling would leave {rows} rows; at most {most} are allowed")]
    TooManyRows { rows: usize, most: usize },
    #[error("near_miss has versions 1, 2 and 3, found {found}")]
    UnknownVersion { found: u8 },
    #[error("feature {column} is too large for a smoothed bootstrap: its noise is not finite")]
    NoiseNotFinite { column: usize },
    #[error(
        "\"rng\": \"numpy\" needs a seed of at most 4294967295, found {}",
        .found.map_or_else(|| "none".to_owned(), |seed| seed.to_string())
    )]
    NumpySeed { found: Option<u64> },
    #[error("stopped before the end: {0:?}")]
    Stopped(Stop),
}

impl From<Stop> for ResampleError {
    fn from(stop: Stop) -> Self {
        ResampleError::Stopped(stop)
    }
}

/// Does one step. `step_index` counts all steps of the job; the default generator draws from a stream of `seed`
/// that is the step's own. `progress` is called with the share of the step that is done, at least every few
/// tenths of a second.
///
/// # Errors
/// If the strategy does not fit the class counts, a class has too few rows for the number of neighbours, the
/// result would be too large, or `progress` ends the run.
pub fn apply(
    step_index: usize,
    step: &ResampleStep,
    set: TrainSet,
    seed: Seed,
    progress: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<Resampled, ResampleError> {
    report(progress, 0.0)?;
    let mut draws = Draws::new(step, step_index, seed)?;
    let mut task = Task {
        step: step_index,
        draws: &mut draws,
        plan: SamplingPlan::new(strategy(&step.method), set.class_counts(), step.rng)?,
        progress: &mut *progress,
    };
    let resampled = match step.method {
        ResampleMethod::RandomOverSampler { shrinkage, .. } => random_over::apply(&mut task, set, shrinkage),
        ResampleMethod::RandomUnderSampler { replacement, .. } => random_under::apply(&mut task, set, replacement),
        ResampleMethod::Smote { k_neighbors, .. } => smote::apply(&mut task, set, k_neighbors),
        ResampleMethod::TomekLinks { .. } => tomek::apply(&mut task, set),
        ResampleMethod::SmoteTomek { k_neighbors, .. } => smote_tomek::apply(&mut task, set, k_neighbors),
        ResampleMethod::NearMiss { version, n_neighbors, n_neighbors_ver3, .. } => {
            near_miss::apply(&mut task, set, version, n_neighbors, n_neighbors_ver3)
        }
    }?;
    report(progress, 1.0)?;
    Ok(resampled)
}

/// What a method needs besides its rows and parameters.
struct Task<'a> {
    step: usize,
    draws: &'a mut Draws,
    plan: SamplingPlan,
    progress: &'a mut Progress<'a>,
}

fn strategy(method: &ResampleMethod) -> SamplingStrategy {
    match method {
        ResampleMethod::RandomOverSampler { sampling_strategy, .. }
        | ResampleMethod::RandomUnderSampler { sampling_strategy, .. }
        | ResampleMethod::Smote { sampling_strategy, .. }
        | ResampleMethod::TomekLinks { sampling_strategy }
        | ResampleMethod::SmoteTomek { sampling_strategy, .. }
        | ResampleMethod::NearMiss { sampling_strategy, .. } => *sampling_strategy,
    }
}

fn report(progress: &mut Progress<'_>, fraction: f64) -> Result<(), Stop> {
    match progress(fraction) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(stop) => Err(stop),
    }
}

/// The rows of one class, ascending.
fn rows_of(labels: &[bool], class: bool) -> Vec<usize> {
    (0..labels.len()).filter(|&row| labels[row] == class).collect()
}

/// The row of the training part that a row comes from; for a synthetic one its first parent.
fn root(origin: Origin) -> usize {
    match origin {
        Origin::Row(row) => row,
        Origin::Synthetic { parents, .. } => parents[0],
    }
}

fn check_size(rows: usize, added: usize, most: usize) -> Result<(), ResampleError> {
    let rows = rows.saturating_add(added);
    if rows > most { Err(ResampleError::TooManyRows { rows, most }) } else { Ok(()) }
}

/// The rows of `features` with room for `added` more below them.
fn with_room(features: &Array2<f64>, added: usize) -> Array2<f64> {
    let mut larger = Array2::zeros((features.nrows() + added, features.ncols()));
    larger.slice_mut(s![..features.nrows(), ..]).assign(features);
    larger
}

/// The kept rows in the given order; every other row is noted as not selected.
fn keep_selected(step: usize, set: &TrainSet, kept: &[usize]) -> Resampled {
    let mut stays = vec![false; set.rows()];
    for &row in kept {
        stays[row] = true;
    }
    let gone = (0..set.rows()).filter(|&row| !stays[row]);
    let removed = gone.map(|row| Removed { origin: set.origins[row], step, reason: RemovalReason::NotSelected });
    Resampled { removed: removed.collect(), set: set.select(kept) }
}

fn rows_text(rows: usize) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}
