//! Shapley values of input columns: a column's mean contribution over all orders in which the columns of the background
//! row could be exchanged for those of the row explained.

use ndarray::{Array2, ArrayView1};
use rand::seq::SliceRandom;

use super::{AttributionMethod, Contribution};
use crate::ml::preprocess::InputRange;
use crate::ml::seed::Seed;

/// Up to so many columns, all subsets are scored.
const MAX_EXACT: usize = 10;
/// Orders drawn, counting the reversed ones, where the work allows.
const MAX_ORDERS: usize = 64;
const MIN_ORDERS: usize = 4;
/// Numbers of one block of rows to be scored.
const BLOCK_CELLS: usize = 2 << 20;
/// One seed for all requests: the same row gets the same explanation.
const SEED: Seed = Seed(0);

/// How the values of each row are found.
pub(super) enum Plan {
    Exact,
    /// So many orders, an even number.
    Sampled {
        orders: usize,
    },
}

impl Plan {
    /// Within `work` multiplications and additions, of which one score takes `score`.
    ///
    /// # Errors
    /// With the number of rows that would be possible.
    pub(super) fn new(rows: usize, inputs: usize, score: u64, work: u64) -> Result<Self, u64> {
        let score = score.saturating_add(100);
        let scores = work / score / (rows.max(1) as u64);
        if inputs <= MAX_EXACT && scores >= 1 << inputs {
            return Ok(Plan::Exact);
        }
        let orders = usize::try_from(scores / inputs.max(1) as u64).unwrap_or(MAX_ORDERS).min(MAX_ORDERS) / 2 * 2;
        if orders >= MIN_ORDERS {
            return Ok(Plan::Sampled { orders });
        }
        Err(work / score / (inputs * MIN_ORDERS).max(1) as u64)
    }

    pub(super) fn method(&self) -> AttributionMethod {
        match self {
            Plan::Exact => AttributionMethod::Shapley,
            Plan::Sampled { .. } => AttributionMethod::SampledShapley,
        }
    }
}

/// A model as a game among its input columns.
pub(super) struct Game<'a> {
    /// One score per preprocessed row.
    pub(super) score: &'a dyn Fn(&Array2<f64>) -> Vec<f64>,
    pub(super) inputs: &'a [InputRange],
    pub(super) background: &'a [f64],
}

impl Game<'_> {
    pub(super) fn base(&self) -> f64 {
        let row = Array2::from_shape_fn((1, self.background.len()), |(_, column)| self.background[column]);
        self.scores(&row).first().copied().unwrap_or(0.0)
    }

    pub(super) fn scores(&self, features: &Array2<f64>) -> Vec<f64> {
        (self.score)(features)
    }

    /// One contribution per input column; their sum is the score minus the base, but for rounding.
    pub(super) fn values(&self, row: ArrayView1<'_, f64>, base: f64, score: f64, plan: &Plan) -> Vec<Contribution> {
        let row = row.to_vec();
        match *plan {
            Plan::Exact => self.exact(&row),
            Plan::Sampled { orders } => self.sampled(&row, base, score, orders),
        }
    }

    fn exact(&self, row: &[f64]) -> Vec<Contribution> {
        let columns = self.inputs.len();
        let subsets: Vec<Vec<bool>> =
            (0..1_usize << columns).map(|set| (0..columns).map(|column| set >> column & 1 == 1).collect()).collect();
        let scores = self.scores_of(subsets.iter().map(|set| self.mixed(row, set)));
        let weights = subset_weights(columns);
        let value = |column: usize| {
            let without = (0..1_usize << columns).filter(|set| set >> column & 1 == 0);
            let gain = |set: usize| weights[set.count_ones() as usize] * (scores[set | 1 << column] - scores[set]);
            Contribution { value: without.map(gain).sum(), standard_error: 0.0 }
        };
        (0..columns).map(value).collect()
    }

    /// Each order is followed by its reverse, which cancels much of the chance (Mitchell et al. 2022); the error is
    /// that of the mean over such pairs.
    fn sampled(&self, row: &[f64], base: f64, score: f64, orders: usize) -> Vec<Contribution> {
        let columns = self.inputs.len();
        let mut rng = SEED.stream("orders");
        let mut drawn: Vec<Vec<usize>> = Vec::with_capacity(orders);
        while drawn.len() < orders {
            let mut order: Vec<usize> = (0..columns).collect();
            order.shuffle(&mut rng);
            let reverse = order.iter().rev().copied().collect();
            drawn.extend([order, reverse]);
        }
        let steps = drawn.iter().flat_map(|order| (1..columns).map(move |taken| &order[..taken]));
        let between = self.scores_of(steps.map(|taken| {
            let mut set = vec![false; columns];
            taken.iter().for_each(|&column| set[column] = true);
            self.mixed(row, &set)
        }));
        let mut pairs = vec![Vec::with_capacity(orders / 2); columns];
        for pair in 0..orders / 2 {
            let mut gains = vec![0.0; columns];
            for index in [2 * pair, 2 * pair + 1] {
                let mut before = base;
                for (place, &column) in drawn[index].iter().enumerate() {
                    let after = if place + 1 == columns { score } else { between[index * (columns - 1) + place] };
                    gains[column] += (after - before) / 2.0;
                    before = after;
                }
            }
            pairs.iter_mut().zip(gains).for_each(|(pairs, gain)| pairs.push(gain));
        }
        pairs.iter().map(|gains| mean_with_error(gains)).collect()
    }

    /// The background row with some input columns of the row.
    fn mixed(&self, row: &[f64], set: &[bool]) -> Vec<f64> {
        let mut mixed = self.background.to_vec();
        for (input, _) in self.inputs.iter().zip(set).filter(|(_, taken)| **taken) {
            mixed[input.columns.clone()].copy_from_slice(&row[input.columns.clone()]);
        }
        mixed
    }

    /// Scores rows in blocks, so that few of them are held at a time.
    fn scores_of(&self, rows: impl Iterator<Item = Vec<f64>>) -> Vec<f64> {
        let width = self.background.len();
        let block = (BLOCK_CELLS / width.max(1)).max(1);
        let (mut scores, mut cells) = (Vec::new(), Vec::new());
        let mut flush = |cells: &mut Vec<f64>| {
            let rows = cells.len() / width.max(1);
            if let Ok(features) = Array2::from_shape_vec((rows, width), std::mem::take(cells)) {
                scores.extend(self.scores(&features));
            }
        };
        for row in rows {
            cells.extend(row);
            if cells.len() >= block * width {
                flush(&mut cells);
            }
        }
        if !cells.is_empty() {
            flush(&mut cells);
        }
        scores
    }
}

