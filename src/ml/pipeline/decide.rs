//! What is decided on rows that the model has not learnt from: the calibration and the threshold.

use ndarray::Array2;

use super::fit::Learnt;
use crate::ml::calibrate::{CalibrationMap, CalibrationOutcome, Calibrator, Correction, judge};
use crate::ml::config::{CalibrationMethod, DecidedOn, ThresholdRule, TrainConfig};
use crate::ml::metrics::{ChosenThreshold, choose_at};
use crate::ml::seed::Seed;
use crate::ml::sets::EvalSet;

/// Rows with their log-odds before any map, by a model that has not learnt from them.
#[derive(Debug, Clone, Default)]
pub struct Unseen {
    pub log_odds: Vec<f64>,
    /// `true` is the positive class; as many.
    pub labels: Vec<bool>,
}

impl Unseen {
    /// The validation rows of what was learnt.
    pub(super) fn validation(config: &TrainConfig, learnt: &Learnt) -> Self {
        Self { log_odds: learnt.log_odds(config, &learnt.validation), labels: learnt.validation.labels().to_vec() }
    }

    pub(super) fn extend(&mut self, other: &Unseen) {
        self.log_odds.extend_from_slice(&other.log_odds);
        self.labels.extend_from_slice(&other.labels);
    }

    /// The probabilities that predictions of these rows give.
    pub(super) fn probabilities(&self, calibrator: &Calibrator) -> Vec<f64> {
        let shown = |&natural: &f64| calibrator.shifted(calibrator.map.probability(natural));
        self.log_odds.iter().map(shown).collect()
    }
}

/// What a decision is made on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence<'a> {
    pub(super) validation: &'a Unseen,
    /// Where there is cross-validation.
    pub(super) out_of_fold: Option<&'a Unseen>,
}

impl Evidence<'_> {
    /// The rows that the threshold is chosen on.
    pub(super) fn for_threshold(&self, config: &TrainConfig) -> (&Unseen, DecidedOn) {
        self.on(config.threshold.on)
    }

    /// The rows that were asked for, or the validation rows where there are no others yet: in the first fold by time.
    fn on(&self, wanted: DecidedOn) -> (&Unseen, DecidedOn) {
        match (wanted, self.out_of_fold) {
            (DecidedOn::OutOfFold, Some(scores)) => (scores, DecidedOn::OutOfFold),
            _ => (self.validation, DecidedOn::Validation),
        }
    }
}

/// A calibrator, a threshold on its probabilities, and how both came about.
#[derive(Debug, Clone)]
pub(super) struct Decided {
    pub(super) calibrator: Calibrator,
    pub(super) calibration: CalibrationOutcome,
    /// On the probabilities that the model gives: at the deployment prevalence, if there is one.
    pub(super) threshold: ChosenThreshold,
    /// The same on probabilities at the prevalence of the training rows.
    pub(super) natural_threshold: f64,
}

/// The calibrator of a model: its correction, the map that was asked for if that helps, and the shift to the deployment
/// prevalence.
pub(super) fn calibrate(
    config: &TrainConfig,
    base: Correction,
    prevalence: f64,
    evidence: &Evidence<'_>,
    seed: Seed,
) -> (Calibrator, CalibrationOutcome) {
    let method = config.calibration.method;
    let (unseen, on) = evidence.on(config.calibration.on);
    let judged = judge(method, &unseen.log_odds, &unseen.labels, seed.derive("calibration"));
    let deployment_prevalence = config.calibration.prevalence;
    let base_name = if method == CalibrationMethod::None { "none" } else { "prior" };
    let mut outcome = CalibrationOutcome {
        method: method.name().to_owned(),
        used: base_name.to_owned(),
        reason: None,
        on: None,
        rows: None,
        positives: None,
        base_log_loss: None,
        cross_fitted_log_loss: None,
        prevalence,
        deployment_prevalence,
    };
    let mut map = CalibrationMap::Identity;
    match judged {
        None if method == CalibrationMethod::Auto => {
            outcome.reason = Some("the rarer class has too few rows for any map".to_owned());
        }
        None => {}
        Some(judged) => {
            outcome.on = Some(on.name().to_owned());
            outcome.rows = Some(unseen.labels.len());
            outcome.positives = Some(unseen.labels.iter().filter(|&&label| label).count());
            outcome.base_log_loss = judged.base_log_loss;
            outcome.cross_fitted_log_loss = judged.cross_fitted_log_loss;
            match judged.map {
                Ok(found) => {
                    found.name().clone_into(&mut outcome.used);
                    map = found;
                }
                Err(reason) => outcome.reason = Some(reason.to_string()),
            }
        }
    }
    (Calibrator { base, map, prevalence: Some(prevalence), deployment_prevalence }, outcome)
}

/// The threshold that serves the rule best at the deployment prevalence, on probabilities at that of the training rows.
fn choose_threshold(config: &TrainConfig, calibrator: &Calibrator, evidence: &Evidence<'_>) -> ChosenThreshold {
    let rule = &config.threshold.rule;
    if let ThresholdRule::Fixed { value } = *rule {
        return ChosenThreshold { value: calibrator.unshifted(value), met: true, note: None };
    }
    let (unseen, _) = evidence.on(config.threshold.on);
    let probabilities: Vec<f64> = unseen.log_odds.iter().map(|&natural| calibrator.map.probability(natural)).collect();
    let rows = EvalSet::new(Array2::zeros((unseen.labels.len(), 0)), unseen.labels.clone());
    choose_at(rule, &rows, &probabilities, config.calibration.prevalence)
}

/// Both, one after the other.
pub(super) fn decide(
    config: &TrainConfig,
    base: Correction,
    prevalence: f64,
    evidence: &Evidence<'_>,
    seed: Seed,
) -> Decided {
    let (calibrator, calibration) = calibrate(config, base, prevalence, evidence, seed);
    decided(config, calibrator, calibration, evidence)
}

/// The threshold, to a calibrator that is there.
pub(super) fn decided(
    config: &TrainConfig,
    calibrator: Calibrator,
    calibration: CalibrationOutcome,
    evidence: &Evidence<'_>,
) -> Decided {
    let chosen = choose_threshold(config, &calibrator, evidence);
    let natural_threshold = chosen.value;
    let value = match config.threshold.rule {
        ThresholdRule::Fixed { value } => value,
        _ => calibrator.shifted(natural_threshold),
    };
    let threshold = ChosenThreshold { value, ..chosen };
    Decided { calibrator, calibration, threshold, natural_threshold }
}
