//! Gradient boosting of trees with one split each, on histograms (Friedman 2001; Chen and Guestrin 2016, equations 6
//! and 7): shallow, quick, and hard to mistrain, which is what a yardstick should be.

use std::ops::ControlFlow;

use ndarray::ArrayView1;
use rayon::prelude::*;

use super::Features;
use crate::ml::logit::sigmoid;
use crate::ml::metrics::log_loss;
use crate::ml::observe::Stop;

/// Trees, at most.
pub const MAX_ROUNDS: usize = 60;
/// Rounds without a lower validation loss after which it ends.
const PATIENCE: usize = 8;
/// The share of a leaf's best value that is added.
const SHRINKAGE: f64 = 0.3;
/// Added to the second derivative of a leaf.
const RIDGE: f64 = 1.0;
/// Bins per column.
const BINS: usize = 32;
/// Values of a column that its bins are made from.
const VALUES_FOR_BINS: usize = 10_000;
/// A split must leave this much second derivative on each side.
const LEAST_HESSIAN: f64 = 1e-3;

/// What to fit.
#[derive(Debug, Clone, Copy)]
pub struct StumpsTask<'a> {
    /// One row per example; every value finite.
    pub features: Features<'a>,
    /// One per row; `true` is the positive class.
    pub labels: &'a [bool],
    /// For early stopping; may be empty.
    pub validation: Features<'a>,
    pub validation_labels: &'a [bool],
}

/// A sum of trees with one split each.
#[derive(Debug, Clone, PartialEq)]
pub struct Stumps {
    prior: f64,
    stumps: Vec<Stump>,
}

/// Adds `low` to the logit where the value is at most `threshold`, else `high`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stump {
    column: usize,
    threshold: f64,
    low: f64,
    high: f64,
}

impl Stump {
    fn of(&self, row: ArrayView1<'_, f64>) -> f64 {
        if row[self.column] <= self.threshold { self.low } else { self.high }
    }
}

impl Stumps {
    /// Fits to the log loss; `step` is told the share that is done. Rows of one class give the constant.
    ///
    /// # Errors
    /// If `step` ends the fit.
    pub fn fit(task: &StumpsTask<'_>, step: &mut dyn FnMut(f64) -> ControlFlow<Stop>) -> Result<Self, Stop> {
        let positives = task.labels.iter().filter(|&&label| label).count() as f64;
        let negatives = task.labels.len() as f64 - positives;
        // Half a row in each class keeps the prior finite.
        let prior = ((positives + 0.5) / (negatives + 0.5)).ln();
        let mut fitted = Self { prior, stumps: Vec::new() };
        if positives == 0.0 || negatives == 0.0 {
            return Ok(fitted);
        }
        let columns: Vec<Binned> =
            (0..task.features.ncols()).into_par_iter().map(|column| Binned::of(task.features.column(column))).collect();
        let mut logits = vec![prior; task.labels.len()];
        let mut watch = Watch::new(*task, prior);
        for round in 0..MAX_ROUNDS {
            if let ControlFlow::Break(stop) = step(0.5 + 0.5 * round as f64 / MAX_ROUNDS as f64) {
                return Err(stop);
            }
            let Some((stump, bin)) = best_stump(&columns, task.labels, &logits) else { break };
            columns[stump.column].codes.add(&mut logits, &stump, bin);
            fitted.stumps.push(stump);
            if watch.is_over(&stump, fitted.stumps.len()) {
                break;
            }
        }
        fitted.stumps.truncate(watch.best_rounds.unwrap_or(fitted.stumps.len()));
        Ok(fitted)
    }

    /// One logit per row.
    pub fn logits(&self, features: Features<'_>) -> Vec<f64> {
        let logit = |row: ArrayView1<'_, f64>| self.prior + self.stumps.iter().map(|stump| stump.of(row)).sum::<f64>();
        features.rows().into_iter().map(logit).collect()
    }

