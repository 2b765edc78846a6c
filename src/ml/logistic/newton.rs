//! The descent: a step that minimises a second-order model of the objective, then a line search that makes sure that
//! the objective falls.
//!
//! The curvature of the model is a Hessian while the columns are few enough to factorise it, and the diagonal of one
//! beyond. A Hessian stays in use while it serves well, as a new one costs many gradients where there are many
//! columns; meanwhile, without an L1 penalty, the steps themselves correct it as in L-BFGS. With the diagonal alone
//! that is L-BFGS.

use ndarray::Array2;

use super::cholesky::Factor;
use super::guide::Guide;
use super::objective::{Evaluation, Objective, Order};
use super::quasi_newton::Memory;
use super::{LogisticError, Watch, descent};

/// With more columns the Hessian costs more than it saves.
pub(super) const MAX_COLUMNS: usize = 1_500;
/// The share of the predicted decrease that a step must reach (Armijo).
const SUFFICIENT_DECREASE: f64 = 1e-4;
/// Trials of a line search: the objective cannot fall any further in floating point.
const MAX_TRIALS: usize = 40;
/// Changes of the objective below this share of it are rounding.
const ROUNDING: f64 = 4.0 * f64::EPSILON;

/// When to stop.
pub(super) struct Goal {
    /// The largest coordinate of the subgradient.
    pub(super) tolerance: f64,
    /// Also stop after a step from which less than this was expected.
    pub(super) decrease: f64,
    pub(super) max_iterations: usize,
}

pub(super) struct Solution {
    pub(super) point: Vec<f64>,
    pub(super) value: f64,
    pub(super) iterations: usize,
    pub(super) converged: bool,
}

pub(super) fn minimize(
    objective: &Objective<'_>,
    start: Vec<f64>,
    goal: &Goal,
    watch: &mut Watch<'_>,
) -> Result<Solution, LogisticError> {
    let mut model = Model::of(objective, None);
    let at = objective.evaluate(&start, model.full_order(), watch)?;
    descend(objective, start, at, &mut model, goal, watch)
}

/// Goes on from a point whose value and derivatives are known.
pub(super) fn descend(
    objective: &Objective<'_>,
    mut point: Vec<f64>,
    mut at: Evaluation,
    model: &mut Model<'_>,
    goal: &Goal,
    watch: &mut Watch<'_>,
) -> Result<Solution, LogisticError> {
    let mut optimality = objective.optimality(&point, &at.gradient);
    let first = optimality;
    for iteration in 0..goal.max_iterations {
        if !at.value.is_finite() || optimality.is_nan() {
            return Err(LogisticError::NotFinite { iteration });
        }
        watch.advance(progress(first, optimality, goal.tolerance));
        if optimality <= goal.tolerance {
            return Ok(Solution { point, value: at.value, iterations: iteration, converged: true });
        }
        model.learn(&mut at);
        let direction = model.direction(objective, &point, &at.gradient, optimality, watch)?;
        let predicted = predict(objective, &point, &at.gradient, &direction);
        let from = From { point: &point, at: &at, direction: &direction, predicted, optimality };
        let order = model.next_order(objective, optimality, goal.tolerance);
        let Some((next, reached)) = search(objective, &from, order, watch)? else {
            if model.is_fresh() && !model.loses_its_guide() {
                // Nothing lowers the objective: this is the optimum as far as floating point can tell, if the model
                // is to be trusted at all.
                let is_still = direction.iter().all(|&by| by == 0.0);
                let converged = !is_still && predicted.abs() <= 1e-12 * at.value.abs();
                return Ok(Solution { point, value: at.value, iterations: iteration, converged });
            }
            at = objective.evaluate(&point, model.full_order(), watch)?;
            model.forget();
            continue;
        };
        let reached_optimality = objective.optimality(&next, &reached.gradient);
        model.record(&point, &at, &next, &reached, reached_optimality / optimality);
        (point, at, optimality) = (next, reached, reached_optimality);
        if -predicted < goal.decrease {
            return Ok(Solution { point, value: at.value, iterations: iteration + 1, converged: false });
        }
    }
    let converged = optimality <= goal.tolerance;
    Ok(Solution { point, value: at.value, iterations: goal.max_iterations, converged })
}

