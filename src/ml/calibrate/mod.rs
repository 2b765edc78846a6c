//! From what a model says to a probability that can be believed.
//!
//! In three steps: a [`Correction`] undoes what loss, weights and resampling are known to do to the log-odds; a
//! [`CalibrationMap`], if one is shown to help, bends what is left; a shift moves the result from the prevalence of the
//! training rows to the one that the model will meet.

mod choose;
mod correction;
mod inverse;
mod isotonic;
mod map;
mod prior;
mod sigmoid_maps;

pub use choose::{CROSS_FIT_FOLDS, CalibrationOutcome, Judged, Unfitted, auto_method, fit_map, judge};
pub use correction::Correction;
pub use inverse::{CERTAIN_LOGIT, LEAST_SHARE, LossInverse};
pub use isotonic::Knots;
pub use map::CalibrationMap;
pub use prior::{PriorError, PriorShift};

use serde::{Deserialize, Serialize};

use crate::ml::logit::{logit as logit_of, sigmoid};

/// Turns a model's logits into probabilities of the positive class. Part of the stored model. Never falling in the
/// logit, so that no two rows change places; an isotonic map makes ties.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibrator {
    pub base: Correction,
    pub map: CalibrationMap,
    /// The share of positives at which the probabilities hold without a shift; unknown of models of version 1.
    pub prevalence: Option<f64>,
    /// The share of positives that they are shifted to.
    pub deployment_prevalence: Option<f64>,
}

impl Calibrator {
    /// A correction and nothing else.
    pub fn of(base: Correction) -> Self {
        Self { base, map: CalibrationMap::Identity, prevalence: None, deployment_prevalence: None }
    }

    /// The same for another share of positives among the rows to come; `None` if the model's own is unknown or either is
    /// not strictly between 0 and 1.
    pub fn at_prevalence(&self, deployment: f64) -> Option<Self> {
        let known = self.prevalence.filter(|&share| is_share(share));
        (known.is_some() && is_share(deployment))
            .then(|| Self { deployment_prevalence: Some(deployment), ..self.clone() })
    }

    /// The probability of the positive class, in `0..=1`; NaN for NaN.
    pub fn probability(&self, logit: f64) -> f64 {
        match self.shift() {
            // The map's own digits, where it gives probabilities and not log-odds.
            0.0 => self.map.probability(self.base.natural(logit)),
            _ => sigmoid(self.log_odds(logit)),
        }
    }

    /// The log-odds of the probability; infinite where an isotonic map is sure.
    pub fn log_odds(&self, logit: f64) -> f64 {
        self.map.log_odds(self.base.natural(logit)) + self.shift()
    }

    /// What the deployment prevalence adds to the log-odds (Elkan 2001, theorem 2; Saerens et al. 2002, equation 4).
    pub fn shift(&self) -> f64 {
        match (self.prevalence, self.deployment_prevalence) {
            (Some(from), Some(to)) => logit_of(to) - logit_of(from),
            _ => 0.0,
        }
    }

    /// A probability at the prevalence of the training rows as one at the deployment prevalence.
    pub fn shifted(&self, probability: f64) -> f64 {
        match self.shift() {
            0.0 => probability,
            shift => sigmoid(logit_of(probability) + shift),
        }
    }

    /// The other way round.
    pub fn unshifted(&self, probability: f64) -> f64 {
        match self.shift() {
            0.0 => probability,
            shift => sigmoid(logit_of(probability) - shift),
        }
    }

    /// Slope and offset of [`Calibrator::log_odds`] where it is a straight line.
    pub fn affine(&self) -> Option<(f64, f64)> {
        let (offset, (slope, intercept)) = (self.base.offset()?, self.map.affine()?);
        Some((slope, slope * offset + intercept + self.shift()))
    }

    /// Whether a calibrator that was read from somewhere can be used.
    pub fn is_valid(&self) -> bool {
        let shares = [self.prevalence, self.deployment_prevalence];
        let complete = self.deployment_prevalence.is_none() || self.prevalence.is_some();
        self.base.is_valid() && self.map.is_valid() && complete && shares.into_iter().flatten().all(is_share)
    }

    /// [`Calibrator::probability`] of each.
    pub fn probabilities(&self, logits: &[f64]) -> Vec<f64> {
        logits.iter().map(|&logit| self.probability(logit)).collect()
    }
}

fn is_share(value: f64) -> bool {
    value > 0.0 && value < 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sigmoid_is_stable_at_both_ends() {
        let plain = Calibrator::of(Correction::None);
        assert_eq!(plain.probability(0.0), 0.5);
        assert_eq!(plain.probability(1e4), 1.0);
        assert_eq!(plain.probability(-1e4), 0.0);
        // 1 / (1 + np.exp(40.0))
        let tiny = plain.probability(-40.0);
        assert!((tiny / 4.248_354_255_291_589e-18 - 1.0).abs() < 1e-12);
        assert!(plain.probability(f64::NAN).is_nan());
    }

    #[test]
    fn another_prevalence_moves_the_odds_by_the_ratio_of_the_odds() {
        let plain = Calibrator { prevalence: Some(0.5), ..Calibrator::of(Correction::None) };
        let rare = plain.at_prevalence(0.01).unwrap();
        // Bayes: 0.8 * 0.02 / (0.8 * 0.02 + 0.2 * 1.98)
        assert!((rare.probability(4.0_f64.ln()) - 0.016 / 0.412).abs() < 1e-15);
        assert!((rare.unshifted(rare.shifted(0.3)) - 0.3).abs() < 1e-15);
        assert_eq!((rare.shifted(0.0), rare.shifted(1.0)), (0.0, 1.0));
        assert_eq!(plain.at_prevalence(0.0), None);
        assert_eq!(Calibrator::of(Correction::None).at_prevalence(0.1), None);
        let sure = Knots::from_parts(vec![-1.0, 1.0], vec![0.0, 1.0]);
        let sure = Calibrator { map: CalibrationMap::Isotonic { knots: sure }, ..rare };
        assert_eq!([-2.0, 2.0].map(|logit| sure.probability(logit)), [0.0, 1.0]);
    }

    #[test]
    fn what_is_no_calibrator_is_found_out() {
        let plain = Calibrator { prevalence: Some(0.5), ..Calibrator::of(Correction::None) };
        assert!(plain.is_valid());
        let with = |map| Calibrator { map, ..plain.clone() };
        assert!(!with(CalibrationMap::Platt { slope: -1.0, intercept: 0.0 }).is_valid());
        assert!(!with(CalibrationMap::Temperature { temperature: 0.0 }).is_valid());
        assert!(!with(CalibrationMap::Beta { a: 0.0, b: 0.0, c: 0.0 }).is_valid());
        assert!(!with(CalibrationMap::Isotonic { knots: Knots::default() }).is_valid());
        assert!(!Calibrator { prevalence: Some(1.0), ..plain.clone() }.is_valid());
        assert!(!Calibrator { prevalence: None, deployment_prevalence: Some(0.1), ..plain }.is_valid());
    }
}
