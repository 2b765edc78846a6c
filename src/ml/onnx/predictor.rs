//! From features to logits: a logistic regression in f64, networks in f32 as they were trained.

use super::activation::activated;
use super::exact_network;
use super::graph::{Graph, STANDARD, Value, int, ints};
use super::pictures;
use super::proto::DataType;
use crate::ml::config::Activation;
use crate::ml::model::Predictor;
use crate::ml::nn::{Ensemble, NORM_EPSILON, Network};

/// The logits, `[N, 1]` in f64, of features `[N, width]` in f64. Those of networks are the model's to the last bit if that is
/// asked for; else in the runtime's own, quicker way, which gives all but the last bits.
pub(super) fn logits(graph: &mut Graph, predictor: &Predictor, features: &Value, to_the_last_bit: bool) -> Value {
    match predictor {
        Predictor::Logistic(logistic) => {
            let weight = graph.doubles("logistic.weight", &logistic.weights);
            let intercept = graph.double("logistic.intercept", logistic.intercept);
            graph.node(STANDARD, "Gemm", &[features, &weight, &intercept], vec![int("transB", 1)])
        }
        Predictor::Mlp(ensemble) | Predictor::Cnn(ensemble) => {
            let short = graph.cast(features, DataType::Float);
            let held = to_the_last_bit.then(|| graph.cast(&short, DataType::Double));
            ensemble_logits(graph, ensemble, |graph, name, network| match &held {
                Some(held) => exact_network::logits(graph, name, network, held),
                None => {
                    let logit = network_logits(graph, name, network, &short);
                    graph.cast(&logit, DataType::Double)
                }
            })
        }
    }
}

/// As [`logits`], of scaled pictures in f32. Those of convolutional networks are in the runtime's own way in any case.
pub(super) fn picture_logits(
    graph: &mut Graph,
    predictor: &Predictor,
    pictures: &Value,
    to_the_last_bit: bool,
) -> Value {
    match predictor {
        Predictor::Cnn(ensemble) => ensemble_logits(graph, ensemble, |graph, name, network| {
            let logit = match &network.layout().plan {
                Some(plan) => pictures::logits(graph, name, network, plan, pictures),
                None => network_logits(graph, name, network, pictures),
            };
            graph.cast(&logit, DataType::Double)
        }),
        Predictor::Mlp(_) | Predictor::Logistic(_) => {
            let rows = pictures::flattened(graph, pictures);
            logits(graph, predictor, &rows, to_the_last_bit)
        }
    }
}

/// The mean of the members' logits, f64.
fn ensemble_logits(
    graph: &mut Graph,
    ensemble: &Ensemble,
    mut of_member: impl FnMut(&mut Graph, &str, &Network) -> Value,
) -> Value {
    let mut sum: Option<Value> = None;
    for (index, network) in ensemble.members().enumerate() {
        let logit = of_member(graph, &format!("member_{index}"), network);
        sum = Some(match sum {
            None => logit,
            Some(sum) => graph.apply("Add", &[&sum, &logit]),
        });
    }
    // There is at least one member.
    let sum = sum.unwrap_or_else(|| graph.double("no_members", 0.0));
    if ensemble.len() == 1 {
        return sum;
    }
    let count = graph.double("members", ensemble.len() as f64);
    graph.apply("Div", &[&sum, &count])
}

/// One network; every layer is affine, normalized, activated and, where it is residual, added to its input.
fn network_logits(graph: &mut Graph, name: &str, network: &Network, inputs: &Value) -> Value {
    let tensors = Tensors { name, tensors: network.tensors() };
    let activation = network.layout().activation;
    let mut below = inputs.clone();
    for (index, layer) in network.layout().hidden.iter().enumerate() {
        let part = format!("hidden.{index}");
        let affine = tensors.affine(graph, &part, &below);
        let normalized = match network.unit_factors(index) {
            Some(factors) => scaled_units(graph, &format!("{name}.{part}"), &affine, &factors),
            None if layer.norm.is_some() => tensors.layer_norm(graph, &part, &affine),
            None => affine,
        };
        let slopes = (activation == Activation::Prelu).then(|| tensors.constant(graph, &format!("{part}.below")));
        let active = activated(graph, activation, slopes.as_ref(), &normalized);
        below = if layer.residual { graph.apply("Add", &[&active, &below]) } else { active };
    }
    tensors.affine(graph, "output", &below)
}

/// Batch normalization as prediction has it: a factor and an offset per unit.
fn scaled_units(graph: &mut Graph, name: &str, values: &Value, [factor, offset]: &[Vec<f32>; 2]) -> Value {
    let factor = graph.floats(&format!("{name}.norm.factor"), &[1, factor.len()], factor);
    let offset = graph.floats(&format!("{name}.norm.offset"), &[1, offset.len()], offset);
    let scaled = graph.apply("Mul", &[values, &factor]);
    graph.apply("Add", &[&scaled, &offset])
}

/// The tensors of one network by their names in artifacts.
struct Tensors<'a> {
    name: &'a str,
    tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
}

impl Tensors<'_> {
    /// A tensor with its own shape; one that is not there is empty, which a checked network does not have.
    fn constant(&self, graph: &mut Graph, tensor: &str) -> Value {
        let name = format!("{}.{tensor}", self.name);
        match self.tensors.iter().find(|(own, ..)| own == tensor) {
            Some((_, shape, values)) => graph.floats(&name, shape, values),
            None => graph.floats(&name, &[0], &[]),
        }
    }

    /// `x Wᵀ + b`.
    fn affine(&self, graph: &mut Graph, part: &str, inputs: &Value) -> Value {
        let weight = self.constant(graph, &format!("{part}.weight"));
        let bias = self.constant(graph, &format!("{part}.bias"));
        graph.node(STANDARD, "Gemm", &[inputs, &weight, &bias], vec![int("transB", 1)])
    }

    /// Layer normalization: moments in f64, the rest in f32, as in [`crate::ml::kernel::normalize_rows`].
    fn layer_norm(&self, graph: &mut Graph, part: &str, values: &Value) -> Value {
        let mean_of = |graph: &mut Graph, value: &Value| {
            graph.node(STANDARD, "ReduceMean", &[value], vec![ints("axes", vec![1]), int("keepdims", 1)])
        };
        let exact = graph.cast(values, DataType::Double);
        let mean = mean_of(graph, &exact);
        let gap = graph.apply("Sub", &[&exact, &mean]);
        let square = graph.apply("Mul", &[&gap, &gap]);
        let variance = mean_of(graph, &square);
        let epsilon = graph.double("epsilon", NORM_EPSILON);
        let padded = graph.apply("Add", &[&variance, &epsilon]);
        let deviation = graph.apply("Sqrt", &[&padded]);
        let inverse = graph.apply("Reciprocal", &[&deviation]);
        let (mean, inverse) = (graph.cast(&mean, DataType::Float), graph.cast(&inverse, DataType::Float));
        let centered = graph.apply("Sub", &[values, &mean]);
        let normalized = graph.apply("Mul", &[&centered, &inverse]);
        let scale = self.constant(graph, &format!("{part}.norm.scale"));
        let shift = self.constant(graph, &format!("{part}.norm.shift"));
        let scaled = graph.apply("Mul", &[&normalized, &scale]);
        graph.apply("Add", &[&scaled, &shift])
    }
}
