//! The penalised loss, its derivatives, and the measure of being done.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};

use super::LogisticTask;

/// Rows that are worked on at a time while the Hessian is summed: the weighted copy of them stays in the cache.
const BLOCK_ROWS: usize = 1024;

/// The objective of a task. Parameters are the weights, then the intercept.
pub(super) struct Objective<'a> {
    features: ArrayView2<'a, f64>,
    labels: &'a [bool],
    /// Per class, divided by the sum over all rows: a row's share of the loss.
    positive_share: f64,
    negative_share: f64,
    pub(super) l1: f64,
    pub(super) l2: f64,
}

impl<'a> Objective<'a> {
    pub(super) fn new(task: &LogisticTask<'a>) -> Self {
        let total = task.class_weights.total(crate::ml::labels::ClassCounts::of(task.labels));
        Self {
            features: task.features,
            labels: task.labels,
            positive_share: task.class_weights.positive / total,
            negative_share: task.class_weights.negative / total,
            l1: task.l1,
            l2: task.l2,
        }
    }

    pub(super) fn columns(&self) -> usize {
        self.features.ncols()
    }

    /// All weights 0 and the intercept at the weighted log-odds, which is the optimum of the constant model.
    pub(super) fn start(&self) -> Array1<f64> {
        let positives = self.labels.iter().filter(|&&label| label).count() as f64;
        let negatives = self.labels.len() as f64 - positives;
        let mut parameters = Array1::zeros(self.columns() + 1);
        parameters[self.columns()] = (positives * self.positive_share / (negatives * self.negative_share)).ln();
        parameters
    }

    /// One logit per row.
    pub(super) fn margins(&self, parameters: &Array1<f64>) -> Array1<f64> {
        let weights = parameters.slice(s![..self.columns()]);
        self.features.dot(&weights) + parameters[self.columns()]
    }

    /// The objective at the parameters whose margins are given.
    pub(super) fn value(&self, parameters: &Array1<f64>, margins: &Array1<f64>) -> f64 {
        let loss: f64 = margins.iter().zip(self.labels).map(|(&z, &label)| self.share(label) * loss(z, label)).sum();
        loss + self.penalty(parameters)
    }

    fn penalty(&self, parameters: &Array1<f64>) -> f64 {
        let weights = parameters.slice(s![..self.columns()]);
        let absolute: f64 = weights.iter().map(|weight| weight.abs()).sum();
        let square: f64 = weights.iter().map(|weight| weight * weight).sum();
        self.l1 * absolute + self.l2 * square
    }

    /// The L1 penalty alone.
    pub(super) fn absolute_penalty(&self, parameters: ArrayView1<'_, f64>) -> f64 {
        self.l1 * parameters.slice(s![..self.columns()]).iter().map(|weight| weight.abs()).sum::<f64>()
    }

    /// The gradient of everything but the L1 penalty.
    pub(super) fn smooth_gradient(&self, parameters: &Array1<f64>, margins: &Array1<f64>) -> Array1<f64> {
        let residuals: Array1<f64> = margins
            .iter()
            .zip(self.labels)
            .map(|(&z, &label)| self.share(label) * (sigmoid(z) - f64::from(u8::from(label))))
            .collect();
        let mut gradient = Array1::zeros(self.columns() + 1);
        let by_weight = self.features.t().dot(&residuals);
        let weights = parameters.slice(s![..self.columns()]);
        gradient.slice_mut(s![..self.columns()]).assign(&(by_weight + &weights * (2.0 * self.l2)));
        gradient[self.columns()] = residuals.sum();
        gradient
    }

    /// The Hessian of everything but the L1 penalty, `(columns + 1, columns + 1)`.
    pub(super) fn hessian(&self, margins: &Array1<f64>) -> Array2<f64> {
        let columns = self.columns();
        let mut hessian = Array2::zeros((columns + 1, columns + 1));
        let mut block = Array2::zeros((BLOCK_ROWS, columns + 1));
        for (start, rows) in self.features.axis_chunks_iter(Axis(0), BLOCK_ROWS).enumerate() {
            let start = start * BLOCK_ROWS;
            let mut block = block.slice_mut(s![..rows.nrows(), ..]);
            for (index, (mut weighted, row)) in block.outer_iter_mut().zip(rows.outer_iter()).enumerate() {
                let p = sigmoid(margins[start + index]);
                let root = (self.share(self.labels[start + index]) * p * (1.0 - p)).sqrt();
                weighted.slice_mut(s![..columns]).assign(&(&row * root));
                weighted[columns] = root;
            }
            ndarray::linalg::general_mat_mul(1.0, &block.t(), &block, 1.0, &mut hessian);
        }
        hessian.diag_mut().slice_mut(s![..columns]).map_inplace(|value| *value += 2.0 * self.l2);
        hessian
    }

    /// The largest coordinate of the smallest subgradient of the objective: 0 exactly at the optimum.
    pub(super) fn optimality(&self, parameters: &Array1<f64>, smooth_gradient: &Array1<f64>) -> f64 {
        let coordinate = |index: usize| {
            let (weight, slope) = (parameters[index], smooth_gradient[index]);
            if slope.is_nan() || index == self.columns() || self.l1 == 0.0 {
                slope.abs()
            } else if weight == 0.0 {
                (slope.abs() - self.l1).max(0.0)
            } else {
                (slope + self.l1 * weight.signum()).abs()
            }
        };
        // `f64::max` would drop a NaN, and a fit that overflowed would pass for converged.
        let larger = |most: f64, found: f64| if found.is_nan() || found > most { found } else { most };
        (0..parameters.len()).map(coordinate).fold(0.0, larger)
    }

    fn share(&self, label: bool) -> f64 {
        if label { self.positive_share } else { self.negative_share }
    }
}

/// `ln(1 + e^-z)` for a positive row and `ln(1 + e^z)` for a negative one, without overflow.
fn loss(z: f64, label: bool) -> f64 {
    let against = if label { -z } else { z };
    against.max(0.0) + (-z.abs()).exp().ln_1p()
}

fn sigmoid(z: f64) -> f64 {
    if z >= 0.0 {
        1.0 / (1.0 + (-z).exp())
    } else {
        let e = z.exp();
        e / (1.0 + e)
    }
}
