//! What is found out about a model once it is there, and kept with it.

use std::ops::ControlFlow;

use ndarray::{Array2, Axis};

use super::decide::{Evidence, Unseen};
use crate::ml::calibrate::Calibrator;
use crate::ml::config::{DecidedOn, TrainConfig};
use crate::ml::dossier::{Dossier, Scores};
use crate::ml::explain::{ExplainInput, Explanation, explain};
use crate::ml::metrics::{ChosenThreshold, ClassScale, Ranking, ThresholdBasis, affordable, threshold_intervals};
use crate::ml::observe::{Stop, TrainObserver};
use crate::ml::seed::Seed;

/// The share of the evaluation that the report is; the rest is explaining.
pub(super) const REPORT_SHARE: f64 = 0.6;

/// The mean of each column.
pub(super) fn column_means(features: &Array2<f64>) -> Vec<f64> {
    features.mean_axis(Axis(0)).map(|means| means.to_vec()).unwrap_or_default()
}

/// The choice of a threshold with its interval on the rows that it was chosen on.
///
/// # Errors
/// If the observer stops the run.
pub(super) fn basis(
    config: &TrainConfig,
    chosen: &ChosenThreshold,
    evidence: &Evidence<'_>,
    calibrator: &Calibrator,
    observer: &mut dyn TrainObserver,
) -> Result<ThresholdBasis, Stop> {
    let (unseen, on) = evidence.for_threshold(config);
    let (Unseen { labels, .. }, probabilities) = (unseen, unseen.probabilities(calibrator));
    let basis = |ci| chosen.basis(on, labels, ci);
    let Ok(ranking) = Ranking::of_probabilities(labels, &probabilities) else { return Ok(basis(None)) };
    let evaluation = affordable(&config.evaluation, labels.len());
    let (rules, seed) = (std::slice::from_ref(&config.threshold.rule), threshold_seed(Seed(config.seed)));
    let scale = ClassScale::of_labels(labels, config.calibration.prevalence);
    let step = &mut |done: f64| -> ControlFlow<Stop> { observer.step(done) };
    let intervals = threshold_intervals(rules, &ranking, scale, &evaluation, seed, step)?;
    Ok(basis(intervals.into_iter().next().flatten()))
}

/// The seed of a threshold's interval, for a job's seed.
pub fn threshold_seed(seed: Seed) -> Seed {
    seed.derive("threshold interval")
}

/// The seed of a report's intervals, for a job's seed.
pub fn report_seed(seed: Seed) -> Seed {
    seed.derive("bootstrap")
}

/// What is kept of a run.
pub(super) struct Kept<'a> {
    pub(super) config: &'a TrainConfig,
    pub(super) background: Vec<f64>,
    pub(super) decided_on: DecidedOn,
    /// Labels and probabilities of the rows that the threshold was chosen on, and of the test rows.
    pub(super) chosen_on: (&'a [bool], &'a [f64]),
    pub(super) test: (&'a [bool], &'a [f64]),
}

impl Kept<'_> {
    /// Explains the model, if it is to be, and puts everything together.
    ///
    /// # Errors
    /// If the observer stops the run.
    pub(super) fn dossier(
        self,
        input: Option<&ExplainInput<'_>>,
        observer: &mut dyn TrainObserver,
    ) -> Result<Dossier, Stop> {
        let step = &mut |done: f64| observer.step(REPORT_SHARE + done * (1.0 - REPORT_SHARE));
        let explanation = match input {
            Some(input) => explain(input, step)?,
            None => Explanation::none(self.config.evaluation.confidence),
        };
        let scores = |(labels, probabilities): (&[bool], &[f64])| Scores::kept(labels, probabilities);
        Ok(Dossier {
            validation: scores(self.chosen_on),
            chosen_on: self.decided_on,
            test: scores(self.test),
            background: self.background,
            evaluation: self.config.evaluation.clone(),
            seed: Seed(self.config.seed),
            explanation,
        })
    }
}
