//! Logistic regression with an elastic-net penalty: a convex problem, solved to a stated precision in f64.
//!
//! Minimises the mean weighted loss `(1/W) * sum_i c_i * ln(1 + exp(-s_i z_i)) + l1 * sum|w| + l2 * sum w^2` with
//! `z = w.x + b`, `s = +-1`, `c` the weight of the row's class, `W` the sum of `c`. The intercept is free.
//! scikit-learn's `LogisticRegression(C, l1_ratio)` on n equally weighted rows is `l1 = l1_ratio / (C n)` and
//! `l2 = (1 - l1_ratio) / (2 C n)`.
//!
//! Up to [`newton::MAX_COLUMNS`] columns the problem is solved by proximal Newton steps, each found by coordinate
//! descent where there is an L1 penalty (Lee, Sun and Saunders 2014; Friedman, Hastie and Tibshirani 2010) and by a
//! Cholesky factorisation where there is none; beyond, by accelerated proximal gradients (Beck and Teboulle 2009).
//! All sums run in the order of the rows, so the result does not depend on the number of threads.

mod cholesky;
mod gradient;
mod newton;
mod objective;

use std::ops::ControlFlow;

use ndarray::{Array2, ArrayView1, ArrayView2};

use super::labels::ClassWeights;
use super::observe::Stop;
use objective::Objective;

/// What is to be fitted.
#[derive(Debug, Clone, Copy)]
pub struct LogisticTask<'a> {
    /// One row per example.
    pub features: ArrayView2<'a, f64>,
    /// One per row; `true` is the positive class.
    pub labels: &'a [bool],
    pub class_weights: ClassWeights,
    pub l1: f64,
    pub l2: f64,
    /// The largest coordinate of the (sub)gradient of the objective that counts as converged.
    pub tolerance: f64,
    pub max_iterations: usize,
}

/// A fitted logistic regression.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedLogistic {
    pub weights: Vec<f64>,
    pub intercept: f64,
    /// 0 for a model that was read and not fitted.
    pub iterations: usize,
    /// The objective at the end, penalty included.
    pub objective: f64,
    /// Whether the tolerance was reached within the iterations.
    pub converged: bool,
}

/// Why there is no fit.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LogisticError {
    #[error("the fit was stopped from outside")]
    Stopped(Stop),
    #[error("both classes need rows; there are {positive} positive and {negative} negative ones")]
    OneClass { positive: usize, negative: usize },
    #[error("the objective is not finite at iteration {iteration}; scale the features or add a penalty")]
    NotFinite { iteration: usize },
}

/// Fits a logistic regression. `step` is asked after each iteration and may stop the fit.
///
/// # Errors
/// If a class has no rows, if the objective overflows, or if `step` stops the fit.
pub fn fit(
    task: &LogisticTask<'_>,
    step: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<FittedLogistic, LogisticError> {
    let positive = task.labels.iter().filter(|&&label| label).count();
    let negative = task.labels.len() - positive;
    if positive == 0 || negative == 0 {
        return Err(LogisticError::OneClass { positive, negative });
    }
    let objective = Objective::new(task);
    if objective.columns() <= newton::MAX_COLUMNS {
        newton::minimize(&objective, task.tolerance, task.max_iterations, step)
    } else {
        gradient::minimize(&objective, task.tolerance, task.max_iterations, step)
    }
}

impl FittedLogistic {
    /// A model read from its parameters.
    pub fn from_parameters(weights: Vec<f64>, intercept: f64) -> Self {
        Self { weights, intercept, iterations: 0, objective: 0.0, converged: true }
    }

    /// One logit per row of `(rows, columns)`. A row's logit does not depend on the rows beside it.
    pub fn logits(&self, features: &Array2<f64>) -> Vec<f64> {
        let weights = ArrayView1::from(&self.weights);
        features.rows().into_iter().map(|row| row.dot(&weights) + self.intercept).collect()
    }

    fn of(objective: &Objective<'_>, parameters: &[f64], iterations: usize, value: f64, converged: bool) -> Self {
        let (weights, intercept) = parameters.split_at(objective.columns());
        let intercept = intercept.first().copied().unwrap_or(0.0);
        Self { weights: weights.to_vec(), intercept, iterations, objective: value, converged }
    }
}
