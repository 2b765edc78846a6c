//! The report of cross-validation: what rows show that each run had not seen, pooled and fold by fold.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::binomial::{clopper_pearson, student_quantile};
use super::headline::{ScoredRows, Statistic, Values};
use super::interval::{Intervals, intervals};
use super::positives_needed::{PositivesNeeded, positives_needed};
use super::{ConfusionMatrix, Metric};
use crate::ml::config::Evaluation;
use crate::ml::labels::ClassCounts;
use crate::ml::observe::Stop;
use crate::ml::seed::Seed;

/// The shares of a fold's training rows that a learning curve is drawn from, besides all of them.
pub const LEARNING_FRACTIONS: [f64; 3] = [0.25, 0.5, 0.75];
/// Where the rarer class has at most so many rows, the intervals of pooled rates are exact ones.
const TINY_CLASS: u64 = 50;

/// What a training procedure is worth, by rows that each of its runs had not seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrossValidationReport {
    /// `stratified`, `group` or `time`.
    pub strategy: String,
    pub folds: usize,
    pub repeats: usize,
    /// The rows that were divided into folds: `all`, or `development` (training and validation).
    pub rows: String,
    /// Rows that were scored in each repeat, all but the first block if by time.
    pub scored_rows: usize,
    pub positives: usize,
    pub prevalence: f64,
    /// Counts of all repeats, each row by the threshold of its own fold.
    pub confusion_matrix: ConfusionMatrix,
    /// By name: the metric of all scored rows together, the mean of it over the repeats. The interval is that of the first
    /// repeat, as if all rows had been scored by one model.
    pub pooled: BTreeMap<String, Metric>,
    /// By name: the metric of each fold by itself, averaged.
    pub mean: BTreeMap<String, FoldMean>,
    pub per_fold: Vec<FoldReport>,
    /// What fewer training rows give; where the job asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_curve: Option<Vec<LearningPoint>>,
    /// How many positives it would take to know a metric as well as the job wished.
    pub positives_needed: Vec<PositivesNeeded>,
    /// What to keep in mind when reading the numbers.
    pub notes: Vec<String>,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoldReport {
    /// Both count from 1.
    pub repeat: usize,
    pub fold: usize,
    /// Rows that were learnt from.
    pub train: ClassCounts,
    /// Rows that were scored.
    pub scored: ClassCounts,
    /// Chosen by this run without the rows that it scores.
    pub threshold: f64,
    /// The calibration that this run ended up with.
    pub calibration: String,
    pub confusion_matrix: ConfusionMatrix,
    /// By name; `null` where it is undefined.
    pub metrics: BTreeMap<String, Option<f64>>,
}

/// A metric over the folds in which it is defined.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FoldMean {
    pub value: Option<f64>,
    pub standard_deviation: Option<f64>,
    /// Student's interval, its variance raised for the rows that the folds' training parts share
    /// (Nadeau & Bengio 2003).
    pub ci: Option<[f64; 2]>,
    pub folds: usize,
}

/// Pooled metrics of runs that learnt from a part of their training rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LearningPoint {
    pub fraction: f64,
    /// Means over the folds.
    pub train_rows: f64,
    pub train_positives: f64,
    pub average_precision: Option<f64>,
    pub roc_auc: Option<f64>,
    pub relative_log_loss: Option<f64>,
    /// Runs that could not be made, for example because a resampling step needs more rows.
    pub failed: usize,
}

/// The scores of one run on its fold.
#[derive(Debug, Clone)]
pub struct FoldScores {
    /// Both count from 0.
    pub repeat: usize,
    pub fold: usize,
    pub train: ClassCounts,
    pub labels: Vec<bool>,
    /// At the prevalence of the rows.
    pub probabilities: Vec<f64>,
    pub threshold: f64,
    pub calibration: String,
}

/// What a report is made from.
#[derive(Debug)]
pub struct CrossValidationInput<'a> {
    pub strategy: &'a str,
    pub rows: &'a str,
    pub folds: usize,
    pub repeats: usize,
    pub half_width: f64,
    pub scores: &'a [FoldScores],
    pub learning_curve: Option<Vec<LearningPoint>>,
    pub evaluation: &'a Evaluation,
    pub seed: Seed,
}

