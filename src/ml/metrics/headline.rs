//! The numbers of a report that carry an interval, all from one sample of the rows.

use super::bins::Bins;
use super::curve::{Areas, both_classes};
use super::proper::{base_rate_entropy, log_loss_of, squared_error_of};
use super::ranking::Ranking;
use super::recalibration::Recalibration;
use super::{ConfusionMatrix, Undefined};
use crate::ml::labels::ClassCounts;

/// Every number of a report that is estimated with an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    AveragePrecision,
    RocAuc,
    LogLoss,
    /// Log loss over that of the constant.
    RelativeLogLoss,
    /// The share of the constant's log loss that is saved.
    D2LogLoss,
    Brier,
    BrierSkill,
    Ece,
    EceEqualWidth,
    BrierReliability,
    BrierResolution,
    /// Observed share minus mean probability.
    CalibrationInTheLarge,
    BrierUncertainty,
    CalibrationSlope,
    CalibrationIntercept,
    Mcc,
    BalancedAccuracy,
    GMean,
    F1,
    Accuracy,
    Precision,
    Recall,
    Specificity,
    /// Precision of the negative class.
    NegativePrecision,
    /// F1 of the negative class.
    NegativeF1,
}

impl Statistic {
    /// In the order of the variants, so that `ALL[s as usize] == s`.
    pub const ALL: [Statistic; 25] = [
        Statistic::AveragePrecision,
        Statistic::RocAuc,
        Statistic::LogLoss,
        Statistic::RelativeLogLoss,
        Statistic::D2LogLoss,
        Statistic::Brier,
        Statistic::BrierSkill,
        Statistic::Ece,
        Statistic::EceEqualWidth,
        Statistic::BrierReliability,
        Statistic::BrierResolution,
        Statistic::CalibrationInTheLarge,
        Statistic::BrierUncertainty,
        Statistic::CalibrationSlope,
        Statistic::CalibrationIntercept,
        Statistic::Mcc,
        Statistic::BalancedAccuracy,
        Statistic::GMean,
        Statistic::F1,
        Statistic::Accuracy,
        Statistic::Precision,
        Statistic::Recall,
        Statistic::Specificity,
        Statistic::NegativePrecision,
        Statistic::NegativeF1,
    ];

    /// How many of [`Statistic::ALL`], from the first on, are sums over rows: those whose interval comes from resamples.
    pub const RESAMPLED: usize = 12;

    /// The name under `metrics`; `None` for those that appear only under `per_class`.
    pub fn name(self) -> Option<&'static str> {
        let name = match self {
            Statistic::AveragePrecision => "average_precision",
            Statistic::RocAuc => "roc_auc",
            Statistic::LogLoss => "log_loss",
            Statistic::RelativeLogLoss => "relative_log_loss",
            Statistic::D2LogLoss => "d2_log_loss",
            Statistic::Brier => "brier",
            Statistic::BrierSkill => "brier_skill",
            Statistic::Ece => "ece",
            Statistic::EceEqualWidth => "ece_equal_width",
            Statistic::BrierReliability => "brier_reliability",
            Statistic::BrierResolution => "brier_resolution",
            Statistic::CalibrationInTheLarge => "calibration_in_the_large",
            Statistic::BrierUncertainty => "brier_uncertainty",
            Statistic::CalibrationSlope => "calibration_slope",
            Statistic::CalibrationIntercept => "calibration_intercept",
            Statistic::Mcc => "mcc",
            Statistic::BalancedAccuracy => "balanced_accuracy",
            Statistic::GMean => "g_mean",
            Statistic::F1 => "f1",
            Statistic::Accuracy => "accuracy",
            Statistic::Precision => "precision",
            Statistic::Recall => "recall",
            Statistic::Specificity => "specificity",
            Statistic::NegativePrecision | Statistic::NegativeF1 => return None,
        };
        Some(name)
    }

    /// Whether it follows from the confusion matrix, and not from the scores alone.
    pub fn depends_on_threshold(self) -> bool {
        matches!(
            self,
            Statistic::Mcc
                | Statistic::BalancedAccuracy
                | Statistic::GMean
                | Statistic::F1
                | Statistic::Accuracy
                | Statistic::Precision
                | Statistic::Recall
                | Statistic::Specificity
                | Statistic::NegativePrecision
                | Statistic::NegativeF1
        )
    }

    /// What a model without skill reaches at this prevalence: one that gives every row the prevalence (areas and
    /// losses), calls every row positive (precision, F1), or calls every row by the larger class (accuracy).
    /// `None` where any value can be had without skill, or where the rows have one class only.
    pub fn no_skill(self, prevalence: f64) -> Option<f64> {
        if prevalence <= 0.0 || prevalence >= 1.0 {
            return None;
        }
        let all_of = |share: f64| 2.0 * share / (1.0 + share);
        match self {
            Statistic::AveragePrecision | Statistic::Precision => Some(prevalence),
            Statistic::RocAuc | Statistic::BalancedAccuracy => Some(0.5),
            Statistic::LogLoss => Some(base_rate_entropy(prevalence)),
            Statistic::RelativeLogLoss => Some(1.0),
            Statistic::Brier | Statistic::BrierUncertainty => Some(prevalence * (1.0 - prevalence)),
            Statistic::D2LogLoss
            | Statistic::BrierSkill
            | Statistic::BrierResolution
            | Statistic::Mcc
            | Statistic::GMean => Some(0.0),
            Statistic::F1 => Some(all_of(prevalence)),
            Statistic::Accuracy => Some(prevalence.max(1.0 - prevalence)),
            Statistic::NegativePrecision => Some(1.0 - prevalence),
            Statistic::NegativeF1 => Some(all_of(1.0 - prevalence)),
            Statistic::Ece
            | Statistic::EceEqualWidth
            | Statistic::BrierReliability
            | Statistic::CalibrationInTheLarge
            | Statistic::CalibrationSlope
            | Statistic::CalibrationIntercept
            | Statistic::Recall
            | Statistic::Specificity => None,
        }
    }
}

