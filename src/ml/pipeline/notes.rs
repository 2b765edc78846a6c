//! What a run tells on its way, kept for its diagnosis. Nothing of it flows back into the run.

use std::ops::ControlFlow;

use super::rows::{Part, Rows};
use super::target::TargetError;
use super::{StageCounts, TrainError, Trained};
use crate::ml::baseline::{Baseline, baselines};
use crate::ml::calibrate::Calibrator;
use crate::ml::config::{DatasetFacts, Split, TrainConfig};
use crate::ml::diagnose::{
    Checked, Diagnosis, Failure, MatrixFacts, Order, PartRows, Run, Scores, Setting, Survey, SurveyInput, check_config,
    check_data, check_failure, check_run, check_signal, matrix_facts, order_of, survey,
};
use crate::ml::labels::{ClassCounts, ClassNames};
use crate::ml::model::Predictor;
use crate::ml::nn::{CheckpointError, NetworkError};
use crate::ml::observe::{EpochLog, Phase, Stop, TrainObserver, WriteCheckpoint};
use crate::ml::picture::{PictureSet, thumbnails};
use crate::ml::preprocess::{self, FittedPreprocessor};
use crate::ml::seed::Seed;
use crate::ml::sets::{EvalSet, TrainSet};
use crate::ml::split::SplitError;

/// Training rows that baselines learn from and the model is held against, at most, and numbers in them.
const SAMPLE_ROWS: usize = 50_000;
const SAMPLE_CELLS: usize = 2_000_000;

/// What is known so far.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Nobody will read them.
    none: bool,
    classes: Option<ClassNames>,
    labelled: Option<ClassCounts>,
    order: Option<Order>,
    survey: Option<Survey>,
    matrix: Option<MatrixFacts>,
    baselines: Vec<Baseline>,
    learnt: Option<ClassCounts>,
    /// Some training rows as they were collected.
    sample: Option<Part>,
    features: usize,
    scores: Option<[Scores; 3]>,
}

/// The side of the pictures that simple models go by.
const THUMBNAIL_SIDE: usize = 8;

/// Each picture as the numbers of its thumbnail.
fn in_small(read: &PictureSet) -> ndarray::Array2<f64> {
    thumbnails(&read.pictures, THUMBNAIL_SIDE)
}

/// What gives rows their probabilities.
pub(super) struct Tested<'a> {
    pub(super) predictor: &'a Predictor,
    pub(super) calibrator: &'a Calibrator,
    pub(super) preprocessor: &'a FittedPreprocessor,
}

impl Tested<'_> {
    fn scores(&self, set: &EvalSet) -> Scores {
        let logits = self.predictor.logits(set.examples());
        let probabilities = self.calibrator.probabilities(&logits);
        Scores { labels: set.labels().to_vec(), logits, probabilities }
    }
}

impl Notes {
    /// Takes nothing down, which saves looking.
    pub(super) fn none() -> Self {
        Self { none: true, ..Self::default() }
    }

    pub(super) fn are_taken(&self) -> bool {
        !self.none
    }

    pub(super) fn take_labels(&mut self, rows: &Rows) {
        self.classes = Some(rows.classes.clone());
        self.labelled = Some(ClassCounts::of(&rows.labels));
        self.order = order_of(&rows.labels);
    }

    /// The sizes of the classes as a dataset's record has them, where they are those of this target.
    pub(super) fn take_counts(&mut self, config: &TrainConfig, facts: &DatasetFacts) {
        let listed = || facts.columns.iter().find(|column| column.name == config.target)?.values.as_ref();
        let counts = if config.target == facts.target { Some(&facts.class_counts) } else { listed() };
        let Some(counts) = counts else { return };
        let positive = counts.get(&config.positive_label).copied().unwrap_or(0);
        self.labelled = Some(ClassCounts { positive, negative: counts.values().sum::<usize>() - positive });
        let other = counts.keys().find(|label| **label != config.positive_label).cloned().unwrap_or_default();
        self.classes = Some(ClassNames { positive: config.positive_label.clone(), negative: other });
    }

