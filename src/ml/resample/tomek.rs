//! Tomek links: pairs of rows of different classes that are each other's nearest neighbour.
//!
//! I. Tomek, "Two modifications of CNN", IEEE Transactions on Systems, Man, and Cybernetics 6(11), 1976. The row of
//! a link that belongs to a class to clean is removed: with `auto` the majority end, with `all` both. All links
//! are found first and removed together.
//!
//! Two equal rows with opposite labels are a link here. imbalanced-learn misses them: it takes the second of two
//! nearest neighbours for the nearest other row, and of two equal rows that is the same one for both.

use super::{Outcome, RemovalReason, ResampleError, RowOrder, Task, remove};
use crate::ml::neighbours::mutual_nearest_across;
use crate::ml::observe::Stop;
use crate::ml::sets::TrainSet;

pub(super) fn apply(task: &mut Task<'_>, set: TrainSet) -> Result<Outcome, ResampleError> {
    let clean = task.plan.classes_to_clean()?;
    Ok(remove_links(task, set, clean)?)
}

/// Removes the ends of links whose class is to be cleaned: the negative class first.
pub(super) fn remove_links(task: &mut Task<'_>, set: TrainSet, clean: [bool; 2]) -> Result<Outcome, Stop> {
    let links = mutual_nearest_across(set.features.view(), &set.labels, task.progress)?;
    let both_ways = links.into_iter().flat_map(|(row, other)| [(row, other), (other, row)]);
    let reason = |(row, other): (usize, usize)| (row, RemovalReason::TomekLink { other: set.origins[other] });
    let mut gone: Vec<_> = both_ways.filter(|&(end, _)| clean[usize::from(set.labels[end])]).map(reason).collect();
    gone.sort_unstable_by_key(|&(row, _)| row);
    remove(task, set, &gone, RowOrder::AsBefore)
}