/// How far the optimality has come from the first one to the tolerance, in `0..=1`.
fn progress(first: f64, present: f64, tolerance: f64) -> f64 {
    let (whole, done) = ((first / tolerance).ln(), (first / present).ln());
    if whole > 0.0 && done.is_finite() { (done / whole).clamp(0.0, 1.0) } else { 0.0 }
}

/// The change of the objective to first order; its L1 penalty exactly. Coordinate by coordinate, as near the optimum
/// the slopes and the penalty cancel.
fn predict(objective: &Objective<'_>, point: &[f64], gradient: &[f64], direction: &[f64]) -> f64 {
    let change = |at: usize| {
        let (from, by) = (point[at], direction[at]);
        let l1 = if objective.is_penalized(at) { objective.l1 } else { 0.0 };
        let to = from + by;
        if from * to > 0.0 {
            (gradient[at] + l1 * from.signum()) * by
        } else {
            gradient[at] * by + l1 * (to.abs() - from.abs())
        }
    };
    (0..point.len()).map(change).sum()
}

/// Where a line search begins.
struct From<'a> {
    point: &'a [f64],
    at: &'a Evaluation,
    direction: &'a [f64],
    predicted: f64,
    optimality: f64,
}

/// The first point along the direction that lowers the objective enough, differentiated as far as `order` says. The
/// whole step is tried first, and is nearly always taken.
fn search(
    objective: &Objective<'_>,
    from: &From<'_>,
    order: Order,
    watch: &mut Watch<'_>,
) -> Result<Option<(Vec<f64>, Evaluation)>, LogisticError> {
    if from.predicted.is_nan() || from.predicted >= 0.0 {
        return Ok(None);
    }
    let rounding = ROUNDING * from.at.value.abs();
    let mut length = 1.0;
    for _ in 0..MAX_TRIALS {
        let point: Vec<f64> = from.point.iter().zip(from.direction).map(|(at, by)| at + length * by).collect();
        let reached = objective.evaluate(&point, order, watch)?;
        let change = reached.value - from.at.value;
        // Near the optimum the decrease drowns in rounding, and the gradient alone can tell.
        let drowned = -from.predicted <= rounding && change <= rounding;
        if drowned {
            let falls = objective.optimality(&point, &reached.gradient) < from.optimality;
            return Ok(falls.then_some((point, reached)));
        }
        if change <= SUFFICIENT_DECREASE * length * from.predicted + rounding {
            return Ok(Some((point, reached)));
        }
        // The least point of the parabola through what is known.
        let parabola = -0.5 * from.predicted * length * length / (change - from.predicted * length);
        let shorter = if parabola.is_finite() { parabola } else { 0.0 };
        length = shorter.clamp(0.1 * length, 0.5 * length);
    }
    Ok(None)
}

/// What is known of the curvature.
pub(super) struct Model<'g> {
    guide: Option<Guide<'g>>,
    curvature: Curvature,
    memory: Memory,
    /// Steps taken since the curvature was computed.
    age: usize,
    /// How much the last step shrank the optimality.
    contraction: f64,
    /// Whether the problem is small enough for a Hessian.
    is_factored: bool,
}

enum Curvature {
    Unknown,
    /// Factorised where there is no L1 penalty.
    Hessian(Array2<f64>, Option<Factor>),
    Diagonal(Vec<f64>),
}

impl<'g> Model<'g> {
    /// A guide works out the steps as long as they lead downhill.
    pub(super) fn of(objective: &Objective<'_>, guide: Option<Guide<'g>>) -> Self {
        Self {
            guide,
            curvature: Curvature::Unknown,
            memory: Memory::default(),
            age: 0,
            contraction: 1.0,
            is_factored: objective.design.size() <= MAX_COLUMNS + 1,
        }
    }

