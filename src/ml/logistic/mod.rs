//! Logistic regression with an elastic-net penalty: a convex problem, solved to a stated precision in f64.
//!
//! Minimises the mean weighted loss `(1/W) * sum_i c_i * ln(1 + exp(-s_i z_i)) + l1 * sum|w| + l2 * sum w^2` with
//! `z = w.x + b`, `s = +-1`, `c` the weight of the row's class, `W` the sum of `c`. The intercept is free.
//! scikit-learn's `LogisticRegression(C, l1_ratio)` on n equally weighted rows is `l1 = l1_ratio / (C n)` and
//! `l2 = (1 - l1_ratio) / (2 C n)`.
//!
//! **Stopping rule.** No coordinate of the smallest subgradient of the objective is larger than the tolerance; or the
//! second-order model promises less than the objective can show in f64, and no step lowers it.
//!
//! **Solvers.** Up to [`newton::MAX_COLUMNS`] columns, proximal Newton steps: by a Cholesky factorisation where there
//! is no L1 penalty, by coordinate descent with an active set where there is one (Lee, Sun and Saunders 2014;
//! Friedman, Hastie and Tibshirani 2010). Beyond, L-BFGS without an L1 penalty, and with one the same Newton steps on
//! a growing working set of columns. Columns that are mostly zero are kept as lists of their values, and very many
//! rows start from the fit of a sample of them, which goes on to guide their steps; neither changes the optimum.
//!
//! All sums run in an order that the data alone defines, so the result does not depend on the number of threads.

mod cholesky;
mod descent;
mod design;
mod gradient;
mod guide;
mod kernels;
mod math;
mod newton;
mod objective;
mod path;
mod quasi_newton;
mod sample;
mod wide;

use std::ops::ControlFlow;

use ndarray::{Array2, ArrayView1, ArrayView2};

use super::labels::ClassWeights;
use super::observe::Stop;
use guide::Guide;
use newton::{Goal, Solution};
use objective::Objective;
pub use path::{PathFit, fit_path, strengths};
use sample::Sample;

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
    /// Whether the stopping rule was met within the iterations.
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

impl From<Stop> for LogisticError {
    fn from(stop: Stop) -> Self {
        LogisticError::Stopped(stop)
    }
}

/// Fits a logistic regression. `step` is told the share of the work that is done, after each few milliseconds of it,
/// and may stop the fit.
///
/// # Errors
/// If a class has no rows, if the objective overflows, or if `step` stops the fit.
pub fn fit(
    task: &LogisticTask<'_>,
    step: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<FittedLogistic, LogisticError> {
    check_classes(task)?;
    let mut watch = Watch { step, done: 0.0 };
    let objective = Objective::new(task, &mut watch)?;
    let sample = Sample::of(task, &objective);
    let sample_task = sample.as_ref().map(|sample| sample.task(task));
    let smaller = sample_task.as_ref().map(|task| Objective::new(task, &mut watch)).transpose()?;
    let start = sample::start(&objective, sample_task.as_ref().zip(smaller.as_ref()), &mut watch)?;
    let guide = smaller.as_ref().and_then(|smaller| Guide::new(&objective, smaller));
    let solution = solve(task, &objective, (start, guide), &mut watch)?;
    Ok(FittedLogistic::of(&objective, solution))
}

fn check_classes(task: &LogisticTask<'_>) -> Result<(), LogisticError> {
    let positive = task.labels.iter().filter(|&&label| label).count();
    let negative = task.labels.len() - positive;
    if positive == 0 || negative == 0 { Err(LogisticError::OneClass { positive, negative }) } else { Ok(()) }
}

/// Minimises the objective from `start`, or from the constant model where that is better; a guide helps.
fn solve(
    task: &LogisticTask<'_>,
    objective: &Objective<'_>,
    (start, guide): (Vec<f64>, Option<Guide<'_>>),
    watch: &mut Watch<'_>,
) -> Result<Solution, LogisticError> {
    let goal = Goal { tolerance: task.tolerance, decrease: 0.0, max_iterations: task.max_iterations };
    if objective.l1 > 0.0 && objective.design.size() > newton::MAX_COLUMNS + 1 {
        return wide::minimize(task, objective, start, &goal, watch);
    }
    let mut model = newton::Model::of(objective, guide);
    let mut start = start;
    let mut at = objective.evaluate(&start, model.full_order(), watch)?;
    let is_worse = at.value.is_nan() || at.value > objective.start_value();
    if is_worse && start != objective.start() {
        start = objective.start();
        at = objective.evaluate(&start, model.full_order(), watch)?;
    }
    newton::descend(objective, start, at, &mut model, &goal, watch)
}

impl FittedLogistic {
    /// A model read from its parameters.
    pub fn from_parameters(weights: Vec<f64>, intercept: f64) -> Self {
        Self { weights, intercept, iterations: 0, objective: 0.0, converged: true }
    }

    /// The model whose logits are the mean of those of the fits, of which there is at least one.
    pub fn mean(mut fits: Vec<Self>) -> Self {
        let share = 1.0 / fits.len() as f64;
        let mut mean = fits.swap_remove(0);
        if fits.is_empty() {
            return mean;
        }
        for fit in &fits {
            mean.weights.iter_mut().zip(&fit.weights).for_each(|(sum, weight)| *sum += weight);
            mean.intercept += fit.intercept;
            mean.objective += fit.objective;
            mean.iterations = mean.iterations.max(fit.iterations);
            mean.converged &= fit.converged;
        }
        mean.weights.iter_mut().for_each(|sum| *sum *= share);
        (mean.intercept, mean.objective) = (mean.intercept * share, mean.objective * share);
        mean
    }

    /// One logit per row of `(rows, columns)`. A row's logit does not depend on the rows beside it.
    pub fn logits(&self, features: &Array2<f64>) -> Vec<f64> {
        let weights = ArrayView1::from(&self.weights);
        features.rows().into_iter().map(|row| row.dot(&weights) + self.intercept).collect()
    }

    fn of(objective: &Objective<'_>, solution: Solution) -> Self {
        let (weights, intercept) = objective.design.weights(&solution.point);
        let Solution { value, iterations, converged, .. } = solution;
        Self { weights, intercept, iterations, objective: value, converged }
    }
}

/// Who is told of progress and may stop the fit.
struct Watch<'s> {
    step: &'s mut dyn FnMut(f64) -> ControlFlow<Stop>,
    done: f64,
}

impl Watch<'_> {
    /// Called after a few milliseconds of work.
    fn ask(&mut self) -> ControlFlow<Stop> {
        (self.step)(self.done)
    }

    /// Notes progress, which never falls.
    fn advance(&mut self, done: f64) {
        self.done = self.done.max(done);
    }
}
