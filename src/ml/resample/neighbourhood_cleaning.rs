//! The neighbourhood cleaning rule: cleans the majority around the minority.
//!
//! J. Laurikkala, "Improving identification of difficult small classes by balancing class distribution", AIME 2001.
//! Two sets of rows are removed together:
//!
//! 1. rows that edited nearest neighbours with `mode` removes;
//! 2. the k nearest rows of every minority row that is misclassified by its k nearest rows, itself among them as in
//!    imbalanced-learn; only rows of a class to clean that has more than `threshold_cleaning` times the minority's rows.

use super::edited::{disagreeing, is_outvoted};
use super::{Outcome, RemovalReason, ResampleError, RowOrder, Task, remove, rows_of};
use crate::ml::config::KindSel;
use crate::ml::neighbours::Neighbours;
use crate::ml::observe::Stop;
use crate::ml::sets::TrainSet;

pub(super) fn apply(task: &mut Task<'_>, set: TrainSet, k: usize, threshold: f64) -> Result<Outcome, ResampleError> {
    let clean = task.plan.classes_to_clean()?;
    let mut reasons: Vec<Option<RemovalReason>> = vec![None; set.rows()];
    let edited = task.part(0.0..0.8, |task| disagreeing(task, &set, clean, k, KindSel::Mode))?;
    edited.into_iter().for_each(|(row, reason)| reasons[row] = Some(reason));
    let near = task.part(0.8..1.0, |task| near_outvoted_minority(task, &set, clean, k, threshold))?;
    for (row, minority) in near {
        reasons[row].get_or_insert(RemovalReason::NearMinority { minority: set.origins[minority] });
    }
    let gone = reasons.into_iter().enumerate().filter_map(|(row, reason)| reason.map(|reason| (row, reason)));
    let gone: Vec<(usize, RemovalReason)> = gone.collect();
    Ok(remove(task, set, &gone, RowOrder::AsBefore)?)
}

/// Rows to remove, each with the misclassified row of the minority that it is near.
fn near_outvoted_minority(
    task: &mut Task<'_>,
    set: &TrainSet,
    clean: [bool; 2],
    k: usize,
    threshold: f64,
) -> Result<Vec<(usize, usize)>, Stop> {
    let minority = task.minority_of(set);
    let counts = set.class_counts();
    let least = counts.of_class(minority) as f64 * threshold;
    let cleaned = [false, true].map(|class| clean[usize::from(class)] && counts.of_class(class) as f64 > least);
    let k = k.min(set.rows() - 1);
    let rows = rows_of(&set.labels, minority);
    let found = Neighbours::new(set.features.view()).of_rows(&rows, k, task.progress)?;
    let mut near = Vec::new();
    for (query, &row) in rows.iter().enumerate() {
        // The row itself is the first of the k that vote.
        let voters = &found.of(query)[..k - 1];
        let others = voters.iter().filter(|near| set.labels[near.row] != minority).count();
        if is_outvoted(others, k, minority, task.rng) {
            near.extend(found.of(query).iter().map(|near| (near.row, row)));
        }
    }
    near.retain(|&(row, _)| cleaned[usize::from(set.labels[row])]);
    Ok(near)
}
