//! Accelerated proximal gradients (FISTA with adaptive restart, O'Donoghue and Candes 2015), for an L1 penalty that
//! leaves too many columns for a Hessian. Steps are measured by the diagonal of the Hessian at the start, so that the
//! scales of the columns do not matter.

use super::newton::{Goal, Solution};
use super::objective::{Evaluation, Objective, Order};
use super::quasi_newton::dot;
use super::{LogisticError, Watch};

/// The step shrinks by this factor where the second-order bound fails, and grows again slowly.
const SHRINK: f64 = 0.5;
const GROW: f64 = 1.05;
/// Shrinkings before a step is taken as it is.
const MAX_SHRINKS: usize = 60;

pub(super) fn minimize(
    objective: &Objective<'_>,
    start: Vec<f64>,
    goal: &Goal,
    watch: &mut Watch<'_>,
) -> Result<Solution, LogisticError> {
    let mut point = start;
    let mut at = objective.evaluate(&point, Order::Diagonal, watch)?;
    let curvatures = scales(&at.diagonal);
    let mut ahead = (point.clone(), objective.evaluate(&point, Order::Gradient, watch)?);
    let (mut momentum, mut length) = (1.0_f64, 1.0_f64);
    for iteration in 0..goal.max_iterations {
        if !ahead.1.value.is_finite() {
            return Err(LogisticError::NotFinite { iteration });
        }
        if objective.optimality(&point, &at.gradient) <= goal.tolerance {
            return Ok(Solution { point, value: at.value, iterations: iteration, converged: true });
        }
        let steps = Steps { objective, curvatures: &curvatures };
        let (next, reached, used) = steps.descend(&ahead.0, &ahead.1, length, watch)?;
        length = used * GROW;
        // Momentum that points away from where the gradient step went is dropped.
        let uphill = steps.product(&ahead.0, &next, &point) > 0.0;
        let next_momentum = if uphill { 1.0 } else { 0.5 * (1.0 + (1.0 + 4.0 * momentum * momentum).sqrt()) };
        let carry = if uphill { 0.0 } else { (momentum - 1.0) / next_momentum };
        let beyond: Vec<f64> = next.iter().zip(&point).map(|(next, last)| next + carry * (next - last)).collect();
        let beyond_at = objective.evaluate(&beyond, Order::Gradient, watch)?;
        ahead = (beyond, beyond_at);
        (point, at, momentum) = (next, reached, next_momentum);
    }
    let converged = objective.optimality(&point, &at.gradient) <= goal.tolerance;
    Ok(Solution { point, value: at.value, iterations: goal.max_iterations, converged })
}

/// The diagonal of the Hessian, none of it too near to zero to divide by.
fn scales(diagonal: &[f64]) -> Vec<f64> {
    let most = diagonal.iter().fold(f64::MIN_POSITIVE, |most, &value| most.max(value));
    diagonal.iter().map(|value| value.max(1e-10 * most)).collect()
}

struct Steps<'a> {
    objective: &'a Objective<'a>,
    curvatures: &'a [f64],
}

impl Steps<'_> {
    /// A proximal gradient step from `point`, short enough that the quadratic bound at `point` holds.
    fn descend(
        &self,
        point: &[f64],
        at: &Evaluation,
        mut length: f64,
        watch: &mut Watch<'_>,
    ) -> Result<(Vec<f64>, Evaluation, f64), LogisticError> {
        let smooth = at.value - self.objective.absolute_penalty(point);
        for _ in 0..MAX_SHRINKS {
            let next = self.shrink(point, &at.gradient, length);
            let moved: Vec<f64> = next.iter().zip(point).map(|(next, at)| next - at).collect();
            let square: f64 = moved.iter().zip(self.curvatures).map(|(by, curvature)| by * by * curvature).sum();
            let bound = smooth + dot(&at.gradient, &moved) + square / (2.0 * length);
            let reached = self.objective.evaluate(&next, Order::Gradient, watch)?;
            if reached.value - self.objective.absolute_penalty(&next) <= bound + 4.0 * f64::EPSILON * smooth.abs() {
                return Ok((next, reached, length));
            }
            length *= SHRINK;
        }
        let next = self.shrink(point, &at.gradient, length);
        let reached = self.objective.evaluate(&next, Order::Gradient, watch)?;
        Ok((next, reached, length))
    }

    /// A gradient step followed by soft thresholding of the weights.
    fn shrink(&self, point: &[f64], gradient: &[f64], length: f64) -> Vec<f64> {
        let coordinate = |at: usize| {
            let length = length / self.curvatures[at];
            let threshold = if self.objective.is_penalized(at) { self.objective.l1 * length } else { 0.0 };
            let free = point[at] - length * gradient[at];
            free.signum() * (free.abs() - threshold).max(0.0)
        };
        (0..point.len()).map(coordinate).collect()
    }

    /// `(from - to) . (to - last)` in the measure of the steps.
    fn product(&self, from: &[f64], to: &[f64], last: &[f64]) -> f64 {
        (0..from.len()).map(|at| (from[at] - to[at]) * (to[at] - last[at]) * self.curvatures[at]).sum()
    }
}