/// Puts the scores of all runs together.
///
/// # Errors
/// If `step`, which is told the share of the work that is done, ends the run.
pub fn cross_validation_report(
    input: CrossValidationInput<'_>,
    step: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<CrossValidationReport, Stop> {
    let repeats: Vec<Pooled> = (0..input.repeats).map(|repeat| Pooled::of(input.scores, repeat)).collect();
    let counts = repeats.first().map_or(ClassCounts { positive: 0, negative: 0 }, |pooled| pooled.counts);
    let intervals = match repeats.first() {
        Some(Pooled { rows: Some(rows), values, .. }) => {
            tightened(intervals(rows, values, input.evaluation, input.seed, step)?, rows.matrix(), input.evaluation)
        }
        _ => Statistic::ALL.map(|_| None),
    };
    let pooled = pooled_metrics(&repeats, &intervals, counts.prevalence());
    let per_fold: Vec<(FoldReport, Values)> = input.scores.iter().map(fold_report).collect();
    let mean = fold_means(&per_fold, input.evaluation.confidence);
    let positives_needed = positives_needed(&pooled, counts.positive, input.half_width, input.evaluation.confidence);
    Ok(CrossValidationReport {
        strategy: input.strategy.to_owned(),
        folds: input.folds,
        repeats: input.repeats,
        rows: input.rows.to_owned(),
        scored_rows: counts.total(),
        positives: counts.positive,
        prevalence: counts.prevalence(),
        confusion_matrix: repeats.iter().fold(ConfusionMatrix::default(), |sum, pooled| sum.plus(pooled.matrix)),
        notes: notes(&input, counts),
        pooled,
        mean,
        per_fold: per_fold.into_iter().map(|(report, _)| report).collect(),
        learning_curve: input.learning_curve,
        positives_needed,
    })
}

/// All folds of one repeat.
struct Pooled {
    counts: ClassCounts,
    matrix: ConfusionMatrix,
    /// `None` where a score is no probability.
    rows: Option<ScoredRows>,
    values: Values,
}

impl Pooled {
    fn of(scores: &[FoldScores], repeat: usize) -> Self {
        let (mut labels, mut probabilities, mut matrix) = (Vec::new(), Vec::new(), ConfusionMatrix::default());
        for fold in scores.iter().filter(|fold| fold.repeat == repeat) {
            labels.extend_from_slice(&fold.labels);
            probabilities.extend_from_slice(&fold.probabilities);
            matrix = matrix.plus(ConfusionMatrix::at(&fold.labels, &fold.probabilities, fold.threshold));
        }
        let rows = ScoredRows::decided(&labels, &probabilities, matrix);
        let values = match &rows {
            Ok(rows) => rows.values(),
            Err(reason) => Statistic::ALL.map(|_| Err(*reason)),
        };
        Self { counts: ClassCounts::of(&labels), matrix, rows: rows.ok(), values }
    }
}

/// The exact intervals of rates where a class is tiny.
fn tightened(mut intervals: Intervals, matrix: ConfusionMatrix, evaluation: &Evaluation) -> Intervals {
    let rates =
        [(Statistic::Recall, matrix.tp, matrix.positives()), (Statistic::Specificity, matrix.tn, matrix.negatives())];
    for (statistic, hits, rows) in rates {
        if rows <= TINY_CLASS && evaluation.bootstrap > 0 {
            intervals[statistic as usize] = clopper_pearson(hits, rows, evaluation.confidence);
        }
    }
    intervals
}

fn pooled_metrics(repeats: &[Pooled], intervals: &Intervals, prevalence: f64) -> BTreeMap<String, Metric> {
    let metric = |statistic: Statistic| {
        let index = statistic as usize;
        let values: Result<Vec<f64>, _> = repeats.iter().map(|pooled| pooled.values[index]).collect();
        let value = values.map(|values| values.iter().sum::<f64>() / values.len() as f64);
        let around = |value: f64| intervals[index].map(|[low, high]| [low.min(value), high.max(value)]);
        Metric::new(value, statistic.no_skill(prevalence), value.ok().and_then(around))
    };
    named(metric)
}

fn named<T>(of: impl Fn(Statistic) -> T) -> BTreeMap<String, T> {
    Statistic::ALL.into_iter().filter_map(|statistic| Some((statistic.name()?.to_owned(), of(statistic)))).collect()
}

fn fold_report(fold: &FoldScores) -> (FoldReport, Values) {
    let values = match ScoredRows::new(&fold.labels, &fold.probabilities, fold.threshold) {
        Ok(rows) => rows.values(),
        Err(reason) => Statistic::ALL.map(|_| Err(reason)),
    };
    let report = FoldReport {
        repeat: fold.repeat + 1,
        fold: fold.fold + 1,
        train: fold.train,
        scored: ClassCounts::of(&fold.labels),
        threshold: fold.threshold,
        calibration: fold.calibration.clone(),
        confusion_matrix: ConfusionMatrix::at(&fold.labels, &fold.probabilities, fold.threshold),
        metrics: named(|statistic| values[statistic as usize].ok()),
    };
    (report, values)
}

fn fold_means(folds: &[(FoldReport, Values)], confidence: f64) -> BTreeMap<String, FoldMean> {
    let ratio = |(report, _): &(FoldReport, Values)| report.scored.total() as f64 / report.train.total().max(1) as f64;
    let scored_to_learnt = folds.iter().map(ratio).sum::<f64>() / folds.len().max(1) as f64;
    named(|statistic| {
        let values: Vec<f64> = folds.iter().filter_map(|(_, values)| values[statistic as usize].ok()).collect();
        FoldMean::of(&values, scored_to_learnt, confidence)
    })
}

impl FoldMean {
    /// `scored_to_learnt` is the number of rows that a run scores over the number that it learns from.
    fn of(values: &[f64], scored_to_learnt: f64, confidence: f64) -> Self {
        let folds = values.len();
        let count = folds as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let deviation = (folds > 1).then(|| (squares / (count - 1.0)).sqrt());
        let half = |deviation: f64| {
            let error = deviation * (count.recip() + scored_to_learnt).sqrt();
            error * student_quantile(count - 1.0, 0.5 + confidence / 2.0)
        };
        Self {
            value: (folds > 0).then_some(mean),
            standard_deviation: deviation,
            ci: deviation.map(half).map(|half| [mean - half, mean + half]),
            folds,
        }
    }
}

fn notes(input: &CrossValidationInput<'_>, counts: ClassCounts) -> Vec<String> {
    let mut notes = vec![
        "the runs share training rows, so their results depend on each other: the interval of a mean is raised for that \
         (Nadeau and Bengio 2003), the interval of a pooled metric is as if one model had scored all rows"
            .to_owned(),
    ];
    let rarer = counts.positive.min(counts.negative) as u64;
    if rarer <= TINY_CLASS {
        notes.push(format!(
            "the rarer class has {rarer} rows: read the pooled metrics, since a fold has few rows of it, and their \
             intervals, which are wide because that is what can be known"
        ));
    }
    if input.strategy == "time" {
        notes.push(
            "each fold is scored by what was learnt from the rows before it; the earliest rows are never scored"
                .to_owned(),
        );
    }
    notes
}

impl ConfusionMatrix {
    /// The counts of both together.
    pub fn plus(self, other: Self) -> Self {
        Self { tp: self.tp + other.tp, fp: self.fp + other.fp, fn_: self.fn_ + other.fn_, tn: self.tn + other.tn }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folds() -> Vec<FoldScores> {
        let fold = |fold: usize| {
            let labels: Vec<bool> = (0..20).map(|row| row % 5 == 0).collect();
            let probabilities = (0..20).map(|row| if row % 5 == fold % 2 { 0.7 } else { 0.1 }).collect();
            let train = ClassCounts { positive: 8, negative: 32 };
            let calibration = "prior".to_owned();
            FoldScores { repeat: 0, fold, train, labels, probabilities, threshold: 0.5, calibration }
        };
        (0..3).map(fold).collect()
    }

    fn report() -> CrossValidationReport {
        let evaluation = Evaluation { bootstrap: 200, confidence: 0.95, cross_validation: None };
        let input = CrossValidationInput {
            strategy: "stratified",
            rows: "all",
            folds: 3,
            repeats: 1,
            half_width: 0.1,
            scores: &folds(),
            learning_curve: None,
            evaluation: &evaluation,
            seed: Seed(1),
        };
        cross_validation_report(input, &mut |_| ControlFlow::Continue(())).unwrap()
    }

    #[test]
    fn pooled_numbers_are_those_of_all_rows_together() {
        let report = report();
        assert_eq!((report.scored_rows, report.positives), (60, 12));
        assert_eq!(report.confusion_matrix, ConfusionMatrix { tp: 8, fp: 4, fn_: 4, tn: 44 });
        let recall = &report.pooled["recall"];
        assert!((recall.value.unwrap() - 2.0 / 3.0).abs() < 1e-15);
        // scipy.stats.binomtest(8, 12).proportion_ci()
        let [low, high] = recall.ci.unwrap();
        assert!((low - 0.348_875_506).abs() < 1e-8 && (high - 0.900_753_909).abs() < 1e-8, "{low} {high}");
        assert!(report.notes.iter().any(|note| note.contains("12 rows")));
    }

    #[test]
    fn the_interval_of_a_mean_is_raised_for_shared_training_rows() {
        let recall = report().mean["recall"];
        // Folds 1, 0, 1: mean 2/3, deviation 0.57735; t(0.975, 2) = 4.302653; sqrt(1/3 + 20/40) = 0.912871
        assert!((recall.standard_deviation.unwrap() - 0.577_350_27).abs() < 1e-8);
        let half = 0.577_350_269 * 0.912_870_929 * 4.302_652_73;
        assert!((recall.ci.unwrap()[1] - 2.0 / 3.0 - half).abs() < 1e-6);
        assert_eq!(recall.folds, 3);
    }
}
