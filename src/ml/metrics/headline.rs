//! The numbers of a report that carry an interval, all from one sample of the rows.

use super::curve::{Areas, both_classes};
use super::proper::{base_rate_entropy, expected_calibration_error, log_loss_of, squared_error_of};
use super::ranking::Ranking;
use super::{ConfusionMatrix, Undefined};

/// Every number of a report that is estimated with an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    AveragePrecision,
    RocAuc,
    LogLoss,
    RelativeLogLoss,
    Brier,
    BrierSkill,
    Ece,
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
    pub const ALL: [Statistic; 17] = [
        Statistic::AveragePrecision,
        Statistic::RocAuc,
        Statistic::LogLoss,
        Statistic::RelativeLogLoss,
        Statistic::Brier,
        Statistic::BrierSkill,
        Statistic::Ece,
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

    /// The name under `metrics`; `None` for those that appear only under `per_class`.
    pub fn name(self) -> Option<&'static str> {
        let name = match self {
            Statistic::AveragePrecision => "average_precision",
            Statistic::RocAuc => "roc_auc",
            Statistic::LogLoss => "log_loss",
            Statistic::RelativeLogLoss => "relative_log_loss",
            Statistic::Brier => "brier",
            Statistic::BrierSkill => "brier_skill",
            Statistic::Ece => "ece",
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
            Statistic::Brier => Some(prevalence * (1.0 - prevalence)),
            Statistic::BrierSkill | Statistic::Mcc | Statistic::GMean => Some(0.0),
            Statistic::F1 => Some(all_of(prevalence)),
            Statistic::Accuracy => Some(prevalence.max(1.0 - prevalence)),
            Statistic::NegativePrecision => Some(1.0 - prevalence),
            Statistic::NegativeF1 => Some(all_of(1.0 - prevalence)),
            Statistic::Ece | Statistic::Recall | Statistic::Specificity => None,
        }
    }
}

/// One value, or the reason why there is none, per [`Statistic`], in the order of [`Statistic::ALL`].
pub type Values = [Result<f64, Undefined>; Statistic::ALL.len()];

/// Scored rows, prepared so that every [`Statistic`] of any resample is linear in the rows.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredRows {
    ranking: Ranking,
    /// Log loss and squared error per sorted row.
    errors: Vec<[f64; 2]>,
    /// The first sorted row that is predicted positive.
    first_positive: usize,
}

impl ScoredRows {
    /// # Errors
    /// If there is not exactly one probability in `0..=1` for each label.
    pub fn new(labels: &[bool], probabilities: &[f64], threshold: f64) -> Result<Self, Undefined> {
        let ranking = Ranking::of_probabilities(labels, probabilities)?;
        let sorted = ranking.scores().iter().zip(ranking.labels());
        let errors =
            sorted.map(|(&score, &label)| [log_loss_of(label, score), squared_error_of(label, score)]).collect();
        let first_positive = ranking.scores().partition_point(|&score| score < threshold);
        Ok(Self { ranking, errors, first_positive })
    }

    pub fn ranking(&self) -> &Ranking {
        &self.ranking
    }

    /// Every statistic of the rows as they are.
    pub fn values(&self) -> Values {
        self.values_of(&self.ranking.unit_counts())
    }

    /// Every statistic of the sample that takes each sorted row as often as `counts` says.
    pub fn values_of(&self, counts: &[u32]) -> Values {
        let matrix = self.matrix(counts);
        let areas = Areas::of(&self.ranking, counts);
        let [log_loss, brier] = self.mean_errors(counts);
        let skilled = both_classes(matrix.positives(), matrix.negatives());
        let prevalence = matrix.positives() as f64 / matrix.total().max(1) as f64;
        let negative = matrix.exchanged();
        Statistic::ALL.map(|statistic| match statistic {
            Statistic::AveragePrecision => areas.average_precision,
            Statistic::RocAuc => areas.roc_auc,
            Statistic::LogLoss => log_loss,
            Statistic::RelativeLogLoss => skilled.and(log_loss).map(|loss| loss / base_rate_entropy(prevalence)),
            Statistic::Brier => brier,
            Statistic::BrierSkill => skilled.and(brier).map(|score| 1.0 - score / (prevalence * (1.0 - prevalence))),
            Statistic::Ece => expected_calibration_error(&self.ranking, counts),
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
        })
    }

    fn matrix(&self, counts: &[u32]) -> ConfusionMatrix {
        let mut matrix = ConfusionMatrix::default();
        for (row, (&label, &count)) in self.ranking.labels().iter().zip(counts).enumerate() {
            matrix.add(label, row >= self.first_positive, u64::from(count));
        }
        matrix
    }

    fn mean_errors(&self, counts: &[u32]) -> [Result<f64, Undefined>; 2] {
        let (mut sums, mut rows) = ([0.0; 2], 0_u64);
        for (errors, &count) in self.errors.iter().zip(counts) {
            sums[0] += f64::from(count) * errors[0];
            sums[1] += f64::from(count) * errors[1];
            rows += u64::from(count);
        }
        sums.map(|sum| if rows == 0 { Err(Undefined::NoRows) } else { Ok(sum / rows as f64) })
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
        let sample = scored.values_of(&[1, 2, 1, 0, 1]);
        let repeated_labels = [false, true, true, false, true];
        let repeated = ScoredRows::new(&repeated_labels, &[0.1, 0.4, 0.4, 0.4, 0.9], 0.5).unwrap();
        // The sorted order puts the negative of the tie at 0.4 first.
        let sample_of_sorted = scored.values_of(&[1, 1, 2, 0, 1]);
        assert_ne!(sample, repeated.values());
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
