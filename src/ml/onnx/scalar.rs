//! Elementary functions in f64 without overflow or cancellation, as [`crate::ml::logit`] has them.

use super::graph::{Graph, Value};

/// `value + number`.
pub(super) fn plus(graph: &mut Graph, value: &Value, number: f64) -> Value {
    let number = graph.double("addend", number);
    graph.apply("Add", &[value, &number])
}

/// `value * number`.
pub(super) fn times(graph: &mut Graph, value: &Value, number: f64) -> Value {
    let number = graph.double("factor", number);
    graph.apply("Mul", &[value, &number])
}

/// `e^-|value|`.
fn small(graph: &mut Graph, value: &Value) -> Value {
    let size = graph.apply("Abs", &[value]);
    let negative = graph.apply("Neg", &[&size]);
    graph.apply("Exp", &[&negative])
}

/// `1 / (1 + e^-value)`.
pub(super) fn sigmoid(graph: &mut Graph, value: &Value) -> Value {
    let small = small(graph, value);
    let (zero, one) = (graph.double("zero", 0.0), graph.double("one", 1.0));
    let is_positive = graph.apply("GreaterOrEqual", &[value, &zero]);
    let above = graph.apply("Where", &[&is_positive, &one, &small]);
    let below = graph.apply("Add", &[&small, &one]);
    graph.apply("Div", &[&above, &below])
}

/// `ln(1 + e^value)`.
pub(super) fn softplus(graph: &mut Graph, value: &Value) -> Value {
    let small = small(graph, value);
    let rest = ln_1p(graph, &small);
    let ramp = graph.apply("Relu", &[value]);
    graph.apply("Add", &[&ramp, &rest])
}

/// `ln(1 + value)` for values in `0..=1`: the error that rounding made in the sum is divided out (Kahan; Goldberg 1991,
/// theorem 4).
fn ln_1p(graph: &mut Graph, value: &Value) -> Value {
    let (zero, one) = (graph.double("zero", 0.0), graph.double("one", 1.0));
    let sum = graph.apply("Add", &[value, &one]);
    let kept = graph.apply("Sub", &[&sum, &one]);
    let log = graph.apply("Log", &[&sum]);
    let product = graph.apply("Mul", &[value, &log]);
    let quotient = graph.apply("Div", &[&product, &kept]);
    let is_lost = graph.apply("Equal", &[&kept, &zero]);
    graph.apply("Where", &[&is_lost, value, &quotient])
}

/// The log-odds of a probability; infinite at 0 and 1.
pub(super) fn logit(graph: &mut Graph, probability: &Value) -> Value {
    let one = graph.double("one", 1.0);
    let rest = graph.apply("Sub", &[&one, probability]);
    let (log, log_rest) = (graph.apply("Log", &[probability]), graph.apply("Log", &[&rest]));
    graph.apply("Sub", &[&log, &log_rest])
}
