//! f32 arithmetic to the last bit, in operators that leave a runtime no choice.
//!
//! Runtimes sum the products of a layer in an order of their own and have approximations of their own for `tanh` and its
//! like. Where that must not show, values are f32 numbers held as f64: the product of two of them is exact in f64, and
//! the result of an operation in f64, rounded to f32, is what f32 gives (Figueroa 1995: for +, -, · and /, f64 has more
//! than twice the digits). Of a fused multiply-add that holds but for sums within 2^-53 of half-way between two f32
//! numbers.

use super::graph::{Graph, Value};
use super::proto::DataType;
use crate::ml::kernel::coefficients::{
    ERF_DENOMINATOR, ERF_END, ERF_NUMERATOR, EXP, EXP_ENDS, EXP_M1, EXP_M1_END, LN_1P, LN_2_HIGH, LN_2_LOW, ROUND,
    TANH_DENOMINATOR, TANH_END, TANH_NUMERATOR,
};

/// Rounds f64 values to f32 numbers.
pub(super) fn rounded(graph: &mut Graph, value: &Value) -> Value {
    let short = graph.cast(value, DataType::Float);
    graph.cast(&short, DataType::Double)
}

/// An f32 number.
pub(super) fn number(graph: &mut Graph, value: f32) -> Value {
    graph.double("number", f64::from(value))
}

/// The result of an operator on f32 numbers, rounded.
pub(super) fn operate(graph: &mut Graph, operator: &str, inputs: [&Value; 2]) -> Value {
    let result = graph.apply(operator, &inputs);
    rounded(graph, &result)
}

/// `a * b + c`, rounded once.
pub(super) fn fused(graph: &mut Graph, a: &Value, b: &Value, c: &Value) -> Value {
    let product = graph.apply("Mul", &[a, b]);
    operate(graph, "Add", [&product, c])
}

/// A polynomial, highest coefficient first.
fn horner(graph: &mut Graph, coefficients: &[f32], x: &Value) -> Value {
    let mut coefficients = coefficients.iter();
    let mut sum = number(graph, coefficients.next().copied().unwrap_or(0.0));
    for &coefficient in coefficients {
        let coefficient = number(graph, coefficient);
        sum = fused(graph, x, &sum, &coefficient);
    }
    sum
}

/// `value` kept within the bounds.
fn within(graph: &mut Graph, value: &Value, low: f32, high: f32) -> Value {
    let (low, high) = (number(graph, low), number(graph, high));
    let raised = graph.apply("Max", &[value, &low]);
    graph.apply("Min", &[&raised, &high])
}

/// `yes` where `value` compares with `end`, else `no`.
pub(super) fn choose(graph: &mut Graph, comparison: &str, [value, end]: [&Value; 2], [yes, no]: [&Value; 2]) -> Value {
    let holds = graph.apply(comparison, &[value, end]);
    graph.apply("Where", &[&holds, yes, no])
}

/// `e^x`, as [`crate::ml::kernel`] has it.
fn exp(graph: &mut Graph, value: &Value) -> Value {
    let x = within(graph, value, EXP_ENDS[0], EXP_ENDS[1]);
    let (log2_e, round) = (number(graph, std::f32::consts::LOG2_E), number(graph, ROUND));
    let shifted = fused(graph, &x, &log2_e, &round);
    let whole = operate(graph, "Sub", [&shifted, &round]);
    let (high, low) = (number(graph, -LN_2_HIGH), number(graph, -LN_2_LOW));
    let rest = fused(graph, &whole, &high, &x);
    let rest = fused(graph, &whole, &low, &rest);
    let series = horner(graph, &EXP, &rest);
    let one = number(graph, 1.0);
    let (square, linear) = (operate(graph, "Mul", [&rest, &rest]), operate(graph, "Add", [&rest, &one]));
    let mantissa = fused(graph, &square, &series, &linear);
    let two = number(graph, 2.0);
    let power = graph.apply("Pow", &[&two, &whole]);
    operate(graph, "Mul", [&mantissa, &power])
}

