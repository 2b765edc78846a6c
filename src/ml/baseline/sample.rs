//! The rows and columns that the baselines learn from: all of them, or as many as keep the cost small.

use ndarray::{Array2, Axis};
use rand::seq::SliceRandom;

use crate::ml::labels::ClassCounts;
use crate::ml::seed::Seed;
use crate::ml::sets::TrainSet;

/// Numbers in the sample: 32 MB of them.
const MAX_CELLS: usize = 4_000_000;
/// Rows times squared columns, which a step of the logistic regression takes: some tenths of a second.
const MAX_PRODUCTS: usize = 200_000_000;
/// Columns beyond these are left out, those that differ least between the classes first.
const MAX_COLUMNS: usize = 200;
/// Rows of the rarer class that are kept even where their share would be fewer.
const LEAST_OF_CLASS: usize = 1_000;
/// Rows on which columns are compared where there are too many.
const ROWS_COMPARED: usize = 2_000;

/// Some training rows.
pub(super) struct Sample {
    /// Of the columns below.
    pub(super) features: Array2<f64>,
    pub(super) labels: Vec<bool>,
    /// Ascending, as columns of the training rows.
    pub(super) columns: Vec<usize>,
    /// How much higher the log-odds of the sample are than those of all training rows.
    pub(super) shift: f64,
}

/// A random sample of each class, in the order of the rows.
pub(super) fn sample(train: &TrainSet, seed: Seed) -> Sample {
    let counts = train.class_counts();
    let width = train.features.ncols().clamp(1, MAX_COLUMNS);
    let wanted = (MAX_CELLS / width).min(MAX_PRODUCTS / (width * width)).max(1);
    let rows = sampled_rows(&train.labels, wanted, seed);
    let labels: Vec<bool> = rows.iter().map(|&row| train.labels[row]).collect();
    let columns = chosen_columns(train, &rows);
    let shift = ClassCounts::of(&labels).log_odds() - counts.log_odds();
    let shift = if shift.is_finite() { shift } else { 0.0 };
    let features = train.features.select(Axis(0), &rows).select(Axis(1), &columns);
    Sample { features, labels, columns, shift }
}

/// About `wanted` rows, ascending: all of a class where that is few.
pub(super) fn sampled_rows(labels: &[bool], wanted: usize, seed: Seed) -> Vec<usize> {
    if labels.len() <= wanted {
        return (0..labels.len()).collect();
    }
    let share = wanted as f64 / labels.len() as f64;
    let mut rng = seed.stream("baseline rows");
    let mut kept = Vec::with_capacity(wanted + LEAST_OF_CLASS);
    for class in [true, false] {
        let mut of_class: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == class).collect();
        let take = ((of_class.len() as f64 * share) as usize).max(LEAST_OF_CLASS.min(wanted / 2)).min(of_class.len());
        let (drawn, _) = of_class.partial_shuffle(&mut rng, take);
        kept.extend_from_slice(drawn);
    }
    kept.sort_unstable();
    kept
}

/// The columns whose means differ most between the classes, in units of their spread; all where there are few.
fn chosen_columns(train: &TrainSet, rows: &[usize]) -> Vec<usize> {
    let all = train.features.ncols();
    if all <= MAX_COLUMNS {
        return (0..all).collect();
    }
    let step = rows.len().div_ceil(ROWS_COMPARED).max(1);
    let compared: Vec<usize> = rows.iter().copied().step_by(step).collect();
    let mut ranked: Vec<(f64, usize)> = (0..all).map(|column| (difference(train, &compared, column), column)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut columns: Vec<usize> = ranked.into_iter().take(MAX_COLUMNS).map(|(_, column)| column).collect();
    columns.sort_unstable();
    columns
}

fn difference(train: &TrainSet, rows: &[usize], column: usize) -> f64 {
    let (mut sums, mut counts, mut squares) = ([0.0; 2], [0.0_f64; 2], 0.0);
    for &row in rows {
        let (value, class) = (train.features[[row, column]], usize::from(train.labels[row]));
        sums[class] += value;
        counts[class] += 1.0;
        squares += value * value;
    }
    let total = counts[0] + counts[1];
    let mean = (sums[0] + sums[1]) / total;
    let spread = (squares / total - mean * mean).max(0.0).sqrt();
    let gap = (sums[1] / counts[1] - sums[0] / counts[0]).abs() / spread;
    if gap.is_finite() { gap } else { 0.0 }
}
