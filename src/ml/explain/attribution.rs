//! What each input column contributed to the score of one row, against a row that has the mean of the training rows in
//! every preprocessed column.
//!
//! Scores are log-odds, in which a linear model is a sum. Exact for linear models; for networks Shapley values (Shapley
//! 1953; Štrumbelj & Kononenko 2014), exact for few columns and sampled, with a standard error, for more.

use serde::Serialize;

use super::shapley;
use crate::ml::calibrate::Calibrator;
use crate::ml::model::{Model, Predictor};
use crate::ml::preprocess::{InputRange, PreprocessError};
use crate::ml::table::Table;

/// Multiplications and additions for one request.
const WORK: u64 = 20_000_000_000;

/// The contributions of some rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribution {
    pub method: AttributionMethod,
    pub scale: LogOddsScale,
    /// The score of the mean of the training rows.
    pub base: f64,
    /// In the rows' order.
    pub rows: Vec<Attributed>,
}

/// The contributions of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Attributed {
    /// The row's score.
    pub score: f64,
    /// One per input column, in the order of the model's features.
    pub contributions: Vec<Contribution>,
    /// The score minus the base and all contributions: what the attribution leaves unexplained.
    pub gap: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contribution {
    pub value: f64,
    /// Of a sampled value; 0 of an exact one.
    pub standard_error: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributionMethod {
    /// Weight times distance from the mean.
    Linear,
    /// Over all subsets of columns.
    Shapley,
    /// Over random orders of the columns, each with its reverse.
    SampledShapley,
}

/// What the scores are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogOddsScale {
    /// The log-odds of the probability that is predicted.
    LogOdds,
    /// The model's own, before a calibration or a loss that bends the scale.
    UncalibratedLogOdds,
}

/// Why there are no contributions.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ExplainError {
    #[error(
        "{rows} rows of {columns} columns are too much work to explain at once for a model of this size; at most {allowed} rows are explained"
    )]
    TooMuch { rows: usize, columns: usize, allowed: u64 },
    #[error("a network that reads pictures has no columns that could contribute")]
    Pictures,
    #[error("the background has {found} columns for {expected} of the model")]
    Background { found: usize, expected: usize },
    #[error("the rows do not fit the model")]
    Rows(#[from] PreprocessError),
}

/// Attributes the scores of the rows of `table` to the model's input columns. `calibrator` is the model's, or the one that
/// takes its place; `background` is the mean of each
/// preprocessed column over the training rows.
///
/// # Errors
/// If the rows do not fit the model, or are too many.
pub fn attribute(
    model: &Model,
    calibrator: &Calibrator,
    background: &[f64],
    table: &Table,
) -> Result<Attribution, ExplainError> {
    if model.preprocessor.picture_shape().is_some() {
        return Err(ExplainError::Pictures);
    }
    let inputs = model.preprocessor.input_ranges();
    let expected = model.preprocessor.width();
    if background.len() != expected {
        return Err(ExplainError::Background { found: background.len(), expected });
    }
    let features = model.preprocessor.transform(table)?;
    let affine = calibrator.affine();
    let scale = affine.map_or(LogOddsScale::UncalibratedLogOdds, |_| LogOddsScale::LogOdds);
    let (slope, offset) = affine.unwrap_or((1.0, 0.0));
    if let Predictor::Logistic(logistic) = &model.predictor {
        let weights: Vec<f64> = logistic.weights.iter().map(|weight| slope * weight).collect();
        let base = slope * logistic.intercept + offset + dot(&weights, background);
        let row = |row: ndarray::ArrayView1<'_, f64>| {
            let values: Vec<f64> = row.iter().copied().collect();
            let score = slope * logistic.intercept + offset + dot(&weights, &values);
            let distances = weights.iter().zip(&values).zip(background).map(|((w, x), mean)| w * (x - mean));
            let each: Vec<f64> = distances.collect();
            let of_input = |input: &InputRange| Contribution {
                value: each[input.columns.clone()].iter().sum(),
                standard_error: 0.0,
            };
            attributed(score, base, inputs.iter().map(of_input).collect())
        };
        let rows = features.rows().into_iter().map(row).collect();
        return Ok(Attribution { method: AttributionMethod::Linear, scale, base, rows });
    }
    let plan = shapley::Plan::new(table.rows(), inputs.len(), model.predictor.multiply_adds(), WORK)
        .map_err(|allowed| ExplainError::TooMuch { rows: table.rows(), columns: inputs.len(), allowed })?;
    let score = |features: &ndarray::Array2<f64>| -> Vec<f64> {
        model.predictor.logits(features).into_iter().map(|logit| slope * logit + offset).collect()
    };
    let game = shapley::Game { score: &score, inputs: &inputs, background };
    let base = game.base();
    let rows = features.rows().into_iter().zip(game.scores(&features));
    let rows = rows.map(|(row, score)| attributed(score, base, game.values(row, base, score, &plan))).collect();
    Ok(Attribution { method: plan.method(), scale, base, rows })
}

fn attributed(score: f64, base: f64, contributions: Vec<Contribution>) -> Attributed {
    let sum: f64 = contributions.iter().map(|contribution| contribution.value).sum();
    Attributed { score, gap: score - base - sum, contributions }
}

fn dot(weights: &[f64], values: &[f64]) -> f64 {
    weights.iter().zip(values).map(|(weight, value)| weight * value).sum()
}