/// `e^x - 1` for `x ≤ 0`.
pub(super) fn exp_m1(graph: &mut Graph, value: &Value) -> Value {
    let series = horner(graph, &EXP_M1, value);
    let near = operate(graph, "Mul", [value, &series]);
    let (power, one, end) = (exp(graph, value), number(graph, 1.0), number(graph, EXP_M1_END));
    let far = operate(graph, "Sub", [&power, &one]);
    choose(graph, "Greater", [value, &end], [&near, &far])
}

/// `ln(1 + e^x)`.
pub(super) fn softplus(graph: &mut Graph, value: &Value) -> Value {
    let small = small(graph, value);
    let log = ln_1p(graph, &small);
    let ramp = graph.apply("Relu", &[value]);
    operate(graph, "Add", [&log, &ramp])
}

/// `ln(1 + x)` for `x` in `0..=1`.
fn ln_1p(graph: &mut Graph, value: &Value) -> Value {
    let (one, half) = (number(graph, 1.0), number(graph, 0.5));
    let sum = operate(graph, "Add", [&one, value]);
    let from_one = operate(graph, "Sub", [&sum, &one]);
    let lost = operate(graph, "Sub", [value, &from_one]);
    let (root, minus_one) = (number(graph, std::f32::consts::SQRT_2), number(graph, -1.0));
    let halved = fused(graph, &half, &sum, &minus_one);
    let x = choose(graph, "Greater", [&sum, &root], [&halved, &from_one]);
    let square = operate(graph, "Mul", [&x, &x]);
    let series = horner(graph, &LN_1P, &x);
    let minus_half = number(graph, -0.5);
    let (cube, start) = (operate(graph, "Mul", [&x, &square]), fused(graph, &square, &minus_half, &x));
    let log = fused(graph, &cube, &series, &start);
    let ln_2 = number(graph, std::f32::consts::LN_2);
    let raised = operate(graph, "Add", [&log, &ln_2]);
    let log = choose(graph, "Greater", [&sum, &root], [&raised, &log]);
    let rest = operate(graph, "Div", [&lost, &sum]);
    operate(graph, "Add", [&log, &rest])
}

/// `e^-|x|`.
fn small(graph: &mut Graph, value: &Value) -> Value {
    let size = graph.apply("Abs", &[value]);
    let negative = graph.apply("Neg", &[&size]);
    exp(graph, &negative)
}

/// `1 / (1 + e^-x)`.
pub(super) fn sigmoid(graph: &mut Graph, value: &Value) -> Value {
    let small = small(graph, value);
    let (zero, one) = (number(graph, 0.0), number(graph, 1.0));
    let above = choose(graph, "Greater", [value, &zero], [&one, &small]);
    let below = operate(graph, "Add", [&one, &small]);
    operate(graph, "Div", [&above, &below])
}

/// The hyperbolic tangent.
pub(super) fn tanh(graph: &mut Graph, value: &Value) -> Value {
    rational(graph, value, TANH_END, &TANH_NUMERATOR, &TANH_DENOMINATOR)
}

/// The error function.
pub(super) fn erf(graph: &mut Graph, value: &Value) -> Value {
    rational(graph, value, ERF_END, &ERF_NUMERATOR, &ERF_DENOMINATOR)
}

/// `x p(x²) / q(x²)` of values cut at `±end`.
fn rational(graph: &mut Graph, value: &Value, end: f32, numerator: &[f32], denominator: &[f32]) -> Value {
    let x = within(graph, value, -end, end);
    let square = operate(graph, "Mul", [&x, &x]);
    let (above, below) = (horner(graph, numerator, &square), horner(graph, denominator, &square));
    let above = operate(graph, "Mul", [&x, &above]);
    operate(graph, "Div", [&above, &below])
}
