//! From what a model says to a probability that can be believed.

mod inverse;
mod platt;
mod prior;

pub use inverse::LossInverse;
pub use platt::fit_platt;
pub use prior::{PriorError, PriorShift};

use serde::{Deserialize, Serialize};

use super::logit::sigmoid;

/// Turns a model's logits into probabilities of the positive class. Part of the stored model. Every calibrator
/// is a rising function of the logit, so that no ranking metric changes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Calibrator {
    /// The sigmoid of the logit.
    None,
    /// What the loss did to the logit is undone, then the sigmoid is taken of it minus a known shift; see
    /// [`LossInverse`] and [`PriorShift`].
    Prior { inverse: LossInverse, log_odds: f64 },
    /// The sigmoid of `slope · z + intercept`; see [`fit_platt`].
    Platt { slope: f64, intercept: f64 },
}

impl Calibrator {
    /// The probability of the positive class, in `0..=1`; NaN for NaN.
    pub fn probability(&self, logit: f64) -> f64 {
        sigmoid(self.natural(logit))
    }

    /// The log-odds of the probability.
    pub fn natural(&self, logit: f64) -> f64 {
        match self {
            Calibrator::None => logit,
            Calibrator::Prior { inverse, log_odds } => inverse.natural(logit) - log_odds,
            Calibrator::Platt { slope, intercept } => slope * logit + intercept,
        }
    }

    /// Whether a calibrator that was read from somewhere can be used.
    pub fn is_valid(&self) -> bool {
        match self {
            Calibrator::None => true,
            Calibrator::Prior { inverse, log_odds } => log_odds.is_finite() && inverse.is_valid(),
            Calibrator::Platt { slope, intercept } => *slope > 0.0 && slope.is_finite() && intercept.is_finite(),
        }
    }

    /// [`Calibrator::probability`] of each.
    pub fn probabilities(&self, logits: &[f64]) -> Vec<f64> {
        logits.iter().map(|&logit| self.probability(logit)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sigmoid_is_stable_at_both_ends() {
        assert_eq!(Calibrator::None.probability(0.0), 0.5);
        assert_eq!(Calibrator::None.probability(1e4), 1.0);
        assert_eq!(Calibrator::None.probability(-1e4), 0.0);
        // 1 / (1 + np.exp(40.0))
        let tiny = Calibrator::None.probability(-40.0);
        assert!((tiny / 4.248_354_255_291_589e-18 - 1.0).abs() < 1e-12);
        assert!(Calibrator::None.probability(f64::NAN).is_nan());
    }

    #[test]
    fn a_calibrator_survives_its_json() {
        for calibrator in [
            Calibrator::None,
            Calibrator::Prior { inverse: LossInverse::Identity, log_odds: 4.6 },
            Calibrator::Prior { inverse: LossInverse::Focal { gamma: 2.0, alpha: 0.25 }, log_odds: 0.0 },
            Calibrator::Platt { slope: 0.5, intercept: -1.0 },
        ] {
            let text = serde_json::to_string(&calibrator).unwrap();
            assert_eq!(serde_json::from_str::<Calibrator>(&text).unwrap(), calibrator);
        }
    }
}
