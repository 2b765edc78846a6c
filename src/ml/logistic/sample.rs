//! A sample of very many rows. A fit of the whole starts at the fit of the sample, which is as near as chance allows and
//! costs a fraction of one pass; a [`guide`](super::guide) goes on to use it.

use ndarray::{Array2, Axis};

use super::newton::{self, Goal};
use super::objective::Objective;
use super::{LogisticError, LogisticTask, Watch};
use crate::ml::labels::{ClassCounts, ClassWeights};

/// Smaller problems are solved sooner than a sample of them is taken.
const LEAST_WORK: f64 = (1 << 18) as f64;
/// One of so many rows is taken, and at least so many per coordinate.
const SHARE: usize = 16;
const ROWS_PER_COORDINATE: usize = 10;
const MAX_ITERATIONS: usize = 12;

/// Some of the rows of a task, weighed so that they stand for all of them.
pub(super) struct Sample {
    features: Array2<f64>,
    labels: Vec<bool>,
    class_weights: ClassWeights,
}

impl Sample {
    /// A sample of the rows, if there are enough of them for one.
    pub(super) fn of(task: &LogisticTask<'_>, objective: &Objective<'_>) -> Option<Self> {
        let (rows, size) = (objective.rows(), objective.design.size());
        let wanted = (rows / SHARE).max(ROWS_PER_COORDINATE * size);
        if objective.design.gradient_work(rows) < LEAST_WORK || wanted > rows / 4 || size > newton::MAX_COLUMNS {
            return None;
        }
        let counts = ClassCounts::of(task.labels);
        // As many of each class, weighed back to their shares, tell most for their number (King and Zeng 2001).
        let mut chosen = rows_of_class(task.labels, true, counts.positive, wanted / 2);
        let positives = chosen.len();
        chosen.extend(rows_of_class(task.labels, false, counts.negative, wanted / 2));
        chosen.sort_unstable();
        let negatives = chosen.len() - positives;
        Some(Self {
            features: task.features.select(Axis(0), &chosen),
            labels: chosen.iter().map(|&row| task.labels[row]).collect(),
            class_weights: ClassWeights {
                positive: task.class_weights.positive * counts.positive as f64 / positives as f64,
                negative: task.class_weights.negative * counts.negative as f64 / negatives as f64,
            },
        })
    }

    /// The task that it was taken of, for these rows alone.
    pub(super) fn task<'s>(&'s self, whole: &LogisticTask<'_>) -> LogisticTask<'s> {
        LogisticTask {
            features: self.features.view(),
            labels: &self.labels,
            class_weights: self.class_weights,
            l1: whole.l1,
            l2: whole.l2,
            tolerance: whole.tolerance,
            max_iterations: whole.max_iterations,
        }
    }
}

/// Where to start with `objective`, in its coordinates: at the fit of a sample, if `smaller` is the objective of one.
pub(super) fn start(
    objective: &Objective<'_>,
    smaller: Option<(&LogisticTask<'_>, &Objective<'_>)>,
    watch: &mut Watch<'_>,
) -> Result<Vec<f64>, LogisticError> {
    let Some((task, smaller)) = smaller else { return Ok(objective.start()) };
    let sample = Sample::of(task, smaller);
    let sample_task = sample.as_ref().map(|sample| sample.task(task));
    let smallest = sample_task.as_ref().map(|task| Objective::new(task, watch)).transpose()?;
    let begin = start(smaller, sample_task.as_ref().zip(smallest.as_ref()), watch)?;
    // Chance keeps the optimum of the sample about this far from that of the whole.
    let decrease = 0.5 * smaller.design.size() as f64 / (2.0 * smaller.rows() as f64);
    let goal = Goal { tolerance: task.tolerance, decrease, max_iterations: MAX_ITERATIONS };
    let solution = newton::minimize(smaller, begin, &goal, watch)?;
    let (weights, intercept) = smaller.design.weights(&solution.point);
    Ok(objective.design.coordinates(&weights, intercept))
}

/// Rows of a class at even distances, at most about so many.
fn rows_of_class(labels: &[bool], class: bool, count: usize, most: usize) -> Vec<usize> {
    let every = count.div_ceil(most.max(1)).max(1);
    let mut rows = Vec::with_capacity(count.div_ceil(every));
    let mut until_next = 0;
    for (row, _) in labels.iter().enumerate().filter(|(_, label)| **label == class) {
        if until_next == 0 {
            rows.push(row);
            until_next = every;
        }
        until_next -= 1;
    }
    rows
}
