//! The one order in which a training job happens, and the only place that knows it: split, fit the
//! preprocessing on the training rows, resample them, train, calibrate and choose the threshold on the
//! validation rows, evaluate on the test rows.
//!
//! The types keep the parts apart: a [`TrainSet`] is consumed by resampling and training, an [`EvalSet`] can only
//! be scored.

mod error;
mod estimate;
mod learner;
mod strength;
mod target;

use std::ops::ControlFlow;

use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use super::calibrate::{Calibrator, LossInverse, PriorShift, fit_platt};
use super::config::{CalibrationMethod, ResampleStep, Strength, TrainConfig};
use super::labels::ClassCounts;
use super::metrics::{ChosenThreshold, Report, ReportInput, Verdict, choose, report, verdict};
use super::model::Model;
use super::observe::{Phase, StoppedBy, TrainObserver};
use super::preprocess::{self, FittedPreprocessor};
use super::resample;
use super::seed::Seed;
use super::sets::{EvalSet, TrainSet};
use super::split::split;
use super::table::{Column, Table, Values};
use strength::{Search, Searched};

pub use error::TrainError;
pub use estimate::{Estimate, estimate};
pub use target::{Target, TargetError};

use learner::{Learner, class_weights, learnt_counts};

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
}

/// Runs a training job from a table to an evaluated model.
///
/// # Errors
/// If the data does not allow what the configuration asks for, if training diverges, or if the observer stops
/// the run.
pub fn train(input: TrainInput, config: &TrainConfig, observer: &mut dyn TrainObserver) -> Result<Trained, TrainError> {
    let seed = Seed(config.seed);
    enter(observer, Phase::Splitting)?;
    let target = Target::of(&input.table, &config.target, &config.positive_label)?;
    let tables = split_table(&input.table, &target, config, seed)?;
    drop(input.table);

    enter(observer, Phase::Preprocessing)?;
    let preprocessor = preprocess::fit(&tables.train.features, &config.preprocess)?;
    let (train_set, validation, test) = tables.transform(&preprocessor)?;
    let natural = train_set.class_counts();
    let mut class_counts = part_counts(&train_set, &validation, &test);
    let noise_columns = preprocessor.noise_columns();
    let noise_scale = noise_scale(&train_set.features, &noise_columns);
    let searched = config.regularization.strength.map(|Strength::Auto| train_set.clone());

    enter(observer, Phase::Resampling)?;
    let train_set = resample_all(&config.resample, train_set, seed, &mut class_counts, observer)?;

    enter(observer, Phase::Training)?;
    let learnt = learnt_counts(config, train_set.class_counts());
    let weights = class_weights(config, &target.classes, learnt);
    let shift = PriorShift::between(natural, learnt, weights)?;
    // A loss without an inverse leaves at least the shift of the prior to be undone.
    let inverse = LossInverse::of(&config.loss, learnt).unwrap_or(LossInverse::Identity);
    let correction = Calibrator::Prior { inverse, log_odds: shift.log_odds };
    let minority_is_positive = natural.minority_is_positive();
    let search = Search { config, classes: &target.classes, noise_columns: &noise_columns, seed };
    let Searched { penalty, search: strength_search, mut rest } = search.run(searched, observer)?;
    let noise_scale = &noise_scale;
    let learner = Learner { config, weights, penalty, correction, noise_scale, minority_is_positive, seed };
    let fitted = learner.fit(train_set, &validation, &mut rest)?;

    enter(observer, Phase::Calibrating)?;
    let calibrator = match config.calibration.method {
        CalibrationMethod::None => Calibrator::None,
        CalibrationMethod::Prior => correction,
        CalibrationMethod::Platt => fit_platt(&fitted.predictor.logits(validation.features()), validation.labels())
            .ok_or(TrainError::Uncalibrated)?,
    };
    let probabilities = |set: &EvalSet| fitted.predictor.probabilities(set.features(), &calibrator);

    enter(observer, Phase::Thresholding)?;
    let threshold = choose(&config.threshold, &validation, &probabilities(&validation));

    enter(observer, Phase::Evaluating)?;
    let test_probabilities = probabilities(&test);
    let mut report = report(
        &ReportInput {
            eval: &test,
            probabilities: &test_probabilities,
            threshold: threshold.value,
            classes: &target.classes,
            evaluation: &config.evaluation,
            seed: seed.derive("bootstrap"),
        },
        &mut |fraction| observer.step(fraction),
    )
    .map_err(TrainError::Stopped)?;
    report.strength_search = strength_search;
    let verdict = verdict(&report, &test_probabilities);
    let ChosenThreshold { value: threshold, note: threshold_note, .. } = threshold;
    Ok(Trained {
        dropped_columns: preprocessor.dropped_columns().to_vec(),
        model: Model {
            classes: target.classes,
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
        unlabelled_rows: target.unlabelled_rows,
        threshold_note,
    })
}

/// One part of the table with its labels.
struct Part {
    features: Table,
    labels: Vec<bool>,
    weights: Option<Vec<f32>>,
}

struct Tables {
    train: Part,
    validation: Part,
    test: Part,
}

impl Tables {
    fn transform(self, preprocessor: &FittedPreprocessor) -> Result<(TrainSet, EvalSet, EvalSet), TrainError> {
        let matrix = |part: &Part| preprocessor.transform(&part.features);
        let train = TrainSet::new(matrix(&self.train)?, self.train.labels);
        Ok((
            TrainSet { weights: self.train.weights, ..train },
            EvalSet::new(matrix(&self.validation)?, self.validation.labels),
            EvalSet::new(matrix(&self.test)?, self.test.labels),
        ))
    }
}

fn enter(observer: &mut dyn TrainObserver, phase: Phase) -> Result<(), TrainError> {
    match observer.phase(phase) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(stop) => Err(TrainError::Stopped(stop)),
    }
}

