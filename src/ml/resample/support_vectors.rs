//! The support vectors of an RBF machine that tells the classes apart.
//!
//! Solves the dual of C-SVC, `min ½ aᵀQa − Σa` with `0 ≤ a ≤ 1`, `Σ y a = 0`, `Q = y_i y_j exp(−γ ‖x_i − x_j‖²)` and
//! `γ = 1 / (p Var X)`, scikit-learn's defaults, by sequential minimal optimisation with second-order selection: R.-E.
//! Fan, P.-H. Chen and C.-J. Lin, "Working set selection using second order information for training support vector
//! machines", JMLR 6, 2005. Stops where no pair violates the optimality conditions by more than 10⁻³, as libsvm does,
//! with its tie rules and its single-precision kernel; its shrinking changes the path, not the optimum, and is left out.
//! Rows on the verge of being support vectors can differ from libsvm's.
//!
//! Memory: kernel rows up to [`CACHE_BYTES`].

use std::collections::HashMap;

use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::{ResampleError, report, rows_of};
use crate::ml::neighbours::Progress;
use crate::ml::sets::TrainSet;

/// More rows would take hours.
pub const MAX_SVM_ROWS: usize = 20_000;
/// Kernel rows that are kept, in bytes.
const CACHE_BYTES: usize = 256 << 20;
const TOLERANCE: f64 = 1e-3;
const BOX: f64 = 1.0;
/// Takes the place of a curvature that is not positive.
const TAU: f64 = 1e-12;
/// Steps between two calls of the progress.
const BLOCK_STEPS: usize = 16;

/// The rows with a positive coefficient, ascending.
///
/// # Errors
/// If there are more than [`MAX_SVM_ROWS`] rows or the run is stopped.
pub(super) fn support_vectors(set: &TrainSet, progress: &mut Progress<'_>) -> Result<Vec<usize>, ResampleError> {
    if set.rows() > MAX_SVM_ROWS {
        return Err(ResampleError::TooManyRowsFor { method: "svm_smote", rows: set.rows(), most: MAX_SVM_ROWS });
    }
    // libsvm has the rows of the lower label first and calls them +1.
    let order: Vec<usize> = [false, true].into_iter().flat_map(|class| rows_of(&set.labels, class)).collect();
    let signs = order.iter().map(|&row| if set.labels[row] { -1.0 } else { 1.0 }).collect();
    let mut dual = Dual::new(Kernel::new(set.features.select(Axis(0), &order)), signs);
    let most = (100 * order.len()).max(10_000_000);
    for step in 0..most {
        if step % BLOCK_STEPS == 0 {
            report(progress, 1.0 - 1.0 / (1.0 + step as f64 / (order.len() + 1) as f64))?;
        }
        let Some((first, second)) = dual.select() else { break };
        dual.step(first, second);
    }
    let mut vectors: Vec<usize> =
        order.iter().zip(&dual.coefficients).filter(|(_, a)| **a > 0.0).map(|(&row, _)| row).collect();
    vectors.sort_unstable();
    Ok(vectors)
}

/// Rows of the kernel, computed when they are asked for and kept while there is room.
struct Kernel {
    features: Array2<f64>,
    norms: Vec<f64>,
    gamma: f64,
    rows: HashMap<usize, (u64, Vec<f32>)>,
    clock: u64,
}

impl Kernel {
    fn new(features: Array2<f64>) -> Self {
        let norms = features.rows().into_iter().map(|row| row.dot(&row)).collect();
        let variance = if features.is_empty() { 0.0 } else { features.var(0.0) };
        let scaled = features.ncols() as f64 * variance;
        let gamma = if scaled > 0.0 && scaled.is_finite() { 1.0 / scaled } else { 1.0 };
        Self { features, norms, gamma, rows: HashMap::new(), clock: 0 }
    }

    /// `exp(−γ ‖x_row − x_j‖²)` for all j.
    fn row(&mut self, row: usize) -> &[f32] {
        self.clock += 1;
        if !self.rows.contains_key(&row) {
            self.make_room();
        }
        let Self { features, norms, gamma, rows, clock } = self;
        let entry = rows.entry(row).or_insert_with(|| (0, compute(features, norms, *gamma, row)));
        entry.0 = *clock;
        &entry.1
    }

    fn make_room(&mut self) {
        let most = (CACHE_BYTES / (4 * self.norms.len().max(1))).max(2);
        if self.rows.len() >= most {
            let oldest = self.rows.iter().min_by_key(|(_, (used, _))| *used).map(|(&row, _)| row);
            oldest.and_then(|row| self.rows.remove(&row));
        }
    }
}

fn compute(features: &Array2<f64>, norms: &[f64], gamma: f64, row: usize) -> Vec<f32> {
    let own = features.row(row);
    let value = |other: usize| {
        let squared = norms[row] + norms[other] - 2.0 * own.dot(&features.row(other));
        (-gamma * squared).exp() as f32
    };
    (0..norms.len()).into_par_iter().with_min_len(256).map(value).collect()
}

struct Dual {
    kernel: Kernel,
    signs: Vec<f64>,
    coefficients: Vec<f64>,
    gradient: Vec<f64>,
}

impl Dual {
    fn new(kernel: Kernel, signs: Vec<f64>) -> Self {
        let rows = signs.len();
        Self { kernel, signs, coefficients: vec![0.0; rows], gradient: vec![-1.0; rows] }
    }

    fn can_rise(&self, row: usize) -> bool {
        if self.signs[row] > 0.0 { self.coefficients[row] < BOX } else { self.coefficients[row] > 0.0 }
    }