/// One value, or the reason why there is none, per [`Statistic`], in the order of [`Statistic::ALL`].
pub type Values = [Result<f64, Undefined>; Statistic::ALL.len()];
/// The same of those that are computed for every resample.
pub type Resampled = [Result<f64, Undefined>; Statistic::RESAMPLED];

/// Scored rows, prepared so that every resample is linear in the rows.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredRows {
    ranking: Ranking,
    /// Log loss and squared error per sorted row.
    errors: Vec<[f64; 2]>,
    matrix: ConfusionMatrix,
}

impl ScoredRows {
    /// Rows that are predicted positive iff their probability is at least the threshold.
    ///
    /// # Errors
    /// If there is not exactly one probability in `0..=1` for each label.
    pub fn new(labels: &[bool], probabilities: &[f64], threshold: f64) -> Result<Self, Undefined> {
        Self::decided(labels, probabilities, ConfusionMatrix::at(labels, probabilities, threshold))
    }

    /// Rows that were decided on with thresholds of their own.
    ///
    /// # Errors
    /// If there is not exactly one probability in `0..=1` for each label.
    pub fn decided(labels: &[bool], probabilities: &[f64], matrix: ConfusionMatrix) -> Result<Self, Undefined> {
        let ranking = Ranking::of_probabilities(labels, probabilities)?;
        let sorted = ranking.scores().iter().zip(ranking.labels());
        let errors =
            sorted.map(|(&score, &label)| [log_loss_of(label, score), squared_error_of(label, score)]).collect();
        Ok(Self { ranking, errors, matrix })
    }

    pub fn ranking(&self) -> &Ranking {
        &self.ranking
    }

    /// The counts at the threshold or thresholds.
    pub fn matrix(&self) -> ConfusionMatrix {
        self.matrix
    }

    /// Every statistic of the rows as they are.
    pub fn values(&self) -> Values {
        let resampled = self.resampled(&self.ranking.unit_counts());
        let recalibration = Recalibration::of(&self.ranking);
        let ClassCounts { positive, negative } = ClassCounts::of(self.ranking.labels());
        let prevalence = positive as f64 / (positive + negative).max(1) as f64;
        Statistic::ALL.map(|statistic| match statistic {
            Statistic::BrierUncertainty => {
                both_classes(positive as u64, negative as u64).map(|()| prevalence * (1.0 - prevalence))
            }
            Statistic::CalibrationSlope => recalibration.slope.map(|slope| slope.value),
            Statistic::CalibrationIntercept => recalibration.intercept.map(|intercept| intercept.value),
            other => resampled.get(other as usize).copied().unwrap_or_else(|| of_matrix(other, self.matrix)),
        })
    }

