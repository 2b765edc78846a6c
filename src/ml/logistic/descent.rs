//! Coordinate descent with an active set on the second-order model of the objective, for steps under an L1 penalty
//! (Friedman, Hastie and Tibshirani 2010).

use std::ops::ControlFlow;

use ndarray::Array2;

use super::cholesky::Factor;
use super::objective::Objective;
use super::{Stop, Watch};

/// Rounds within one step.
const MAX_ROUNDS: usize = 200;
/// Passes over the active set before its system is solved as a whole.
const ACTIVE_PASSES: usize = 5;

/// Minimises `g.d + d'Hd/2 + l1 * |w + d|` over `d`, until a pass changes no slope by more than `precision`.
///
/// In each round the coordinates that are not zero (the active set) are visited in turn until they rest. Where
/// columns go together that takes very long, so that after a few passes their system is solved as far as no weight
/// changes its sign. Then all coordinates are visited once, which may make others active.
pub(super) fn direction(
    objective: &Objective<'_>,
    point: &[f64],
    gradient: &[f64],
    hessian: &Array2<f64>,
    precision: f64,
    watch: &mut Watch<'_>,
) -> Result<Vec<f64>, Stop> {
    let size = point.len();
    let mut model = QuadraticModel { objective, point, hessian, direction: vec![0.0; size], slope: gradient.to_vec() };
    let all: Vec<usize> = (0..size).collect();
    for _ in 0..MAX_ROUNDS {
        if let ControlFlow::Break(stop) = watch.ask() {
            return Err(stop);
        }
        if model.pass(&all) <= precision {
            break;
        }
        let active: Vec<usize> = all.iter().copied().filter(|&index| model.is_active(index)).collect();
        if !(0..ACTIVE_PASSES).any(|_| model.pass(&active) <= precision) {
            model.solve(&active);
        }
    }
    Ok(model.direction)
}

struct QuadraticModel<'a> {
    objective: &'a Objective<'a>,
    point: &'a [f64],
    hessian: &'a Array2<f64>,
    direction: Vec<f64>,
    /// The gradient of the smooth part of the model at `direction`.
    slope: Vec<f64>,
}

impl QuadraticModel<'_> {
    /// Minimises along each of the coordinates in turn; gives the largest change of a slope that this made.
    fn pass(&mut self, coordinates: &[usize]) -> f64 {
        let mut largest = 0.0_f64;
        for &index in coordinates {
            let row = self.hessian.row(index);
            let curvature = row[index].max(f64::MIN_POSITIVE);
            let present = self.present(index);
            let free = present - self.slope[index] / curvature;
            let l1 = if self.objective.is_penalized(index) { self.objective.l1 } else { 0.0 };
            let next = free.signum() * (free.abs() - l1 / curvature).max(0.0);
            let change = next - present;
            if change != 0.0 {
                self.direction[index] += change;
                self.slope.iter_mut().zip(row).for_each(|(slope, curvature)| *slope += change * curvature);
                largest = largest.max(change.abs() * curvature);
            }
        }
        largest
    }

    /// Goes towards the minimum over the active coordinates with the signs that they have, up to where the first of
    /// them would lose its sign.
    fn solve(&mut self, active: &[usize]) {
        let active: Vec<usize> = active.iter().copied().filter(|&index| self.is_active(index)).collect();
        let part = Array2::from_shape_fn((active.len(), active.len()), |(a, b)| self.hessian[[active[a], active[b]]]);
        let pull = |&index: &usize| {
            let l1 = if self.objective.is_penalized(index) { self.objective.l1 } else { 0.0 };
            -(self.slope[index] + l1 * self.present(index).signum())
        };
        let Some(factor) = Factor::of(&part) else { return };
        let change = factor.solve(&active.iter().map(pull).collect::<Vec<f64>>());
        let (mut length, mut first) = (1.0_f64, None);
        for (&index, &change) in active.iter().zip(&change) {
            let crossing = -self.present(index) / change;
            if self.objective.is_penalized(index) && crossing > 0.0 && crossing < length {
                (length, first) = (crossing, Some(index));
            }
        }
        for (&index, &change) in active.iter().zip(&change) {
            // The one that ends the way is zero there, whatever rounding says.
            let change = if first == Some(index) { -self.present(index) } else { change * length };
            self.direction[index] =
                if first == Some(index) { -self.point[index] } else { self.direction[index] + change };
            let row = self.hessian.row(index);
            self.slope.iter_mut().zip(row).for_each(|(slope, curvature)| *slope += change * curvature);
        }
    }

    fn present(&self, index: usize) -> f64 {
        self.point[index] + self.direction[index]
    }

    fn is_active(&self, index: usize) -> bool {
        !self.objective.is_penalized(index) || self.present(index) != 0.0
    }
}
