//! What the neighbours of rows tell, once the columns are numbers: twins that differ by rounding, positives among
//! negatives, and rows that an over-sampler has made.

use std::ops::ControlFlow;

use ndarray::{Array2, ArrayView1, Axis};

use super::sample_of;
use crate::ml::neighbours::{Neighbours, Reach};
use crate::ml::observe::Stop;
use crate::ml::seed::Seed;
use crate::ml::sets::{EvalSet, TrainSet};

/// Rows whose neighbours are looked for, of each kind.
const QUERIES: usize = 300;
/// Neighbours of a positive that are asked for their class.
const ASKED: usize = 5;
/// Neighbours between which a synthetic row is looked for.
const PARENTS: usize = 10;
/// Products of queries, rows and columns, about; beyond, fewer rows.
const MAX_OPERATIONS: usize = 150_000_000;
/// Training rows, at most.
const MAX_ROWS: usize = 20_000;
/// How far, in shares of the distance between two rows, a row between them may be from their line.
const ON_A_LINE: f64 = 1e-4;
/// Nearer than this share of the usual distance, two rows are one.
const SAME: f64 = 1e-6;

/// What the preprocessed rows tell.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct MatrixFacts {
    /// Judged rows that were looked at, and those with a training row next to them that is equal but for rounding.
    pub judged: usize,
    pub near_twins: usize,
    /// The mean share of negatives among the nearest neighbours of positives; and what it would be by chance.
    pub disagreement: Option<(f64, f64)>,
    /// The shares of positives, and of negatives, that lie on a line between two others of their class.
    pub between: Option<(f64, f64)>,
    /// The largest over the smallest standard deviation of the numeric columns, the largest mean in standard
    /// deviations, and the largest size of a value.
    pub scale_ratio: f64,
    pub offset: f64,
    pub largest: f64,
}

