//! One candidate on one fold.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::packed::characters;
use super::parts::Divided;
use crate::ml::config::{CompareConfig, Evaluation};
use crate::ml::observe::TrainObserver;
use crate::ml::pipeline::{TrainError, measure};

/// Which candidate on which fold of which repeat; all count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Unit {
    pub(super) candidate: usize,
    pub(super) repeat: usize,
    pub(super) fold: usize,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitResult {
    /// By name, at the threshold chosen within the training rows of the fold; those that are undefined are not there.
    pub metrics: BTreeMap<String, f64>,
    /// One per scored row, in their order, before any calibration map.
    #[serde(with = "super::packed")]
    pub log_odds: Vec<f32>,
    pub seconds: f64,
    /// Why the candidate could not be trained on this fold; then there are neither metrics nor log-odds.
    pub failure: Option<String>,
}

impl UnitResult {
    /// Its JSON is not larger if it scores at most so many rows.
    pub fn most_bytes(rows: u64) -> u64 {
        /// Names and numbers of all metrics, and what else there is.
        const REST: u64 = 16 << 10;
        characters(rows).saturating_add(REST)
    }
}

impl Unit {
    /// All units, the folds of all candidates side by side, so that every candidate has some results early.
    pub(super) fn all(config: &CompareConfig) -> Vec<Unit> {
        let mut units = Vec::new();
        for repeat in 0..config.cross_validation.repeats {
            for fold in 0..config.cross_validation.folds {
                units.extend((0..config.candidates.len()).map(|candidate| Unit { candidate, repeat, fold }));
            }
        }
        units
    }

    /// Trains and scores. A candidate that cannot be trained is a result too.
    ///
    /// # Errors
    /// Only if the observer stops the run.
    pub(super) fn run(
        self,
        divided: &Divided,
        config: &CompareConfig,
        clock: &dyn Fn() -> f64,
        observer: &mut dyn TrainObserver,
    ) -> Result<UnitResult, TrainError> {
        let started = clock();
        let outcome = self.measure(divided, config, observer);
        let seconds = clock() - started;
        match outcome {
            Ok((metrics, log_odds)) => Ok(UnitResult { metrics, log_odds, seconds, failure: None }),
            Err(TrainError::Stopped(stop)) => Err(TrainError::Stopped(stop)),
            Err(error) => {
                let failure = Some(chain(&error));
                Ok(UnitResult { metrics: BTreeMap::new(), log_odds: Vec::new(), seconds, failure })
            }
        }
    }

    fn measure(
        self,
        divided: &Divided,
        config: &CompareConfig,
        observer: &mut dyn TrainObserver,
    ) -> Result<(BTreeMap<String, f64>, Vec<f32>), TrainError> {
        let Some(candidate) = config.candidates.get(self.candidate) else {
            return Err(TrainError::NoCandidate { reason: format!("there is no number {}", self.candidate) });
        };
        let (input, seed) = divided.fold_input(self.repeat, self.fold)?;
        let mut train_config = divided.configured(&candidate.train, seed);
        train_config.evaluation = Evaluation { bootstrap: 0, ..train_config.evaluation };
        let trained = measure(input, &train_config, observer)?;
        let scored = divided.open.select(divided.scored(self.repeat, self.fold));
        let log_odds = trained.model.natural_log_odds(&scored)?;
        let defined = |(name, metric): (String, crate::ml::metrics::Metric)| Some((name, metric.value?));
        let metrics = trained.report.metrics.into_iter().filter_map(defined).collect();
        Ok((metrics, log_odds.into_iter().map(|log_odds| log_odds as f32).collect()))
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
