//! Permutation importance: how much worse the model is on test rows when one column is shuffled among them (Breiman
//! 2001, section 10; Fisher, Rudin and Dominici 2019).
//!
//! It says what this model goes by, not what the world does: of two columns that say the same, either may look
//! unimportant, as the other one is still there.

use std::ops::ControlFlow;

use ndarray::{Array2, Axis, s};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::sample::stratified;
use super::{ExplainInput, InputRange};
use crate::ml::metrics::{Areas, Ranking, central_interval, log_loss_of, row_draws};
use crate::ml::observe::Stop;

/// Times that each column is shuffled, or the fewer where that would be too much work.
const REPEATS: usize = 10;
const FEW_REPEATS: usize = 3;
/// Bootstrap samples of the rows for each shuffle.
const SAMPLES: usize = 20;
/// Rows beyond these change little.
const MAX_ROWS: usize = 10_000;
/// Fewer rows say too little; all of them, where there are fewer.
const MIN_ROWS: usize = 100;
/// Multiplications and additions for all columns together.
const WORK: u64 = 10_000_000_000;
/// What sorting and sampling cost per row beside a prediction, in the same unit.
const OVERHEAD: u64 = 3_000;

/// The importance of each column, on test rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// Always `test`.
    pub computed_on: String,
    /// All test rows, or a stratified sample of them.
    pub rows: usize,
    pub positives: usize,
    pub repeats: usize,
    pub confidence: f64,
    /// Of the model as it is, on these rows.
    pub average_precision: Option<f64>,
    pub log_loss: Option<f64>,
    /// In the order of the model's features.
    pub columns: Vec<ColumnImportance>,
    /// Why there are no columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnImportance {
    pub column: String,
    /// How far average precision falls.
    pub average_precision: Drop,
    /// How far log loss rises.
    pub log_loss: Drop,
}

/// How much worse a metric becomes; positive is worse.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Drop {
    /// The mean over the shuffles.
    pub value: f64,
    /// Over shuffles and bootstrap samples of the rows.
    pub ci: [f64; 2],
}

/// Shuffles each input column of the test rows. All columns are shuffled by the same permutations and judged on the
/// same bootstrap samples.
///
/// # Errors
/// If `step`, which is told the share of the columns that are done, ends the run.
pub fn importance(
    input: &ExplainInput<'_>,
    step: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<Importance, Stop> {
    let columns = input.inputs();
    if columns.is_empty() {
        return Ok(Importance::none(input.confidence, "a network reads pictures, and no other column".to_owned()));
    }
    let plan = match Plan::of(input, columns.len()) {
        Ok(plan) => plan,
        Err(reason) => return Ok(Importance::none(input.confidence, reason)),
    };
    let rows = stratified(input.test.labels(), plan.rows, input.seed.derive("importance rows"));
    let trial = Trial::new(input, &rows, plan.repeats);
    let mut found = Vec::with_capacity(columns.len());
    for block in columns.chunks(2 * rayon::current_num_threads()) {
        found.par_extend(block.par_iter().map(|column| trial.column(column)));
        if let ControlFlow::Break(stop) = step(found.len() as f64 / columns.len() as f64) {
            return Err(stop);
        }
    }
    let [average_precision, log_loss] = trial.base_values;
    Ok(Importance {
        rows: rows.len(),
        positives: trial.labels.iter().filter(|&&label| label).count(),
        repeats: plan.repeats,
        average_precision: Some(average_precision),
        log_loss: Some(log_loss),
        columns: found,
        reason: None,
        ..Importance::none(input.confidence, String::new())
    })
}

impl Importance {
    /// No importance, and why.
    pub fn none(confidence: f64, reason: String) -> Self {
        Self {
            computed_on: "test".to_owned(),
            rows: 0,
            positives: 0,
            repeats: 0,
            confidence,
            average_precision: None,
            log_loss: None,
            columns: Vec::new(),
            reason: Some(reason),
        }
    }
}

/// How many rows and shuffles the work allows.
struct Plan {
    rows: usize,
    repeats: usize,
}

impl Plan {
    fn of(input: &ExplainInput<'_>, columns: usize) -> Result<Self, String> {
        let counts = input.test.class_counts();
        if counts.positive == 0 || counts.negative == 0 {
            return Err("importance needs test rows of both classes".to_owned());
        }
        let row = input.predictor.multiply_adds().saturating_add(OVERHEAD);
        let least = MIN_ROWS.min(counts.total());
        for repeats in [REPEATS, FEW_REPEATS] {
            let allowed = WORK / row.saturating_mul((columns * repeats).max(1) as u64).max(1);
            let rows = usize::try_from(allowed).unwrap_or(MAX_ROWS).min(MAX_ROWS).min(counts.total());
            if rows >= least {
                return Ok(Self { rows, repeats });
            }
        }
        Err(format!("{columns} columns of a model of this size are more work than training does for importance"))
    }
}

/// The rows, what the model makes of them as they are, and how they are shuffled and drawn.
struct Trial<'a> {
    input: &'a ExplainInput<'a>,
    features: Array2<f64>,
    labels: Vec<bool>,
    shuffles: Vec<Vec<usize>>,
    /// [`SAMPLES`] for each shuffle: how often each row is drawn.
    draws: Vec<Vec<u32>>,
    base_values: [f64; 2],
    /// Of each draw.
    base_samples: Vec<[f64; 2]>,
}

