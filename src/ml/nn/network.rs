//! The weights of a multilayer perceptron.

use ndarray::Array1;
use serde::{Deserialize, Serialize};

use super::batch_norm::BatchNorm;
use super::dense::Dense;
use super::init;
use crate::ml::config::{Activation, Initializer};
use crate::ml::seed::Seed;

/// With a prior as the output bias, output weights start this much smaller, so that the first predictions really
/// are the prior. They are not zero: hidden layers have a gradient from the first step on.
const OUTPUT_GAIN: f32 = 0.1;

/// What a network looks like, without its weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkShape {
    pub inputs: usize,
    /// Units per hidden layer, from the input on.
    pub hidden_layers: Vec<usize>,
    pub activation: Activation,
    pub batch_normalization: bool,
}

/// A hidden layer: affine, then batch normalization if there is any; the activation is the network's.
#[derive(Debug, Clone, PartialEq)]
pub struct Hidden {
    pub dense: Dense,
    pub batch_norm: Option<BatchNorm>,
}

/// Hidden layers and one logit. Also the type of its own gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub activation: Activation,
    pub hidden: Vec<Hidden>,
    pub output: Dense,
}

/// What a parameter is, for those who treat them differently: penalties and weight decay shrink weights only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    Weight,
    /// Biases, and scale and shift of batch normalization.
    Free,
}

impl Network {
    /// Weights drawn by `initializer`; biases zero but the last, which is `output_bias` if that is given.
    pub fn initialized(shape: &NetworkShape, initializer: Initializer, output_bias: Option<f64>, seed: Seed) -> Self {
        let mut network = Self::zeros(shape);
        let mut rng = seed.stream("init");
        for layer in &mut network.hidden {
            let (outputs, inputs) = layer.dense.weight.dim();
            layer.dense.weight = init::draw(initializer, outputs, inputs, 1.0, &mut rng);
        }
        let gain = if output_bias.is_some() { OUTPUT_GAIN } else { 1.0 };
        network.output.weight = init::draw(initializer, 1, network.output.inputs(), gain, &mut rng);
        network.output.bias.fill(output_bias.unwrap_or(0.0) as f32);
        network
    }

    /// All weights zero; batch normalization changes nothing.
    pub fn zeros(shape: &NetworkShape) -> Self {
        let mut inputs = shape.inputs;
        let mut hidden = Vec::with_capacity(shape.hidden_layers.len());
        for &units in &shape.hidden_layers {
            let batch_norm = shape.batch_normalization.then(|| BatchNorm::identity(units));
            hidden.push(Hidden { dense: Dense::zeros(inputs, units), batch_norm });
            inputs = units;
        }
        Self { activation: shape.activation, hidden, output: Dense::zeros(inputs, 1) }
    }

    pub fn shape(&self) -> NetworkShape {
        NetworkShape {
            inputs: self.inputs(),
            hidden_layers: self.hidden.iter().map(|layer| layer.dense.outputs()).collect(),
            activation: self.activation,
            batch_normalization: self.hidden.iter().any(|layer| layer.batch_norm.is_some()),
        }
    }

    /// Features per row.
    pub fn inputs(&self) -> usize {
        self.hidden.first().map_or(self.output.inputs(), |layer| layer.dense.inputs())
    }

    /// All trainable parameters, in a fixed order: per layer weight, bias, scale, shift.
    pub fn parameters(&self) -> Vec<(ParameterKind, &[f32])> {
        let mut parameters = Vec::with_capacity(4 * self.hidden.len() + 2);
        for layer in &self.hidden {
            push_dense(&mut parameters, &layer.dense);
            if let Some(norm) = &layer.batch_norm {
                parameters.push((ParameterKind::Free, flat(norm.scale.as_slice())));
                parameters.push((ParameterKind::Free, flat(norm.shift.as_slice())));
            }
        }
        push_dense(&mut parameters, &self.output);
        parameters
    }

    /// The parameters of [`Network::parameters`], in the same order.
    pub fn parameters_mut(&mut self) -> Vec<(ParameterKind, &mut [f32])> {
        let mut parameters = Vec::with_capacity(4 * self.hidden.len() + 2);
        for layer in &mut self.hidden {
            push_dense_mut(&mut parameters, &mut layer.dense);
            if let Some(norm) = &mut layer.batch_norm {
                parameters.push((ParameterKind::Free, flat_mut(&mut norm.scale)));
                parameters.push((ParameterKind::Free, flat_mut(&mut norm.shift)));
            }
        }
        push_dense_mut(&mut parameters, &mut self.output);
        parameters
    }

    pub fn parameter_count(&self) -> usize {
        self.parameters().iter().map(|(_, values)| values.len()).sum()
    }

    /// Whether every parameter is a finite number.
    pub fn is_finite(&self) -> bool {
        self.parameters().iter().all(|(_, values)| values.iter().all(|value| value.is_finite()))
    }
}

fn push_dense<'a>(parameters: &mut Vec<(ParameterKind, &'a [f32])>, dense: &'a Dense) {
    parameters.push((ParameterKind::Weight, flat(dense.weight.as_slice())));
    parameters.push((ParameterKind::Free, flat(dense.bias.as_slice())));
}

fn push_dense_mut<'a>(parameters: &mut Vec<(ParameterKind, &'a mut [f32])>, dense: &'a mut Dense) {
    parameters.push((ParameterKind::Weight, dense.weight.as_slice_mut().unwrap_or_default()));
    parameters.push((ParameterKind::Free, flat_mut(&mut dense.bias)));
}

/// Parameters are owned arrays in standard order, which always are slices.
pub(super) fn flat(values: Option<&[f32]>) -> &[f32] {
    debug_assert!(values.is_some());
    values.unwrap_or_default()
}

fn flat_mut(values: &mut Array1<f32>) -> &mut [f32] {
    values.as_slice_mut().unwrap_or_default()
}
