//! What a model goes by: how much each input column matters, how its values move the probability, and what each
//! contributed to the score of one row.
//!
//! Everything is about the columns as they were uploaded, never about the columns that preprocessing makes of them: a
//! category with forty values is one column here. All functions work on preprocessed rows, in which each input column
//! owns a range of neighbouring columns.

mod attribution;
mod coefficients;
mod importance;
mod partial;
mod sample;
mod shapley;

pub use attribution::{
    Attributed, Attribution, AttributionMethod, Contribution, ExplainError, LogOddsScale, attribute,
};
pub use coefficients::{Coefficient, Coefficients, coefficients};
pub use importance::{ColumnImportance, Drop, Importance, importance};
pub use partial::{Dependence, DependencePoint, GridValue, PartialDependence, partial_dependence};

use std::ops::ControlFlow;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::calibrate::Calibrator;
use super::model::Predictor;
use super::observe::Stop;
use super::preprocess::{FittedPreprocessor, InputRange};
use super::seed::Seed;
use super::sets::EvalSet;
use super::table::Table;

/// What is to be explained, and on which rows.
pub struct ExplainInput<'a> {
    pub preprocessor: &'a FittedPreprocessor,
    pub predictor: &'a Predictor,
    pub calibrator: &'a Calibrator,
    /// The test rows as they were uploaded.
    pub table: &'a Table,
    /// The same rows, preprocessed.
    pub test: &'a EvalSet,
    /// Of the intervals.
    pub confidence: f64,
    pub seed: Seed,
}

/// What training leaves of a model for people to look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    pub importance: Importance,
    pub partial_dependence: PartialDependence,
}

impl Explanation {
    /// Of a model that nobody will look at.
    pub fn none(confidence: f64) -> Self {
        let importance = Importance::none(confidence, "the model was only measured".to_owned());
        Self { importance, partial_dependence: PartialDependence::none(0) }
    }
}

impl ExplainInput<'_> {
    /// Of columns with features. A picture has none where a network reads it.
    fn inputs(&self) -> Vec<InputRange> {
        let mut ranges = self.preprocessor.input_ranges();
        ranges.retain(|range| !range.columns.is_empty());
        ranges
    }

    fn probabilities(&self, features: &Array2<f64>) -> Vec<f64> {
        self.predictor.probabilities(features, self.calibrator)
    }
}

/// Explains a model on its test rows. The work is bounded by the sizes of model and data, never by a clock, so that
/// the same job explains the same way everywhere.
///
/// # Errors
/// If `step`, which is told the share of the work that is done, ends the run.
pub fn explain(input: &ExplainInput<'_>, step: &mut dyn FnMut(f64) -> ControlFlow<Stop>) -> Result<Explanation, Stop> {
    let importance = importance(input, &mut |done| step(done * 0.7))?;
    let partial_dependence = partial_dependence(input, &importance, &mut |done| step(0.7 + done * 0.3))?;
    Ok(Explanation { importance, partial_dependence })
}
