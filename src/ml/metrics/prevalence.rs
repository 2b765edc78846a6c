//! Counts of rows at another prevalence than their own.

use super::ConfusionMatrix;

/// How much each row of a class counts, as whole numbers, so that counts stay exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassScale {
    positive: u64,
    negative: u64,
}

/// The larger factor is at most this: a hundred million rows of a class stay within 64 bits.
const MAX_FACTOR: f64 = (1_u64 << 36) as f64;

impl ClassScale {
    /// Rows as they are.
    pub const NATURAL: ClassScale = ClassScale { positive: 1, negative: 1 };

    /// Has rows of these counts stand for a population of which `prevalence`, within `0..1`, is positive, while the
    /// scores within each class stay as they are (Elkan 2001, section 2). `None` if a class has no rows.
    ///
    /// The smaller factor is a power of two and the larger one rounded: the ratio is right to eleven digits, unless
    /// it is larger than 2^36, which it then is.
    pub fn to_prevalence(positives: u64, negatives: u64, prevalence: f64) -> Option<Self> {
        if positives == 0 || negatives == 0 || !(prevalence > 0.0 && prevalence < 1.0) {
            return None;
        }
        let ratio = prevalence / (1.0 - prevalence) * (negatives as f64 / positives as f64);
        let larger = if ratio >= 1.0 { ratio } else { 1.0 / ratio };
        let room = (MAX_FACTOR / larger).log2().floor().max(0.0);
        let (large, small) = ((larger * room.exp2()).round().min(MAX_FACTOR) as u64, room.exp2() as u64);
        let (positive, negative) = if ratio >= 1.0 { (large, small) } else { (small, large) };
        Some(Self { positive, negative })
    }

    /// Has rows with these labels stand for a population of this prevalence; as they are without one, and where a class
    /// is missing, as such rows can stand for no other prevalence than their own.
    pub fn of_labels(labels: &[bool], prevalence: Option<f64>) -> Self {
        let positives = labels.iter().filter(|&&label| label).count() as u64;
        let scaled = |wanted| Self::to_prevalence(positives, labels.len() as u64 - positives, wanted);
        prevalence.and_then(scaled).unwrap_or(Self::NATURAL)
    }

    /// The counts, scaled. Rates of them are those at the other prevalence.
    pub fn apply(self, counts: ConfusionMatrix) -> ConfusionMatrix {
        ConfusionMatrix {
            tp: counts.tp.saturating_mul(self.positive),
            fn_: counts.fn_.saturating_mul(self.positive),
            fp: counts.fp.saturating_mul(self.negative),
            tn: counts.tn.saturating_mul(self.negative),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prevalence_becomes_the_one_asked_for() {
        let counts = ConfusionMatrix { tp: 30, fp: 45, fn_: 10, tn: 315 };
        for prevalence in [1e-6, 0.001, 0.1, 0.5, 0.999, 1.0 - 1e-6] {
            let scaled = ClassScale::to_prevalence(40, 360, prevalence).unwrap().apply(counts);
            let found = scaled.positives() as f64 / scaled.total() as f64;
            assert!((found / prevalence - 1.0).abs() < 1e-10, "{prevalence}: {found}");
            assert!((scaled.recall().unwrap() - 0.75).abs() < 1e-15, "rates within a class do not change");
            // precision = pi tpr / (pi tpr + (1 - pi) fpr)
            let expected = prevalence * 0.75 / (prevalence * 0.75 + (1.0 - prevalence) * 0.125);
            assert!((scaled.precision().unwrap() / expected - 1.0).abs() < 1e-10, "{prevalence}");
        }
    }

    #[test]
    fn one_class_or_no_prevalence_cannot_be_scaled() {
        assert_eq!(ClassScale::to_prevalence(0, 9, 0.1), None);
        for wrong in [0.0, 1.0, f64::NAN] {
            assert_eq!(ClassScale::to_prevalence(3, 9, wrong), None);
        }
    }
}
