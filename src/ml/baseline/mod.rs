//! Three models to stand beside every other: the constant, a regularized logistic regression, shallow boosted
//! stumps. A model that is no better than these has learnt nothing that was worth its training.
//!
//! They learn from the training rows as they were collected, without resampling or weights, from a sample where there
//! are many, so that they cost little beside the model that they stand beside. The same rows and seed give the same
//! numbers, whatever the number of threads.

mod sample;
mod stumps;

use std::ops::ControlFlow;

use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::labels::ClassWeights;
use super::logistic::{self, LogisticError, LogisticTask};
use super::logit::sigmoid;
use super::metrics::{average_precision, base_rate_entropy, log_loss, roc_auc};
use super::observe::Stop;
use super::seed::Seed;
use super::sets::{EvalSet, TrainSet};
use sample::{Sample, sample};
pub use stumps::{MAX_ROUNDS, Stumps, StumpsTask};

/// Validation rows that say when the stumps are enough, at most.
const ROWS_WATCHED: usize = 20_000;

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BaselineKind {
    /// Gives every row the prevalence of the training rows.
    Constant,
    /// L2 penalty of scikit-learn's default, `C = 1` on standardized columns.
    Logistic,
    /// Gradient boosting of trees with one split each.
    Stumps,
}

impl BaselineKind {
    pub fn as_str(self) -> &'static str {
        match self {
            BaselineKind::Constant => "constant",
            BaselineKind::Logistic => "logistic",
            BaselineKind::Stumps => "stumps",
        }
    }
}

/// What one of them is worth on the test rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    pub name: BaselineKind,
    /// The training rows that it learnt from.
    pub rows: usize,
    pub average_precision: Option<f64>,
    pub roc_auc: Option<f64>,
    /// In nats.
    pub log_loss: Option<f64>,
    /// Log loss over that of the best constant; 1 is nothing learnt.
    pub relative_log_loss: Option<f64>,
}

/// Fits the three on training rows, stops the stumps by the validation rows, and scores all on the test rows.
/// A part without rows of both classes leaves only what can be said.
///
/// # Errors
/// If `step` ends the run.
pub fn baselines(
    train: &TrainSet,
    validation: &EvalSet,
    test: &EvalSet,
    seed: Seed,
    step: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<Vec<Baseline>, Stop> {
    let counts = train.class_counts();
    let constant = vec![counts.prevalence(); test.rows()];
    let mut found = vec![scored(BaselineKind::Constant, train.rows(), test.labels(), &constant)];
    if counts.positive == 0 || counts.negative == 0 {
        return Ok(found);
    }
    let rows = sample(train, seed);
    if let Some(linear) = fit_logistic(&rows, &mut *step)? {
        let probabilities = linear.probabilities(test.features());
        found.push(scored(BaselineKind::Logistic, rows.labels.len(), test.labels(), &probabilities));
    }
    let watched: Vec<usize> = spread_out(validation.rows(), ROWS_WATCHED).collect();
    let validation_labels: Vec<bool> = watched.iter().map(|&row| validation.labels()[row]).collect();
    let validation_features = validation.features().select(Axis(0), &watched).select(Axis(1), &rows.columns);
    let task = StumpsTask {
        features: rows.features.view(),
        labels: &rows.labels,
        validation: validation_features.view(),
        validation_labels: &validation_labels,
    };
    let stumps = Stumps::fit(&task, &mut *step)?;
    let logits = stumps.logits(test.features().select(Axis(1), &rows.columns).view());
    let probabilities: Vec<f64> = logits.into_iter().map(|logit| sigmoid(logit - rows.shift)).collect();
    found.push(scored(BaselineKind::Stumps, rows.labels.len(), test.labels(), &probabilities));
    Ok(found)
}

/// At most so many rows, evenly over all.
fn spread_out(rows: usize, most: usize) -> impl Iterator<Item = usize> {
    (0..rows).step_by(rows.div_ceil(most).max(1))
}

fn scored(name: BaselineKind, rows: usize, labels: &[bool], probabilities: &[f64]) -> Baseline {
    let positives = labels.iter().filter(|&&label| label).count();
    let entropy = base_rate_entropy(positives as f64 / labels.len().max(1) as f64);
    let loss = log_loss(labels, probabilities).ok();
    Baseline {
        name,
        rows,
        average_precision: average_precision(labels, probabilities),
        roc_auc: roc_auc(labels, probabilities),
        log_loss: loss,
        relative_log_loss: loss.filter(|_| entropy > 0.0).map(|loss| loss / entropy),
    }
}

/// A logistic regression on columns as they are.
struct Linear {
    columns: Vec<usize>,
    weights: Vec<f64>,
    intercept: f64,
}

impl Linear {
    fn probabilities(&self, features: &Array2<f64>) -> Vec<f64> {
        let logit = |row: ndarray::ArrayView1<'_, f64>| {
            let terms = self.columns.iter().zip(&self.weights).map(|(&column, weight)| row[column] * weight);
            self.intercept + terms.sum::<f64>()
        };
        features.rows().into_iter().map(|row| sigmoid(logit(row))).collect()
    }
}

/// `None` where the objective cannot be evaluated on these rows.
fn fit_logistic(rows: &Sample, step: &mut dyn FnMut(f64) -> ControlFlow<Stop>) -> Result<Option<Linear>, Stop> {
    let scaling: Vec<(f64, f64)> = rows.features.axis_iter(Axis(1)).map(location_and_spread).collect();
    let mut features = rows.features.clone();
    for (mut column, &(mean, spread)) in features.axis_iter_mut(Axis(1)).zip(&scaling) {
        column.mapv_inplace(|value| (value - mean) / spread);
    }
    let task = LogisticTask {
        features: features.view(),
        labels: &rows.labels,
        class_weights: ClassWeights::EQUAL,
        l1: 0.0,
        l2: 1.0 / (2.0 * rows.labels.len() as f64),
        tolerance: 1e-5,
        max_iterations: 100,
    };
    let fitted = match logistic::fit(&task, &mut |fraction| step(fraction / 2.0)) {
        Ok(fitted) => fitted,
        Err(LogisticError::Stopped(stop)) => return Err(stop),
        Err(LogisticError::OneClass { .. } | LogisticError::NotFinite { .. }) => return Ok(None),
    };
    let weights: Vec<f64> = fitted.weights.iter().zip(&scaling).map(|(weight, (_, spread))| weight / spread).collect();
    let moved: f64 = weights.iter().zip(&scaling).map(|(weight, (mean, _))| weight * mean).sum();
    Ok(Some(Linear { columns: rows.columns.clone(), weights, intercept: fitted.intercept - moved - rows.shift }))
}

/// The mean and the standard deviation of a column, 1 where it does not vary.
fn location_and_spread(column: ndarray::ArrayView1<'_, f64>) -> (f64, f64) {
    let count = column.len().max(1) as f64;
    let mean = column.sum() / count;
    let squares: f64 = column.iter().map(|value| (value - mean).powi(2)).sum();
    let spread = (squares / count).sqrt();
    (mean, if spread > 0.0 && spread.is_finite() { spread } else { 1.0 })
}

/// Rows by columns, as both learners take them.
type Features<'a> = ArrayView2<'a, f64>;