impl<'a> Trial<'a> {
    fn new(input: &'a ExplainInput<'a>, rows: &[usize], repeats: usize) -> Self {
        let features = input.test.features().select(Axis(0), rows);
        let labels: Vec<bool> = rows.iter().map(|&row| input.test.labels()[row]).collect();
        let shuffle = |repeat: usize| {
            let mut order: Vec<usize> = (0..rows.len()).collect();
            order.shuffle(&mut input.seed.stream(&format!("importance shuffle {repeat}")));
            order
        };
        let shuffles = (0..repeats).map(shuffle).collect();
        let draws = row_draws(&labels, repeats * SAMPLES, input.seed.derive("importance draws"));
        let base = Scored::new(&labels, &input.probabilities(&features));
        let all = vec![1; rows.len()];
        let base_samples = draws.par_iter().map(|counts| base.values(counts)).collect();
        let base_values = base.values(&all);
        Self { input, features, shuffles, draws, base_values, base_samples, labels }
    }

    fn column(&self, column: &InputRange) -> ColumnImportance {
        let mut features = self.features.clone();
        let original = self.features.slice(s![.., column.columns.clone()]);
        let all = vec![1; self.labels.len()];
        let (mut drops, mut samples) = (Vec::new(), Vec::new());
        for (repeat, order) in self.shuffles.iter().enumerate() {
            features.slice_mut(s![.., column.columns.clone()]).assign(&original.select(Axis(0), order));
            let scored = Scored::new(&self.labels, &self.input.probabilities(&features));
            drops.push(worse(self.base_values, scored.values(&all)));
            for sample in repeat * SAMPLES..(repeat + 1) * SAMPLES {
                samples.push(worse(self.base_samples[sample], scored.values(&self.draws[sample])));
            }
        }
        let drop = |metric: usize| {
            let value = drops.iter().map(|drop| drop[metric]).sum::<f64>() / drops.len() as f64;
            let sampled = samples.iter().map(|sample| sample[metric]).collect();
            Drop { value, ci: central_interval(sampled, self.input.confidence).unwrap_or([value, value]) }
        };
        ColumnImportance { column: column.name.clone(), average_precision: drop(0), log_loss: drop(1) }
    }
}

fn worse(before: [f64; 2], after: [f64; 2]) -> [f64; 2] {
    [before[0] - after[0], after[1] - before[1]]
}

/// Rows with scores, of which the metrics of any sample are linear to compute.
struct Scored {
    ranking: Option<Ranking>,
    /// The row of each rank.
    order: Vec<usize>,
    losses: Vec<f64>,
}

impl Scored {
    fn new(labels: &[bool], probabilities: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..labels.len()).collect();
        // As the ranking sorts; rows of one score and one label may stand in any order.
        order.sort_unstable_by(|&a, &b| {
            probabilities[a].total_cmp(&probabilities[b]).then(labels[a].cmp(&labels[b])).then(a.cmp(&b))
        });
        let losses = labels.iter().zip(probabilities).map(|(&label, &p)| log_loss_of(label, p)).collect();
        Self { ranking: Ranking::new(labels, probabilities).ok(), order, losses }
    }

    /// Average precision and log loss of the sample that takes each row as often as `counts` says. Both classes have
    /// rows, and rows have finite scores, so neither is ever undefined.
    fn values(&self, counts: &[u32]) -> [f64; 2] {
        let by_rank: Vec<u32> = self.order.iter().map(|&row| counts[row]).collect();
        let areas = self.ranking.as_ref().map(|ranking| Areas::of(ranking, &by_rank));
        let precision = areas.and_then(|areas| areas.average_precision.ok()).unwrap_or(0.0);
        let (mut loss, mut rows) = (0.0, 0_u64);
        for (row_loss, &count) in self.losses.iter().zip(counts) {
            loss += row_loss * f64::from(count);
            rows += u64::from(count);
        }
        [precision, loss / rows.max(1) as f64]
    }
}