/// Looks at the preprocessed training rows, before any resampling, and at the test rows; `numeric` says which columns
/// are numbers and neither categories nor indicators.
///
/// # Errors
/// If `step` ends the run.
pub fn matrix_facts(
    train: &TrainSet,
    test: &EvalSet,
    numeric: &[bool],
    seed: Seed,
    step: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<MatrixFacts, Stop> {
    let width = train.features.ncols().max(1);
    let wanted = (MAX_OPERATIONS / (QUERIES * width)).clamp(ASKED + 1, MAX_ROWS);
    let kept = train.select(&sample_of(&train.labels, wanted, seed.derive("neighbours")));
    let mut facts = scale_facts(&kept.features, numeric);
    let index = Neighbours::new(kept.features.view());
    let positives: Vec<usize> = spread_out((0..kept.rows()).filter(|&row| kept.labels[row]).collect());
    let found = index.of_rows(&positives, ASKED, &mut *step)?;
    let mut usual = Vec::with_capacity(positives.len());
    let mut negatives = 0;
    for query in 0..positives.len() {
        negatives += found.of(query).iter().filter(|near| !kept.labels[near.row]).count();
        usual.extend(found.of(query).last().map(|near| near.squared_distance));
    }
    let asked = positives.len() * found.width();
    let counts = kept.class_counts();
    let by_chance = counts.negative as f64 / counts.total().saturating_sub(1).max(1) as f64;
    facts.disagreement = (asked > 0).then(|| (negatives as f64 / asked as f64, by_chance));
    facts.between = between(&kept, &mut *step)?;
    usual.sort_unstable_by(f64::total_cmp);
    let usual = usual.get(usual.len() / 2).copied().unwrap_or(0.0);
    let judged = test.features().select(Axis(0), &spread_out((0..test.rows()).collect()));
    facts.judged = judged.nrows();
    if kept.rows() > 0 && judged.nrows() > 0 && usual > 0.0 {
        let found = index.of_points(judged.view(), 1, Reach::Nearest, &mut *step)?;
        let is_twin =
            |query: &usize| found.of(*query).first().is_some_and(|near| near.squared_distance <= SAME * SAME * usual);
        facts.near_twins = (0..facts.judged).filter(is_twin).count();
    }
    Ok(facts)
}

/// At most [`QUERIES`] rows, evenly over the list.
fn spread_out(rows: Vec<usize>) -> Vec<usize> {
    let step = rows.len().div_ceil(QUERIES).max(1);
    rows.into_iter().step_by(step).collect()
}

fn scale_facts(features: &Array2<f64>, numeric: &[bool]) -> MatrixFacts {
    let mut facts = MatrixFacts { scale_ratio: 1.0, ..MatrixFacts::default() };
    let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
    for (column, _) in features.axis_iter(Axis(1)).zip(numeric).filter(|(_, numeric)| **numeric) {
        let (mean, std) = (column.mean().unwrap_or(0.0), column.std(0.0));
        if std > 0.0 {
            (least, most) = (least.min(std), most.max(std));
            facts.offset = facts.offset.max(mean.abs() / std);
        }
        facts.largest = column.iter().fold(facts.largest, |largest, value| largest.max(value.abs()));
    }
    if most > 0.0 {
        facts.scale_ratio = most / least;
    }
    facts
}

/// For each class, the share of rows that lie on a line between two of their neighbours of that class; `None` where
/// a class has too few rows, or fewer than two columns in which rows could lie elsewhere.
fn between(set: &TrainSet, step: &mut dyn FnMut(f64) -> ControlFlow<Stop>) -> Result<Option<(f64, f64)>, Stop> {
    if set.features.ncols() < 3 {
        return Ok(None);
    }
    let mut shares = [0.0; 2];
    for (share, class) in shares.iter_mut().zip([true, false]) {
        let rows: Vec<usize> = (0..set.rows()).filter(|&row| set.labels[row] == class).collect();
        if rows.len() < 2 * PARENTS {
            return Ok(None);
        }
        let features = set.features.select(Axis(0), &rows);
        let queries = spread_out((0..rows.len()).collect());
        let found = Neighbours::new(features.view()).of_rows(&queries, PARENTS, &mut *step)?;
        let lies_between = |place: &usize| {
            let near: Vec<ArrayView1<'_, f64>> = found.of(*place).iter().map(|near| features.row(near.row)).collect();
            is_between(features.row(queries[*place]), &near)
        };
        *share = (0..queries.len()).filter(lies_between).count() as f64 / queries.len().max(1) as f64;
    }
    Ok(Some((shares[0], shares[1])))
}

/// Whether a row lies on the line between two of the others, at neither end.
fn is_between(row: ArrayView1<'_, f64>, others: &[ArrayView1<'_, f64>]) -> bool {
    let arms: Vec<Vec<f64>> =
        others.iter().map(|other| other.iter().zip(row).map(|(a, b)| a - b).collect::<Vec<f64>>()).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    arms.iter().enumerate().any(|(place, a)| {
        arms[..place].iter().any(|b| {
            let (size, other_size, product) = (dot(a, a), dot(b, b), dot(a, b));
            // Both arms point away from each other: the sine of their angle is about 0 and the cosine about -1.
            let off_line = (1.0 - product * product / (size * other_size)).max(0.0).sqrt();
            // A line along one axis is what whole numbers lie on by themselves.
            let axes = a.iter().filter(|value| **value != 0.0).count();
            size > 0.0 && other_size > 0.0 && product < 0.0 && axes > 1 && off_line < ON_A_LINE
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_row_between_two_others_is_seen() {
        let row = array![1.0, 2.0, 3.0];
        let (a, b, elsewhere) = (array![0.0, 1.0, 1.0], array![3.0, 4.0, 7.0], array![3.0, 4.0, 7.1]);
        assert!(is_between(row.view(), &[a.view(), b.view()]));
        assert!(!is_between(row.view(), &[a.view(), elsewhere.view()]));
        // Beyond both is not between.
        assert!(!is_between(a.view(), &[row.view(), b.view()]));
    }
}
