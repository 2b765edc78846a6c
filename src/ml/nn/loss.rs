//! Losses on logits, weighted by class and by row.

use crate::ml::config::Loss;
use crate::ml::kernel::cross_entropy;
use crate::ml::labels::{ClassCounts, ClassWeights};
use crate::ml::logit::{sigmoid, softplus};

/// The loss of one batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchLoss {
    /// What is minimized: the weighted losses over the sum of the weights, so that the size of the weights does
    /// not change the learning rate or the balance with the penalty. 0 where all weights are 0.
    pub weighted_mean: f64,
    /// The unweighted losses, summed; for the learning curve.
    pub sum: f64,
}

/// Binary cross-entropy of one row in nats, `max(z, 0) - z y + ln(1 + e^-|z|)`: no overflow for any logit, and no
/// probability that would have to be clipped.
pub fn binary_cross_entropy(logit: f64, positive: bool) -> f64 {
    softplus(if positive { -logit } else { logit })
}

/// A loss with everything fixed that does not change from batch to batch.
#[derive(Debug, Clone, PartialEq)]
pub struct LossFunction {
    kind: Kind,
    weights: ClassWeights,
    /// Room for the vectorized cross-entropy: signs and losses.
    signs: Vec<f32>,
    losses: Vec<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    CrossEntropy,
    Smoothed {
        smoothing: f64,
    },
    Focal {
        gamma: f64,
        alpha: f64,
    },
    Asymmetric {
        gamma_positive: f64,
        gamma_negative: f64,
        margin: f64,
    },
    /// Cross-entropy at `z + shift`.
    Shifted {
        shift: f64,
    },
    /// Cross-entropy at `scale · (z - margin)` for a positive row, `scale · (z + margin)` for a negative one.
    Margins {
        positive: f64,
        negative: f64,
        scale: f64,
    },
}

impl LossFunction {
    /// `counts` are the rows that an epoch learns from.
    pub fn new(loss: &Loss, counts: ClassCounts, weights: ClassWeights) -> Self {
        let kind = match *loss {
            Loss::Bce { label_smoothing, .. } if label_smoothing > 0.0 => Kind::Smoothed { smoothing: label_smoothing },
            Loss::Bce { .. } | Loss::ClassBalanced { .. } => Kind::CrossEntropy,
            Loss::Focal { gamma, alpha } => Kind::Focal { gamma, alpha },
            Loss::Asymmetric { gamma_positive, gamma_negative, margin } => {
                Kind::Asymmetric { gamma_positive, gamma_negative, margin }
            }
            Loss::LogitAdjusted { tau } => Kind::Shifted { shift: tau * counts.log_odds() },
            Loss::Ldam { max_margin, scale } => {
                let root = |count: usize| (count.max(1) as f64).powf(-0.25);
                let (positive, negative) = (root(counts.positive), root(counts.negative));
                let unit = max_margin / positive.max(negative);
                Kind::Margins { positive: unit * positive, negative: unit * negative, scale }
            }
        };
        Self { kind, weights, signs: Vec::new(), losses: Vec::new() }
    }

    /// The loss of a batch; writes its derivative by each logit, weighted and divided by the sum of the weights,
    /// to `d_logits`. `row_weights` is empty or has one weight per row.
    pub fn evaluate(
        &mut self,
        logits: &[f32],
        labels: &[bool],
        row_weights: &[f32],
        d_logits: &mut [f32],
    ) -> BatchLoss {
        self.slopes(logits, labels, d_logits);
        let weight_of = |row: usize, label: bool| {
            let of_row = row_weights.get(row).map_or(1.0, |&weight| f64::from(weight));
            self.weights.of(label) * of_row
        };
        let total: f64 = labels.iter().enumerate().map(|(row, &label)| weight_of(row, label)).sum();
        let scale = if total > 0.0 { 1.0 / total } else { 0.0 };
        let (mut weighted, mut sum) = (0.0, 0.0);
        for (row, ((&loss, &label), d_logit)) in self.losses.iter().zip(labels).zip(d_logits).enumerate() {
            let (loss, weight) = (f64::from(loss), weight_of(row, label));
            weighted += weight * loss;
            sum += loss;
            *d_logit *= (weight * scale) as f32;
        }
        BatchLoss { weighted_mean: weighted * scale, sum }
    }

    /// Losses to the room for them, derivatives to `d_logits`.
    fn slopes(&mut self, logits: &[f32], labels: &[bool], d_logits: &mut [f32]) {
        self.losses.resize(logits.len(), 0.0);
        if self.kind == Kind::CrossEntropy {
            self.signs.clear();
            self.signs.extend(labels.iter().map(|&label| if label { 1.0 } else { -1.0 }));
            return cross_entropy(logits, &self.signs, &mut self.losses, d_logits);
        }
        for (((&logit, &label), loss), slope) in logits.iter().zip(labels).zip(&mut self.losses).zip(d_logits) {
            let (value, derivative) = self.kind.value_and_slope(f64::from(logit), label);
            (*loss, *slope) = (value as f32, derivative as f32);
        }
    }
}