    /// Looks at the parts, at their rows as numbers, and at what simple models make of them. The preprocessing is
    /// fitted on the sample: a run that fails has no other.
    ///
    /// # Errors
    /// If the observer stops the run. Rows that cannot be preprocessed are left to the run to complain of.
    pub(super) fn take_parts(
        &mut self,
        config: &TrainConfig,
        parts: [&Part; 3],
        observer: &mut dyn TrainObserver,
    ) -> Result<(), TrainError> {
        if self.none {
            return Ok(());
        }
        let seed = Seed(config.seed).derive("diagnosis");
        let [train, validation, test] = parts.map(|part| PartRows { features: &part.features, labels: &part.labels });
        self.survey = Some(survey(&SurveyInput { train, validation, test, augment: &config.augment, seed }));
        let sample = parts[0].sample(SAMPLE_ROWS, SAMPLE_CELLS);
        let Ok(preprocessor) = preprocess::fit(&sample.features, &config.preprocess) else { return Ok(()) };
        let step = &mut |_: f64| observer.step(0.5);
        let (train, validation, test);
        if let Some(read) = sample.read_pictures(&preprocessor)? {
            // A network reads the pictures as such; simple models and neighbours go by small ones.
            train = TrainSet::new(in_small(&read), sample.labels.clone());
            let eval = |part: &Part| {
                let read = part.read_pictures(&preprocessor)?;
                Ok::<_, TrainError>(EvalSet::new(read.as_ref().map(in_small).unwrap_or_default(), part.labels.clone()))
            };
            (validation, test) = (eval(parts[1])?, eval(parts[2])?);
            let facts = matrix_facts(&train, &test, &[], seed, step).map_err(TrainError::Stopped)?;
            self.matrix = Some(facts);
        } else {
            train = TrainSet::new(preprocessor.transform(&sample.features)?, sample.labels.clone());
            let eval = |part: &Part| Ok::<_, TrainError>(part.scored_by(&preprocessor)?);
            (validation, test) = (eval(parts[1])?, eval(parts[2])?);
            let numeric = preprocessor.noise_columns();
            self.matrix = Some(matrix_facts(&train, &test, &numeric, seed, step).map_err(TrainError::Stopped)?);
        }
        self.baselines = baselines(&train, &validation, &test, seed, step).map_err(TrainError::Stopped)?;
        self.features = train.features.ncols();
        self.sample = Some(sample);
        Ok(())
    }

    /// `stages` are the parts and the training part after each step.
    pub(super) fn take_learnt(&mut self, config: &TrainConfig, stages: &[StageCounts]) {
        const PARTS: usize = 3;
        let resampled = stages.get(PARTS..).and_then(|steps| steps.last()).or(stages.first());
        self.learnt = resampled.map(|stage| config.learnt_counts(stage.counts));
    }

    /// # Errors
    /// If the model's own preprocessing does not take its training rows, which would be a mistake of this program.
    pub(super) fn take_model(&mut self, tested: &Tested<'_>, others: [&EvalSet; 2]) -> Result<(), TrainError> {
        let Some(sample) = self.sample.take() else { return Ok(()) };
        let sample = sample.scored_by(tested.preprocessor)?;
        self.features = sample.pictures().map_or(sample.features().ncols(), |read| read.shape().values());
        let [validation, test] = others;
        self.scores = Some([&sample, validation, test].map(|set| tested.scores(set)));
        Ok(())
    }

    /// What all of it means. `ended` is how the run ended, `None` where nothing was trained.
    pub(super) fn diagnosis(
        mut self,
        config: &TrainConfig,
        curves: &[EpochLog],
        ended: Option<Result<&Trained, &TrainError>>,
    ) -> Diagnosis {
        if let Some(Err(TrainError::Stopped(_))) = ended {
            return Diagnosis::default();
        }
        let unknown = ClassNames { positive: config.positive_label.clone(), negative: String::new() };
        let classes = self.classes.take().unwrap_or(unknown);
        let train = self.train_counts(config);
        let setting =
            Setting { config, classes: &classes, train: train.unwrap_or(ClassCounts::NONE), learnt: self.learnt };
        let mut checked = if train.is_some() { check_config(&setting) } else { Vec::new() };
        checked.extend(self.of_data(&setting));
        match ended {
            Some(Ok(trained)) => checked.extend(self.of_run(&setting, curves, trained)),
            Some(Err(error)) => checked.extend(failure(error).iter().flat_map(|f| check_failure(&setting, f))),
            None => {}
        }
        Diagnosis::new(checked, self.baselines)
    }

