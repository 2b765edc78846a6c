//! Learning from some rows: the steps between the split and the evaluation, for whoever has rows to learn from.
//!
//! A job does them once, cross-validation once in every fold, and the search for a strength does the inner part of
//! them. Nothing here sees a row that is evaluated later.

use std::ops::ControlFlow;

use ndarray::{Array2, Axis};

use super::StageCounts;
use super::aftermath::column_means;
use super::draws::{Draw, draw_members, mean_correction};
use super::embedding::{self, Embedder};
use super::error::TrainError;
use super::learner::{Fitted, Learner};
use super::provenance::{ResamplingLog, StepProvenance};
use super::rows::Part;
use super::strength::{Part as PhasePart, Search, Searched};
use crate::ml::calibrate::Correction;
use crate::ml::config::{CalibrationMethod, ResampleStep, Strength, TrainConfig};
use crate::ml::labels::{ClassCounts, ClassNames};
use crate::ml::metrics::StrengthSearch;
use crate::ml::observe::{Phase, Stop, TrainObserver};
use crate::ml::picture::PictureSet;
use crate::ml::preprocess::{self, FittedPreprocessor};
use crate::ml::resample;
use crate::ml::seed::Seed;
use crate::ml::sets::{EvalSet, TrainSet};

/// How to learn; the rows come with each call.
#[derive(Clone, Copy)]
pub(super) struct Lesson<'a> {
    pub(super) config: &'a TrainConfig,
    pub(super) classes: &'a ClassNames,
    /// Of everything that is drawn on the way.
    pub(super) seed: Seed,
    /// Whether somebody wants to know what the resampling did to which rows.
    pub(super) provenance: bool,
}

/// What was learnt. Calibration and threshold come after it.
pub(super) struct Learnt {
    pub(super) preprocessor: FittedPreprocessor,
    pub(super) fitted: Fitted,
    /// From logits to log-odds at the prevalence of the training rows, as far as that is known without any other rows.
    pub(super) correction: Correction,
    /// The training rows as they were collected.
    pub(super) natural: ClassCounts,
    /// The training rows after each resampling step.
    pub(super) resampled: Vec<StageCounts>,
    /// Rows in it are those of the training part, counted from 0.
    pub(super) provenance: Vec<StepProvenance>,
    pub(super) strength_search: Option<StrengthSearch>,
    /// Preprocessed.
    pub(super) validation: EvalSet,
    /// The mean of each preprocessed column over the training rows, before resampling.
    pub(super) background: Vec<f64>,
}

impl Learnt {
    /// What is taken for the log-odds before any map: the corrected logit, or the logit itself if that was asked for.
    pub(super) fn base(&self, config: &TrainConfig) -> Correction {
        if config.calibration.method == CalibrationMethod::None { Correction::None } else { self.correction }
    }

    /// The log-odds of rows, before any map.
    pub(super) fn log_odds(&self, config: &TrainConfig, rows: &EvalSet) -> Vec<f64> {
        let base = self.base(config);
        self.fitted.predictor.logits(rows.examples()).into_iter().map(|logit| base.natural(logit)).collect()
    }
}

/// Training rows as they are learnt from.
pub(super) struct Prepared {
    /// One, or one for each member of an ensemble.
    pub(super) draws: Vec<Draw>,
    /// Of the model as a whole.
    pub(super) correction: Correction,
    pub(super) noise_scale: Vec<f64>,
    pub(super) minority_is_positive: bool,
    pub(super) resampled: Vec<StageCounts>,
}

