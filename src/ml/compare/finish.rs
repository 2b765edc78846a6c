//! The chosen candidate becomes the model.

use std::collections::BTreeMap;

use super::Comparison;
use super::parts::Divided;
use super::unit::{Unit, UnitResult};
use crate::ml::config::{CompareConfig, DecidedOn};
use crate::ml::observe::TrainObserver;
use crate::ml::pipeline::{TrainError, Trained, Unseen, train_with_scores};

/// Trains the chosen candidate on all rows but those aside, decides calibration and threshold on its pooled out-of-fold
/// scores, and evaluates it on the rows aside.
pub(super) fn train_chosen(
    divided: Divided,
    config: &CompareConfig,
    comparison: &Comparison,
    results: &BTreeMap<Unit, UnitResult>,
    observer: &mut dyn TrainObserver,
) -> Result<Trained, TrainError> {
    let found = config.candidates.iter().position(|candidate| candidate.name == comparison.chosen);
    let Some((index, candidate)) = found.and_then(|index| Some((index, config.candidates.get(index)?))) else {
        return Err(TrainError::NoCandidate { reason: "none was chosen".to_owned() });
    };
    let (input, seed) = divided.last_input()?;
    let mut last_config = divided.configured(&candidate.train, seed);
    last_config.threshold.on = DecidedOn::OutOfFold;
    last_config.calibration.on = DecidedOn::OutOfFold;
    let pooled = pooled(&divided, results, index);
    let mut trained = train_with_scores(input, &last_config, pooled, observer)?;
    trained.unlabelled_rows = divided.unlabelled_rows;
    Ok(trained)
}

/// The scores of the folds of all repeats, each row as often as it was scored.
fn pooled(divided: &Divided, results: &BTreeMap<Unit, UnitResult>, candidate: usize) -> Unseen {
    let mut pooled = Unseen::default();
    for (unit, result) in results.iter().filter(|(unit, _)| unit.candidate == candidate) {
        for (&row, &log_odds) in divided.scored(unit.repeat, unit.fold).iter().zip(&result.log_odds) {
            pooled.labels.push(divided.labels().get(row).copied().unwrap_or(false));
            pooled.log_odds.push(f64::from(log_odds));
        }
    }
    pooled
}
