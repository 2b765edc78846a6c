//! Proximal Newton: each step minimises the second-order model of the loss plus the L1 penalty, then a line search
//! makes sure that the objective falls.

use std::ops::ControlFlow;

use ndarray::{Array1, Array2};

use super::objective::Objective;
use super::{FittedLogistic, LogisticError, Stop, cholesky};

/// With more columns the Hessian costs more than it saves.
pub(super) const MAX_COLUMNS: usize = 1_500;
/// The share of the predicted decrease that a step must reach (Armijo).
const SUFFICIENT_DECREASE: f64 = 1e-4;
/// Halvings of a step before the search gives up: the objective cannot fall any further in floating point.
const MAX_HALVINGS: usize = 50;
/// Passes of coordinate descent within one step.
const MAX_PASSES: usize = 1_000;

pub(super) fn minimize(
    objective: &Objective<'_>,
    tolerance: f64,
    max_iterations: usize,
    step: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<FittedLogistic, LogisticError> {
    let mut parameters = objective.start();
    let mut margins = objective.margins(&parameters);
    let mut value = objective.value(&parameters, &margins);
    for iteration in 0..max_iterations {
        if !value.is_finite() {
            return Err(LogisticError::NotFinite { iteration });
        }
        let gradient = objective.smooth_gradient(&parameters, &margins);
        let optimality = objective.optimality(&parameters, &gradient);
        if optimality <= tolerance {
            return Ok(FittedLogistic::of(objective, parameters.as_slice().unwrap_or(&[]), iteration, value, true));
        }
        let hessian = objective.hessian(&margins);
        let direction = if objective.l1 == 0.0 {
            -cholesky::solve(&hessian, &gradient)
        } else {
            coordinate_descent(objective, &parameters, &gradient, &hessian, optimality.min(1.0) * 1e-3)
        };
        let searched = line_search(objective, &parameters, value, &gradient, &direction);
        let Some(found) = searched else {
            // No step lowers the objective: this is the optimum as far as floating point can tell.
            return Ok(FittedLogistic::of(objective, parameters.as_slice().unwrap_or(&[]), iteration, value, false));
        };
        (parameters, margins, value) = found;
        if let ControlFlow::Break(stop) = step((iteration + 1) as f64 / max_iterations as f64) {
            return Err(LogisticError::Stopped(stop));
        }
    }
    let gradient = objective.smooth_gradient(&parameters, &margins);
    let converged = objective.optimality(&parameters, &gradient) <= tolerance;
    Ok(FittedLogistic::of(objective, parameters.as_slice().unwrap_or(&[]), max_iterations, value, converged))
}

type Point = (Array1<f64>, Array1<f64>, f64);

/// The first of the steps 1, 1/2, 1/4, ... along `direction` that lowers the objective enough.
fn line_search(
    objective: &Objective<'_>,
    parameters: &Array1<f64>,
    value: f64,
    gradient: &Array1<f64>,
    direction: &Array1<f64>,
) -> Option<Point> {
    let ahead = parameters + direction;
    let absolute = objective.absolute_penalty(ahead.view()) - objective.absolute_penalty(parameters.view());
    let predicted = gradient.dot(direction) + absolute;
    let mut length = 1.0;
    for _ in 0..MAX_HALVINGS {
        let candidate = parameters + &(direction * length);
        let margins = objective.margins(&candidate);
        let reached = objective.value(&candidate, &margins);
        // Near the optimum the decrease drowns in rounding; a step that does not raise the value is then taken.
        let rounding = 4.0 * f64::EPSILON * value.abs();
        if reached <= value + SUFFICIENT_DECREASE * length * predicted + rounding && predicted < 0.0 {
            return Some((candidate, margins, reached));
        }
        length *= 0.5;
    }
    None
}

/// Minimises `g.d + d'Hd/2 + l1 * |w + d|` over `d`, one coordinate at a time. After a pass over all coordinates
/// only those that moved are visited until they rest (the active set), then all are checked again.
fn coordinate_descent(
    objective: &Objective<'_>,
    parameters: &Array1<f64>,
    gradient: &Array1<f64>,
    hessian: &Array2<f64>,
    precision: f64,
) -> Array1<f64> {
    let size = parameters.len();
    let mut model = QuadraticModel {
        l1: objective.l1,
        intercept: size - 1,
        parameters,
        hessian,
        direction: Array1::zeros(size),
        slope: gradient.clone(),
    };
    let all: Vec<usize> = (0..size).collect();
    let mut active = all.clone();
    for _ in 0..MAX_PASSES {
        let change = model.pass(&active);
        if change > precision {
            continue;
        }
        if model.pass(&all) <= precision {
            break;
        }
        active = all.iter().copied().filter(|&index| model.is_active(index)).collect();
    }
    model.direction
}

struct QuadraticModel<'a> {
    l1: f64,
    intercept: usize,
    parameters: &'a Array1<f64>,
    hessian: &'a Array2<f64>,
    direction: Array1<f64>,
    /// The gradient of the smooth part of the model at `direction`.
    slope: Array1<f64>,
}

impl QuadraticModel<'_> {
    /// Minimises along each of the coordinates in turn; gives the largest change of a slope that this made.
    fn pass(&mut self, coordinates: &[usize]) -> f64 {
        let mut largest = 0.0_f64;
        for &index in coordinates {
            let curvature = self.hessian[[index, index]].max(f64::MIN_POSITIVE);
            let present = self.parameters[index] + self.direction[index];
            let free = present - self.slope[index] / curvature;
            let l1 = if index == self.intercept { 0.0 } else { self.l1 };
            let next = free.signum() * (free.abs() - l1 / curvature).max(0.0);
            let change = next - present;
            if change != 0.0 {
                self.direction[index] += change;
                self.slope.scaled_add(change, &self.hessian.row(index));
                largest = largest.max(change.abs() * curvature);
            }
        }
        largest
    }

    fn is_active(&self, index: usize) -> bool {
        index == self.intercept || self.parameters[index] + self.direction[index] != 0.0
    }
}