    /// How many trees it has.
    pub fn rounds(&self) -> usize {
        self.stumps.len()
    }
}

/// A column as bins: a value belongs to the first bin whose edge is not below it.
struct Binned {
    codes: Codes,
    edges: Vec<f64>,
}

enum Codes {
    /// The bin of each row.
    Each(Vec<u8>),
    /// Of two bins, which is what columns of ones and zeros have: the rows of the one with fewer, ascending.
    Fewer { rows: Vec<u32>, are_above: bool },
}

impl Binned {
    fn of(column: ArrayView1<'_, f64>) -> Self {
        let step = column.len().div_ceil(VALUES_FOR_BINS).max(1);
        let mut sorted: Vec<f64> = column.iter().copied().step_by(step).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let mut edges: Vec<f64> = (1..BINS).map(|bin| sorted[bin * (sorted.len() - 1) / BINS]).collect();
        edges.dedup();
        if let (Some(&low), Some(&high)) = (sorted.first(), sorted.last())
            && column.iter().all(|value| *value == low || *value == high)
        {
            edges = vec![low];
        }
        let codes = match edges.as_slice() {
            [edge] => Codes::of_two(column, *edge),
            _ => Codes::Each(column.iter().map(|value| edges.partition_point(|edge| edge < value) as u8).collect()),
        };
        Self { codes, edges }
    }
}

impl Codes {
    fn of_two(column: ArrayView1<'_, f64>, edge: f64) -> Self {
        let above = column.iter().filter(|value| **value > edge).count();
        let are_above = 2 * above <= column.len();
        let rows = column.iter().zip(0..).filter(|(value, _)| (**value > edge) == are_above).map(|(_, row)| row);
        Codes::Fewer { rows: rows.collect(), are_above }
    }

    /// The sums of the slopes in each bin; `whole` is that over all rows.
    fn sums(&self, slopes: &[[f64; 2]], whole: [f64; 2]) -> [[f64; 2]; BINS] {
        let mut bins = [[0.0; 2]; BINS];
        match self {
            Codes::Each(codes) => {
                for (&code, [gradient, hessian]) in codes.iter().zip(slopes) {
                    let bin = &mut bins[usize::from(code) % BINS];
                    bin[0] += gradient;
                    bin[1] += hessian;
                }
            }
            Codes::Fewer { rows, are_above } => {
                let fewer = rows
                    .iter()
                    .map(|&row| slopes[row as usize])
                    .fold([0.0; 2], |sum, slope| [sum[0] + slope[0], sum[1] + slope[1]]);
                bins[usize::from(*are_above)] = fewer;
                bins[usize::from(!*are_above)] = [whole[0] - fewer[0], whole[1] - fewer[1]];
            }
        }
        bins
    }

    /// Adds a stump that splits after `bin` to the logits of its rows.
    fn add(&self, logits: &mut [f64], stump: &Stump, bin: usize) {
        match self {
            Codes::Each(codes) => {
                for (logit, &code) in logits.iter_mut().zip(codes) {
                    *logit += if usize::from(code) <= bin { stump.low } else { stump.high };
                }
            }
            Codes::Fewer { rows, are_above } => {
                let (fewer, others) = if *are_above { (stump.high, stump.low) } else { (stump.low, stump.high) };
                let mut rows = rows.iter().peekable();
                for (logit, row) in logits.iter_mut().zip(0..) {
                    *logit += if rows.next_if_eq(&&row).is_some() { fewer } else { others };
                }
            }
        }
    }
}

