//! Instance hardness threshold: keeps the rows that a classifier finds easiest.
//!
//! M. R. Smith, T. Martinez and C. Giraud-Carrier, "An instance level analysis of data complexity", Machine Learning
//! 95(2), 2014. Each row gets the probability of its own class from a classifier that was fitted on the other folds of a
//! stratified cross-validation; of each class to shrink the rows with the largest probabilities stay, in their order,
//! equal ones in the order of the rows.
//!
//! The classifier is a logistic regression as scikit-learn has it by default (C = 1); imbalanced-learn takes a random
//! forest by default, keeps more rows than asked for where probabilities tie, and needs labels 0 and 1. The rows are
//! therefore not promised to be imbalanced-learn's.

use ndarray::Axis;

use super::{Note, Outcome, RemovalReason, ResampleError, Task, keep, report, rows_of};
use crate::ml::config::HardnessEstimator;
use crate::ml::labels::ClassWeights;
use crate::ml::logistic::{LogisticTask, fit};
use crate::ml::seed::Seed;
use crate::ml::sets::TrainSet;
use crate::ml::split::stratified_folds;

const TOLERANCE: f64 = 1e-6;
const MAX_ITERATIONS: usize = 1_000;

pub(super) fn apply(
    task: &mut Task<'_>,
    set: TrainSet,
    estimator: HardnessEstimator,
    folds: usize,
) -> Result<Outcome, ResampleError> {
    let HardnessEstimator::Logistic = estimator;
    let wanted = task.plan.rows_to_keep()?;
    let own = own_probabilities(task, &set, folds)?;
    let mut kept = Vec::new();
    for (class, wanted) in [false, true].into_iter().zip(wanted) {
        let members = rows_of(&set.labels, class);
        let mut easiest = members.clone();
        easiest.sort_by(|&a, &b| own[b].total_cmp(&own[a]).then(a.cmp(&b)));
        easiest.truncate(wanted.unwrap_or(members.len()));
        easiest.sort_unstable();
        kept.extend(easiest);
    }
    Ok(keep(task, set, &kept, |row| RemovalReason::Hard { probability: own[row] })?)
}

/// The probability of each row's own class, from the other folds.
fn own_probabilities(task: &mut Task<'_>, set: &TrainSet, asked: usize) -> Result<Vec<f64>, ResampleError> {
    let counts = set.class_counts();
    let smaller = counts.positive.min(counts.negative);
    let folds = asked.min(smaller);
    if folds < 2 {
        return Err(ResampleError::TooFewForFolds { folds: asked, rows: smaller });
    } else if folds < asked {
        task.notes.push(Note::FewerFolds { folds: asked, used: folds });
    }
    let seed = (task.draws.below(1 << 26) as u64) << 26 | task.draws.below(1 << 26) as u64;
    let fold_of = stratified_folds(&set.labels, folds, Seed(seed));
    let mut own = vec![0.0; set.rows()];
    for fold in 0..folds {
        let stretch = fold as f64 / folds as f64..(fold + 1) as f64 / folds as f64;
        task.part(stretch, |task| score_fold(task, set, &fold_of, fold, &mut own))?;
    }
    Ok(own)
}

fn score_fold(
    task: &mut Task<'_>,
    set: &TrainSet,
    fold_of: &[usize],
    fold: usize,
    own: &mut [f64],
) -> Result<(), ResampleError> {
    report(task.progress, 0.0)?;
    let (inside, outside): (Vec<usize>, Vec<usize>) = (0..set.rows()).partition(|&row| fold_of[row] == fold);
    let labels: Vec<bool> = outside.iter().map(|&row| set.labels[row]).collect();
    let features = set.features.select(Axis(0), &outside);
    let logistic = LogisticTask {
        features: features.view(),
        labels: &labels,
        class_weights: ClassWeights { negative: 1.0, positive: 1.0 },
        l1: 0.0,
        l2: 0.5 / outside.len() as f64,
        tolerance: TOLERANCE,
        max_iterations: MAX_ITERATIONS,
    };
    let model = fit(&logistic, task.progress)?;
    let logits = model.logits(&set.features.select(Axis(0), &inside));
    for (row, logit) in inside.into_iter().zip(logits) {
        let signed = if set.labels[row] { logit } else { -logit };
        own[row] = 1.0 / (1.0 + (-signed).exp());
    }
    Ok(())
}
