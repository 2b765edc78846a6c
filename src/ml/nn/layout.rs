//! What networks look like, and where each of their tensors lies in its flat buffer.
//!
//! All weights come first, then everything that penalties and weight decay leave alone, so that an optimizer makes
//! two passes over contiguous memory however many layers there are. Weights are `(inputs, units)`, rows padded to
//! whole vectors: the forward product and the product for the gradient read them along their rows.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::picture::{Action, PictureNetworkShape, Plan};
use crate::ml::config::{Activation, LayerError, MlpConfig, Normalization};
use crate::ml::kernel::stride;

/// What a network looks like, without its weights.
#[derive(Debug, Clone, PartialEq)]
pub enum Architecture {
    Mlp(NetworkShape),
    Cnn(PictureNetworkShape),
}

impl Architecture {
    /// Values that it reads of a row.
    pub fn inputs(&self) -> usize {
        match self {
            Architecture::Mlp(shape) => shape.inputs,
            Architecture::Cnn(shape) => shape.input.values(),
        }
    }
}

/// What a multilayer perceptron looks like, without its weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkShape {
    pub inputs: usize,
    /// Units per hidden layer, from the input on.
    pub hidden_layers: Vec<usize>,
    pub activation: Activation,
    pub normalization: Normalization,
    /// Whether a layer as wide as its input adds it to its output.
    pub residual: bool,
}

impl NetworkShape {
    /// The shape that a configuration asks for.
    pub fn of(config: &MlpConfig, inputs: usize) -> Self {
        Self {
            inputs,
            hidden_layers: config.hidden_layers.clone(),
            activation: config.activation,
            normalization: config.normalization,
            residual: config.residual,
        }
    }
}

/// The tensor of the weights that the logit is made with.
pub(super) const OUTPUT_WEIGHT: &str = "output.weight";

/// What a parameter is, for those who treat them differently: penalties and weight decay shrink weights only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    Weight,
    /// Biases, scale and shift of a normalization, slopes of parametric ReLU.
    Free,
}

/// A tensor's place. Its values are `rows × columns`, rows `stride(columns)` apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorPlace {
    pub name: String,
    pub kind: ParameterKind,
    pub rows: usize,
    pub columns: usize,
    pub range: Range<usize>,
}

/// A hidden layer's places in the parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiddenLayout {
    pub inputs: usize,
    pub units: usize,
    pub weight: Range<usize>,
    pub bias: Range<usize>,
    /// Scale and shift of the normalization.
    pub norm: Option<[Range<usize>; 2]>,
    /// Slopes below zero of parametric ReLU.
    pub below: Option<Range<usize>>,
    /// Running mean and variance, in the statistics.
    pub running: Option<[Range<usize>; 2]>,
    /// Whether the layer adds its input to its output.
    pub residual: bool,
}

/// All places of a network of one shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Of a multilayer perceptron.
    pub hidden: Vec<HiddenLayout>,
    /// Of its hidden layers.
    pub activation: Activation,
    /// Of a convolutional network.
    pub plan: Option<Plan>,
    /// One row.
    pub output_weight: Range<usize>,
    pub output_bias: Range<usize>,
    /// Weights lie before this, everything else after.
    pub weights_end: usize,
    pub parameters: usize,
    pub statistics: usize,
    tensors: Vec<TensorPlace>,
    running: Vec<TensorPlace>,
}

impl Layout {
    pub fn of(shape: &NetworkShape) -> Self {
        let widths: Vec<usize> = std::iter::once(shape.inputs).chain(shape.hidden_layers.iter().copied()).collect();
        let mut weights = Places::from(0);
        let pairs = || widths.iter().copied().zip(widths.iter().copied().skip(1)).enumerate();
        let weight_ranges: Vec<_> = pairs()
            .map(|(index, (inputs, units))| {
                weights.add(format!("hidden.{index}.weight"), ParameterKind::Weight, inputs, units)
            })
            .collect();
        let last = widths.last().copied().unwrap_or(shape.inputs);
        let output_weight = weights.add(OUTPUT_WEIGHT.to_owned(), ParameterKind::Weight, 1, last);
        let weights_end = weights.end;
        let mut free = Places::from(weights_end);
        let mut running = Places::from(0);
        let mut hidden = Vec::with_capacity(weight_ranges.len());
        for ((index, (inputs, units)), weight) in pairs().zip(weight_ranges) {
            let mut vector = |part: &str| free.add(format!("hidden.{index}.{part}"), ParameterKind::Free, 1, units);
            let bias = vector("bias");
            let norm =
                (shape.normalization != Normalization::None).then(|| [vector("norm.scale"), vector("norm.shift")]);
            let below = (shape.activation == Activation::Prelu).then(|| vector("below"));
            let mut statistic =
                |part: &str| running.add(format!("hidden.{index}.norm.{part}"), ParameterKind::Free, 1, units);
            let running = (shape.normalization == Normalization::Batch)
                .then(|| [statistic("running_mean"), statistic("running_variance")]);
            let residual = shape.residual && inputs == units;
            hidden.push(HiddenLayout { inputs, units, weight, bias, norm, below, running, residual });
        }
        let output_bias = free.add("output.bias".to_owned(), ParameterKind::Free, 1, 1);
        let parameters = free.end;
        let tensors = weights.places.into_iter().chain(free.places).collect();
        Self {
            hidden,
            activation: shape.activation,
            plan: None,
            output_weight,
            output_bias,
            weights_end,
            parameters,
            statistics: running.end,
            tensors,
            running: running.places,
        }
    }