impl Kind {
    /// Loss and derivative of one row.
    fn value_and_slope(self, logit: f64, positive: bool) -> (f64, f64) {
        let sign = if positive { 1.0 } else { -1.0 };
        match self {
            Kind::CrossEntropy => at_margin(sign, logit, 1.0),
            Kind::Smoothed { smoothing } => {
                let target = if positive { 1.0 - 0.5 * smoothing } else { 0.5 * smoothing };
                (softplus(logit) - target * logit, sigmoid(logit) - target)
            }
            Kind::Focal { gamma, alpha } => focal(sign, logit, gamma, if positive { alpha } else { 1.0 - alpha }),
            Kind::Asymmetric { gamma_positive, .. } if positive => focal(sign, logit, gamma_positive, 1.0),
            Kind::Asymmetric { gamma_negative, margin, .. } => shifted_negative(logit, gamma_negative, margin),
            Kind::Shifted { shift } => at_margin(sign, logit + shift, 1.0),
            Kind::Margins { positive: of_positive, negative, scale } => {
                at_margin(sign, logit - if positive { of_positive } else { -negative }, scale)
            }
        }
    }
}

/// Cross-entropy at `scale · z`.
fn at_margin(sign: f64, logit: f64, scale: f64) -> (f64, f64) {
    let margin = sign * scale * logit;
    (softplus(-margin), -sign * scale * sigmoid(-margin))
}

/// `-α (1 - p_t)^γ ln p_t`.
fn focal(sign: f64, logit: f64, gamma: f64, alpha: f64) -> (f64, f64) {
    let margin = sign * logit;
    let (right, wrong, surprise) = (sigmoid(margin), sigmoid(-margin), softplus(-margin));
    let focus = alpha * wrong.powf(gamma);
    (focus * surprise, -sign * focus * (gamma * right * surprise + wrong))
}

/// `-q^γ ln(1 - q)` with `q = max(p - margin, 0)`, the negative part of the asymmetric loss.
fn shifted_negative(logit: f64, gamma: f64, margin: f64) -> (f64, f64) {
    let (probability, rest) = (sigmoid(logit), sigmoid(-logit));
    let q = probability - margin;
    if q <= 0.0 {
        return (0.0, 0.0);
    }
    // `1 - q`, with all its digits where the probability is near 1.
    let surprise = if margin > 0.0 { -(rest + margin).ln() } else { softplus(logit) };
    let power = q.powf(gamma);
    let by_q = gamma * q.powf(gamma - 1.0) * surprise * probability * rest;
    // p (1 - p) / (1 - q): with margin 0 it is p, also where 1 - p is 0.
    let share = if margin > 0.0 { probability * rest / (rest + margin) } else { probability };
    (power * surprise, by_q + power * share)
}

