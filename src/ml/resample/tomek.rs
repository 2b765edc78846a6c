//! Tomek links: pairs of rows of different classes that are each other's nearest neighbour.
//!
//! I. Tomek, "Two modifications of CNN", IEEE Transactions on Systems, Man, and Cybernetics 6(11), 1976. The row of
//! a link that belongs to a class to clean is removed: with `auto` the majority end, with `all` both. All links
//! are found first and removed together.
//!
//! Two equal rows with opposite labels are a link here. imbalanced-learn misses them: it takes the second of two
//! nearest neighbours for the nearest other row, and of two equal rows that is the same one for both.

use std::collections::BTreeMap;

use super::{Outcome, RemovalReason, Removed, ResampleError, Task, rows_of};
use crate::ml::neighbours::Neighbours;
use crate::ml::observe::Stop;
use crate::ml::sets::TrainSet;

pub(super) fn apply(task: &mut Task<'_>, set: TrainSet) -> Result<Outcome, ResampleError> {
    let clean = task.plan.classes_to_clean()?;
    Ok(remove_links(task, &set, clean)?)
}

/// Removes the ends of links whose class is to be cleaned: the negative class first.
pub(super) fn remove_links(task: &mut Task<'_>, set: &TrainSet, clean: [bool; 2]) -> Result<Outcome, Stop> {
    // A link has one end in each class, so that the links of the smaller class are all links.
    let smaller = set.class_counts().minority_is_positive();
    let mut others = BTreeMap::new();
    for (row, other) in links(task, set, &rows_of(&set.labels, smaller))? {
        for (end, other) in [(row, other), (other, row)] {
            if clean[usize::from(set.labels[end])] {
                others.insert(end, other);
            }
        }
    }
    let removed = others.iter().map(|(&row, &other)| Removed {
        origin: set.origins[row],
        step: task.step,
        reason: RemovalReason::TomekLink { other: set.origins[other] },
    });
    let removed = removed.collect();
    let kept: Vec<usize> = (0..set.rows()).filter(|row| !others.contains_key(row)).collect();
    Ok(Outcome { set: set.select(&kept), removed })
}

/// The links of the given rows, all of one class: a row and its other end.
fn links(task: &mut Task<'_>, set: &TrainSet, rows: &[usize]) -> Result<Vec<(usize, usize)>, Stop> {
    let index = Neighbours::new(set.features.view());
    let nearest = index.of_rows(rows, 1, &mut |share| (task.progress)(0.8 * share))?;
    let mut candidates: Vec<(usize, usize)> = Vec::new();
    for (query, &row) in rows.iter().enumerate() {
        let across = nearest.of(query).iter().filter(|near| set.labels[near.row] != set.labels[row]);
        candidates.extend(across.map(|near| (row, near.row)));
    }
    // Only the rows that were pointed to can be other ends; few are.
    let mut ends: Vec<usize> = candidates.iter().map(|&(_, other)| other).collect();
    ends.sort_unstable();
    ends.dedup();
    let back = index.of_rows(&ends, 1, &mut |share| (task.progress)(0.8 + 0.2 * share))?;
    let mutual = |&(row, other): &(usize, usize)| {
        let place = ends.partition_point(|&end| end < other);
        back.of(place).first().is_some_and(|near| near.row == row)
    };
    Ok(candidates.into_iter().filter(mutual).collect())
}
