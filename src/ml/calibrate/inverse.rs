//! Undoing what a loss does to the log-odds that it teaches.

use serde::{Deserialize, Serialize};

use crate::ml::config::Loss;
use crate::ml::labels::ClassCounts;
use crate::ml::logit::{sigmoid, softplus};

/// Logits beyond this are as good as certain; their exponentials still are numbers.
pub const CERTAIN_LOGIT: f64 = 300.0;
/// Beyond smoothed targets only noise lies; shares end here, which keeps their log-odds finite.
pub const LEAST_SHARE: f64 = 1e-12;

/// From the logit at which a loss is least to the log-odds of the class among the rows that were learnt from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "loss", rename_all = "snake_case")]
pub enum LossInverse {
    /// Cross-entropy: the logit is the log-odds.
    Identity,
    /// Label smoothing `s`: `(q - s/2) / (1 - s)`.
    Smoothing { smoothing: f64 },
    /// Focal loss: `(1 - α) φ(1 - q) / (α φ(q) + (1 - α) φ(1 - q))` with
    /// `φ(v) = (1 - v)^γ / v - γ (1 - v)^(γ - 1) ln v` (cf. Charoenphakdee et al. 2021).
    Focal { gamma: f64, alpha: f64 },
    /// Logit adjustment (Menon et al. 2021): the logit was lowered by this.
    Shift { log_odds: f64 },
}

impl LossInverse {
    /// The inverse of a loss trained on rows with these counts; `None` where it has none.
    pub fn of(loss: &Loss, counts: ClassCounts) -> Option<Self> {
        match *loss {
            Loss::Bce { label_smoothing, .. } if label_smoothing > 0.0 => {
                Some(LossInverse::Smoothing { smoothing: label_smoothing })
            }
            Loss::Bce { .. } | Loss::ClassBalanced { .. } => Some(LossInverse::Identity),
            Loss::Focal { gamma, alpha } => Some(LossInverse::Focal { gamma, alpha }),
            Loss::LogitAdjusted { tau } => Some(LossInverse::Shift { log_odds: tau * counts.log_odds() }),
            Loss::Asymmetric { .. } | Loss::Ldam { .. } => None,
        }
    }

    /// The log-odds that a logit stands for; a rising function.
    pub fn natural(self, logit: f64) -> f64 {
        match self {
            LossInverse::Identity => logit,
            LossInverse::Smoothing { smoothing } => {
                let half = 0.5 * smoothing;
                let positive = (sigmoid(logit) - half).max(LEAST_SHARE);
                let negative = (sigmoid(-logit) - half).max(LEAST_SHARE);
                positive.ln() - negative.ln()
            }
            LossInverse::Focal { gamma, alpha } => {
                let logit = logit.clamp(-CERTAIN_LOGIT, CERTAIN_LOGIT);
                (1.0 - alpha).ln() - alpha.ln() + log_phi(-logit, gamma) - log_phi(logit, gamma)
            }
            LossInverse::Shift { log_odds } => logit + log_odds,
        }
    }

    /// Whether an inverse that was read from somewhere can be used.
    pub(super) fn is_valid(self) -> bool {
        match self {
            LossInverse::Identity => true,
            LossInverse::Smoothing { smoothing } => (0.0..1.0).contains(&smoothing),
            LossInverse::Focal { gamma, alpha } => gamma >= 0.0 && gamma.is_finite() && alpha > 0.0 && alpha < 1.0,
            LossInverse::Shift { log_odds } => log_odds.is_finite(),
        }
    }
}

/// `ln φ(σ(z))`, from `φ(v) = (1 - v)^(γ - 1) ((1 - v)/v - γ ln v)`.
fn log_phi(logit: f64, gamma: f64) -> f64 {
    -(gamma - 1.0) * softplus(logit) + ((-logit).exp() + gamma * softplus(-logit)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTS: ClassCounts = ClassCounts { positive: 10, negative: 990 };

    fn logit(p: f64) -> f64 {
        p.ln() - (1.0 - p).ln()
    }

    /// ```python
    /// from scipy.optimize import minimize_scalar; import numpy as np
    /// for e in .001, .01, .1, .5:
    ///     f = lambda z: -e*.25*(1-1/(1+np.exp(-z)))**2*np.log(1/(1+np.exp(-z))) \
    ///                   -(1-e)*.75*(1/(1+np.exp(-z)))**2*np.log(1-1/(1+np.exp(-z)))
    ///     print(1/(1+np.exp(-minimize_scalar(f, bounds=(-15, 15), options=dict(xatol=1e-10)).x)))
    /// ```
    #[test]
    fn the_least_focal_loss_is_undone() {
        let inverse = LossInverse::of(&Loss::Focal { gamma: 2.0, alpha: 0.25 }, COUNTS).unwrap();
        for (share, q) in [(0.001, 0.050_0), (0.01, 0.108), (0.1, 0.227), (0.5, 0.399)] {
            let found = sigmoid(inverse.natural(logit(q)));
            assert!((found / share - 1.0).abs() < 0.03, "{found} for {share}");
        }
        let plain = LossInverse::Focal { gamma: 0.0, alpha: 0.5 };
        assert!((plain.natural(1.7) - 1.7).abs() < 1e-12);
    }

    /// The minimum of each expected loss, found by bisection on its derivative, is turned back into the share of
    /// positives that it was made of.
    #[test]
    fn every_inverse_finds_the_share_that_a_loss_was_least_for() {
        use crate::ml::labels::ClassWeights;
        use crate::ml::nn::loss::LossFunction;
        for loss in [
            Loss::Bce { class_weight: None, label_smoothing: 0.0 },
            Loss::Bce { class_weight: None, label_smoothing: 0.1 },
            Loss::Focal { gamma: 2.0, alpha: 0.25 },
            Loss::Focal { gamma: 0.5, alpha: 0.9 },
            Loss::LogitAdjusted { tau: 1.5 },
        ] {
            let inverse = LossInverse::of(&loss, COUNTS).unwrap();
            let mut function = LossFunction::new(&loss, COUNTS, ClassWeights::EQUAL);
            for share in [0.02, 0.3, 0.9] {
                let (mut low, mut high) = (-20.0_f64, 20.0_f64);
                for _ in 0..60 {
                    let middle = 0.5 * (low + high);
                    let mut slopes = [0.0; 2];
                    let weights = [share as f32, 1.0 - share as f32];
                    function.evaluate(&[middle as f32; 2], &[true, false], &weights, &mut slopes);
                    if slopes[0] + slopes[1] > 0.0 { high = middle } else { low = middle }
                }
                let found = sigmoid(inverse.natural(0.5 * (low + high)));
                assert!((found - share).abs() < 2e-4, "{loss:?}: {found} for {share}");
            }
        }
    }

    #[test]
    fn inverses_rise_and_stay_finite() {
        for inverse in [
            LossInverse::Smoothing { smoothing: 0.1 },
            LossInverse::Focal { gamma: 2.0, alpha: 0.25 },
            LossInverse::Focal { gamma: 5.0, alpha: 0.9 },
            LossInverse::Shift { log_odds: -4.0 },
        ] {
            let values: Vec<f64> = (-4_000..4_000).map(|step| inverse.natural(f64::from(step) * 0.1)).collect();
            assert!(values.iter().all(|value| value.is_finite()), "{inverse:?}");
            assert!(values.windows(2).all(|pair| pair[0] <= pair[1]), "{inverse:?}");
        }
        assert_eq!(LossInverse::of(&Loss::Ldam { max_margin: 0.5, scale: 30.0 }, COUNTS), None);
    }
}
