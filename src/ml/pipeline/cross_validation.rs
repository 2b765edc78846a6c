//! The whole procedure on folds: preprocessing, resampling, training, calibration and threshold without the rows that it
//! is scored on.
//!
//! Each fold is a run of its own. Its validation rows are held out of its training rows as the split holds them out, so
//! that early stopping, calibration and threshold see what they see in the job's own run, and none of them sees a row
//! that is scored.

use std::ops::ControlFlow;

use super::decide::{Decided, Evidence, Unseen, decide};
use super::error::TrainError;
use super::fit::Lesson;
use super::rows::Rows;
use super::side_by_side::side_by_side;
use crate::ml::calibrate::Correction;
use crate::ml::config::{CrossValidated, CrossValidation, Split, TrainConfig};
use crate::ml::labels::ClassCounts;
use crate::ml::logit::sigmoid;
use crate::ml::metrics::{
    CrossValidationInput, CrossValidationReport, FoldScores, LEARNING_FRACTIONS, LearningPoint, ScoredRows, Statistic,
    cross_validation_report,
};
use crate::ml::observe::{Stop, TrainObserver};
use crate::ml::seed::Seed;
use crate::ml::split::{Fold, Part, Parts, SplitError};

/// What is cross-validated, and how.
#[derive(Clone, Copy)]
pub(super) struct Cross<'a> {
    pub(super) rows: &'a Rows,
    pub(super) parts: &'a Parts,
    pub(super) config: &'a TrainConfig,
    pub(super) plan: &'a CrossValidation,
    pub(super) seed: Seed,
}

/// All runs, in the order of repeats and folds.
pub(super) struct FoldRuns {
    whole: Vec<FoldRun>,
    /// Those of the learning curve.
    partial: Vec<Partial>,
}

/// A run to be made.
struct Task {
    repeat: usize,
    fold: usize,
    /// The share of the training rows to learn from.
    fraction: f64,
    rows: Fold,
    seed: Seed,
}

/// A run that was made.
struct FoldRun {
    repeat: usize,
    fold: usize,
    /// Rows that were learnt from.
    train: ClassCounts,
    base: Correction,
    validation: Unseen,
    scored: Unseen,
    seed: Seed,
}

/// A run for the learning curve; `None` if it could not be made.
struct Partial {
    fraction: f64,
    run: Option<FoldRun>,
}

impl Cross<'_> {
    /// Makes every run, some at a time.
    ///
    /// # Errors
    /// If the rows cannot be divided into folds, if a fold ends in an error, or if the observer stops it.
    pub(super) fn run(self, observer: &mut dyn TrainObserver) -> Result<FoldRuns, TrainError> {
        let tasks = self.tasks()?;
        let outcomes = side_by_side(&tasks, observer, |task, observer| match self.learn(task, observer) {
            Ok(run) => Ok(Some(run)),
            Err(error @ TrainError::Stopped(_)) => Err(error),
            // A part of the rows may be too small for what the whole allows.
            Err(_) if task.fraction < 1.0 => Ok(None),
            Err(source) => Err(TrainError::Fold { fold: task.fold + 1, source: Box::new(source) }),
        })?;
        let mut runs = FoldRuns { whole: Vec::new(), partial: Vec::new() };
        for (task, run) in tasks.iter().zip(outcomes) {
            match run {
                Some(run) if task.fraction == 1.0 => runs.whole.push(run),
                run => runs.partial.push(Partial { fraction: task.fraction, run }),
            }
        }
        Ok(runs)
    }

    fn tasks(self) -> Result<Vec<Task>, TrainError> {
        let rows = match self.plan.rows {
            CrossValidated::All => (0..self.rows.labels.len()).collect(),
            CrossValidated::Development => self.parts.development(),
        };
        let mut tasks = Vec::new();
        for repeat in 0..self.plan.repeats {
            let seed = self.seed.derive(&format!("cross-validation {repeat}"));
            let folds = self.rows.folds(self.config, &rows, self.plan.folds, seed)?;
            for (fold, rows) in folds.into_iter().enumerate() {
                let seed = seed.derive(&format!("fold {fold}"));
                if self.plan.learning_curve && repeat == 0 {
                    let part = |fraction| Task { repeat, fold, fraction, rows: rows.clone(), seed };
                    tasks.extend(LEARNING_FRACTIONS.map(part));
                }
                tasks.push(Task { repeat, fold, fraction: 1.0, rows, seed });
            }
        }
        Ok(tasks)
    }

    /// One run: learns from the fold's training rows and scores what the fold holds out.
    fn learn(self, task: &Task, observer: &mut dyn TrainObserver) -> Result<FoldRun, TrainError> {
        let Cross { rows, config, .. } = self;
        let share = config.split.validation_share();
        let inner = rows.hold_out(config, &task.rows.kept, share, task.seed.derive("validation"))?;
        let train = match task.fraction < 1.0 {
            true => rows.hold_out(config, &inner.kept, 1.0 - task.fraction, task.seed.derive("fraction"))?.kept,
            false => inner.kept,
        };
        let counts = rows.class_counts(&train);
        if counts.positive == 0 || counts.negative == 0 {
            return Err(TrainError::Split(SplitError::PartLacksClass { part: Part::Train, counts }));
        }
        let lesson = Lesson { config, classes: &rows.classes, seed: task.seed, provenance: false };
        let learnt = lesson.learn(rows.learnt(&train)?, rows.scored(&inner.held_out), observer)?;
        let scored = rows.scored(&task.rows.held_out).into_eval_set(&learnt.preprocessor)?;
        let log_odds = learnt.log_odds(config, &scored);
        Ok(FoldRun {
            repeat: task.repeat,
            fold: task.fold,
            train: learnt.natural,
            base: learnt.base(config),
            validation: Unseen::validation(config, &learnt),
            scored: Unseen { log_odds, labels: scored.labels().to_vec() },
            seed: task.seed,
        })
    }

    /// The report on all runs.
    ///
    /// # Errors
    /// If `step` ends it.
    pub(super) fn report(
        self,
        runs: &FoldRuns,
        step: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
    ) -> Result<CrossValidationReport, Stop> {
        let by_time = matches!(self.config.split, Split::Time { .. });
        let scores: Vec<FoldScores> = runs.whole.iter().map(|run| runs.decided(run, self.config, by_time)).collect();
        let input = CrossValidationInput {
            strategy: self.config.split.strategy(),
            rows: match self.plan.rows {
                CrossValidated::All => "all",
                CrossValidated::Development => "development",
            },
            folds: self.plan.folds,
            repeats: self.plan.repeats,
            half_width: self.plan.half_width,
            scores: &scores,
            learning_curve: self.plan.learning_curve.then(|| runs.learning_curve()),
            evaluation: &self.config.evaluation,
            seed: self.seed.derive("cross-validation bootstrap"),
        };
        cross_validation_report(input, step)
    }
}

