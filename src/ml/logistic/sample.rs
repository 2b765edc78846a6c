//! Where a fit of very many rows starts: at the fit of some of them, which is as near to the whole as chance allows
//! and costs a fraction of one pass.

use ndarray::Axis;

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

/// The coordinates to start from.
pub(super) fn start(
    task: &LogisticTask<'_>,
    objective: &Objective<'_>,
    watch: &mut Watch<'_>,
) -> Result<Vec<f64>, LogisticError> {
    let (rows, size) = (objective.rows(), objective.design.size());
    let wanted = (rows / SHARE).max(ROWS_PER_COORDINATE * size);
    if objective.design.gradient_work(rows) < LEAST_WORK || wanted > rows / 4 || size > newton::MAX_COLUMNS {
        return Ok(objective.start());
    }
    // As many of each class, weighed back to their shares, tell most for their number (King and Zeng 2001).
    let mut chosen = rows_of_class(task.labels, true, wanted / 2);
    let positives = chosen.len();
    chosen.extend(rows_of_class(task.labels, false, wanted / 2));
    chosen.sort_unstable();
    let counts = ClassCounts::of(task.labels);
    let negatives = chosen.len() - positives;
    let labels: Vec<bool> = chosen.iter().map(|&row| task.labels[row]).collect();
    let features = task.features.select(Axis(0), &chosen);
    let sample = LogisticTask {
        features: features.view(),
        labels: &labels,
        class_weights: ClassWeights {
            positive: task.class_weights.positive * counts.positive as f64 / positives as f64,
            negative: task.class_weights.negative * counts.negative as f64 / negatives as f64,
        },
        ..*task
    };
    let smaller = Objective::new(&sample, watch)?;
    let start = start(&sample, &smaller, watch)?;
    // Chance keeps the optimum of the sample about this far from that of the whole.
    let decrease = 0.5 * size as f64 / (2.0 * chosen.len() as f64);
    let goal = Goal { tolerance: task.tolerance, decrease, max_iterations: MAX_ITERATIONS };
    let solution = newton::minimize(&smaller, start, &goal, watch)?;
    let (weights, intercept) = smaller.design.weights(&solution.point);
    Ok(objective.design.coordinates(&weights, intercept))
}

/// Rows of a class at even distances, at most about so many.
fn rows_of_class(labels: &[bool], class: bool, most: usize) -> Vec<usize> {
    let rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == class).collect();
    let every = rows.len().div_ceil(most.max(1)).max(1);
    rows.into_iter().step_by(every).collect()
}
