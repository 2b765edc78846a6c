//! NearMiss: keeps the majority rows that are near the minority.
//!
//! I. Mani and J. Zhang, "kNN approach to unbalanced data distributions", ICML workshop on learning from imbalanced
//! data sets, 2003. The score of a row is the sum of distances to k minority rows:
//!
//! 1. the k nearest; the rows with the smallest scores are kept.
//! 2. the k farthest; the rows with the smallest scores are kept.
//! 3. the k nearest, scored only for the rows that are among the `n_neighbors_ver3` nearest of some minority row;
//!    of these the rows with the largest scores are kept. There may be fewer than wanted: then all are kept, and
//!    the classes are not balanced.
//!
//! Equal scores keep the order of the rows. Rows come out in the order of their rank. Of fewer minority rows than k all
//! are summed, in all versions, where imbalanced-learn raises in versions 1 and 3. Memory: k distances per row, in
//! version 2 as well.

use super::{Note, Outcome, RemovalReason, ResampleError, Task, keep, rows_of};
use crate::ml::neighbours::{Neighbour, Neighbours, Progress, Reach};
use crate::ml::observe::Stop;
use crate::ml::sets::TrainSet;

pub(super) fn apply(
    task: &mut Task<'_>,
    set: TrainSet,
    version: u8,
    k: usize,
    candidates_k: usize,
) -> Result<Outcome, ResampleError> {
    if !(1..=3).contains(&version) {
        return Err(ResampleError::UnknownVersion { found: version });
    }
    let minority = rows_of(&set.labels, task.minority_of(&set));
    let k = task.at_most("n_neighbors", k, minority.len(), minority.len());
    let mut kept = Vec::new();
    for (class, wanted) in [false, true].into_iter().zip(task.plan.rows_to_keep()?) {
        let members = rows_of(&set.labels, class);
        let Some(wanted) = wanted else {
            kept.extend(members);
            continue;
        };
        let ranked = match version {
            3 => third(task, &set, &members, &minority, [candidates_k, k], wanted)?,
            2 => rank(&set, members, &minority, Reach::Farthest, k, false, task.progress)?,
            _ => {
                let index = Neighbours::among(set.features.view(), &minority);
                let least = index.least_sums(&members, k, wanted, task.progress)?;
                least.into_iter().map(|(_, place)| members[place]).collect()
            }
        };
        kept.extend(ranked.into_iter().take(wanted));
    }
    Ok(keep(task, set, &kept, |_| RemovalReason::NotSelected)?)
}

/// The ranking of version 3, which has the rows near the minority only.
fn third(
    task: &mut Task<'_>,
    set: &TrainSet,
    members: &[usize],
    minority: &[usize],
    [candidates_k, k]: [usize; 2],
    wanted: usize,
) -> Result<Vec<usize>, Stop> {
    let candidates_k = task.at_most("n_neighbors_ver3", candidates_k, members.len(), members.len());
    let near = task.part(0.0..0.5, |task| near_minority(set, members, minority, candidates_k, task.progress))?;
    if near.len() < wanted {
        task.notes.push(Note::FewCandidates { asked: wanted, found: near.len() });
    }
    task.part(0.5..1.0, |task| rank(set, near, minority, Reach::Nearest, k, true, task.progress))
}

/// The members that are among the `k` nearest of a minority row, ascending.
fn near_minority(
    set: &TrainSet,
    members: &[usize],
    minority: &[usize],
    k: usize,
    progress: &mut Progress<'_>,
) -> Result<Vec<usize>, Stop> {
    let index = Neighbours::among(set.features.view(), members);
    let found = index.of_places(minority, k, Reach::Nearest, progress)?;
    let mut near: Vec<usize> =
        (0..minority.len()).flat_map(|query| found.of(query)).map(|neighbour| neighbour.row).collect();
    near.sort_unstable();
    near.dedup();
    Ok(near)
}

/// The rows by their score, the smallest first unless `descending`.
fn rank(
    set: &TrainSet,
    rows: Vec<usize>,
    minority: &[usize],
    reach: Reach,
    k: usize,
    descending: bool,
    progress: &mut Progress<'_>,
) -> Result<Vec<usize>, Stop> {
    let found = Neighbours::among(set.features.view(), minority).of_places(&rows, k, reach, progress)?;
    let scores = (0..rows.len()).map(|query| score(found.of(query), reach));
    let mut ranked: Vec<(f64, usize)> = scores.zip(rows).collect();
    // A stable sort both ways: equal scores keep the order of the rows.
    ranked.sort_by(|a, b| if descending { b.0.total_cmp(&a.0) } else { a.0.total_cmp(&b.0) });
    Ok(ranked.into_iter().map(|(_, row)| row).collect())
}

/// The sum of the distances, the smallest first.
fn score(neighbours: &[Neighbour], reach: Reach) -> f64 {
    let distance = |near: &Neighbour| near.squared_distance.sqrt();
    match reach {
        Reach::Nearest => neighbours.iter().map(distance).sum(),
        Reach::Farthest => neighbours.iter().rev().map(distance).sum(),
    }
}