impl FoldRuns {
    /// The scores that calibration and threshold may be decided on: each row of the first repeat by the run that had not
    /// seen it.
    pub(super) fn out_of_fold(&self) -> Unseen {
        self.unseen(|run| run.repeat == 0)
    }

    fn unseen(&self, wanted: impl Fn(&FoldRun) -> bool) -> Unseen {
        let mut unseen = Unseen::default();
        self.whole.iter().filter(|run| wanted(run)).for_each(|run| unseen.extend(&run.scored));
        unseen
    }

    /// The fold's rows as probabilities and decisions, both made without them: on the fold's validation rows, or on the
    /// scores of the other folds, by time of the earlier ones.
    fn decided(&self, run: &FoldRun, config: &TrainConfig, by_time: bool) -> FoldScores {
        let others = self.unseen(|other| {
            other.repeat == run.repeat && if by_time { other.fold < run.fold } else { other.fold != run.fold }
        });
        let out_of_fold = (config.decides_out_of_fold() && !others.labels.is_empty()).then_some(&others);
        let evidence = Evidence { validation: &run.validation, out_of_fold };
        let Decided { calibrator, calibration, natural_threshold, .. } =
            decide(config, run.base, run.train.prevalence(), &evidence, run.seed);
        FoldScores {
            repeat: run.repeat,
            fold: run.fold,
            train: run.train,
            labels: run.scored.labels.clone(),
            probabilities: run.scored.log_odds.iter().map(|&natural| calibrator.map.probability(natural)).collect(),
            threshold: natural_threshold,
            calibration: calibration.used,
        }
    }

    fn learning_curve(&self) -> Vec<LearningPoint> {
        let mut points: Vec<LearningPoint> = LEARNING_FRACTIONS
            .iter()
            .map(|&fraction| {
                let of_fraction = self.partial.iter().filter(|partial| partial.fraction == fraction);
                let runs: Vec<Option<&FoldRun>> = of_fraction.map(|partial| partial.run.as_ref()).collect();
                learning_point(fraction, &runs)
            })
            .collect();
        let whole: Vec<Option<&FoldRun>> = self.whole.iter().filter(|run| run.repeat == 0).map(Some).collect();
        points.push(learning_point(1.0, &whole));
        points
    }
}

fn learning_point(fraction: f64, runs: &[Option<&FoldRun>]) -> LearningPoint {
    let made: Vec<&FoldRun> = runs.iter().copied().flatten().collect();
    let mut pooled = Unseen::default();
    made.iter().for_each(|run| pooled.extend(&run.scored));
    let probabilities: Vec<f64> = pooled.log_odds.iter().map(|&natural| sigmoid(natural)).collect();
    let values = ScoredRows::new(&pooled.labels, &probabilities, 0.5).map(|rows| rows.values());
    let value = |statistic: Statistic| values.ok().and_then(|values| values[statistic as usize].ok());
    let mean = |of: fn(&ClassCounts) -> usize| {
        made.iter().map(|run| of(&run.train) as f64).sum::<f64>() / made.len().max(1) as f64
    };
    LearningPoint {
        fraction,
        train_rows: mean(|counts| counts.total()),
        train_positives: mean(|counts| counts.positive),
        average_precision: value(Statistic::AveragePrecision),
        roc_auc: value(Statistic::RocAuc),
        relative_log_loss: value(Statistic::RelativeLogLoss),
        failed: runs.len() - made.len(),
    }
}
