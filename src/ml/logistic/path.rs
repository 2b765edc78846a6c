//! Fits for a falling series of penalties, each from where the one before ended.

use std::ops::ControlFlow;

use super::objective::{Objective, Order};
use super::{FittedLogistic, LogisticError, LogisticTask, Stop, Watch, check_classes, solve};

/// From the strongest penalty to the weakest: under an L1 penalty the weakest is this share of the strongest, ...
const SHARE_WITH_L1: f64 = 1e-4;
/// ... and without, where all weights are small at the strongest and nearly free at the weakest, this.
const SHARE_WITHOUT_L1: f64 = 1e-7;
/// Without an L1 penalty no strength makes all weights zero; this many times the steepest slope makes them small.
const STRONG_WITHOUT_L1: f64 = 10.0;

/// A fit of the path.
#[derive(Debug, Clone, PartialEq)]
pub struct PathFit {
    pub strength: f64,
    pub model: FittedLogistic,
}

/// `count` strengths, falling evenly on a logarithmic scale, by which to multiply the penalty of the task: from one
/// that leaves no weight (under an L1 penalty) or small weights (without) to one that hardly matters.
///
/// # Errors
/// If a class has no rows, if the objective overflows, or if `step` stops the work.
pub fn strengths(
    task: &LogisticTask<'_>,
    count: usize,
    step: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<Vec<f64>, LogisticError> {
    check_classes(task)?;
    let mut watch = Watch { step, done: 0.0 };
    let objective = Objective::new(task, &mut watch)?;
    let at = objective.evaluate(&objective.start(), Order::Gradient, &mut watch)?;
    let steepest = at.gradient.iter().enumerate().filter(|(at, _)| objective.is_penalized(*at));
    let steepest = steepest.fold(0.0_f64, |most, (_, slope)| most.max(slope.abs()));
    let (strongest, share) = if task.l1 > 0.0 {
        (steepest / task.l1, SHARE_WITH_L1)
    } else {
        (STRONG_WITHOUT_L1 * steepest / (2.0 * task.l2), SHARE_WITHOUT_L1)
    };
    if !strongest.is_finite() {
        return Err(LogisticError::NotFinite { iteration: 0 });
    }
    // Where no column has any slope, every strength gives the constant model.
    let strongest = if strongest > 0.0 { strongest } else { 1.0 };
    let place = |index: usize| index as f64 / count.saturating_sub(1).max(1) as f64;
    Ok((0..count).map(|index| strongest * share.powf(place(index))).collect())
}

/// Fits the task with its penalty multiplied by each of the strengths in turn; they should fall.
///
/// # Errors
/// If a class has no rows, if the objective overflows, or if `step` stops the work.
pub fn fit_path(
    task: &LogisticTask<'_>,
    strengths: &[f64],
    step: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<Vec<PathFit>, LogisticError> {
    check_classes(task)?;
    let mut objective = Objective::new(task, &mut Watch { step, done: 0.0 })?;
    let mut point = objective.start();
    let mut fits = Vec::with_capacity(strengths.len());
    for (index, &strength) in strengths.iter().enumerate() {
        let before = index as f64;
        let mut share = |done: f64| step((before + done) / strengths.len() as f64);
        let mut watch = Watch { step: &mut share, done: 0.0 };
        (objective.l1, objective.l2) = (strength * task.l1, strength * task.l2);
        let solution = solve(task, &objective, (point, None), &mut watch)?;
        point = solution.point.clone();
        fits.push(PathFit { strength, model: FittedLogistic::of(&objective, solution) });
    }
    Ok(fits)
}