    /// What an evaluation must give for the curvature to be known.
    pub(super) fn full_order(&self) -> Order {
        if self.is_factored { Order::Hessian } else { Order::Diagonal }
    }

    fn is_fresh(&self) -> bool {
        self.age == 0 && !matches!(self.curvature, Curvature::Unknown)
    }

    fn forget(&mut self) {
        self.curvature = Curvature::Unknown;
        self.memory.forget();
    }

    /// Does without the guide from now on; whether there was one.
    fn loses_its_guide(&mut self) -> bool {
        self.guide.take().is_some()
    }

    /// Takes the second derivatives out of an evaluation, if it has any.
    fn learn(&mut self, at: &mut Evaluation) {
        if let Some(hessian) = at.hessian.take() {
            self.curvature = Curvature::Hessian(hessian, None);
        } else if !at.diagonal.is_empty() {
            self.curvature = Curvature::Diagonal(std::mem::take(&mut at.diagonal));
        } else {
            return;
        }
        self.age = 0;
        self.memory.forget();
        if let Some(guide) = &mut self.guide {
            guide.forget();
        }
    }

    fn direction(
        &mut self,
        objective: &Objective<'_>,
        point: &[f64],
        gradient: &[f64],
        optimality: f64,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<f64>, LogisticError> {
        match &mut self.curvature {
            Curvature::Hessian(hessian, _) if objective.l1 > 0.0 => {
                let precision = optimality.min(1.0) * 1e-3;
                Ok(descent::direction(objective, point, gradient, hessian, precision, watch)?)
            }
            Curvature::Hessian(hessian, factor) => {
                if let Some(guide) = &mut self.guide {
                    match guide.direction(point, gradient, hessian, watch)? {
                        Some(direction) => return Ok(direction),
                        None => self.guide = None,
                    }
                }
                if factor.is_none() {
                    *factor = Factor::of(hessian);
                }
                let zeros = |rhs: &[f64]| vec![0.0; rhs.len()];
                let inverse = |rhs: &[f64]| factor.as_ref().map_or_else(|| zeros(rhs), |factor| factor.solve(rhs));
                Ok(self.memory.direction(gradient, true, inverse))
            }
            Curvature::Diagonal(diagonal) => {
                let most = diagonal.iter().fold(f64::MIN_POSITIVE, |most, &value| most.max(value));
                let inverse = |rhs: &[f64]| {
                    rhs.iter()
                        .zip(diagonal.iter())
                        .map(|(value, curvature)| value / curvature.max(1e-10 * most))
                        .collect()
                };
                Ok(self.memory.direction(gradient, false, inverse))
            }
            Curvature::Unknown => Ok(vec![0.0; point.len()]),
        }
    }

    /// Remembers a step.
    fn record(&mut self, point: &[f64], at: &Evaluation, next: &[f64], reached: &Evaluation, contraction: f64) {
        self.age += 1;
        self.contraction = contraction;
        let difference = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect();
        self.memory.remember(difference(next, point), difference(&reached.gradient, &at.gradient));
    }

    /// Whether the next point deserves a Hessian of its own: if it is cheaper than the steps that it saves.
    fn next_order(&self, objective: &Objective<'_>, optimality: f64, tolerance: f64) -> Order {
        if !self.is_factored {
            return Order::Gradient;
        }
        let left = (optimality / tolerance).ln();
        let gain = -self.contraction.clamp(1e-6, 0.9).ln();
        let (steps_with_old, steps_with_new) = (left / gain, 1.0 + left / (3.0 * gain));
        let is_worth = objective.design.hessian_cost() < steps_with_old - steps_with_new;
        if is_worth { Order::Hessian } else { Order::Gradient }
    }
}
