//! The chosen candidate becomes the model.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use ndarray::Array2;

use super::Comparison;
use super::parts::Divided;
use super::unit::{Unit, UnitResult};
use crate::ml::config::{CompareConfig, DecidedOn, TrainConfig};
use crate::ml::dossier::Scores;
use crate::ml::metrics::{ReportInput, ThresholdBasis, choose, report, verdict};
use crate::ml::nn::CheckpointError;
use crate::ml::observe::{EpochLog, Phase, Stop, TrainObserver};
use crate::ml::pipeline::{TrainError, Trained, train};
use crate::ml::seed::Seed;
use crate::ml::sets::EvalSet;

/// Trains the chosen candidate on all rows but those aside, gives it the threshold of its pooled out-of-fold scores, and
/// evaluates it on the rows aside.
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
    let last_config = divided.configured(&candidate.train, seed);
    let mut trained = train(input, &last_config, &mut WithoutCheckpoints(observer))?;
    let (pooled, probabilities) = pooled(&divided, results, index);
    let chosen = choose(&candidate.train.threshold.rule, &pooled, &probabilities);
    trained.model.threshold = chosen.value;
    let basis = chosen.basis(pooled.labels(), None);
    trained.threshold_basis = ThresholdBasis { computed_on: DecidedOn::OutOfFold.name().to_owned(), ..basis };
    trained.dossier.validation = Scores::kept(pooled.labels(), &probabilities);
    trained.unlabelled_rows = divided.unlabelled_rows;
    evaluate(&divided, &candidate.train, &mut trained, observer)?;
    Ok(trained)
}

/// The scores of the folds of all repeats, each row as often as it was scored.
fn pooled(divided: &Divided, results: &BTreeMap<Unit, UnitResult>, candidate: usize) -> (EvalSet, Vec<f64>) {
    let (mut labels, mut probabilities) = (Vec::new(), Vec::new());
    for (unit, result) in results.iter().filter(|(unit, _)| unit.candidate == candidate) {
        for (row, &probability) in divided.scored(unit.repeat, unit.fold).into_iter().zip(&result.probabilities) {
            labels.push(divided.labels.get(row).copied().unwrap_or(false));
            probabilities.push(f64::from(probability));
        }
    }
    (EvalSet::new(Array2::zeros((labels.len(), 0)), labels), probabilities)
}

fn evaluate(
    divided: &Divided,
    config: &TrainConfig,
    trained: &mut Trained,
    observer: &mut dyn TrainObserver,
) -> Result<(), TrainError> {
    let probabilities = trained.model.predict(&divided.aside)?;
    let eval = EvalSet::new(Array2::zeros((divided.aside_labels.len(), 0)), divided.aside_labels.clone());
    let input = ReportInput {
        eval: &eval,
        probabilities: &probabilities,
        threshold: trained.model.threshold,
        classes: &divided.classes,
        evaluation: &config.evaluation,
        seed: Seed(config.seed).derive("bootstrap"),
    };
    let made = report(&input, &mut |fraction| observer.step(fraction)).map_err(TrainError::Stopped)?;
    let strength_search = trained.report.strength_search.take();
    trained.report = made;
    trained.report.strength_search = strength_search;
    trained.verdict = verdict(&trained.report, &probabilities);
    Ok(())
}

/// The checkpoint of a comparison is its finished folds; that of the last training would take its place.
struct WithoutCheckpoints<'a>(&'a mut dyn TrainObserver);

impl TrainObserver for WithoutCheckpoints<'_> {
    fn phase(&mut self, phase: Phase) -> ControlFlow<Stop> {
        self.0.phase(phase)
    }

    fn step(&mut self, fraction: f64) -> ControlFlow<Stop> {
        self.0.step(fraction)
    }

    fn epoch(&mut self, log: &EpochLog) -> ControlFlow<Stop> {
        self.0.epoch(log)
    }

    fn resumed(&mut self, _: Result<(), CheckpointError>) {}
}