/// The split with the largest gain, and the bin that ends its lower side; `None` if none gains anything.
fn best_stump(columns: &[Binned], labels: &[bool], logits: &[f64]) -> Option<(Stump, usize)> {
    let slopes: Vec<[f64; 2]> = logits
        .iter()
        .zip(labels)
        .map(|(&logit, &label)| {
            let p = sigmoid(logit);
            [p - f64::from(u8::from(label)), p * (1.0 - p)]
        })
        .collect();
    let whole = slopes.iter().fold([0.0; 2], |sum, slope| [sum[0] + slope[0], sum[1] + slope[1]]);
    let splits: Vec<Option<(f64, Stump, usize)>> =
        columns.par_iter().enumerate().map(|(column, binned)| best_split(column, binned, &slopes, whole)).collect();
    let mut best: Option<(f64, Stump, usize)> = None;
    for split in splits.into_iter().flatten() {
        if best.is_none_or(|(gain, ..)| split.0 > gain) {
            best = Some(split);
        }
    }
    best.map(|(_, stump, bin)| (stump, bin))
}

fn best_split(column: usize, binned: &Binned, slopes: &[[f64; 2]], whole: [f64; 2]) -> Option<(f64, Stump, usize)> {
    let bins = binned.codes.sums(slopes, whole);
    let gain_of = |[gradient, hessian]: [f64; 2]| gradient * gradient / (hessian + RIDGE);
    let value_of = |[gradient, hessian]: [f64; 2]| -SHRINKAGE * gradient / (hessian + RIDGE);
    let mut below = [0.0; 2];
    let mut best: Option<(f64, Stump, usize)> = None;
    for (bin, &threshold) in binned.edges.iter().enumerate() {
        below = [below[0] + bins[bin][0], below[1] + bins[bin][1]];
        let above = [whole[0] - below[0], whole[1] - below[1]];
        if below[1] < LEAST_HESSIAN || above[1] < LEAST_HESSIAN {
            continue;
        }
        let gain = gain_of(below) + gain_of(above) - gain_of(whole);
        if gain > 1e-9 && best.is_none_or(|(most, ..)| gain > most) {
            best = Some((gain, Stump { column, threshold, low: value_of(below), high: value_of(above) }, bin));
        }
    }
    best
}

/// The validation rows, scored as the trees come.
struct Watch<'a> {
    task: StumpsTask<'a>,
    logits: Vec<f64>,
    least: f64,
    /// Trees at the least loss; `None` without validation rows.
    best_rounds: Option<usize>,
}

impl<'a> Watch<'a> {
    fn new(task: StumpsTask<'a>, prior: f64) -> Self {
        let logits = vec![prior; task.validation_labels.len()];
        let mut watch = Self { task, logits, least: f64::INFINITY, best_rounds: None };
        if let Some(loss) = watch.loss() {
            (watch.least, watch.best_rounds) = (loss, Some(0));
        }
        watch
    }

    fn loss(&self) -> Option<f64> {
        let probabilities: Vec<f64> = self.logits.iter().map(|&logit| sigmoid(logit)).collect();
        log_loss(self.task.validation_labels, &probabilities).ok()
    }

