//! Over-sampling, under-sampling and cleaning of training rows, with imbalanced-learn's names and parameters.
//!
//! [`apply`] takes a [`TrainSet`] and gives one back; evaluation rows have another type and cannot come here.
//! Features are finite, as [`TrainSet`] promises, so that no method checks for NaN.
//!
//! **Order of the rows.** Over-samplers keep all rows in their order and append the new ones. Under-samplers, the
//! methods that edit by neighbours, condensing and one-sided selection give the negative rows, then the positive ones,
//! each in the order in which they were drawn, ranked or found. Tomek links and the neighbourhood cleaning rule keep
//! the order. Where imbalanced-learn sorts by label, negative comes before positive.
//!
//! **Distances** are Euclidean over the features as they come: after preprocessing, so in units of each column's
//! spread, and two categories of one column are √2 apart. Where two distances are equal, neighbours are ordered by row
//! index. imbalanced-learn's order is then an artefact of its heap, so that its rows are promised only for data
//! without such ties.
//!
//! **Categories** are never computed: a new row takes them whole from a row of its class, by a vote of neighbours where
//! the method has neighbours.
//!
//! **Too few rows** for a number of neighbours give the largest number that works, and a [`Note`] says so.

mod adasyn;
mod borderline;
mod categories;
mod cluster_centroids;
mod condensed;
mod draws;
mod edited;
mod error;
mod gaussian_noise;
mod geometric_smote;
mod grow;
mod instance_hardness;
mod kmeans;
mod kmeans_smote;
mod lines;
mod mixup;
mod near_miss;
mod nearest_centre;
mod neighbourhood_cleaning;
mod numpy_rng;
mod one_sided;
mod pictures;
mod plan;
mod polynom_fit;
mod prowsyn;
mod random_over;
mod random_under;
mod removal;
mod share;
mod smote;
mod smote_enn;
mod smote_tomek;
mod smoten;
mod smotenc;
mod support_vectors;
mod svm_smote;
mod task;
mod tomek;

pub use error::{Note, ResampleError};
pub use plan::PlanError;
pub use removal::{RemovalReason, Removed};
pub use support_vectors::MAX_SVM_ROWS;

use std::ops::ControlFlow;

use ndarray::Array2;

use self::draws::Draws;
use self::plan::SamplingPlan;
use self::removal::{Outcome, RowOrder, keep, remove};
use self::task::{Task, report};
use super::config::{ResampleMethod, ResampleStep};
use super::labels::ClassNames;
use super::observe::Stop;
use super::picture::PictureSet;
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
    /// Where the step had to do something else than it was asked for.
    pub notes: Vec<Note>,
}

/// Says where pictures lie for steps with `"space": "embedding"`: one row of numbers for each. It may take its time, and tells
/// how far it is, which may end it.
pub type Embedding<'a> =
    dyn Fn(&PictureSet, &mut dyn FnMut(f64) -> ControlFlow<Stop>) -> Result<Array2<f64>, Stop> + 'a;

