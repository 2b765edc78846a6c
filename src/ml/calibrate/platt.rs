//! Platt scaling: a logistic regression on the logit alone (Platt 1999), for what has no exact correction.

use super::Calibrator;
use crate::ml::logit::{sigmoid, softplus};

/// Newton steps; the problem is convex in two numbers and takes about ten.
const MAX_STEPS: usize = 100;
const TOLERANCE: f64 = 1e-10;
/// The least slope: below it the calibrator would not rise any more and the ranking would turn over.
const LEAST_SLOPE: f64 = 1e-6;
/// Keeps the second derivative away from zero where all logits are equal; far below any real one.
const RIDGE: f64 = 1e-9;

/// Fits `σ(slope · z + intercept)` to labels, with Platt's targets `(N₊ + 1) / (N₊ + 2)` and `1 / (N₋ + 2)` in place
/// of 1 and 0, so that separable rows have a finite fit. `None` without rows of both classes.
pub fn fit_platt(logits: &[f64], labels: &[bool]) -> Option<Calibrator> {
    let positives = labels.iter().filter(|&&label| label).count() as f64;
    let negatives = labels.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 || logits.iter().any(|logit| !logit.is_finite()) {
        return None;
    }
    let targets = [1.0 / (negatives + 2.0), (positives + 1.0) / (positives + 2.0)];
    // Centred and scaled, so that the two numbers do not depend on each other much.
    let mean = logits.iter().sum::<f64>() / logits.len() as f64;
    let spread = (logits.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / logits.len() as f64).sqrt();
    let unit = if spread > 0.0 { spread } else { 1.0 };
    let rows: Vec<(f64, f64)> =
        logits.iter().zip(labels).map(|(z, &label)| ((z - mean) / unit, targets[usize::from(label)])).collect();
    let [slope, intercept] = minimize(&rows, [0.0, (positives + 1.0).ln() - (negatives + 1.0).ln()]);
    let slope = (slope / unit).max(LEAST_SLOPE);
    Some(Calibrator::Platt { slope, intercept: intercept - slope * mean })
}

/// Newton's method with halved steps.
fn minimize(rows: &[(f64, f64)], start: [f64; 2]) -> [f64; 2] {
    let mut at = start;
    let mut value = loss(rows, at);
    for _ in 0..MAX_STEPS {
        let (mut gradient, mut hessian) = ([0.0; 2], [RIDGE, 0.0, RIDGE]);
        for &(z, target) in rows {
            let p = sigmoid(at[0] * z + at[1]);
            let (error, weight) = (p - target, p * (1.0 - p));
            gradient = [gradient[0] + error * z, gradient[1] + error];
            hessian = [hessian[0] + weight * z * z, hessian[1] + weight * z, hessian[2] + weight];
        }
        if gradient[0].abs().max(gradient[1].abs()) < TOLERANCE * rows.len() as f64 {
            break;
        }
        let determinant = hessian[0] * hessian[2] - hessian[1] * hessian[1];
        let step = [
            (hessian[2] * gradient[0] - hessian[1] * gradient[1]) / determinant,
            (hessian[0] * gradient[1] - hessian[1] * gradient[0]) / determinant,
        ];
        let mut length = 1.0;
        let found = loop {
            let candidate = [at[0] - length * step[0], at[1] - length * step[1]];
            let reached = loss(rows, candidate);
            if reached < value {
                break Some((candidate, reached));
            }
            length *= 0.5;
            if length < 1e-10 {
                break None;
            }
        };
        let Some((next, reached)) = found else { break };
        (at, value) = (next, reached);
    }
    at
}

fn loss(rows: &[(f64, f64)], [slope, intercept]: [f64; 2]) -> f64 {
    let of_row = |&(z, target): &(f64, f64)| {
        let logit = slope * z + intercept;
        softplus(logit) - target * logit
    };
    rows.iter().map(of_row).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```python
    /// from sklearn.calibration import _SigmoidCalibration; import numpy as np
    /// z = np.array([-3., -1., -.5, 0., .25, 1., 2., 4.]); y = np.array([0, 0, 1, 0, 0, 1, 0, 1])
    /// c = _SigmoidCalibration().fit(z, y); print(-c.a_, -c.b_)
    /// ```
    #[test]
    fn the_fit_is_that_of_scikit_learn() {
        let logits = [-3.0, -1.0, -0.5, 0.0, 0.25, 1.0, 2.0, 4.0];
        let labels = [false, false, true, false, false, true, false, true];
        let Some(Calibrator::Platt { slope, intercept }) = fit_platt(&logits, &labels) else {
            panic!("both classes have rows")
        };
        assert!((slope - 0.339_621_34).abs() < 1e-5, "{slope}");
        assert!((intercept + 0.607_518_49).abs() < 1e-5, "{intercept}");
    }

    #[test]
    fn separable_constant_reversed_and_one_class_logits_have_an_answer() {
        let finite = |logits: &[f64], labels: &[bool]| fit_platt(logits, labels).is_some_and(|c| c.is_valid());
        assert!(finite(&[-1.0, -2.0, 5.0], &[false, false, true]));
        assert!(finite(&[1.0, 1.0, 1.0], &[false, false, true]));
        assert!(finite(&[5.0, 4.0, -1.0], &[false, false, true]));
        assert!(finite(&[1e6, -1e6, 3e5], &[true, false, false]));
        assert_eq!(fit_platt(&[1.0, 2.0], &[true, true]), None);
        assert_eq!(fit_platt(&[], &[]), None);
    }
}