/// The mean of the cross-entropy over logits that stand for natural probabilities; `None` without rows.
pub fn mean_loss(logits: &[f64], labels: &[bool]) -> Option<f64> {
    let sum: f64 = logits.iter().zip(labels).map(|(&z, &label)| binary_cross_entropy(z, label)).sum();
    (!labels.is_empty()).then(|| sum / labels.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTS: ClassCounts = ClassCounts { positive: 100, negative: 900 };
    const BCE: Loss = Loss::Bce { class_weight: None, label_smoothing: 0.0 };

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
        let loss = LossFunction::new(&BCE, COUNTS, weights).evaluate(
            &[-2.0, 0.5, 3.0],
            &[true, false, true],
            &[],
            &mut slopes,
        );
        assert!((loss.sum - 3.149_592_346_796_821_7).abs() < 1e-6, "{loss:?}");
        assert!((loss.weighted_mean - 1.079_013_012_298_492).abs() < 1e-6, "{loss:?}");
        for (found, expected) in slopes.iter().zip([-0.406_521_73, 0.047_881_49, -0.021_888_86]) {
            assert!((found - expected).abs() < 1e-6, "{slopes:?}");
        }
    }

    #[test]
    fn a_row_of_weight_two_is_two_rows() {
        let (mut once, mut twice) = ([0.0; 2], [0.0; 3]);
        let mut function = LossFunction::new(&BCE, COUNTS, ClassWeights::EQUAL);
        let weighted = function.evaluate(&[1.0, -0.5], &[true, false], &[2.0, 1.0], &mut once);
        let repeated = function.evaluate(&[1.0, 1.0, -0.5], &[true, true, false], &[], &mut twice);
        assert!((weighted.weighted_mean - repeated.weighted_mean).abs() < 1e-7);
        assert!((once[0] - 2.0 * twice[0]).abs() < 1e-7 && (once[1] - twice[2]).abs() < 1e-7);
    }

    /// ```python
    /// import torch, torch.nn.functional as F
    /// z0 = torch.tensor([-2., -.25, 0., .5, 3.], dtype=torch.float64); y = torch.tensor([1., 0., 1., 0., 1.])
    /// def show(f):
    ///     z = z0.clone().requires_grad_(); l = f(z, torch.sigmoid(z)); l.sum().backward(); print(l.tolist(), z.grad.tolist())
    /// bce = lambda z, t: F.binary_cross_entropy_with_logits(z, t.double(), reduction='none')
    /// show(lambda z, p: bce(z, y*.9 + .05))                                                  # label smoothing .1
    /// pt = lambda p: torch.where(y == 1, p, 1 - p)
    /// show(lambda z, p: -torch.where(y == 1, .25, .75)*(1 - pt(p))**2*pt(p).log())           # focal 2, .25
    /// show(lambda z, p: -torch.where(y == 1, (1 - p)*p.log(), (q := (p - .05).clamp(min=0))**4*(1 - q).log()))
    /// show(lambda z, p: bce(z + torch.tensor(100/900).log(), y))                             # logit adjusted
    /// n = torch.tensor([900., 100.])**-.25; d = .5*n/n.max()
    /// show(lambda z, p: bce(30*torch.where(y == 1, z - d[1], z + d[0]), y))                  # LDAM
    /// ```
    #[test]
    fn every_loss_has_the_values_and_derivatives_of_pytorch() {
        let expected: [(Loss, [f64; 5], [f64; 5]); 5] = [
            (
                Loss::Bce { class_weight: None, label_smoothing: 0.1 },
                [2.02692799, 0.58843942, std::f64::consts::LN_2, 0.949076984, 0.198587387],
                [-0.830797066, 0.387823498, -0.449999988, 0.57245933, 0.00257413874],
            ),
            (
                Loss::Focal { gamma: 2.0, alpha: 0.25 },
                [0.412519545, 0.0828011184, 0.0433216988, 0.283058701, 2.73208311e-05],
                [-0.269178433, 0.156042284, -0.0745716988, 0.394613866, -7.87179616e-05],
            ),
            (
                Loss::Asymmetric { gamma_positive: 1.0, gamma_negative: 4.0, margin: 0.05 },
                [1.87339198, 0.0111015392, 0.34657359, 0.0912530041, 0.00230429757],
                [-0.99911729, 0.0372781895, -0.423286795, 0.208873688, -0.0044442277],
            ),
            (
                Loss::LogitAdjusted { tau: 1.0 },
                [4.21214988, 0.0829922805, std::f64::consts::LN_10, 0.16821524, 0.370241035],
                [-0.985185515, 0.0796417481, -0.899999999, 0.1548281, -0.309432141],
            ),
            (
                Loss::Ldam { max_margin: 0.5, scale: 30.0 },
                [75.0, 1.43287822, 15.0000003, 23.660254, 2.67863696e-33],
                [-30.0, 22.8413662, -29.9999908, 30.0, 0.0],
            ),
        ];
        for (loss, values, slopes) in expected {
            let function = LossFunction::new(&loss, COUNTS, ClassWeights::EQUAL);
            let rows = [(-2.0, true), (-0.25, false), (0.0, true), (0.5, false), (3.0, true)];
            for (row, (logit, label)) in rows.into_iter().enumerate() {
                let (value, slope) = function.kind.value_and_slope(logit, label);
                assert!((value - values[row]).abs() < 1e-6, "{loss:?} row {row}: {value} for {}", values[row]);
                assert!((slope - slopes[row]).abs() < 1e-6, "{loss:?} row {row}: {slope} for {}", slopes[row]);
            }
        }
    }

    #[test]
    fn extreme_logits_neither_overflow_nor_lose_the_loss() {
        assert_eq!(binary_cross_entropy(1e300, false), 1e300);
        assert_eq!(binary_cross_entropy(-1e300, false), 0.0);
        assert!((binary_cross_entropy(-800.0, true) - 800.0).abs() < 1e-12);
        assert!(binary_cross_entropy(f64::NAN, false).is_nan());
        assert!(sigmoid(-800.0) >= 0.0 && sigmoid(800.0) == 1.0);
        for loss in [
            Loss::Focal { gamma: 2.0, alpha: 0.25 },
            Loss::Asymmetric { gamma_positive: 0.0, gamma_negative: 4.0, margin: 0.0 },
            Loss::Asymmetric { gamma_positive: 1.0, gamma_negative: 4.0, margin: 0.05 },
            Loss::Ldam { max_margin: 0.5, scale: 30.0 },
        ] {
            let function = LossFunction::new(&loss, COUNTS, ClassWeights::EQUAL);
            for (logit, label) in [(800.0, true), (800.0, false), (-800.0, true), (-800.0, false)] {
                let (value, slope) = function.kind.value_and_slope(logit, label);
                assert!(value.is_finite() && slope.is_finite(), "{loss:?} at {logit}, {label}: {value} {slope}");
            }
        }
    }

    #[test]
    fn a_batch_whose_weights_are_all_zero_teaches_nothing() {
        let mut slopes = [1.0; 2];
        let weights = ClassWeights { positive: 1.0, negative: 0.0 };
        let loss = LossFunction::new(&BCE, COUNTS, weights).evaluate(&[1.0, -1.0], &[false, false], &[], &mut slopes);
        assert_eq!((loss.weighted_mean, slopes), (0.0, [0.0; 2]));
    }
}
