//! What is decided without the training rows, and how a model is judged: calibration, threshold, evaluation.

use serde::{Deserialize, Serialize};

use super::TrainConfig;

/// How logits become probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    pub method: CalibrationMethod,
    /// What a map is fitted to and judged on.
    #[serde(default)]
    pub on: DecidedOn,
    /// The share of positives among the rows that the model will meet, where it is not that of the training rows.
    #[serde(default)]
    pub prevalence: Option<f64>,
}

/// The maps come on top of what `prior` does, and only if they are shown to help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationMethod {
    None,
    /// Undoes exactly the shift in log-odds that resampling, class weights and the loss made.
    Prior,
    /// A map by the number of rows of the rarer class, none where there are very few.
    Auto,
    /// A logistic regression on the log-odds (Platt 1999).
    Platt,
    /// One factor on the log-odds (Guo et al. 2017).
    Temperature,
    /// A logistic regression on both log-probabilities (Kull et al. 2017).
    Beta,
    /// A rising curve of straight pieces (Zadrozny & Elkan 2002).
    Isotonic,
}

impl CalibrationMethod {
    /// The name in configurations and reports.
    pub fn name(self) -> &'static str {
        match self {
            CalibrationMethod::None => "none",
            CalibrationMethod::Prior => "prior",
            CalibrationMethod::Auto => "auto",
            CalibrationMethod::Platt => "platt",
            CalibrationMethod::Temperature => "temperature",
            CalibrationMethod::Beta => "beta",
            CalibrationMethod::Isotonic => "isotonic",
        }
    }
}

/// The rows that calibration or threshold is decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecidedOn {
    /// The validation rows, scored by the model.
    #[default]
    Validation,
    /// The training and validation rows, each scored by a model of cross-validation that has not seen it.
    OutOfFold,
}

impl DecidedOn {
    /// The name in configurations and reports.
    pub fn name(self) -> &'static str {
        match self {
            DecidedOn::Validation => "validation",
            DecidedOn::OutOfFold => "out_of_fold",
        }
    }
}

/// How the threshold is chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    #[serde(flatten)]
    pub rule: ThresholdRule,
    #[serde(default)]
    pub on: DecidedOn,
}

/// What a threshold on the probability shall serve. Predict positive iff `probability >= threshold`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum ThresholdRule {
    Fixed {
        value: f64,
    },
    MaxFBeta {
        beta: f64,
    },
    MaxMcc,
    MaxBalancedAccuracy,
    /// The least sum of costs; costs are per mistake.
    MinCost {
        false_positive: f64,
        false_negative: f64,
    },
    /// The highest recall with at least this precision.
    RecallAtPrecision {
        precision: f64,
    },
    /// The highest precision with at least this recall.
    PrecisionAtRecall {
        recall: f64,
    },
    /// At most this share of rows is predicted positive.
    AlertRate {
        fraction: f64,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Draws for each interval; 0 gives no intervals.
    pub bootstrap: usize,
    pub confidence: f64,
    /// `null`: the test rows are the only evaluation.
    #[serde(default)]
    pub cross_validation: Option<CrossValidation>,
}

/// The whole procedure, from preprocessing to threshold, repeated on folds and scored on what each fold leaves out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrossValidation {
    pub folds: usize,
    /// Divisions into folds, each drawn anew.
    pub repeats: usize,
    pub rows: CrossValidated,
    /// Whether to train on parts of each fold's rows as well.
    pub learning_curve: bool,
    /// The half-width of an interval for which the report says how many positives it would take.
    pub half_width: f64,
}

/// The rows that are divided into folds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrossValidated {
    /// All labelled rows.
    All,
    /// The training and validation rows: test rows have no part in what is decided on out-of-fold scores.
    Development,
}

impl TrainConfig {
    /// Whether anything is decided on out-of-fold scores.
    pub fn decides_out_of_fold(&self) -> bool {
        self.calibration.on == DecidedOn::OutOfFold || self.threshold.on == DecidedOn::OutOfFold
    }
}
