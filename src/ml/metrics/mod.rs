//! What a model's scores are worth, on rows that nothing was learnt from.

mod binomial;
mod bins;
mod confusion;
mod cross_validation;
mod curve;
mod headline;
mod interval;
mod paired;
mod positives_needed;
mod prevalence;
mod proper;
mod ranking;
mod recalibration;
mod report;
mod spread;
mod strength;
mod threshold;
mod threshold_interval;
mod thresholds;
mod undefined;
mod verdict;

pub use binomial::{clopper_pearson, normal_quantile, student_quantile, wilson};
pub use bins::{Bin, Bins, RELIABILITY_BINS, reliability};
pub use cross_validation::{
    CrossValidationInput, CrossValidationReport, FoldMean, FoldReport, FoldScores, LEARNING_FRACTIONS, LearningPoint,
    cross_validation_report,
};
pub use curve::{Areas, MAX_CURVE_POINTS, average_precision, precision_recall_points, roc_auc, roc_points};
pub use headline::{Resampled, ScoredRows, Statistic, Values};
pub use interval::{Intervals, central_interval, intervals, row_draws};
pub use paired::{PairedDifference, PairedScores, paired_differences};
pub use positives_needed::PositivesNeeded;
pub use prevalence::ClassScale;
pub use proper::{base_rate_entropy, brier, log_loss, log_loss_of, squared_error_of};
pub use ranking::{Cut, Ranking};
pub use recalibration::{Estimated, Recalibration};
pub use report::{ReportInput, report};
pub use strength::{StrengthLoss, StrengthSearch};
pub use threshold::{ChosenThreshold, ThresholdBasis, choose, choose_among, choose_at};
pub use threshold_interval::{affordable, threshold_intervals};
pub use thresholds::{Costs, Rates, ThresholdPoint, point_at, threshold_points};
pub use undefined::Undefined;
pub use verdict::{Verdict, verdict};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::calibrate::CalibrationOutcome;

/// The evaluation of a model: the API's `/report`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Always `test`.
    pub computed_on: String,
    pub rows: usize,
    pub positives: usize,
    /// Share of positives, 0..=1.
    pub prevalence: f64,
    /// A row is predicted positive iff its probability is at least this.
    pub threshold: f64,
    pub confusion_matrix: ConfusionMatrix,
    /// By label.
    pub per_class: BTreeMap<String, ClassReport>,
    /// By name.
    pub metrics: BTreeMap<String, Metric>,
    pub curves: Curves,
    /// Where the job asked for `"strength": "auto"`: how the strength of the penalty was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength_search: Option<StrengthSearch>,
    /// How the probabilities were calibrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<CalibrationOutcome>,
    /// Where the job asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_validation: Option<CrossValidationReport>,
}

/// Exact counts at the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ConfusionMatrix {
    pub tp: u64,
    pub fp: u64,
    #[serde(rename = "fn")]
    pub fn_: u64,
    pub tn: u64,
}

/// One class at the threshold; of the negative class with the roles exchanged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassReport {
    pub precision: Metric,
    pub recall: Metric,
    pub f1: Metric,
    pub specificity: Metric,
    pub support: u64,
}

/// A number, or the reason why there is none; what no skill would give; and how sure it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    pub value: Option<f64>,
    /// Why `value` is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What a model without any skill reaches on these rows, where that is defined.
    pub no_skill: Option<f64>,
    /// Where the number would lie over other rows of the same two classes, at the configured confidence.
    pub ci: Option<[f64; 2]>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Curves {
    pub roc: Vec<RocPoint>,
    pub precision_recall: Vec<PrecisionRecallPoint>,
    pub reliability: Vec<ReliabilityBin>,
}

/// Predicting positive at `threshold` and above; the first point predicts nothing and has no threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RocPoint {
    pub threshold: Option<f64>,
    pub false_positive_rate: f64,
    pub true_positive_rate: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecallPoint {
    pub threshold: f64,
    pub precision: f64,
    pub recall: f64,
}

/// Rows of neighbouring probability; bins hold about equally many rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    pub rows: usize,
    pub mean_probability: f64,
    pub observed_share: f64,
    /// Wilson's interval of the share, at the configured confidence.
    #[serde(default)]
    pub ci: Option<[f64; 2]>,
}