fn split_table(table: &Table, target: &Target, config: &TrainConfig, seed: Seed) -> Result<Tables, TrainError> {
    let steering = config
        .split
        .column()
        .map(|name| table.column(name).ok_or_else(|| TrainError::MissingColumn { name: name.to_owned() }));
    let steering = steering.transpose()?.map(|column| column.values.select(&target.rows));
    let parts = split(&config.split, &target.labels, steering.as_ref(), seed.derive("split"))?;
    let features = feature_columns(table, config)?;
    let part = |rows: &[usize]| {
        let table_rows: Vec<usize> = rows.iter().map(|&row| target.rows[row]).collect();
        let labels = rows.iter().map(|&row| target.labels[row]).collect();
        (Part { features: features.select(&table_rows), labels, weights: None }, table_rows)
    };
    let (mut train, train_rows) = part(&parts.train);
    if let Some(name) = &config.sample_weight {
        train.weights = Some(row_weights(table, name, &train_rows, &train.labels)?);
    }
    Ok(Tables { train, validation: part(&parts.validation).0, test: part(&parts.test).0 })
}

/// The table without its target, the column that steers the split and what the configuration excludes.
fn feature_columns(table: &Table, config: &TrainConfig) -> Result<Table, TrainError> {
    let is_feature = |column: &&Column| {
        column.name != config.target
            && config.split.column() != Some(column.name.as_str())
            && config.sample_weight.as_deref() != Some(column.name.as_str())
            && !config.exclude.contains(&column.name)
    };
    let columns: Vec<Column> = table.columns().iter().filter(is_feature).cloned().collect();
    if columns.is_empty() {
        return Err(TrainError::NoFeatures);
    }
    Table::new(columns).map_err(TrainError::Table)
}

/// The weights of the given rows of a table, which have these labels.
fn row_weights(table: &Table, name: &str, rows: &[usize], labels: &[bool]) -> Result<Vec<f32>, TrainError> {
    let column = table.column(name).ok_or_else(|| TrainError::MissingColumn { name: name.to_owned() })?;
    let Values::Numeric(values) = &column.values else {
        return Err(TrainError::SampleWeight { name: name.to_owned(), row: 0 });
    };
    let weight = |&row: &usize| {
        let value = values.get(row).copied().filter(|value| (0.0..=1e9).contains(value));
        value.map(|value| value as f32).ok_or_else(|| TrainError::SampleWeight { name: name.to_owned(), row: row + 1 })
    };
    let weights = rows.iter().map(weight).collect::<Result<Vec<f32>, TrainError>>()?;
    for class in [true, false] {
        let mut of_class = weights.iter().zip(labels).filter(|(_, label)| **label == class);
        if of_class.all(|(&weight, _)| weight == 0.0) {
            return Err(TrainError::NoWeight {
                name: name.to_owned(),
                class: if class { "positive" } else { "negative" },
            });
        }
    }
    Ok(weights)
}

fn part_counts(train: &TrainSet, validation: &EvalSet, test: &EvalSet) -> Vec<StageCounts> {
    [("train", train.class_counts()), ("validation", validation.class_counts()), ("test", test.class_counts())]
        .into_iter()
        .map(|(stage, counts)| StageCounts { stage: stage.to_owned(), counts })
        .collect()
}

/// The standard deviation of each column that noise may touch over the training rows, 0 for the others.
fn noise_scale(features: &Array2<f64>, noise_columns: &[bool]) -> Vec<f64> {
    features
        .axis_iter(Axis(1))
        .zip(noise_columns)
        .map(|(column, &numeric)| if numeric { column.std(0.0) } else { 0.0 })
        .collect()
}

fn resample_all(
    steps: &[ResampleStep],
    mut set: TrainSet,
    seed: Seed,
    class_counts: &mut Vec<StageCounts>,
    observer: &mut dyn TrainObserver,
) -> Result<TrainSet, TrainError> {
    for (index, step) in steps.iter().enumerate() {
        let step_seed = step.seed.map_or_else(|| seed.derive(&format!("resample-{index}")), Seed);
        let share = |fraction: f64| (index as f64 + fraction) / steps.len() as f64;
        let resampled = resample::apply(index, step, set, step_seed, &mut |done| observer.step(share(done)))
            .map_err(|source| TrainError::resample(index, step.method.name(), source))?;
        set = resampled.set;
        class_counts.push(StageCounts { stage: step.method.name().to_owned(), counts: set.class_counts() });
    }
    let counts = set.class_counts();
    if counts.positive == 0 || counts.negative == 0 {
        return Err(TrainError::ClassVanished { positive: counts.positive, negative: counts.negative });
    }
    Ok(set)
}