/// Does one step. `step_index` counts all steps of the job; the default generator draws from a stream of `seed`
/// that is the step's own. `progress` is called with the share of the step that is done, at least every few
/// tenths of a second.
///
/// # Errors
/// If the strategy does not fit the class counts, the method is not for such features, the result would be too large,
/// or `progress` ends the run.
pub fn apply(
    step_index: usize,
    step: &ResampleStep,
    set: TrainSet,
    seed: Seed,
    progress: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<Resampled, ResampleError> {
    apply_within(step_index, step, set, seed, None, progress)
}

/// [`apply`], where `embedding` says where pictures lie.
///
/// # Errors
/// As [`apply`], and if the step goes by an embedding and there is none.
pub fn apply_within(
    step_index: usize,
    step: &ResampleStep,
    set: TrainSet,
    seed: Seed,
    embedding: Option<&Embedding<'_>>,
    progress: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<Resampled, ResampleError> {
    // Never falls, whatever a method does that takes another's way in the middle.
    let mut most = 0.0_f64;
    let progress = &mut |share: f64| {
        most = most.max(share);
        progress(most)
    };
    if let Some(pictures) = &set.pictures {
        return pictures::apply_to_pictures(step_index, step, &set, pictures, seed, embedding, progress);
    }
    if step.embeds() {
        return Err(ResampleError::NoEmbedding);
    }
    report(progress, 0.0)?;
    let mut task = Task {
        step: u16::try_from(step_index).unwrap_or(u16::MAX),
        rng: step.rng,
        keep_integers: step.keep_integers,
        draws: &mut Draws::new(step, step_index, seed)?,
        plan: SamplingPlan::new(step.sampling_strategy.clone(), set.class_counts(), step.rng)?,
        notes: &mut Vec::new(),
        progress: &mut *progress,
    };
    let outcome = run(&mut task, &step.method, set)?;
    let notes = std::mem::take(task.notes);
    report(progress, 1.0)?;
    Ok(Resampled { set: outcome.set, removed: outcome.removed, notes })
}

/// [`apply_within`] to rows whose classes have names, by which the step may speak of them.
///
/// # Errors
/// As [`apply_within`], and if the step names a class that there is not.
pub fn apply_to_classes(
    step_index: usize,
    step: &ResampleStep,
    classes: &ClassNames,
    set: TrainSet,
    seed: Seed,
    embedding: Option<&Embedding<'_>>,
    progress: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<Resampled, ResampleError> {
    let sampling_strategy = step.sampling_strategy.of(classes).map_err(PlanError::from)?;
    let step = ResampleStep { sampling_strategy, ..step.clone() };
    apply_within(step_index, &step, set, seed, embedding, progress)
}

fn run(task: &mut Task<'_>, method: &ResampleMethod, set: TrainSet) -> Result<Outcome, ResampleError> {
    match *method {
        ResampleMethod::RandomOverSampler { shrinkage } => random_over::apply(task, set, shrinkage),
        ResampleMethod::Smote { k_neighbors } => smote::apply(task, set, k_neighbors),
        ResampleMethod::Smotenc { k_neighbors } => smotenc::apply(task, set, k_neighbors),
        ResampleMethod::Smoten { k_neighbors } => smoten::apply(task, set, k_neighbors),
        ResampleMethod::BorderlineSmote { k_neighbors, m_neighbors, kind } => {
            borderline::apply(task, set, k_neighbors, m_neighbors, kind)
        }
        ResampleMethod::SvmSmote { k_neighbors, m_neighbors, out_step } => {
            svm_smote::apply(task, set, k_neighbors, m_neighbors, out_step)
        }
        ResampleMethod::KmeansSmote { .. } => kmeans_smote::apply(task, set, method),
        ResampleMethod::Adasyn { n_neighbors } => adasyn::apply(task, set, n_neighbors),
        ResampleMethod::RandomUnderSampler { replacement } => random_under::apply(task, set, replacement),
        ResampleMethod::ClusterCentroids { voting } => cluster_centroids::apply(task, set, voting),
        ResampleMethod::NearMiss { version, n_neighbors, n_neighbors_ver3 } => {
            near_miss::apply(task, set, version, n_neighbors, n_neighbors_ver3)
        }
        ResampleMethod::InstanceHardnessThreshold { estimator, cv } => {
            instance_hardness::apply(task, set, estimator, cv)
        }
        ResampleMethod::CondensedNearestNeighbour { n_neighbors, n_seeds_s } => {
            condensed::apply(task, set, n_neighbors, n_seeds_s)
        }
        ResampleMethod::OneSidedSelection { n_neighbors, n_seeds_s } => {
            one_sided::apply(task, set, n_neighbors, n_seeds_s)
        }
        ResampleMethod::TomekLinks => tomek::apply(task, set),
        ResampleMethod::EditedNearestNeighbours { n_neighbors, kind_sel } => {
            edited::once(task, set, n_neighbors, kind_sel)
        }
        ResampleMethod::RepeatedEditedNearestNeighbours { n_neighbors, kind_sel, max_iter } => {
            edited::repeatedly(task, set, n_neighbors, kind_sel, max_iter)
        }
        ResampleMethod::AllKnn { n_neighbors, kind_sel, allow_minority } => {
            edited::all_knn(task, set, n_neighbors, kind_sel, allow_minority)
        }
        ResampleMethod::NeighbourhoodCleaningRule { n_neighbors, threshold_cleaning } => {
            neighbourhood_cleaning::apply(task, set, n_neighbors, threshold_cleaning)
        }
        ResampleMethod::SmoteTomek { k_neighbors } => smote_tomek::apply(task, set, k_neighbors),
        ResampleMethod::Smoteenn { k_neighbors, n_neighbors, kind_sel } => {
            smote_enn::apply(task, set, k_neighbors, n_neighbors, kind_sel)
        }
        ResampleMethod::PolynomFitSmote { topology } => polynom_fit::apply(task, set, topology),
        ResampleMethod::Prowsyn { n_neighbors, levels, theta } => prowsyn::apply(task, set, n_neighbors, levels, theta),
        ResampleMethod::GeometricSmote { .. } => geometric_smote::apply(task, set, method),
        ResampleMethod::Mixup { alpha } => mixup::apply(task, set, alpha),
        ResampleMethod::GaussianNoise { std } => gaussian_noise::apply(task, set, std),
    }
}

/// The rows of one class, ascending.
fn rows_of(labels: &[bool], class: bool) -> Vec<usize> {
    (0..labels.len()).filter(|&row| labels[row] == class).collect()
}

/// The row of the training part that a row comes from; for a synthetic one its first parent.
fn root(origin: Origin) -> u32 {
    match origin {
        Origin::Row(row) => row,
        Origin::Synthetic { parents, .. } => parents[0],
    }
}

fn check_size(rows: usize, added: usize, most: usize) -> Result<(), ResampleError> {
    let rows = rows.saturating_add(added);
    if rows > most { Err(ResampleError::TooManyRows { rows, most }) } else { Ok(()) }
}
