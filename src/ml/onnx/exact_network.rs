//! A network to the last bit, for calibrations that would magnify a difference: an isotonic map may have steps between
//! logits that are neighbours in f32, others may be steep.
//!
//! Each number of a layer is one chain of fused multiply-adds over the inputs, from the bias on, as in
//! [`crate::ml::kernel`]: a `Scan` over the inputs, for all rows and units at once. That takes some ten times as long as
//! the product that a runtime has for it.

use super::exact::{choose, erf, exp_m1, fused, number, operate, rounded, sigmoid, softplus, tanh};
use super::graph::{Graph, STANDARD, Value, int, ints};
use super::parts::Parts;
use super::proto::DataType;
use crate::ml::config::Activation;
use crate::ml::kernel::{LANES, LEAK, SELU_ALPHA, SELU_SCALE};
use crate::ml::nn::{NORM_EPSILON, Network};

/// The logits of a network, `[N, 1]`, of features `[N, width]`, both f32 numbers held as f64.
pub(super) fn logits(graph: &mut Graph, name: &str, network: &Network, features: &Value) -> Value {
    let parts = Parts::of(name, network);
    let activation = network.layout().activation;
    let mut below = features.clone();
    for (index, layer) in network.layout().hidden.iter().enumerate() {
        let part = format!("hidden.{index}");
        let affine = parts.chains(graph, &part, &below);
        let normalized = match network.unit_factors(index) {
            Some([factor, offset]) => {
                let factor = parts.held(graph, &format!("{part}.norm.factor"), &factor);
                let offset = parts.held(graph, &format!("{part}.norm.offset"), &offset);
                fused(graph, &factor, &affine, &offset)
            }
            None if layer.norm.is_some() => parts.layer_norm(graph, &part, &affine),
            None => affine,
        };
        let active = parts.activated(graph, &part, activation, &normalized);
        below = if layer.residual { operate(graph, "Add", [&active, &below]) } else { active };
    }
    parts.output(graph, &below)
}