/// The share of all orders in which exactly a given set of each size comes before a given column.
fn subset_weights(columns: usize) -> Vec<f64> {
    let mut weights = Vec::with_capacity(columns);
    // |S|! (n - |S| - 1)! / n!, from 1/n onward: the next is the last times (|S| + 1) / (n - |S| - 1).
    let mut weight = 1.0 / columns.max(1) as f64;
    for size in 0..columns {
        weights.push(weight);
        if size + 1 < columns {
            weight *= (size + 1) as f64 / (columns - size - 1) as f64;
        }
    }
    weights
}

fn mean_with_error(values: &[f64]) -> Contribution {
    let count = values.len() as f64;
    let value = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|one| (one - value).powi(2)).sum();
    let standard_error = if values.len() < 2 { 0.0 } else { (squares / (count - 1.0) / count).sqrt() };
    Contribution { value, standard_error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(count: usize) -> Vec<InputRange> {
        (0..count).map(|column| InputRange { name: format!("c{column}"), columns: column..column + 1 }).collect()
    }

    /// A product of the first two columns, twice the third, and a cube.
    fn bent(features: &Array2<f64>) -> Vec<f64> {
        features.rows().into_iter().map(|row| row[0] * row[1] + 2.0 * row[2] + row[3].powi(3)).collect()
    }

    #[test]
    fn a_product_is_shared_evenly_and_a_sum_is_not_shared() {
        let (inputs, background) = (inputs(4), [0.0, 0.0, 1.0, -1.0]);
        let game = Game { score: &bent, inputs: &inputs, background: &background };
        let row = ndarray::arr1(&[3.0, 4.0, 2.0, 1.0]);
        let found = game.values(row.view(), game.base(), 17.0, &Plan::Exact);
        // From a background of 0, both factors get half of 12; 2 * (2 - 1); 1 - -1.
        for (found, expected) in found.iter().zip([6.0, 6.0, 2.0, 2.0]) {
            assert!((found.value - expected).abs() < 1e-12, "{found:?}");
        }
        let sampled = game.values(row.view(), game.base(), 17.0, &Plan::Sampled { orders: 64 });
        for (sampled, exact) in sampled.iter().zip(&found) {
            assert!((sampled.value - exact.value).abs() <= 4.0 * sampled.standard_error + 1e-12, "{sampled:?}");
        }
        let sum: f64 = sampled.iter().map(|contribution| contribution.value).sum();
        assert!((sum - (17.0 - game.base())).abs() < 1e-12);
    }

    #[test]
    fn all_orders_are_counted_once() {
        for columns in 1..=10_usize {
            let binomial = |size: usize| (0..size).fold(1.0, |all, k| all * (columns - 1 - k) as f64 / (k + 1) as f64);
            let all: f64 = subset_weights(columns).iter().enumerate().map(|(size, w)| w * binomial(size)).sum();
            assert!((all - 1.0).abs() < 1e-12, "{columns}: {all}");
        }
    }

    #[test]
    fn the_plan_follows_the_work() {
        assert!(matches!(Plan::new(100, 8, 1_000, 1 << 40), Ok(Plan::Exact)));
        assert!(matches!(Plan::new(100, 30, 1_000, 1 << 40), Ok(Plan::Sampled { orders: 64 })));
        assert!(matches!(Plan::new(1, 1_000, 99_900, 1_000_000_000), Ok(Plan::Sampled { orders: 10 })));
        assert!(matches!(Plan::new(10, 1_000, 99_900, 1_000_000_000), Err(2)));
    }
}