    /// Adds a tree; whether the loss has not fallen for long enough.
    fn is_over(&mut self, stump: &Stump, rounds: usize) -> bool {
        for (logit, row) in self.logits.iter_mut().zip(self.task.validation.rows()) {
            *logit += stump.of(row);
        }
        let (Some(loss), Some(best)) = (self.loss(), self.best_rounds) else { return false };
        if loss < self.least {
            (self.least, self.best_rounds) = (loss, Some(rounds));
            return false;
        }
        rounds - best >= PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::metrics::roc_auc;
    use crate::ml::seed::Seed;
    use ndarray::Array2;
    use rand::Rng;

    /// Positive where the first of three columns lies in the middle, which no line can tell.
    fn middle(rows: usize, seed: u64) -> (Array2<f64>, Vec<bool>) {
        let mut rng = Seed(seed).stream("middle");
        let features = Array2::from_shape_fn((rows, 3), |_| rng.random::<f64>());
        let labels = features.rows().into_iter().map(|row| (0.4..0.6).contains(&row[0])).collect();
        (features, labels)
    }

    fn fit(threads: usize) -> (Stumps, f64) {
        let ((features, labels), (validation, validation_labels)) = (middle(2_000, 1), middle(500, 2));
        let task = StumpsTask {
            features: features.view(),
            labels: &labels,
            validation: validation.view(),
            validation_labels: &validation_labels,
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let stumps = pool.install(|| Stumps::fit(&task, &mut |_| ControlFlow::Continue(()))).unwrap();
        let (test, test_labels) = middle(500, 3);
        let area = roc_auc(&test_labels, &stumps.logits(test.view())).unwrap();
        (stumps, area)
    }

    #[test]
    fn a_shape_that_no_line_has_is_learnt() {
        let (stumps, area) = fit(1);
        assert!(area > 0.98, "{area}");
        assert!(stumps.rounds() <= MAX_ROUNDS);
        assert!(stumps.stumps.iter().filter(|stump| stump.column == 0).count() * 2 > stumps.rounds());
    }

    #[test]
    fn columns_of_two_values_are_summed_as_any_other() {
        let mut rng = Seed(4).stream("two");
        for share in [0.0, 0.01, 0.3, 0.9, 1.0] {
            let values: Vec<f64> = (0..5_000).map(|_| f64::from(u8::from(rng.random_bool(share)))).collect();
            let slopes: Vec<[f64; 2]> = (0..5_000).map(|_| [rng.random::<f64>() - 0.5, rng.random()]).collect();
            let whole = slopes.iter().fold([0.0; 2], |sum, slope| [sum[0] + slope[0], sum[1] + slope[1]]);
            let binned = Binned::of(ndarray::aview1(&values));
            let Codes::Fewer { rows, .. } = &binned.codes else { panic!("{share}") };
            assert!(binned.edges.len() == 1 && rows.len() <= 2_500);
            let bins = |value: &f64| binned.edges.partition_point(|edge| edge < value) as u8;
            let each = Codes::Each(values.iter().map(bins).collect());
            for (a, b) in binned.codes.sums(&slopes, whole).iter().zip(each.sums(&slopes, whole)) {
                assert!((a[0] - b[0]).abs() < 1e-9 && (a[1] - b[1]).abs() < 1e-9, "{share}: {a:?} {b:?}");
            }
            let stump = Stump { column: 0, threshold: 0.0, low: -1.0, high: 2.0 };
            let added = |codes: &Codes| {
                let mut logits = vec![0.5; 5_000];
                codes.add(&mut logits, &stump, 0);
                logits
            };
            assert_eq!(added(&binned.codes), added(&each));
        }
    }

    #[test]
    fn threads_change_nothing() {
        assert_eq!(fit(1).0, fit(2).0);
    }

    #[test]
    fn labels_without_signal_stop_it_early() {
        let (features, _) = middle(2_000, 1);
        let (validation, _) = middle(1_000, 2);
        let coin = |rows: usize, seed: u64| {
            let mut rng = Seed(seed).stream("coin");
            (0..rows).map(|_| rng.random_bool(0.1)).collect::<Vec<bool>>()
        };
        let (labels, validation_labels) = (coin(2_000, 5), coin(1_000, 6));
        let task = StumpsTask {
            features: features.view(),
            labels: &labels,
            validation: validation.view(),
            validation_labels: &validation_labels,
        };
        let stumps = Stumps::fit(&task, &mut |_| ControlFlow::Continue(())).unwrap();
        assert!(stumps.rounds() < 20, "{}", stumps.rounds());
    }

    #[test]
    fn one_class_and_a_stop_are_answered() {
        let features = Array2::<f64>::zeros((4, 1));
        let task = |labels| StumpsTask {
            features: features.view(),
            labels,
            validation: features.view(),
            validation_labels: &[true, false, true, false],
        };
        let constant = Stumps::fit(&task(&[true; 4]), &mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(constant.rounds(), 0);
        assert!(constant.logits(features.view())[0].is_finite());
        let stopped = Stumps::fit(&task(&[true, false, true, false]), &mut |_| ControlFlow::Break(Stop::Cancelled));
        assert_eq!(stopped, Err(Stop::Cancelled));
    }
}
