//! Binary cross-entropy on logits, weighted by class.

use crate::ml::labels::ClassWeights;

/// The loss of one batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchLoss {
    /// What is minimized: the weighted losses over the sum of the weights, so that the size of the weights does
    /// not change the learning rate or the balance with the penalty. 0 where all weights are 0.
    pub weighted_mean: f64,
    /// The unweighted losses, summed; for the learning curve.
    pub sum: f64,
}

/// The loss of one row in nats, `max(z, 0) - z y + ln(1 + e^-|z|)`: no overflow for any logit, and no probability
/// that would have to be clipped.
pub fn binary_cross_entropy(logit: f64, positive: bool) -> f64 {
    let target = if positive { logit } else { 0.0 };
    // `f64::max` would return 0 for a NaN and hide it.
    let ramp = if logit <= 0.0 { 0.0 } else { logit };
    ramp - target + (-logit.abs()).exp().ln_1p()
}

/// The probability `1 / (1 + e^-z)`, without overflow.
pub fn sigmoid(logit: f64) -> f64 {
    if logit >= 0.0 {
        1.0 / (1.0 + (-logit).exp())
    } else {
        let odds = logit.exp();
        odds / (1.0 + odds)
    }
}

/// The loss of a batch; writes its derivative by each logit, `w (p - y) / Σw`, to `d_logits`.
pub fn batch_loss(logits: &[f32], labels: &[bool], weights: ClassWeights, d_logits: &mut [f32]) -> BatchLoss {
    let total: f64 = labels.iter().map(|&label| weights.of(label)).sum();
    let scale = if total > 0.0 { 1.0 / total } else { 0.0 };
    let (mut weighted, mut sum) = (0.0, 0.0);
    for ((&logit, &label), d_logit) in logits.iter().zip(labels).zip(d_logits) {
        let (logit, weight) = (f64::from(logit), weights.of(label));
        let loss = binary_cross_entropy(logit, label);
        weighted += weight * loss;
        sum += loss;
        *d_logit = (weight * scale * (sigmoid(logit) - f64::from(u8::from(label)))) as f32;
    }
    BatchLoss { weighted_mean: weighted * scale, sum }
}

/// The mean loss without weights, each logit lowered by `shift`; `None` without rows.
pub fn mean_loss(logits: &[f64], labels: &[bool], shift: f64) -> Option<f64> {
    let sum: f64 = logits.iter().zip(labels).map(|(&z, &label)| binary_cross_entropy(z - shift, label)).sum();
    (!labels.is_empty()).then(|| sum / labels.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```python
    /// import numpy as np
    /// z, y = np.array([-2., .5, 3.]), np.array([1, 0, 1]); w = np.where(y == 1, 3., .5)
    /// l = np.logaddexp(0, z) - z*y; p = 1/(1 + np.exp(-z))
    /// print(l.sum(), (w*l).sum()/w.sum(), w*(p - y)/w.sum())
    /// ```
    #[test]
    fn a_batch_is_divided_by_the_sum_of_its_weights() {
        let mut slopes = [0.0; 3];
        let weights = ClassWeights { positive: 3.0, negative: 0.5 };
        let loss = batch_loss(&[-2.0, 0.5, 3.0], &[true, false, true], weights, &mut slopes);
        assert!((loss.sum - 3.149_592_346_796_821_7).abs() < 1e-12, "{loss:?}");
        assert!((loss.weighted_mean - 1.079_013_012_298_492).abs() < 1e-12, "{loss:?}");
        for (found, expected) in slopes.iter().zip([-0.406_521_73, 0.047_881_49, -0.021_888_86]) {
            assert!((found - expected).abs() < 1e-6, "{slopes:?}");
        }
    }

    #[test]
    fn extreme_logits_neither_overflow_nor_lose_the_loss() {
        assert_eq!(binary_cross_entropy(1e300, false), 1e300);
        assert_eq!(binary_cross_entropy(-1e300, false), 0.0);
        assert!((binary_cross_entropy(-800.0, true) - 800.0).abs() < 1e-12);
        assert!(binary_cross_entropy(f64::NAN, false).is_nan());
        assert!(sigmoid(-800.0) >= 0.0 && sigmoid(800.0) == 1.0);
    }

    #[test]
    fn a_batch_whose_weights_are_all_zero_teaches_nothing() {
        let mut slopes = [1.0; 2];
        let weights = ClassWeights { positive: 1.0, negative: 0.0 };
        let loss = batch_loss(&[1.0, -1.0], &[false, false], weights, &mut slopes);
        assert_eq!((loss.weighted_mean, slopes), (0.0, [0.0; 2]));
    }
}