    fn can_fall(&self, row: usize) -> bool {
        if self.signs[row] > 0.0 { self.coefficients[row] > 0.0 } else { self.coefficients[row] < BOX }
    }

    /// How far the objective falls if `signs[row] * coefficients[row]` rises.
    fn pull(&self, row: usize) -> f64 {
        -self.signs[row] * self.gradient[row]
    }

    /// The pair that promises the largest decrease; `None` at the optimum.
    fn select(&mut self) -> Option<(usize, usize)> {
        let mut first = (f64::NEG_INFINITY, None);
        for row in 0..self.signs.len() {
            if self.can_rise(row) && self.pull(row) >= first.0 {
                first = (self.pull(row), Some(row));
            }
        }
        let (highest, Some(first)) = first else { return None };
        let kernel = self.kernel.row(first).to_vec();
        let mut lowest = f64::INFINITY;
        let mut second = (f64::INFINITY, None);
        for (row, &similarity) in kernel.iter().enumerate() {
            if !self.can_fall(row) {
                continue;
            }
            lowest = lowest.min(self.pull(row));
            let gap = highest - self.pull(row);
            if gap > 0.0 {
                let curvature = 2.0 - 2.0 * f64::from(similarity);
                let promise = -(gap * gap) / if curvature > 0.0 { curvature } else { TAU };
                if promise <= second.0 {
                    second = (promise, Some(row));
                }
            }
        }
        if highest - lowest < TOLERANCE { None } else { second.1.map(|second| (first, second)) }
    }

    /// Minimises over two coefficients.
    fn step(&mut self, first: usize, second: usize) {
        let row = self.kernel.row(first).to_vec();
        let other = self.kernel.row(second).to_vec();
        let curvature = 2.0 - 2.0 * f64::from(row[second]);
        let curvature = if curvature > 0.0 { curvature } else { TAU };
        let before = [self.coefficients[first], self.coefficients[second]];
        let after = if self.signs[first] == self.signs[second] {
            let change = (self.gradient[first] - self.gradient[second]) / curvature;
            clip_sum(before[0] - change, before[1] + change, before[0] + before[1])
        } else {
            let change = (-self.gradient[first] - self.gradient[second]) / curvature;
            clip_difference(before[0] + change, before[1] + change, before[0] - before[1])
        };
        self.coefficients[first] = after[0];
        self.coefficients[second] = after[1];
        let moves = [(after[0] - before[0]) * self.signs[first], (after[1] - before[1]) * self.signs[second]];
        for (at, gradient) in self.gradient.iter_mut().enumerate() {
            *gradient += self.signs[at] * (f64::from(row[at]) * moves[0] + f64::from(other[at]) * moves[1]);
        }
    }
}

/// Into the box along `a + b = sum`.
fn clip_sum(mut a: f64, mut b: f64, sum: f64) -> [f64; 2] {
    if sum > BOX {
        if a > BOX {
            (a, b) = (BOX, sum - BOX);
        }
    } else if b < 0.0 {
        (a, b) = (sum, 0.0);
    }
    if sum > BOX {
        if b > BOX {
            (a, b) = (sum - BOX, BOX);
        }
    } else if a < 0.0 {
        (a, b) = (0.0, sum);
    }
    [a, b]
}

/// Into the box along `a − b = difference`.
fn clip_difference(mut a: f64, mut b: f64, difference: f64) -> [f64; 2] {
    if difference > 0.0 {
        if b < 0.0 {
            (a, b) = (difference, 0.0);
        }
    } else if a < 0.0 {
        (a, b) = (0.0, -difference);
    }
    if difference > 0.0 {
        if a > BOX {
            (a, b) = (BOX, BOX - difference);
        }
    } else if b > BOX {
        (a, b) = (BOX + difference, BOX);
    }
    [a, b]
}

#[cfg(test)]
mod tests {
    use super::{clip_difference, clip_sum, support_vectors};
    use crate::ml::sets::TrainSet;
    use ndarray::Array2;
    use std::ops::ControlFlow;

    #[test]
    fn coefficients_stay_in_the_box_and_on_their_line() {
        assert_eq!(clip_sum(1.4, 0.2, 1.6), [1.0, 0.6000000000000001]);
        assert_eq!(clip_sum(0.9, -0.4, 0.5), [0.5, 0.0]);
        assert_eq!(clip_difference(-0.5, -0.25, -0.25), [0.0, 0.25]);
        assert_eq!(clip_difference(1.5, 1.0, 0.5), [1.0, 0.5]);
    }

    // import numpy as np; from sklearn.svm import SVC
    // i = np.arange(60); X = np.c_[np.sin(i * 0.7) + (i % 4 == 1) * 0.8, np.cos(i * i * 0.3)]
    // SVC(gamma="scale").fit(X, i % 4 == 1).support_.tolist(), sorted
    #[test]
    fn support_vectors_are_libsvms() {
        let labels: Vec<bool> = (0..60).map(|row| row % 4 == 1).collect();
        let features = Array2::from_shape_fn((60, 2), |(row, column)| match column {
            0 => (row as f64 * 0.7).sin() + if labels[row] { 0.8 } else { 0.0 },
            _ => ((row * row) as f64 * 0.3).cos(),
        });
        let set = TrainSet::new(features, labels);
        let found = support_vectors(&set, &mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(
            found,
            [
                0, 1, 2, 3, 4, 5, 8, 9, 11, 12, 13, 17, 20, 21, 23, 24, 25, 27, 29, 30, 32, 33, 36, 37, 38, 39, 41, 45,
                47, 48, 49, 53, 54, 56, 57, 59
            ]
        );
    }
}
