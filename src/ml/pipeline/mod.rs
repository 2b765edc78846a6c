//! The one order in which a training job happens, and the only place that knows it: split, fit the
//! preprocessing on the training rows, resample them, train, calibrate and choose the threshold on the
//! validation rows, evaluate on the test rows.
//!
//! The types keep the parts apart: a [`TrainSet`](super::sets::TrainSet) is consumed by resampling and training, an
//! [`EvalSet`](super::sets::EvalSet) can only be scored.

mod aftermath;
mod cross_validation;
mod decide;
mod draws;
mod embedding;
mod error;
mod estimate;
mod fit;
mod learner;
mod notes;
mod preview;
mod provenance;
mod rows;
mod side_by_side;
mod strength;
mod target;

use serde::{Deserialize, Serialize};

use super::calibrate::Calibrator;
use super::config::{DatasetFacts, TrainConfig};
use super::diagnose::Diagnosis;
use super::dossier::Dossier;
use super::explain::ExplainInput;
use super::labels::ClassCounts;
use super::metrics::{Report, ReportInput, ThresholdBasis, Verdict, report, verdict};
use super::model::Model;
use super::observe::{Phase, StoppedBy, TrainObserver};
use super::seed::Seed;
use super::split::Parts;
use super::table::Table;
use aftermath::{Kept, REPORT_SHARE, basis};
use cross_validation::{Cross, FoldRuns};
use decide::{Decided, Evidence, calibrate, decided};
use fit::{Learnt, Lesson, enter};
use notes::{Notes, Recorder, Tested};
use rows::Part;

pub use aftermath::{report_seed, threshold_seed};
pub use decide::Unseen;
pub use error::TrainError;
pub use estimate::{Estimate, estimate, rows_after};
pub use preview::{PreviewRows, PreviewSize, preview, preview_rows, preview_sheet};
pub use provenance::{RemovedRow, StepProvenance, SyntheticRows};
pub(in crate::ml) use rows::Rows;
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
    /// What each resampling step did; rows are those of the table, counted from 1.
    pub resampling: Vec<StepProvenance>,
    /// Columns without any variation in the training rows.
    pub dropped_columns: Vec<String>,
    /// Rows without a label, which no part has.
    pub unlabelled_rows: usize,
    /// How the threshold came about.
    pub threshold_basis: ThresholdBasis,
    /// What stays with the model for people to look at.
    pub dossier: Dossier,
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

/// How a run ended, and why.
#[derive(Debug)]
pub struct Examined {
    pub outcome: Result<Trained, TrainError>,
    /// Also of a run that left no model; empty of one that was stopped.
    pub diagnosis: Diagnosis,
}

/// [`train`] with its diagnosis, which the observer is told, too.
pub fn examine(input: TrainInput, config: &TrainConfig, observer: &mut dyn TrainObserver) -> Examined {
    examine_on(input, config, None, observer)
}

/// As [`examine`]; `pooled` stands for the scores of cross-validation where they were made elsewhere.
fn examine_on(
    input: TrainInput,
    config: &TrainConfig,
    pooled: Option<Unseen>,
    observer: &mut dyn TrainObserver,
) -> Examined {
    let mut notes = Notes::default();
    let mut recorder = Recorder { observer, curves: Vec::new() };
    let outcome = run(input, config, pooled, &mut notes, &mut recorder);
    let diagnosis = notes.diagnosis(config, &recorder.curves, Some(outcome.as_ref()));
    if !matches!(outcome, Err(TrainError::Stopped(_))) {
        recorder.observer.diagnosed(&diagnosis);
    }
    let outcome = outcome.map(|trained| Trained { verdict: diagnosis.held_against(trained.verdict), ..trained });
    Examined { outcome, diagnosis }
}

/// What the configuration alone tells, with the sizes of the classes.
pub fn diagnose_config(config: &TrainConfig, facts: &DatasetFacts) -> Diagnosis {
    let mut notes = Notes::default();
    notes.take_counts(config, facts);
    notes.diagnosis(config, &[], None)
}

