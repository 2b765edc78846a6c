//! Activations, f32 in and f32 out.
//!
//! Those that need exponentials go through f64 where the runtimes have an f64 kernel: their f32 kernels are
//! approximations of a few units of the last place, whose errors add up over layers.

use super::graph::{Graph, STANDARD, Value, float};
use super::proto::DataType;
use super::scalar::softplus;
use crate::ml::config::Activation;
use crate::ml::kernel::{LEAK, SELU_ALPHA, SELU_SCALE};

/// The activation of each value; `slopes` are those of parametric ReLU.
pub(super) fn activated(graph: &mut Graph, activation: Activation, slopes: Option<&Value>, values: &Value) -> Value {
    match (activation, slopes) {
        (Activation::Relu, _) => graph.apply("Relu", &[values]),
        (Activation::LeakyRelu, _) => graph.node(STANDARD, "LeakyRelu", &[values], vec![float("alpha", LEAK)]),
        (Activation::Prelu, Some(slopes)) => graph.apply("PRelu", &[values, slopes]),
        // A checked network has slopes; without any, below zero nothing would change.
        (Activation::Prelu, None) => values.clone(),
        (Activation::Elu, _) => graph.node(STANDARD, "Elu", &[values], vec![float("alpha", 1.0)]),
        (Activation::Selu, _) => {
            let attributes = vec![float("alpha", SELU_ALPHA), float("gamma", SELU_SCALE)];
            graph.node(STANDARD, "Selu", &[values], attributes)
        }
        (Activation::Gelu, _) => gelu(graph, values),
        (Activation::Silu, _) => in_f64(graph, values, |graph, x| {
            let share = graph.apply("Sigmoid", &[x]);
            graph.apply("Mul", &[x, &share])
        }),
        (Activation::Mish, _) => in_f64(graph, values, |graph, x| {
            let softplus = softplus(graph, x);
            let gate = graph.apply("Tanh", &[&softplus]);
            graph.apply("Mul", &[x, &gate])
        }),
        (Activation::Tanh, _) => in_f64(graph, values, |graph, x| graph.apply("Tanh", &[x])),
        (Activation::Sigmoid, _) => in_f64(graph, values, |graph, x| graph.apply("Sigmoid", &[x])),
    }
}

/// `x Φ(x)` by the error function, which runtimes have for f32 only.
fn gelu(graph: &mut Graph, values: &Value) -> Value {
    let root = graph.floats("root_half", &[1], &[std::f32::consts::FRAC_1_SQRT_2]);
    let half = graph.floats("half", &[1], &[0.5]);
    let scaled = graph.apply("Mul", &[values, &root]);
    let erf = graph.apply("Erf", &[&scaled]);
    let part = graph.apply("Mul", &[&erf, &half]);
    let cumulative = graph.apply("Add", &[&part, &half]);
    graph.apply("Mul", &[values, &cumulative])
}

fn in_f64(graph: &mut Graph, values: &Value, function: impl FnOnce(&mut Graph, &Value) -> Value) -> Value {
    let exact = graph.cast(values, DataType::Double);
    let result = function(graph, &exact);
    graph.cast(&result, DataType::Float)
}
