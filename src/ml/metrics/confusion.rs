//! What follows from the four counts at one threshold.

use super::{ConfusionMatrix, Undefined};

/// Every measure is computed from exact counts, and is an error where its denominator is zero. A row is
/// predicted positive iff its probability is at least the threshold.
impl ConfusionMatrix {
    /// Counts the rows; `labels` and `probabilities` are of equal length.
    pub fn at(labels: &[bool], probabilities: &[f64], threshold: f64) -> Self {
        let mut counts = Self::default();
        for (&label, &probability) in labels.iter().zip(probabilities) {
            counts.add(label, probability >= threshold, 1);
        }
        counts
    }

    /// Counts `rows` more rows of one label and one prediction.
    pub fn add(&mut self, label: bool, predicted: bool, rows: u64) {
        match (label, predicted) {
            (true, true) => self.tp += rows,
            (false, true) => self.fp += rows,
            (true, false) => self.fn_ += rows,
            (false, false) => self.tn += rows,
        }
    }

    /// The matrix with the negative class in the role of the positive one.
    pub fn exchanged(self) -> Self {
        Self { tp: self.tn, fp: self.fn_, fn_: self.fp, tn: self.tp }
    }

    pub fn total(self) -> u64 {
        self.positives() + self.negatives()
    }

    pub fn positives(self) -> u64 {
        self.tp + self.fn_
    }

    pub fn negatives(self) -> u64 {
        self.tn + self.fp
    }

    pub fn predicted_positive(self) -> u64 {
        self.tp + self.fp
    }

    pub fn predicted_negative(self) -> u64 {
        self.tn + self.fn_
    }

    /// tp / (tp + fp).
    pub fn precision(self) -> Result<f64, Undefined> {
        ratio(self.tp, self.predicted_positive(), Undefined::NonePredictedPositive)
    }

    /// tp / (tp + fn), also called sensitivity.
    pub fn recall(self) -> Result<f64, Undefined> {
        ratio(self.tp, self.positives(), Undefined::NoPositives)
    }

    /// tn / (tn + fp).
    pub fn specificity(self) -> Result<f64, Undefined> {
        ratio(self.tn, self.negatives(), Undefined::NoNegatives)
    }

    pub fn accuracy(self) -> Result<f64, Undefined> {
        ratio(self.tp + self.tn, self.total(), Undefined::NoRows)
    }

    pub fn f1(self) -> Result<f64, Undefined> {
        self.f_beta(1.0)
    }

    /// (1 + b²) tp / ((1 + b²) tp + b² fn + fp). From counts and not from precision and recall, so that it is
    /// defined, and 0, where no row is predicted positive though some are.
    pub fn f_beta(self, beta: f64) -> Result<f64, Undefined> {
        if self.tp + self.fp + self.fn_ == 0 {
            return Err(if self.total() == 0 { Undefined::NoRows } else { Undefined::NoPositivesEither });
        }
        let squared = beta * beta;
        let hits = (1.0 + squared) * self.tp as f64;
        Ok(hits / (hits + squared * self.fn_ as f64 + self.fp as f64))
    }

    /// The mean of recall and specificity.
    pub fn balanced_accuracy(self) -> Result<f64, Undefined> {
        Ok((self.recall()? + self.specificity()?) / 2.0)
    }

    /// The geometric mean of recall and specificity.
    pub fn g_mean(self) -> Result<f64, Undefined> {
        Ok((self.recall()? * self.specificity()?).sqrt())
    }

    /// Matthews' correlation coefficient of labels and predictions, in `-1..=1`. Undefined where either is
    /// constant; scikit-learn answers 0 there.
    pub fn mcc(self) -> Result<f64, Undefined> {
        let margins = [
            (self.total(), Undefined::NoRows),
            (self.positives(), Undefined::NoPositives),
            (self.negatives(), Undefined::NoNegatives),
            (self.predicted_positive(), Undefined::NonePredictedPositive),
            (self.predicted_negative(), Undefined::NonePredictedNegative),
        ];
        if let Some(&(_, reason)) = margins.iter().find(|(rows, _)| *rows == 0) {
            return Err(reason);
        }
        // The products of counts of large data leave u64; their difference must still be exact.
        let covariance = i128::from(self.tp) * i128::from(self.tn) - i128::from(self.fp) * i128::from(self.fn_);
        let scale: f64 = margins[1..].iter().map(|&(rows, _)| (rows as f64).sqrt()).product();
        Ok((covariance as f64 / scale).clamp(-1.0, 1.0))
    }
}

fn ratio(part: u64, whole: u64, otherwise: Undefined) -> Result<f64, Undefined> {
    if whole == 0 { Err(otherwise) } else { Ok(part as f64 / whole as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_at_the_threshold_is_predicted_positive() {
        let counts = ConfusionMatrix::at(&[true, false, true, false], &[0.5, 0.5, 0.49, 0.1], 0.5);
        assert_eq!(counts, ConfusionMatrix { tp: 1, fp: 1, fn_: 1, tn: 1 });
    }

    #[test]
    fn measures_without_a_denominator_say_why() {
        let nothing_predicted = ConfusionMatrix { tp: 0, fp: 0, fn_: 2, tn: 5 };
        assert_eq!(nothing_predicted.precision(), Err(Undefined::NonePredictedPositive));
        assert_eq!(nothing_predicted.f1(), Ok(0.0));
        assert_eq!(nothing_predicted.mcc(), Err(Undefined::NonePredictedPositive));
        let no_positives = ConfusionMatrix { tp: 0, fp: 0, fn_: 0, tn: 5 };
        assert_eq!(no_positives.f1(), Err(Undefined::NoPositivesEither));
        assert_eq!(no_positives.recall(), Err(Undefined::NoPositives));
        assert_eq!(no_positives.balanced_accuracy(), Err(Undefined::NoPositives));
        assert_eq!(ConfusionMatrix::default().accuracy(), Err(Undefined::NoRows));
    }

    #[test]
    fn mcc_is_exact_for_counts_beyond_the_square_root_of_u64() {
        let huge = ConfusionMatrix { tp: 6_000_000_000, fp: 0, fn_: 0, tn: 6_000_000_000 };
        assert_eq!(huge.mcc(), Ok(1.0));
    }
}