/// What the rows tell before anything is trained on them. Rows that cannot be split or preprocessed as asked are
/// diagnosed as far as they can be.
///
/// # Errors
/// If the observer stops it.
pub fn diagnose(
    input: TrainInput,
    config: &TrainConfig,
    observer: &mut dyn TrainObserver,
) -> Result<Diagnosis, TrainError> {
    let mut notes = Notes::default();
    match divide(input.table, config, &mut notes, observer) {
        Err(error @ TrainError::Stopped(_)) => Err(error),
        Err(error) => Ok(notes.diagnosis(config, &[], Some(Err(&error)))),
        Ok(_) => Ok(notes.diagnosis(config, &[], None)),
    }
}

/// Runs a training job from a table to an evaluated model.
///
/// # Errors
/// If the data does not allow what the configuration asks for, if training diverges, or if the observer stops
/// the run.
pub fn train(input: TrainInput, config: &TrainConfig, observer: &mut dyn TrainObserver) -> Result<Trained, TrainError> {
    examine(input, config, observer).outcome
}

/// As [`train`], of a model that is only to be measured: it is not explained, and nothing is diagnosed.
///
/// # Errors
/// As [`train`].
pub fn measure(
    input: TrainInput,
    config: &TrainConfig,
    observer: &mut dyn TrainObserver,
) -> Result<Trained, TrainError> {
    run(input, config, None, &mut Notes::none(), observer)
}

/// As [`train`]; what the configuration decides on out-of-fold scores is decided on `pooled`, which models of the same
/// procedure have made of rows that they had not learnt from.
///
/// # Errors
/// As [`train`].
pub fn train_with_scores(
    input: TrainInput,
    config: &TrainConfig,
    pooled: Unseen,
    observer: &mut dyn TrainObserver,
) -> Result<Trained, TrainError> {
    examine_on(input, config, Some(pooled), observer).outcome
}

/// The rows of a table in three parts.
struct Divided {
    rows: Rows,
    parts: Parts,
    train: Part,
    validation: Part,
    test: Part,
}

fn divide(
    table: Table,
    config: &TrainConfig,
    notes: &mut Notes,
    observer: &mut dyn TrainObserver,
) -> Result<Divided, TrainError> {
    let seed = Seed(config.seed);
    enter(observer, Phase::Splitting)?;
    let rows = Rows::of(&table, config)?;
    drop(table);
    notes.take_labels(&rows);
    let parts = rows.split(config, seed)?;
    let (train, validation, test) =
        (rows.learnt(&parts.train)?, rows.scored(&parts.validation), rows.scored(&parts.test));
    notes.take_parts(config, [&train, &validation, &test], observer)?;
    Ok(Divided { rows, parts, train, validation, test })
}