    /// The statistics of the sample that takes each sorted row as often as `counts` says.
    pub fn resampled(&self, counts: &[u32]) -> Resampled {
        let [positives, negatives] = self.class_counts(counts);
        let areas = Areas::of(&self.ranking, counts);
        let [log_loss, brier, mean_probability] = self.means(counts);
        let skilled = both_classes(positives, negatives);
        let prevalence = positives as f64 / (positives + negatives).max(1) as f64;
        let mass = Bins::of_equal_mass(&self.ranking, counts);
        let relative = skilled.and(log_loss).map(|loss| loss / base_rate_entropy(prevalence));
        [
            areas.average_precision,
            areas.roc_auc,
            log_loss,
            relative,
            relative.map(|loss| 1.0 - loss),
            brier,
            skilled.and(brier).map(|score| 1.0 - score / (prevalence * (1.0 - prevalence))),
            mass.calibration_error(),
            Bins::of_equal_width(&self.ranking, counts).calibration_error(),
            mass.murphy().map(|[reliability, _]| reliability),
            mass.murphy().map(|[_, resolution]| resolution),
            mean_probability.map(|mean| prevalence - mean),
        ]
    }

    fn class_counts(&self, counts: &[u32]) -> [u64; 2] {
        let mut rows = [0; 2];
        for (&label, &count) in self.ranking.labels().iter().zip(counts) {
            rows[usize::from(!label)] += u64::from(count);
        }
        rows
    }

    /// The means of log loss, squared error and probability.
    fn means(&self, counts: &[u32]) -> [Result<f64, Undefined>; 3] {
        let (mut sums, mut rows) = ([0.0; 3], 0_u64);
        for ((errors, &score), &count) in self.errors.iter().zip(self.ranking.scores()).zip(counts) {
            sums[0] += f64::from(count) * errors[0];
            sums[1] += f64::from(count) * errors[1];
            sums[2] += f64::from(count) * score;
            rows += u64::from(count);
        }
        sums.map(|sum| if rows == 0 { Err(Undefined::NoRows) } else { Ok(sum / rows as f64) })
    }
}

/// A statistic that follows from the four counts; others have no rows here.
pub(super) fn of_matrix(statistic: Statistic, matrix: ConfusionMatrix) -> Result<f64, Undefined> {
    let negative = matrix.exchanged();
    match statistic {
        Statistic::Mcc => matrix.mcc(),
        Statistic::BalancedAccuracy => matrix.balanced_accuracy(),
        Statistic::GMean => matrix.g_mean(),
        Statistic::F1 => matrix.f1(),
        Statistic::Accuracy => matrix.accuracy(),
        Statistic::Precision => matrix.precision(),
        Statistic::Recall => matrix.recall(),
        Statistic::Specificity => matrix.specificity(),
        Statistic::NegativePrecision => negative.precision().map_err(Undefined::exchanged),
        Statistic::NegativeF1 => negative.f1().map_err(Undefined::exchanged),
        _ => Err(Undefined::NoRows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statistic_is_its_own_index() {
        for (index, statistic) in Statistic::ALL.into_iter().enumerate() {
            assert_eq!(statistic as usize, index);
        }
    }

    #[test]
    fn a_resample_has_the_values_of_its_repeated_rows() {
        let (labels, scores) = ([false, true, false, true, true], [0.1, 0.4, 0.4, 0.6, 0.9]);
        let scored = ScoredRows::new(&labels, &scores, 0.5).unwrap();
        let sample = scored.resampled(&[1, 2, 1, 0, 1]);
        let repeated_labels = [false, true, true, false, true];
        let repeated = ScoredRows::new(&repeated_labels, &[0.1, 0.4, 0.4, 0.4, 0.9], 0.5).unwrap();
        // The sorted order puts the negative of the tie at 0.4 first.
        let sample_of_sorted = scored.resampled(&[1, 1, 2, 0, 1]);
        assert_ne!(sample, repeated.resampled(&repeated.ranking().unit_counts()));
        for (found, expected) in sample_of_sorted.into_iter().zip(repeated.values()) {
            assert!((found.unwrap() - expected.unwrap()).abs() < 1e-15);
        }
    }

    #[test]
    fn one_class_has_no_skill_to_compare_with() {
        let values = ScoredRows::new(&[false, false], &[0.1, 0.2], 0.5).unwrap().values();
        let of = |statistic: Statistic| values[statistic as usize];
        assert_eq!(of(Statistic::RelativeLogLoss), Err(Undefined::NoPositives));
        assert_eq!(of(Statistic::RocAuc), Err(Undefined::NoPositives));
        assert_eq!(of(Statistic::NegativePrecision), Ok(1.0));
        assert_eq!(of(Statistic::Precision), Err(Undefined::NonePredictedPositive));
        assert!(Statistic::ALL.iter().all(|statistic| statistic.no_skill(0.0).is_none()));
    }
}