    /// The layout of any network.
    ///
    /// # Errors
    /// The layers that cannot stand where they do.
    pub fn of_any(architecture: &Architecture) -> Result<Self, Vec<LayerError>> {
        match architecture {
            Architecture::Mlp(shape) => Ok(Self::of(shape)),
            Architecture::Cnn(shape) => Ok(Self::of_plan(Plan::of(shape)?)),
        }
    }

    fn of_plan(mut plan: Plan) -> Self {
        let mut weights = Places::from(0);
        for step in &mut plan.steps {
            let (inputs, outputs) = (plan.maps[step.input].channels, plan.maps[step.output].channels);
            let (convolution, inputs) = match &mut step.action {
                Action::Convolve(convolution) => (convolution, inputs),
                Action::Filter(convolution) => (convolution, 1),
                Action::Pool { .. } | Action::Finish(_) => continue,
            };
            let [height, width] = convolution.window.kernel;
            let name = format!("{}.weight", step.name);
            convolution.places.weight = weights.add(name, ParameterKind::Weight, height * width * inputs, outputs);
        }
        let features = plan.maps[plan.features].channels;
        let output_weight = weights.add(OUTPUT_WEIGHT.to_owned(), ParameterKind::Weight, 1, features);
        let weights_end = weights.end;
        let (mut free, mut running) = (Places::from(weights_end), Places::from(0));
        for step in &mut plan.steps {
            let channels = plan.maps[step.output].channels;
            match &mut step.action {
                Action::Convolve(convolution) | Action::Filter(convolution) => {
                    let bias = || free.add(format!("{}.bias", step.name), ParameterKind::Free, 1, channels);
                    convolution.places.bias = convolution.has_bias.then(bias);
                }
                Action::Finish(finish) => {
                    if let Some(norm) = &mut finish.norm {
                        let affine = ["scale", "shift"].map(|part| format!("{}.{part}", norm.name));
                        norm.affine = affine.map(|name| free.add(name, ParameterKind::Free, 1, channels));
                        let moments = ["running_mean", "running_variance"].map(|part| format!("{}.{part}", norm.name));
                        norm.running = moments.map(|name| running.add(name, ParameterKind::Free, 1, channels));
                    }
                    if let Some(below) = &mut finish.below {
                        below.range = free.add(format!("{}.below", below.name), ParameterKind::Free, 1, channels);
                    }
                }
                Action::Pool { .. } => {}
            }
        }
        let output_bias = free.add("output.bias".to_owned(), ParameterKind::Free, 1, 1);
        Self {
            hidden: Vec::new(),
            activation: Activation::Relu,
            plan: Some(plan),
            output_weight,
            output_bias,
            weights_end,
            parameters: free.end,
            statistics: running.end,
            tensors: weights.places.into_iter().chain(free.places).collect(),
            running: running.places,
        }
    }

    /// All trainable tensors, in the order of the buffer.
    pub fn tensors(&self) -> &[TensorPlace] {
        &self.tensors
    }

    /// The tensors of the statistics.
    pub fn running(&self) -> &[TensorPlace] {
        &self.running
    }
}

/// Hands out places one after another.
struct Places {
    places: Vec<TensorPlace>,
    end: usize,
}

impl Places {
    fn from(end: usize) -> Self {
        Self { places: Vec::new(), end }
    }

    fn add(&mut self, name: String, kind: ParameterKind, rows: usize, columns: usize) -> Range<usize> {
        let range = self.end..self.end + rows * stride(columns);
        self.end = range.end;
        self.places.push(TensorPlace { name, kind, rows, columns, range: range.clone() });
        range
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_come_first_and_nothing_overlaps() {
        let layout = Layout::of(&NetworkShape {
            inputs: 3,
            hidden_layers: vec![20, 20],
            activation: Activation::Prelu,
            normalization: Normalization::Batch,
            residual: true,
        });
        let mut end = 0;
        for tensor in layout.tensors() {
            assert_eq!(tensor.range.start, end, "{}", tensor.name);
            assert_eq!(tensor.kind == ParameterKind::Weight, tensor.range.end <= layout.weights_end);
            end = tensor.range.end;
        }
        assert_eq!((end, layout.statistics), (layout.parameters, 4 * 32));
        assert_eq!(layout.hidden.iter().map(|layer| layer.residual).collect::<Vec<_>>(), [false, true]);
        assert_eq!(layout.hidden[1].weight.len(), 20 * 32);
    }
}
