//! The one order in which a training job happens, and the only place that knows it: split, fit the
//! preprocessing on the training rows, resample them, train, calibrate and choose the threshold on the
//! validation rows, evaluate on the test rows.
//!
//! The types keep the parts apart: a [`TrainSet`](super::sets::TrainSet) is consumed by resampling and training, an
//! [`EvalSet`] can only be scored.

mod error;
mod estimate;
mod fit;
mod learner;
mod rows;
mod strength;
mod target;

use serde::{Deserialize, Serialize};

use super::calibrate::{Calibrator, fit_platt};
use super::config::{CalibrationMethod, TrainConfig};
use super::labels::ClassCounts;
use super::metrics::{ChosenThreshold, Report, ReportInput, Verdict, choose, report, verdict};
use super::model::Model;
use super::observe::{Phase, StoppedBy, TrainObserver};
use super::seed::Seed;
use super::sets::EvalSet;
use super::table::Table;
use fit::{Learnt, Lesson, enter};
use rows::{Part, Rows};

pub use error::TrainError;
pub use estimate::{Estimate, estimate};
pub use target::{Target, TargetError};

/// What a run learns from.
#[derive(Debug)]
pub struct TrainInput {
    pub table: Table,
    /// What counted as missing when the table was read; the model reads CSV the same way.
    pub missing_markers: Vec<String>,
}

/// What a run leaves.
#[derive(Debug)]
pub struct Trained {
    pub model: Model,
    /// On the test rows.
    pub report: Report,
    pub verdict: Verdict,
    pub epochs_run: usize,
    /// Counts from 1.
    pub best_epoch: usize,
    pub stopped_by: StoppedBy,
    /// Rows seen in training, over all epochs.
    pub examples_seen: u64,
    /// Rows per class in each part, and in the training part after each resampling step.
    pub class_counts: Vec<StageCounts>,
    /// Columns without any variation in the training rows.
    pub dropped_columns: Vec<String>,
    /// Rows without a label, which no part has.
    pub unlabelled_rows: usize,
    /// Why the threshold is not quite what the rule asked for.
    pub threshold_note: Option<String>,
}

/// Rows per class after a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageCounts {
    /// `train`, `validation` and `test` for the parts, then the name of each resampling step.
    pub stage: String,
    #[serde(flatten)]
    pub counts: ClassCounts,
    /// Where a resampling step did something else than it was asked for.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Runs a training job from a table to an evaluated model.
///
/// # Errors
/// If the data does not allow what the configuration asks for, if training diverges, or if the observer stops
/// the run.
pub fn train(input: TrainInput, config: &TrainConfig, observer: &mut dyn TrainObserver) -> Result<Trained, TrainError> {
    let seed = Seed(config.seed);
    enter(observer, Phase::Splitting)?;
    let rows = Rows::of(&input.table, config)?;
    drop(input.table);
    let parts = rows.split(config, seed)?;
    let (train, validation, test) =
        (rows.learnt(&parts.train)?, rows.scored(&parts.validation), rows.scored(&parts.test));
    let mut class_counts = part_counts(&train, &validation, &test);
    let Rows { classes, unlabelled_rows, .. } = rows;

    let lesson = Lesson { config, classes: &classes, seed };
    let learnt = lesson.learn(train, validation, observer)?;
    let Learnt { preprocessor, fitted, validation, .. } = learnt;
    class_counts.extend(learnt.resampled);

    enter(observer, Phase::Calibrating)?;
    let calibrator = match config.calibration.method {
        CalibrationMethod::None => Calibrator::None,
        CalibrationMethod::Prior => learnt.correction,
        CalibrationMethod::Platt => fit_platt(&fitted.predictor.logits(validation.features()), validation.labels())
            .ok_or(TrainError::Uncalibrated)?,
    };
    let probabilities = |set: &EvalSet| fitted.predictor.probabilities(set.features(), &calibrator);

    enter(observer, Phase::Thresholding)?;
    let threshold = choose(&config.threshold, &validation, &probabilities(&validation));

    enter(observer, Phase::Evaluating)?;
    let test = test.into_eval_set(&preprocessor)?;
    let test_probabilities = probabilities(&test);
    let mut report = report(
        &ReportInput {
            eval: &test,
            probabilities: &test_probabilities,
            threshold: threshold.value,
            classes: &classes,
            evaluation: &config.evaluation,
            seed: seed.derive("bootstrap"),
        },
        &mut |fraction| observer.step(fraction),
    )
    .map_err(TrainError::Stopped)?;
    report.strength_search = learnt.strength_search;
    let verdict = verdict(&report, &test_probabilities);
    let ChosenThreshold { value: threshold, note: threshold_note, .. } = threshold;
    Ok(Trained {
        dropped_columns: preprocessor.dropped_columns().to_vec(),
        model: Model {
            classes,
            threshold_rule: config.threshold.clone(),
            threshold,
            missing_markers: input.missing_markers,
            preprocessor,
            predictor: fitted.predictor,
            calibrator,
        },
        report,
        verdict,
        epochs_run: fitted.epochs_run,
        best_epoch: fitted.best_epoch,
        stopped_by: fitted.stopped_by,
        examples_seen: fitted.examples_seen,
        class_counts,
        unlabelled_rows,
        threshold_note,
    })
}

fn part_counts(train: &Part, validation: &Part, test: &Part) -> Vec<StageCounts> {
    let counts = |(stage, part): (&str, &Part)| {
        let counts = ClassCounts::of(&part.labels);
        StageCounts { stage: stage.to_owned(), counts, notes: Vec::new() }
    };
    [("train", train), ("validation", validation), ("test", test)].map(counts).to_vec()
}
