//! An L1 penalty over very many columns: the problem is solved on a working set of columns, which grows by those
//! whose slope the penalty does not hold, until there is none left (an active set with the exact optimality check of
//! Tibshirani et al. 2012).

use ndarray::Axis;

use super::newton::{self, Goal, MAX_COLUMNS, Solution};
use super::objective::{Objective, Order};
use super::{LogisticError, LogisticTask, Watch, gradient};

/// Columns that the first working set has room for, and by how much it grows at most.
const FIRST_COLUMNS: usize = 100;
const GROWTH: usize = 2;

pub(super) fn minimize(
    task: &LogisticTask<'_>,
    objective: &Objective<'_>,
    start: Vec<f64>,
    goal: &Goal,
    watch: &mut Watch<'_>,
) -> Result<Solution, LogisticError> {
    let mut point = start;
    let mut iterations = 0;
    loop {
        let at = objective.evaluate(&point, Order::Gradient, watch)?;
        if !at.value.is_finite() {
            return Err(LogisticError::NotFinite { iteration: iterations });
        }
        let converged = objective.optimality(&point, &at.gradient) <= goal.tolerance;
        if converged || iterations >= goal.max_iterations {
            return Ok(Solution { point, value: at.value, iterations, converged });
        }
        let (weights, intercept) = objective.design.weights(&point);
        let slopes = objective.design.slopes(&at.gradient);
        let columns = working_set(&weights, &slopes, objective.l1, goal.tolerance);
        if columns.len() > MAX_COLUMNS {
            return gradient::minimize(objective, point, goal, watch);
        }
        let features = task.features.select(Axis(1), &columns);
        let part = LogisticTask { features: features.view(), l1: objective.l1, l2: objective.l2, ..*task };
        let smaller = Objective::new(&part, watch)?;
        let own: Vec<f64> = columns.iter().map(|&column| weights[column]).collect();
        // A little more exact than the whole has to be, or columns of the set would be found wanting again.
        let part_goal =
            Goal { tolerance: 0.5 * goal.tolerance, max_iterations: goal.max_iterations - iterations, ..*goal };
        let start = smaller.design.coordinates(&own, intercept);
        let solution = newton::minimize(&smaller, start, &part_goal, watch)?;
        iterations += solution.iterations.max(1);
        let (own, intercept) = smaller.design.weights(&solution.point);
        let mut weights = vec![0.0; weights.len()];
        columns.iter().zip(own).for_each(|(&column, weight)| weights[column] = weight);
        point = objective.design.coordinates(&weights, intercept);
    }
}

/// The columns with a weight, and the steepest of those whose slope exceeds the penalty; in their order.
fn working_set(weights: &[f64], slopes: &[f64], l1: f64, tolerance: f64) -> Vec<usize> {
    let mut set: Vec<usize> = (0..weights.len()).filter(|&column| weights[column] != 0.0).collect();
    let mut steep: Vec<usize> =
        (0..weights.len()).filter(|&at| weights[at] == 0.0 && slopes[at].abs() > l1 + 0.5 * tolerance).collect();
    steep.sort_by(|&a, &b| slopes[b].abs().total_cmp(&slopes[a].abs()));
    let room = (set.len() * (GROWTH - 1)).max(FIRST_COLUMNS);
    set.extend(steep.into_iter().take(room));
    set.sort_unstable();
    set
}
