//! From logits to probabilities, f64 throughout, as [`crate::ml::calibrate`] has it.

use super::graph::{Graph, STANDARD, Value, int};
use super::proto::DataType;
use super::scalar::{logit, plus, sigmoid, softplus, times};
use crate::ml::calibrate::{CERTAIN_LOGIT, CalibrationMap, Calibrator, Correction, Knots, LEAST_SHARE, LossInverse};

/// The probabilities, `[N, 1]`, of logits `[N, 1]`.
pub(super) fn probabilities(graph: &mut Graph, calibrator: &Calibrator, logits: &Value) -> Value {
    let natural = natural(graph, calibrator.base, logits);
    let shift = calibrator.shift();
    match (&calibrator.map, shift) {
        (CalibrationMap::Isotonic { knots }, 0.0) => isotonic(graph, knots, &natural),
        (map, 0.0) => {
            let odds = log_odds(graph, map, &natural);
            sigmoid(graph, &odds)
        }
        (map, shift) => {
            let odds = log_odds(graph, map, &natural);
            let shifted = plus(graph, &odds, shift);
            sigmoid(graph, &shifted)
        }
    }
}

/// What loss, weights and resampling did is undone.
fn natural(graph: &mut Graph, correction: Correction, logits: &Value) -> Value {
    let Correction::Prior { inverse, log_odds } = correction else { return logits.clone() };
    let undone = match inverse {
        LossInverse::Identity => logits.clone(),
        LossInverse::Shift { log_odds } => plus(graph, logits, log_odds),
        LossInverse::Smoothing { smoothing } => unsmoothed(graph, logits, smoothing),
        LossInverse::Focal { gamma, alpha } => unfocused(graph, logits, gamma, alpha),
    };
    plus(graph, &undone, -log_odds)
}

fn unsmoothed(graph: &mut Graph, logits: &Value, smoothing: f64) -> Value {
    let negative = graph.apply("Neg", &[logits]);
    let [positive, negative] = [logits, &negative].map(|side| {
        let share = sigmoid(graph, side);
        let share = plus(graph, &share, -0.5 * smoothing);
        let least = graph.double("least_share", LEAST_SHARE);
        let share = graph.apply("Max", &[&share, &least]);
        graph.apply("Log", &[&share])
    });
    graph.apply("Sub", &[&positive, &negative])
}

fn unfocused(graph: &mut Graph, logits: &Value, gamma: f64, alpha: f64) -> Value {
    let (low, high) = (graph.double("certain", -CERTAIN_LOGIT), graph.double("certain", CERTAIN_LOGIT));
    let raised = graph.apply("Max", &[logits, &low]);
    let logits = graph.apply("Min", &[&raised, &high]);
    let mirrored = graph.apply("Neg", &[&logits]);
    let (against, favour) = (log_phi(graph, &mirrored, gamma), log_phi(graph, &logits, gamma));
    let odds = graph.apply("Sub", &[&against, &favour]);
    plus(graph, &odds, (1.0 - alpha).ln() - alpha.ln())
}

/// `ln φ(σ(z))`; see [`LossInverse::Focal`].
fn log_phi(graph: &mut Graph, logits: &Value, gamma: f64) -> Value {
    let mirrored = graph.apply("Neg", &[logits]);
    let (above, below) = (softplus(graph, logits), softplus(graph, &mirrored));
    let outer = times(graph, &above, -(gamma - 1.0));
    let small = graph.apply("Exp", &[&mirrored]);
    let inner = times(graph, &below, gamma);
    let sum = graph.apply("Add", &[&small, &inner]);
    let log = graph.apply("Log", &[&sum]);
    graph.apply("Add", &[&outer, &log])
}

