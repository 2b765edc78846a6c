//! The whole evaluation of one model on its test rows.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::bins::reliability;
use super::curve::{precision_recall_points, roc_points};
use super::headline::{ScoredRows, Statistic, Values};
use super::interval::{Intervals, intervals};
use super::{ClassReport, ConfusionMatrix, Curves, Metric, Report, Undefined};
use crate::ml::config::Evaluation;
use crate::ml::labels::ClassNames;
use crate::ml::observe::Stop;
use crate::ml::seed::Seed;
use crate::ml::sets::EvalSet;

/// What a report is made from.
#[derive(Debug, Clone, Copy)]
pub struct ReportInput<'a> {
    /// The test rows.
    pub eval: &'a EvalSet,
    /// One per row, in the order of the rows, of the positive class.
    pub probabilities: &'a [f64],
    /// A row is predicted positive iff its probability is at least this.
    pub threshold: f64,
    pub classes: &'a ClassNames,
    pub evaluation: &'a Evaluation,
    /// Of the bootstrap.
    pub seed: Seed,
}

/// Evaluates at the rows' natural prevalence. Probabilities that are not one number in `0..=1` per row give a
/// report whose every metric is undefined for that reason, an empty confusion matrix and no curves.
///
/// # Errors
/// If `step`, which is told the share of the work that is done, ends the run.
pub fn report(input: &ReportInput<'_>, step: &mut dyn FnMut(f64) -> ControlFlow<Stop>) -> Result<Report, Stop> {
    let labels = input.eval.labels();
    match ScoredRows::new(labels, input.probabilities, input.threshold) {
        Ok(rows) => {
            let values = rows.values();
            let intervals = intervals(&rows, &values, input.evaluation, input.seed, step)?;
            Ok(assemble(input, rows.matrix(), &values, &intervals, curves(&rows, input.evaluation)))
        }
        Err(reason) => {
            let nothing = Statistic::ALL.map(|_| Err(reason));
            let no_intervals = Statistic::ALL.map(|_| None);
            Ok(assemble(input, ConfusionMatrix::default(), &nothing, &no_intervals, Curves::default()))
        }
    }
}

fn curves(rows: &ScoredRows, evaluation: &Evaluation) -> Curves {
    let confidence = (evaluation.bootstrap > 0).then_some(evaluation.confidence);
    Curves {
        roc: roc_points(rows.ranking()),
        precision_recall: precision_recall_points(rows.ranking()),
        reliability: reliability(rows.ranking(), confidence),
    }
}

fn assemble(
    input: &ReportInput<'_>,
    confusion_matrix: ConfusionMatrix,
    values: &Values,
    intervals: &Intervals,
    curves: Curves,
) -> Report {
    let counts = input.eval.class_counts();
    let prevalence = counts.prevalence();
    let metric = |statistic: Statistic| {
        let index = statistic as usize;
        Metric::new(values[index], statistic.no_skill(prevalence), intervals[index])
    };
    let named =
        Statistic::ALL.into_iter().filter_map(|statistic| Some((statistic.name()?.to_owned(), metric(statistic))));
    Report {
        computed_on: "test".to_owned(),
        rows: counts.total(),
        positives: counts.positive,
        prevalence,
        threshold: input.threshold,
        confusion_matrix,
        per_class: per_class(input, &metric),
        metrics: named.collect(),
        curves,
        strength_search: None,
        calibration: None,
        cross_validation: None,
    }
}

fn per_class(input: &ReportInput<'_>, metric: &dyn Fn(Statistic) -> Metric) -> BTreeMap<String, ClassReport> {
    let counts = input.eval.class_counts();
    let positive = ClassReport {
        precision: metric(Statistic::Precision),
        recall: metric(Statistic::Recall),
        f1: metric(Statistic::F1),
        specificity: metric(Statistic::Specificity),
        support: counts.positive as u64,
    };
    let negative = ClassReport {
        precision: metric(Statistic::NegativePrecision),
        recall: metric(Statistic::Specificity),
        f1: metric(Statistic::NegativeF1),
        specificity: metric(Statistic::Recall),
        support: counts.negative as u64,
    };
    BTreeMap::from([(input.classes.positive.clone(), positive), (input.classes.negative.clone(), negative)])
}

impl Report {
    /// The report of the same model on the same rows at the threshold of `input`: what follows from the threshold is
    /// computed anew, all else stays.
    ///
    /// # Errors
    /// If `step` ends the run.
    pub fn at_threshold(
        self,
        input: &ReportInput<'_>,
        step: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
    ) -> Result<Self, Stop> {
        let mut anew = report(input, step)?;
        let mut metrics = self.metrics;
        let dependent = Statistic::ALL.into_iter().filter(|statistic| statistic.depends_on_threshold());
        for name in dependent.filter_map(Statistic::name) {
            metrics.extend(anew.metrics.remove_entry(name));
        }
        let Report { threshold, confusion_matrix, per_class, .. } = anew;
        Ok(Self { threshold, confusion_matrix, per_class, metrics, ..self })
    }
}

impl Metric {
    /// A number or the reason why there is none; without a number there is no interval.
    pub fn new(value: Result<f64, Undefined>, no_skill: Option<f64>, ci: Option<[f64; 2]>) -> Self {
        match value {
            Ok(value) => Self { value: Some(value), reason: None, no_skill, ci },
            Err(reason) => Self { value: None, reason: Some(reason.to_string()), no_skill, ci: None },
        }
    }
}
