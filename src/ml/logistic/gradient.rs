//! Accelerated proximal gradients (FISTA with adaptive restart, O'Donoghue and Candes 2015), for very many columns.

use std::ops::ControlFlow;

use ndarray::Array1;

use super::objective::Objective;
use super::{FittedLogistic, LogisticError, Stop};

/// The step shrinks by this factor where the second-order bound fails, and grows again slowly.
const SHRINK: f64 = 0.5;
const GROW: f64 = 1.05;
/// Shrinkings before a step is taken as it is.
const MAX_SHRINKS: usize = 60;

pub(super) fn minimize(
    objective: &Objective<'_>,
    tolerance: f64,
    max_iterations: usize,
    step: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<FittedLogistic, LogisticError> {
    let mut parameters = objective.start();
    let mut ahead = parameters.clone();
    let (mut momentum, mut length) = (1.0_f64, 1.0_f64);
    for iteration in 0..max_iterations {
        let margins = objective.margins(&ahead);
        let value = objective.value(&ahead, &margins);
        if !value.is_finite() {
            return Err(LogisticError::NotFinite { iteration });
        }
        let gradient = objective.smooth_gradient(&ahead, &margins);
        let (next, used) = descend(objective, &ahead, value, &gradient, length);
        length = used * GROW;
        let uphill = gradient_mapping_is_uphill(&ahead, &next, &parameters);
        let next_momentum = if uphill { 1.0 } else { 0.5 * (1.0 + (1.0 + 4.0 * momentum * momentum).sqrt()) };
        let carry = if uphill { 0.0 } else { (momentum - 1.0) / next_momentum };
        ahead = &next + &((&next - &parameters) * carry);
        parameters = next;
        momentum = next_momentum;
        let margins = objective.margins(&parameters);
        let gradient = objective.smooth_gradient(&parameters, &margins);
        if objective.optimality(&parameters, &gradient) <= tolerance {
            return Ok(finished(objective, &parameters, iteration + 1, true));
        }
        if let ControlFlow::Break(stop) = step((iteration + 1) as f64 / max_iterations as f64) {
            return Err(LogisticError::Stopped(stop));
        }
    }
    Ok(finished(objective, &parameters, max_iterations, false))
}

fn finished(objective: &Objective<'_>, parameters: &Array1<f64>, iterations: usize, converged: bool) -> FittedLogistic {
    let value = objective.value(parameters, &objective.margins(parameters));
    FittedLogistic::of(objective, parameters.as_slice().unwrap_or(&[]), iterations, value, converged)
}

/// A proximal gradient step from `point`, short enough that the quadratic bound at `point` holds.
fn descend(
    objective: &Objective<'_>,
    point: &Array1<f64>,
    value: f64,
    gradient: &Array1<f64>,
    mut length: f64,
) -> (Array1<f64>, f64) {
    let smooth = value - objective.absolute_penalty(point.view());
    let mut next = shrink(objective, point, gradient, length);
    for _ in 0..MAX_SHRINKS {
        let moved = &next - point;
        let bound = smooth + gradient.dot(&moved) + moved.dot(&moved) / (2.0 * length);
        let reached = objective.value(&next, &objective.margins(&next)) - objective.absolute_penalty(next.view());
        if reached <= bound + 4.0 * f64::EPSILON * smooth.abs() {
            break;
        }
        length *= SHRINK;
        next = shrink(objective, point, gradient, length);
    }
    (next, length)
}

/// A gradient step followed by soft thresholding of the weights.
fn shrink(objective: &Objective<'_>, point: &Array1<f64>, gradient: &Array1<f64>, length: f64) -> Array1<f64> {
    let mut next = point - &(gradient * length);
    let threshold = objective.l1 * length;
    let weights = objective.columns();
    next.iter_mut().take(weights).for_each(|weight| *weight = weight.signum() * (weight.abs() - threshold).max(0.0));
    next
}

/// Whether the momentum points away from where the gradient step went: it is then dropped.
fn gradient_mapping_is_uphill(ahead: &Array1<f64>, next: &Array1<f64>, previous: &Array1<f64>) -> bool {
    (ahead - next).dot(&(next - previous)) > 0.0
}
