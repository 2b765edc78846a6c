//! ADASYN: as SMOTE, with more rows from minority rows that are harder to learn.
//!
//! H. He, Y. Bai, E. A. Garcia and S. Li, "ADASYN: adaptive synthetic sampling approach for imbalanced learning",
//! IJCNN 2008. A row of which r of its k nearest rows in the whole set are of the other class is a base
//! `g = n r / Σ r` times. Rows are bases in their order; for all new rows first a neighbour of the class is drawn, then
//! the share of the way.
//!
//! The n rows that were asked for are made: the largest remainders of g are rounded up. imbalanced-learn rounds each g
//! to the nearest even and so makes a few more or fewer, which `"rng": "numpy"` follows. Where no row has a neighbour
//! of the other class imbalanced-learn raises; here all rows count the same. Most new rows go to the rows deepest in
//! the other class, which may be noise.

use super::lines::{Field, extend, lines_to};
use super::share::apportion;
use super::smote::fitting_k;
use super::{Note, Outcome, RESAMPLED_ROWS_MAX, ResampleError, Task, check_size, random_over, rows_of};
use crate::ml::observe::Stop;
use crate::ml::sets::TrainSet;

pub(super) fn apply(task: &mut Task<'_>, set: TrainSet, k: usize) -> Result<Outcome, ResampleError> {
    let (class, count) = task.rows_to_add(&set)?;
    if count == 0 {
        return Ok(Outcome::grown(set));
    }
    let members = rows_of(&set.labels, class);
    let Some(k_class) = fitting_k(task, "n_neighbors", members.len(), k) else {
        return random_over::copy(task, set, class, count);
    };
    let hardness = task.part(0.0..0.6, |task| hardness(task, &set, &members, k))?;
    let bases = repeats(task, &hardness, count);
    check_size(set.rows(), bases.iter().sum(), RESAMPLED_ROWS_MAX)?;
    let bases: Vec<usize> = bases.iter().enumerate().flat_map(|(base, &times)| vec![base; times]).collect();
    let (ends, shares) = task.part(0.6..0.6, |task| {
        let ends = task.draw(bases.len(), |draws, index| (bases[index], draws.below(k_class)))?;
        Ok::<_, Stop>((ends, task.draw(bases.len(), |draws, _| draws.uniform())?))
    })?;
    let categories = task.categories(&set, 0.6)?;
    let lines = task.part(0.6..0.9, |task| {
        lines_to(task, &categories, &members, &Field::of(&set, &members), k_class, &ends, &shares)
    })?;
    task.part(0.9..1.0, |task| Ok(Outcome::grown(extend(task, set, class, &lines)?)))
}

/// For each member the share of its `k` nearest rows that are of the other class.
fn hardness(task: &mut Task<'_>, set: &TrainSet, members: &[usize], k: usize) -> Result<Vec<f64>, Stop> {
    let k = k.min(set.rows() - 1);
    let found = Field::all(set).neighbours(task, members, k)?;
    let others = |query: usize| {
        let class = set.labels[members[query]];
        found.of(query).iter().filter(|near| set.labels[near.row] != class).count()
    };
    Ok((0..members.len()).map(|query| others(query) as f64 / k as f64).collect())
}

/// How many new rows each member is the base of.
fn repeats(task: &mut Task<'_>, hardness: &[f64], count: usize) -> Vec<usize> {
    let sum: f64 = hardness.iter().sum();
    if sum == 0.0 {
        task.notes.push(Note::NoNeighbourOfMajority);
        return apportion(hardness, count);
    }
    if !task.is_numpy() {
        return apportion(hardness, count);
    }
    let repeats: Vec<usize> =
        hardness.iter().map(|share| (share / sum * count as f64).round_ties_even() as usize).collect();
    let made = repeats.iter().sum();
    if made != count {
        task.notes.push(Note::OtherCount { asked: count, made });
    }
    repeats
}