fn run(
    input: TrainInput,
    config: &TrainConfig,
    pooled: Option<Unseen>,
    notes: &mut Notes,
    observer: &mut dyn TrainObserver,
) -> Result<Trained, TrainError> {
    let seed = Seed(config.seed);
    let Divided { rows, parts, train, validation, test } = divide(input.table, config, notes, observer)?;
    let mut class_counts = part_counts(&train, &validation, &test);
    let lesson = Lesson { config, classes: &rows.classes, seed, provenance: true };
    let mut learnt = lesson.learn(train, validation, observer)?;
    for removed in learnt.provenance.iter_mut().flat_map(|step| &mut step.removed_most_surely) {
        removed.row = shown_row(&rows.table_rows, &parts.train, removed.row);
    }
    let resampling = std::mem::take(&mut learnt.provenance);
    class_counts.extend(learnt.resampled.iter().cloned());
    notes.take_learnt(config, &class_counts);

    let plan = config.evaluation.cross_validation.as_ref();
    let cross = plan.map(|plan| Cross { rows: &rows, parts: &parts, config, plan, seed });
    let fold_runs = match &cross {
        Some(cross) => {
            enter(observer, Phase::CrossValidating)?;
            Some(cross.run(observer)?)
        }
        None => None,
    };

    enter(observer, Phase::Calibrating)?;
    let validation = Unseen::validation(config, &learnt);
    let out_of_fold = pooled.or_else(|| fold_runs.as_ref().map(FoldRuns::out_of_fold));
    let evidence = Evidence { validation: &validation, out_of_fold: out_of_fold.as_ref() };
    let (calibrator, calibration) =
        calibrate(config, learnt.base(config), learnt.natural.prevalence(), &evidence, seed);

    enter(observer, Phase::Thresholding)?;
    let Decided { calibrator, calibration, threshold, natural_threshold } =
        decided(config, calibrator, calibration, &evidence);
    let threshold_basis = basis(config, &threshold, &evidence, &calibrator, observer).map_err(TrainError::Stopped)?;

    enter(observer, Phase::Evaluating)?;
    let Learnt { preprocessor, fitted, validation: validation_rows, background, .. } = learnt;
    let test_table = test.features.clone();
    let test = test.into_eval_set(&preprocessor)?;
    // At the prevalence of the data, which the test rows have.
    let natural = Calibrator { deployment_prevalence: None, ..calibrator.clone() };
    let test_probabilities = fitted.predictor.probabilities(test.examples(), &natural);
    let cross_validation = match (&cross, &fold_runs) {
        (Some(cross), Some(runs)) => {
            Some(cross.report(runs, &mut |fraction| observer.step(REPORT_SHARE * fraction / 2.0)))
        }
        _ => None,
    };
    let before = if cross_validation.is_some() { 0.5 } else { 0.0 };
    let mut report = report(
        &ReportInput {
            eval: &test,
            probabilities: &test_probabilities,
            threshold: natural_threshold,
            classes: &rows.classes,
            evaluation: &config.evaluation,
            seed: report_seed(seed),
        },
        &mut |fraction| observer.step(REPORT_SHARE * (before + fraction * (1.0 - before))),
    )
    .map_err(TrainError::Stopped)?;
    report.strength_search = learnt.strength_search;
    report.calibration = Some(calibration);
    report.cross_validation = cross_validation.transpose().map_err(TrainError::Stopped)?;
    let verdict = verdict(&report, &test_probabilities);
    let predictor = &fitted.predictor;
    let tested = Tested { predictor, calibrator: &natural, preprocessor: &preprocessor };
    notes.take_model(&tested, [&validation_rows, &test])?;
    // What is kept are the probabilities that predictions give.
    let (chosen_on, decided_on) = evidence.for_threshold(config);
    let chosen_on_probabilities = chosen_on.probabilities(&calibrator);
    let kept_probabilities: Vec<f64> = test_probabilities.iter().map(|&p| calibrator.shifted(p)).collect();
    let kept = Kept {
        config,
        background,
        decided_on,
        chosen_on: (&chosen_on.labels, &chosen_on_probabilities),
        test: (test.labels(), &kept_probabilities),
    };
    let explained = ExplainInput {
        preprocessor: &preprocessor,
        predictor,
        calibrator: &natural,
        table: &test_table,
        test: &test,
        confidence: config.evaluation.confidence,
        seed: seed.derive("explain"),
    };
    let explained = notes.are_taken().then_some(&explained);
    let dossier = kept.dossier(explained, observer).map_err(TrainError::Stopped)?;
    Ok(Trained {
        dropped_columns: preprocessor.dropped_columns().to_vec(),
        model: Model {
            classes: rows.classes,
            threshold_rule: config.threshold.rule.clone(),
            threshold: threshold.value,
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
        resampling,
        unlabelled_rows: rows.unlabelled_rows,
        threshold_basis,
        dossier,
    })
}

/// The row of the table, counted from 1, that a row of a part was.
fn shown_row(table_rows: &[usize], part: &[usize], row: usize) -> usize {
    part.get(row).and_then(|&labelled| table_rows.get(labelled)).map_or(0, |row| row + 1)
}

fn part_counts(train: &Part, validation: &Part, test: &Part) -> Vec<StageCounts> {
    let counts = |(stage, part): (&str, &Part)| {
        let counts = ClassCounts::of(&part.labels);
        StageCounts { stage: stage.to_owned(), counts, notes: Vec::new() }
    };
    [("train", train), ("validation", validation), ("test", test)].map(counts).to_vec()
}