impl Lesson<'_> {
    /// Fits the preprocessing to `train`, resamples it, and trains. `validation` serves the learning curve and early
    /// stopping and nothing else.
    ///
    /// # Errors
    /// If the rows do not allow what the configuration asks for, if training diverges, or if the observer stops it.
    pub(super) fn learn(
        self,
        train: Part,
        validation: Part,
        observer: &mut dyn TrainObserver,
    ) -> Result<Learnt, TrainError> {
        enter(observer, Phase::Preprocessing)?;
        let preprocessor = preprocess::fit(&train.features, &self.config.preprocess)?;
        let flat = match self.config.augment.is_empty() {
            true => None,
            false => preprocessor.flat_pictures(&train.features)?,
        };
        let train = train.into_train_set(&preprocessor)?;
        let validation = validation.into_eval_set(&preprocessor)?;
        let background = column_means(&train.features);
        let noise_columns = preprocessor.noise_columns();
        let natural = train.class_counts();
        let searched = self.config.regularization.strength.map(|Strength::Auto| train.clone());

        enter(observer, Phase::Resampling)?;
        let mut log = match self.provenance {
            true => ResamplingLog::of(&train, self.config.resample.len()),
            false => ResamplingLog::none(),
        };
        let prepared = self.prepare(train, &noise_columns, &mut log, observer)?;
        let provenance = match prepared.draws.as_slice() {
            // Pictures have no features to compare.
            [only] if only.rows.pictures.is_none() => {
                log.finish(&only.rows, &mut |_| observer.step(1.0)).map_err(TrainError::Stopped)?
            }
            _ => log.numbers(),
        };

        enter(observer, Phase::Training)?;
        let search = Search { lesson: self, noise_columns: &noise_columns, flat: flat.as_ref() };
        let Searched { penalty, search: strength_search, mut rest } = search.run(searched, observer)?;
        let Prepared { draws, correction, noise_scale, minority_is_positive, resampled } = prepared;
        let Lesson { config, seed, .. } = self;
        let noise_scale = &noise_scale;
        let learner = Learner { config, penalty, noise_scale, flat: flat.as_ref(), minority_is_positive, seed };
        let fitted = learner.fit(draws, &validation, &mut rest)?;
        Ok(Learnt {
            preprocessor,
            fitted,
            correction,
            natural,
            resampled,
            provenance,
            strength_search,
            validation,
            background,
        })
    }

    /// Resamples preprocessed training rows, draws those of each member of an ensemble, weighs their classes, and works
    /// out what both do to the log-odds.
    ///
    /// # Errors
    /// If a step cannot be applied, a class is gone after it, or the observer stops it.
    pub(super) fn prepare(
        self,
        train: TrainSet,
        noise_columns: &[bool],
        log: &mut ResamplingLog,
        observer: &mut dyn TrainObserver,
    ) -> Result<Prepared, TrainError> {
        let Lesson { config, classes, seed, .. } = self;
        let natural = train.class_counts();
        let noise_scale = noise_scale(&train.features, noise_columns);
        let mut resampled = Vec::new();
        let mut whole = PhasePart { observer, before: 0.0, share: 1.0 };
        let mut embedder = None;
        if embedding::is_wanted(config) {
            whole.share = embedding::SHARE;
            embedder = Some(Embedder::train(&train, seed, &mut whole)?);
            (whole.before, whole.share) = (embedding::SHARE, 1.0 - embedding::SHARE);
        }
        let (embedder, observer) = (embedder.as_ref(), &mut whole);
        let steps = Steps { list: &config.resample, classes, seed, embedder };
        let set = resample_all(steps, train, &mut resampled, log, observer)?;
        let drawn = match &config.bagging {
            Some(bagging) => draw_members(bagging, classes, &set, seed, embedder, &mut resampled, observer)?,
            None => vec![set],
        };
        let draws = drawn.into_iter().map(|rows| Draw::new(config, classes, natural, rows));
        let draws = draws.collect::<Result<Vec<Draw>, TrainError>>()?;
        let correction = mean_correction(&draws);
        let minority_is_positive = natural.minority_is_positive();
        Ok(Prepared { draws, correction, noise_scale, minority_is_positive, resampled })
    }
}

pub(super) fn enter(observer: &mut dyn TrainObserver, phase: Phase) -> Result<(), TrainError> {
    match observer.phase(phase) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(stop) => Err(TrainError::Stopped(stop)),
    }
}

/// The standard deviation of each column that noise may touch over the training rows, 0 for the others.
fn noise_scale(features: &Array2<f64>, noise_columns: &[bool]) -> Vec<f64> {
    features
        .axis_iter(Axis(1))
        .zip(noise_columns)
        .map(|(column, &numeric)| if numeric { column.std(0.0) } else { 0.0 })
        .collect()
}

/// Resampling, all of it.
#[derive(Clone, Copy)]
pub(super) struct Steps<'a> {
    pub(super) list: &'a [ResampleStep],
    pub(super) classes: &'a ClassNames,
    /// Of the steps that have none.
    pub(super) seed: Seed,
    /// Says where pictures lie, where a step wants to know.
    pub(super) embedder: Option<&'a Embedder>,
}

pub(super) fn resample_all(
    steps: Steps<'_>,
    mut set: TrainSet,
    class_counts: &mut Vec<StageCounts>,
    log: &mut ResamplingLog,
    observer: &mut dyn TrainObserver,
) -> Result<TrainSet, TrainError> {
    let Steps { list, classes, seed, embedder } = steps;
    for (index, step) in list.iter().enumerate() {
        let step_seed = step.seed.map_or_else(|| seed.derive(&format!("resample-{index}")), Seed);
        let rows_before = set.rows();
        let share = |fraction: f64| (index as f64 + fraction) / list.len() as f64;
        let progress = &mut |done| observer.step(share(done));
        let embed = embedder.map(|embedder| {
            move |pictures: &PictureSet, progress: &mut dyn FnMut(f64) -> ControlFlow<Stop>| {
                embedder.embed(pictures, progress)
            }
        });
        let embed = embed.as_ref().map(|embed| embed as &resample::Embedding<'_>);
        let resampled = resample::apply_to_classes(index, step, classes, set, step_seed, embed, progress)
            .map_err(|source| TrainError::resample(index, step.method.name(), source))?;
        log.step(step.method.name(), rows_before, resampled.set.rows(), resampled.removed);
        set = resampled.set;
        let notes = resampled.notes.iter().map(ToString::to_string).collect();
        class_counts.push(StageCounts { stage: step.method.name().to_owned(), counts: set.class_counts(), notes });
    }
    let counts = set.class_counts();
    if counts.positive == 0 || counts.negative == 0 {
        return Err(TrainError::ClassVanished { positive: counts.positive, negative: counts.negative });
    }
    Ok(set)
}