impl Parts<'_> {
    /// f32 numbers as one row of f64.
    fn held(&self, graph: &mut Graph, name: &str, values: &[f32]) -> Value {
        let row = graph.floats(&format!("{}.{name}", self.name), &[1, values.len()], values);
        graph.cast(&row, DataType::Double)
    }

    fn row(&self, graph: &mut Graph, tensor: &str) -> Value {
        self.held(graph, tensor, self.values(tensor))
    }

    /// `b + x Wᵀ`, each number by one chain in the order of the inputs.
    fn chains(&self, graph: &mut Graph, part: &str, inputs: &Value) -> Value {
        let (weight, bias) = (format!("{part}.weight"), self.row(graph, &format!("{part}.bias")));
        let units = self.values(&format!("{part}.bias")).len();
        let weight_name = format!("{}.{weight}", self.name);
        let weight =
            graph.floats(&weight_name, &[units, self.values(&weight).len() / units.max(1)], self.values(&weight));
        let weight = graph.cast(&weight, DataType::Double);
        let by_input = |graph: &mut Graph, matrix: &Value| {
            graph.node(STANDARD, "Transpose", &[matrix], vec![ints("perm", vec![1, 0])])
        };
        let (columns, weights) = (by_input(graph, inputs), by_input(graph, &weight));
        // The bias for every row: zeros in the shape of one column of the inputs, plus the bias.
        let first = graph.integers("first", &[0]);
        let column = graph.node(STANDARD, "Gather", &[inputs, &first], vec![int("axis", 1)]);
        let never = graph.apply("Less", &[&column, &column]);
        let zeros = graph.cast(&never, DataType::Double);
        let start = graph.apply("Add", &[&zeros, &bias]);
        let axis = graph.integers("column_axis", &[1]);
        graph.scan([&start, &columns, &weights], |body, [sum, column, weights]| {
            let column = body.apply("Unsqueeze", &[&column, &axis]);
            fused(body, &column, &weights, &sum)
        })
    }

    /// The output: sixteen chains side by side, added up in a tree.
    fn output(&self, graph: &mut Graph, inputs: &Value) -> Value {
        let mut weights = self.values("output.weight").to_vec();
        let width = weights.len().next_multiple_of(LANES);
        let missing = width - weights.len();
        weights.resize(width, 0.0);
        let inputs = match missing {
            0 => inputs.clone(),
            missing => {
                let pads = graph.integers("pads", &[0, 0, 0, missing as i64]);
                graph.apply("Pad", &[inputs, &pads])
            }
        };
        let mut lanes: Option<Value> = None;
        for (block, weights) in weights.chunks(LANES).enumerate() {
            let part = columns(graph, &inputs, block * LANES..(block + 1) * LANES);
            let weights = self.held(graph, "output.weight", weights);
            lanes = Some(match lanes {
                None => operate(graph, "Mul", [&part, &weights]),
                Some(lanes) => fused(graph, &part, &weights, &lanes),
            });
        }
        let mut sums = lanes.unwrap_or_else(|| number(graph, 0.0));
        let mut width = LANES;
        while width > 1 {
            width /= 2;
            let (left, right) = (columns(graph, &sums, 0..width), columns(graph, &sums, width..2 * width));
            sums = operate(graph, "Add", [&left, &right]);
        }
        let bias = self.row(graph, "output.bias");
        operate(graph, "Add", [&sums, &bias])
    }

    /// As [`crate::ml::kernel::normalize_rows`].
    fn layer_norm(&self, graph: &mut Graph, part: &str, values: &Value) -> Value {
        let mean_of = |graph: &mut Graph, value: &Value| {
            graph.node(STANDARD, "ReduceMean", &[value], vec![ints("axes", vec![1]), int("keepdims", 1)])
        };
        let mean = mean_of(graph, values);
        let gap = graph.apply("Sub", &[values, &mean]);
        let square = graph.apply("Mul", &[&gap, &gap]);
        let variance = mean_of(graph, &square);
        let epsilon = graph.double("epsilon", NORM_EPSILON);
        let padded = graph.apply("Add", &[&variance, &epsilon]);
        let deviation = graph.apply("Sqrt", &[&padded]);
        let inverse = graph.apply("Reciprocal", &[&deviation]);
        let (mean, inverse) = (rounded(graph, &mean), rounded(graph, &inverse));
        let centered = operate(graph, "Sub", [values, &mean]);
        let normalized = operate(graph, "Mul", [&centered, &inverse]);
        let (scale, shift) =
            (self.row(graph, &format!("{part}.norm.scale")), self.row(graph, &format!("{part}.norm.shift")));
        fused(graph, &scale, &normalized, &shift)
    }

    fn activated(&self, graph: &mut Graph, part: &str, activation: Activation, x: &Value) -> Value {
        match activation {
            Activation::Relu => graph.apply("Relu", &[x]),
            Activation::LeakyRelu => {
                let slope = number(graph, LEAK);
                below_zero(graph, x, |graph, x| operate(graph, "Mul", [&slope, x]))
            }
            Activation::Prelu => {
                let slopes = self.row(graph, &format!("{part}.below"));
                below_zero(graph, x, |graph, x| operate(graph, "Mul", [&slopes, x]))
            }
            Activation::Elu => below_zero(graph, x, elu),
            Activation::Selu => {
                let (factor, above) = (number(graph, SELU_SCALE * SELU_ALPHA), number(graph, SELU_SCALE));
                let scaled = operate(graph, "Mul", [&above, x]);
                let (below, zero) = (elu(graph, x), number(graph, 0.0));
                let below = operate(graph, "Mul", [&factor, &below]);
                choose(graph, "LessOrEqual", [x, &zero], [&below, &scaled])
            }
            Activation::Gelu => {
                let (root, half) = (number(graph, std::f32::consts::FRAC_1_SQRT_2), number(graph, 0.5));
                let scaled = operate(graph, "Mul", [x, &root]);
                let erf = erf(graph, &scaled);
                let cumulative = fused(graph, &half, &erf, &half);
                operate(graph, "Mul", [x, &cumulative])
            }
            Activation::Silu => {
                let share = sigmoid(graph, x);
                operate(graph, "Mul", [x, &share])
            }
            Activation::Mish => {
                let softplus = softplus(graph, x);
                let gate = tanh(graph, &softplus);
                operate(graph, "Mul", [x, &gate])
            }
            Activation::Tanh => tanh(graph, x),
            Activation::Sigmoid => sigmoid(graph, x),
        }
    }
}

/// `e^x - 1` of what is not above zero.
fn elu(graph: &mut Graph, x: &Value) -> Value {
    let zero = number(graph, 0.0);
    let negative = graph.apply("Min", &[x, &zero]);
    exp_m1(graph, &negative)
}

/// `x` above zero and a function of it elsewhere.
fn below_zero(graph: &mut Graph, x: &Value, function: impl FnOnce(&mut Graph, &Value) -> Value) -> Value {
    let (below, zero) = (function(graph, x), number(graph, 0.0));
    choose(graph, "LessOrEqual", [x, &zero], [&below, x])
}

/// Neighbouring columns.
fn columns(graph: &mut Graph, values: &Value, range: std::ops::Range<usize>) -> Value {
    let places: Vec<i64> = range.map(|place| place as i64).collect();
    let places = graph.integers("columns", &places);
    graph.node(STANDARD, "Gather", &[values, &places], vec![int("axis", 1)])
}
