//! What a model, or each member of an ensemble, learns from: rows, and what was done to their classes.

use super::StageCounts;
use super::embedding::Embedder;
use super::error::TrainError;
use super::fit::{Steps, resample_all};
use super::provenance::ResamplingLog;
use crate::ml::calibrate::{Correction, LossInverse, PriorShift};
use crate::ml::config::{Bagging, TrainConfig};
use crate::ml::labels::{ClassCounts, ClassNames, ClassWeights};
use crate::ml::observe::TrainObserver;
use crate::ml::seed::Seed;
use crate::ml::sets::TrainSet;

/// Rows to learn from.
pub(super) struct Draw {
    pub(super) rows: TrainSet,
    pub(super) weights: ClassWeights,
    /// From logits to natural log-odds, as far as that is known before calibration.
    pub(super) correction: Correction,
}

impl Draw {
    /// `natural` are the counts of the training part before any resampling.
    pub(super) fn new(
        config: &TrainConfig,
        classes: &ClassNames,
        natural: ClassCounts,
        rows: TrainSet,
    ) -> Result<Self, TrainError> {
        let learnt = config.learnt_counts(rows.class_counts());
        let weights = config.loss.class_weights(classes, learnt);
        let shift = PriorShift::between(natural, learnt, weights)?;
        // A loss without an inverse leaves at least the shift of the prior to be undone.
        let inverse = LossInverse::of(&config.loss, learnt).unwrap_or(LossInverse::Identity);
        Ok(Self { rows, weights, correction: Correction::Prior { inverse, log_odds: shift.log_odds } })
    }
}

/// A draw of the training rows for each member of an ensemble; of the first, `class_counts` gets the counts.
pub(super) fn draw_members(
    bagging: &Bagging,
    classes: &ClassNames,
    rows: &TrainSet,
    seed: Seed,
    embedder: Option<&Embedder>,
    class_counts: &mut Vec<StageCounts>,
    observer: &mut dyn TrainObserver,
) -> Result<Vec<TrainSet>, TrainError> {
    let draw = |member: usize| {
        let mut own_counts = Vec::new();
        let seed = seed.derive(&format!("bagging {member}"));
        let steps = Steps { list: &bagging.resample, classes, seed, embedder };
        let drawn = resample_all(steps, rows.clone(), &mut own_counts, &mut ResamplingLog::none(), &mut *observer)?;
        if member == 0 {
            class_counts.append(&mut own_counts);
        }
        Ok::<TrainSet, TrainError>(drawn)
    };
    (0..bagging.members).map(draw).collect()
}

/// The correction of the mean of the members' logits: shifts of log-odds are averaged as the logits are, so that it is
/// exact even where members drew unlike numbers of each class. At least one draw.
pub(super) fn mean_correction(draws: &[Draw]) -> Correction {
    let mean = |of: &dyn Fn(&Draw) -> f64| draws.iter().map(of).sum::<f64>() / draws.len() as f64;
    let own = |draw: &Draw| match draw.correction {
        Correction::Prior { log_odds, .. } => log_odds,
        _ => 0.0,
    };
    let adjusted = |draw: &Draw| match draw.correction {
        Correction::Prior { inverse: LossInverse::Shift { log_odds }, .. } => log_odds,
        _ => 0.0,
    };
    match draws[0].correction {
        Correction::Prior { inverse: LossInverse::Shift { .. }, .. } => {
            Correction::Prior { inverse: LossInverse::Shift { log_odds: mean(&adjusted) }, log_odds: mean(&own) }
        }
        Correction::Prior { inverse, .. } => Correction::Prior { inverse, log_odds: mean(&own) },
        other => other,
    }
}