    /// The training rows, or about what they would have been.
    fn train_counts(&self, config: &TrainConfig) -> Option<ClassCounts> {
        let planned = || {
            let share = match config.split {
                Split::Stratified { test_fraction, validation_fraction }
                | Split::Group { test_fraction, validation_fraction, .. }
                | Split::Time { test_fraction, validation_fraction, .. } => 1.0 - test_fraction - validation_fraction,
                Split::Column { .. } => 1.0,
            };
            let part = |count: usize| (count as f64 * share).round() as usize;
            let all = self.labelled?;
            Some(ClassCounts { positive: part(all.positive), negative: part(all.negative) })
        };
        self.survey.as_ref().map(|survey| survey.parts[0]).or_else(planned)
    }

    fn of_data(&self, setting: &Setting<'_>) -> Vec<Checked> {
        let Some(survey) = &self.survey else { return Vec::new() };
        let matrix = self.matrix.unwrap_or_default();
        let mut checked = check_data(setting, survey, &matrix, self.order.as_ref());
        let model = self.scores.as_ref().and_then(|[_, _, test]| test.auc());
        checked.extend(check_signal(survey, &self.baselines, survey.parts[2], model));
        checked
    }

    fn of_run(&mut self, setting: &Setting<'_>, curves: &[EpochLog], trained: &Trained) -> Vec<Checked> {
        let Some([train, validation, test]) = self.scores.take() else { return Vec::new() };
        let run = Run {
            curves,
            epochs_run: trained.epochs_run,
            best_epoch: trained.best_epoch,
            stopped_by: trained.stopped_by,
            features: self.features,
            train,
            validation,
            test,
            baselines: &self.baselines,
            report: &trained.report,
        };
        check_run(setting, &run)
    }
}

/// What a diagnosis can say of an error beyond its message.
fn failure(error: &TrainError) -> Option<Failure> {
    match error {
        TrainError::Target(TargetError::NotBinary { found, .. }) => Some(Failure::Target { values: *found }),
        TrainError::Split(SplitError::PartLacksClass { counts, .. }) => {
            Some(Failure::Part { positive: counts.positive, negative: counts.negative })
        }
        TrainError::Split(SplitError::TooFewOfClass { class, rows }) => {
            let of = |name: &str| if *class == name { *rows } else { rows + 1 };
            Some(Failure::Part { positive: of("positive"), negative: of("negative") })
        }
        TrainError::Network(NetworkError::Diverged { epoch }) => Some(Failure::Diverged { epoch: *epoch }),
        _ => None,
    }
}

/// Keeps the learning curves beside whoever watches the run.
pub(super) struct Recorder<'a> {
    pub(super) observer: &'a mut dyn TrainObserver,
    pub(super) curves: Vec<EpochLog>,
}

impl TrainObserver for Recorder<'_> {
    fn phase(&mut self, phase: Phase) -> ControlFlow<Stop> {
        self.observer.phase(phase)
    }

    fn step(&mut self, fraction: f64) -> ControlFlow<Stop> {
        self.observer.step(fraction)
    }

    fn epoch(&mut self, log: &EpochLog) -> ControlFlow<Stop> {
        self.curves.push(log.clone());
        self.observer.epoch(log)
    }

    fn checkpoint(&mut self, epochs: usize, write: &mut WriteCheckpoint<'_>) {
        self.observer.checkpoint(epochs, write);
    }

    fn earlier_checkpoint(&mut self) -> Option<Vec<u8>> {
        self.observer.earlier_checkpoint()
    }

    fn resumed(&mut self, outcome: Result<(), CheckpointError>) {
        if outcome.is_ok() {
            self.curves = self.observer.earlier_epochs();
        }
        self.observer.resumed(outcome);
    }

    fn earlier_epochs(&mut self) -> Vec<EpochLog> {
        self.observer.earlier_epochs()
    }
}