/// What a map makes of log-odds.
fn log_odds(graph: &mut Graph, map: &CalibrationMap, natural: &Value) -> Value {
    match map {
        CalibrationMap::Identity => natural.clone(),
        CalibrationMap::Platt { slope, intercept } => {
            let scaled = times(graph, natural, *slope);
            plus(graph, &scaled, *intercept)
        }
        CalibrationMap::Temperature { temperature } => {
            let temperature = graph.double("temperature", *temperature);
            graph.apply("Div", &[natural, &temperature])
        }
        CalibrationMap::Beta { a, b, c } => {
            let mirrored = graph.apply("Neg", &[natural]);
            let (below, above) = (softplus(graph, &mirrored), softplus(graph, natural));
            let (below, above) = (times(graph, &below, -a), times(graph, &above, *b));
            let sum = graph.apply("Add", &[&below, &above]);
            plus(graph, &sum, *c)
        }
        CalibrationMap::Isotonic { knots } => {
            let share = isotonic(graph, knots, natural);
            logit(graph, &share)
        }
    }
}

/// A curve of straight pieces, level beyond its ends: the piece is found by bisection, in as many steps as the number of
/// knots has digits, and looked up in tables.
fn isotonic(graph: &mut Graph, knots: &Knots, natural: &Value) -> Value {
    let pieces = Pieces::of(knots);
    let (first, last) = (graph.double("first_knot", pieces.first), graph.double("last_knot", pieces.last));
    let raised = graph.apply("Max", &[natural, &first]);
    let position = graph.apply("Min", &[&raised, &last]);
    let piece = bisect(graph, knots.positions(), &position);
    let mut look_up = |name: &str, values: &[f64]| {
        let table = graph.table(name, values);
        graph.node(STANDARD, "Gather", &[&table, &piece], vec![int("axis", 0)])
    };
    let start = look_up("piece_starts", &pieces.starts);
    let slope = look_up("piece_slopes", &pieces.slopes);
    let low = look_up("piece_lows", &pieces.lows);
    let high = look_up("piece_highs", &pieces.highs);
    let way = graph.apply("Sub", &[&position, &start]);
    let rise = graph.apply("Mul", &[&slope, &way]);
    let share = graph.apply("Add", &[&rise, &low]);
    let share = graph.apply("Max", &[&share, &low]);
    graph.apply("Min", &[&share, &high])
}

/// The number of knots below each position, which ends at the last knot.
fn bisect(graph: &mut Graph, knots: &[f64], position: &Value) -> Value {
    let mut step = (knots.len() + 1).next_power_of_two() / 2;
    let mut padded = knots.to_vec();
    padded.resize(2 * step - 1, f64::MAX);
    let table = graph.table("knots", &padded);
    // Zeros in the shape of the rows; NaN is below nothing and stays with the first piece, of which it makes NaN.
    let never = graph.apply("Less", &[position, position]);
    let mut below = graph.cast(&never, DataType::Int64);
    while step > 0 {
        let ahead = graph.integers("step", &[step as i64]);
        let one = graph.integers("one", &[1]);
        let reached = graph.apply("Add", &[&below, &ahead]);
        let place = graph.apply("Sub", &[&reached, &one]);
        let knot = graph.node(STANDARD, "Gather", &[&table, &place], vec![int("axis", 0)]);
        let passes = graph.apply("Less", &[&knot, position]);
        below = graph.apply("Where", &[&passes, &reached, &below]);
        step /= 2;
    }
    below
}

/// For each number of knots below a position, the piece that it lies on.
struct Pieces {
    first: f64,
    last: f64,
    starts: Vec<f64>,
    slopes: Vec<f64>,
    lows: Vec<f64>,
    highs: Vec<f64>,
}

impl Pieces {
    fn of(knots: &Knots) -> Self {
        let (positions, shares) = (knots.positions(), knots.shares());
        let ends = |values: &[f64]| (values.first().copied().unwrap_or(0.0), values.last().copied().unwrap_or(0.0));
        let (first, last) = ends(positions);
        let (lowest, _) = ends(shares);
        // No knot is below the first one alone.
        let mut pieces =
            Pieces { first, last, starts: vec![first], slopes: vec![0.0], lows: vec![lowest], highs: vec![lowest] };
        for (position, share) in positions.windows(2).zip(shares.windows(2)) {
            let (&[start, end], &[low, high]) = (position, share) else { continue };
            pieces.starts.push(start);
            pieces.slopes.push((high - low) / (end - start));
            pieces.lows.push(low);
            pieces.highs.push(high);
        }
        pieces
    }
}
