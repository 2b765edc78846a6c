//! The coefficients of a linear model, as it learnt them and per unit of the data.

use serde::Serialize;

use super::LogOddsScale;
use crate::ml::model::{Model, Predictor};
use crate::ml::preprocess::InputRange;

/// A linear model: the log-odds are the intercept plus each coefficient times its preprocessed column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coefficients {
    pub scale: LogOddsScale,
    /// Where every preprocessed column is 0.
    pub intercept: f64,
    /// Where every number is 0 in its own unit, no value is missing and every category is none of the known.
    pub intercept_per_unit: f64,
    /// In the order of the model's features.
    pub terms: Vec<Coefficient>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coefficient {
    /// The preprocessed column: `age`, `age_missing`, `job=clerk`.
    pub feature: String,
    /// The column of the data that it comes from.
    pub column: String,
    pub coefficient: f64,
    /// By how much the odds are multiplied when the preprocessed column rises by 1; null beyond what a number holds.
    pub odds_ratio: Option<f64>,
    /// How much of the data's own unit is 1 of the preprocessed column; 1 for categories and indicators.
    pub unit: f64,
    pub coefficient_per_unit: f64,
    pub odds_ratio_per_unit: Option<f64>,
}

/// The coefficients of a model, on the scale of the probability that it predicts; `None` if it is not linear.
pub fn coefficients(model: &Model) -> Option<Coefficients> {
    let Predictor::Logistic(logistic) = &model.predictor else { return None };
    let affine = model.calibrator.affine();
    let scale = affine.map_or(LogOddsScale::UncalibratedLogOdds, |_| LogOddsScale::LogOdds);
    let (slope, offset) = affine.unwrap_or((1.0, 0.0));
    let intercept = slope * logistic.intercept + offset;
    let scalings = model.preprocessor.scalings();
    let columns = model.preprocessor.input_ranges().into_iter();
    let columns = columns.flat_map(|InputRange { name, columns }| columns.map(move |_| name.clone()));
    let names = model.preprocessor.feature_names().into_iter().zip(columns);
    let mut intercept_per_unit = intercept;
    let mut terms = Vec::with_capacity(logistic.weights.len());
    for (((feature, column), weight), (center, unit)) in names.zip(&logistic.weights).zip(scalings) {
        let coefficient = slope * weight;
        let coefficient_per_unit = coefficient / unit;
        intercept_per_unit -= coefficient_per_unit * center;
        terms.push(Coefficient {
            feature,
            column,
            coefficient,
            odds_ratio: ratio(coefficient),
            unit,
            coefficient_per_unit,
            odds_ratio_per_unit: ratio(coefficient_per_unit),
        });
    }
    Some(Coefficients { scale, intercept, intercept_per_unit, terms })
}

fn ratio(coefficient: f64) -> Option<f64> {
    Some(coefficient.exp()).filter(|ratio| ratio.is_finite())
}
