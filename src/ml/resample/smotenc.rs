//! SMOTE-NC: SMOTE for numbers and categories together.
//!
//! N. V. Chawla, K. W. Bowyer, L. O. Hall and W. P. Kegelmeyer, "SMOTE: synthetic minority over-sampling technique", JAIR
//! 16, 2002, section 6.1. With med the median over the numeric columns of their population standard deviations within
//! the class, two rows that differ in one column of categories are med apart:
//!
//! `d² = Σ (x − y)² + med² · (columns of categories that differ)`
//!
//! Numbers are made as SMOTE makes them; each column of categories takes the one that most of the k neighbours of the base
//! row have, the base row itself not counted. A tie goes to the base row's own category if it is among the tied ones,
//! else to the nearest neighbour's; with `"rng": "numpy"` it is drawn as imbalanced-learn draws it.
//!
//! Memory: the class once more, one column for each category.

use ndarray::Array2;

use super::categories::Categories;
use super::lines::{Field, Lines, draw_lines, extend};
use super::smote::fitting_k;
use super::{Outcome, ResampleError, Task, random_over, rows_of};
use crate::ml::observe::Stop;
use crate::ml::sets::TrainSet;

pub(super) fn apply(task: &mut Task<'_>, set: TrainSet, k: usize) -> Result<Outcome, ResampleError> {
    let numbers = set.kinds.numeric_columns(set.features.ncols());
    if set.kinds.categories.is_empty() {
        return Err(ResampleError::NoCategories);
    } else if numbers.is_empty() {
        return Err(ResampleError::NoNumbers);
    }
    let (class, count) = task.rows_to_add(&set)?;
    if count == 0 {
        return Ok(Outcome::grown(set));
    }
    let members = rows_of(&set.labels, class);
    let Some(k) = fitting_k(task, "k_neighbors", members.len(), k) else {
        return random_over::copy(task, set, class, count);
    };
    let categories = task.categories(&set, 0.0)?;
    let space = space(&set, &members, &numbers, &categories);
    let field = Field { rows: members.as_slice().into(), space: space.into() };
    let mut lines = task.part(0.0..0.8, |task| draw_lines(task, &categories, &members, &field, k, count))?;
    if task.is_numpy() {
        task.part(0.8..0.9, |task| draw_ties(task, &categories, &field, k, &mut lines))?;
    }
    task.part(0.9..1.0, |task| Ok(Outcome::grown(extend(task, set, class, &lines)?)))
}

/// Where the members lie: their numbers, and for each category a column that is med / √2 where they have it.
fn space(set: &TrainSet, members: &[usize], numbers: &[usize], categories: &Categories) -> Array2<f64> {
    let weight = median_spread(set, members, numbers) / 2_f64.sqrt();
    let groups = categories.groups().len();
    let width = numbers.len() + (0..groups).map(|group| categories.levels(group)).sum::<usize>();
    let mut space = Array2::zeros((members.len(), width));
    for (mut place, &row) in space.rows_mut().into_iter().zip(members) {
        place.iter_mut().zip(numbers).for_each(|(value, &column)| *value = set.features[[row, column]]);
        let mut start = numbers.len();
        for group in 0..groups {
            place[start + categories.code(row, group)] = weight;
            start += categories.levels(group);
        }
    }
    space
}

/// The median over the numeric columns of their population standard deviations within the class.
fn median_spread(set: &TrainSet, members: &[usize], numbers: &[usize]) -> f64 {
    let all = random_over::spreads(&set.features, members);
    let mut spreads: Vec<f64> = numbers.iter().map(|&column| all[column]).collect();
    spreads.sort_by(f64::total_cmp);
    let middle = spreads.len() / 2;
    if spreads.len() % 2 == 1 { spreads[middle] } else { 0.5 * (spreads[middle - 1] + spreads[middle]) }
}

/// Votes once more, with imbalanced-learn's rule for ties: for each column of categories all (row, tied category) are
/// put into random order, and the first of each row wins.
fn draw_ties(
    task: &mut Task<'_>,
    categories: &Categories,
    field: &Field<'_>,
    k: usize,
    lines: &mut Lines,
) -> Result<(), Stop> {
    let mut bases: Vec<usize> = lines.lines.iter().map(|line| line.from).collect();
    bases.sort_unstable();
    bases.dedup();
    let found = field.neighbours(task, &bases, k)?;
    let voters: Vec<Vec<usize>> = (0..bases.len()).map(|query| field.found(&found, query)).collect();
    let groups = categories.groups().len();
    task.draws.restart();
    for group in 0..groups {
        let mut tied = Vec::new();
        for (index, line) in lines.lines.iter().enumerate() {
            let voters = &voters[bases.partition_point(|&base| base < line.from)];
            let counts = categories.count(group, voters);
            let most = counts.iter().copied().max().unwrap_or(0);
            tied.extend((0..counts.len()).filter(|&code| counts[code] == most).map(|code| (index, code)));
        }
        let mut chosen = vec![None; lines.lines.len()];
        for place in task.draws.permutation(tied.len()) {
            let (index, code) = tied[place];
            chosen[index].get_or_insert(code);
        }
        for (index, line) in lines.lines.iter().enumerate() {
            let voters = &voters[bases.partition_point(|&base| base < line.from)];
            let winner = voters.iter().find(|&&voter| Some(categories.code(voter, group)) == chosen[index]);
            lines.takes[index * groups + group] = winner.copied().unwrap_or(line.from);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Categories, median_spread, space};
    use crate::ml::sets::{FeatureKinds, TrainSet};
    use ndarray::array;
    use std::ops::ControlFlow;

    #[test]
    fn rows_that_differ_in_one_category_are_the_median_spread_apart() {
        let features = array![[0.0, 1.0, 0.0, 10.0, 5.0], [2.0, 0.0, 1.0, 30.0, 5.0], [0.0, 0.0, 1.0, 10.0, 5.0]];
        let kinds = FeatureKinds { categories: std::iter::once(1..3).collect(), whole: Vec::new() };
        let set = TrainSet { kinds, ..TrainSet::new(features, vec![true; 3]) };
        // import numpy as np; np.median(np.std([[0, 10, 5], [2, 30, 5], [0, 10, 5]], axis=0)) == 0.9428090415820634
        let median = median_spread(&set, &[0, 1, 2], &[0, 3, 4]);
        assert!((median - 0.9428090415820634).abs() < 1e-15);
        let categories = Categories::of(&set, &mut || ControlFlow::Continue(())).unwrap();
        let space = space(&set, &[0, 1, 2], &[0, 3, 4], &categories);
        let gap = (&space.row(0) - &space.row(2)).mapv(|gap| gap * gap).sum().sqrt();
        assert!((gap - median).abs() < 1e-15);
    }
}
