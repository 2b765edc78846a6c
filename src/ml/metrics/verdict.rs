//! Whether a model is of any use.

use serde::{Deserialize, Serialize};

use super::Report;

/// The 97.5th percentile of the normal distribution: a two-sided interval at 95 %.
const NORMAL_95: f64 = 1.959_963_984_540_054;

/// Whether the model is of any use, judged on its test rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Ok,
    /// Its ranking is not shown to be better than chance: 0.5 lies within the interval of its ROC AUC or above.
    NoSkill,
    /// It gives all test rows one class or one probability.
    Degenerate,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::NoSkill => "no_skill",
            Verdict::Degenerate => "degenerate",
        }
    }
}

/// Judges a report. `probabilities` are those that it was made from.
///
/// The lower bound of ROC AUC is that of the bootstrap, or the normal one at 95 % where there is no bootstrap.
/// Rows without two classes show no skill.
pub fn verdict(report: &Report, probabilities: &[f64]) -> Verdict {
    let matrix = report.confusion_matrix;
    let one_class = matrix.predicted_positive() == 0 || matrix.predicted_negative() == 0;
    let one_probability = probabilities.windows(2).all(|pair| pair[0] == pair[1]);
    if one_class || one_probability {
        return Verdict::Degenerate;
    }
    let Some(roc_auc) = report.metrics.get("roc_auc") else { return Verdict::NoSkill };
    let lower = match (roc_auc.ci, roc_auc.value) {
        (Some([lower, _]), _) => lower,
        (None, Some(value)) => value - NORMAL_95 * roc_auc_error(value, matrix.positives(), matrix.negatives()),
        (None, None) => return Verdict::NoSkill,
    };
    if lower > 0.5 { Verdict::Ok } else { Verdict::NoSkill }
}

/// The standard error of an area under the ROC curve (Hanley & McNeil 1982, equation 1).
fn roc_auc_error(area: f64, positives: u64, negatives: u64) -> f64 {
    let (positives, negatives) = (positives as f64, negatives as f64);
    let two_positives = area / (2.0 - area);
    let two_negatives = 2.0 * area * area / (1.0 + area);
    let variance = area * (1.0 - area)
        + (positives - 1.0) * (two_positives - area * area)
        + (negatives - 1.0) * (two_negatives - area * area);
    (variance / (positives * negatives)).max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_an_area_is_that_of_the_paper() {
        // a, p, n = 0.8, 20, 80; q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
        // np.sqrt((a * (1 - a) + (p - 1) * (q1 - a * a) + (n - 1) * (q2 - a * a)) / (p * n))
        assert!((roc_auc_error(0.8, 20, 80) - 0.062_671_985_589_877_22).abs() < 1e-15);
        assert_eq!(roc_auc_error(1.0, 20, 80), 0.0);
    }
}
