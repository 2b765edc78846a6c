//! The weights of a multilayer perceptron, in flat buffers.

use std::ops::Range;
use std::sync::Arc;

use super::init;
use super::layout::{Layout, NetworkShape, ParameterKind};
use crate::ml::config::{Initializer, Regularization};
use crate::ml::kernel::{Buffer, l1_and_squares};
use crate::ml::seed::Seed;

/// With a prior as the output bias, output weights start this much smaller, so that the first predictions really
/// are the prior. They are not zero: hidden layers have a gradient from the first step on.
const OUTPUT_GAIN: f32 = 0.1;
/// Slopes of parametric ReLU before training (He et al. 2015).
const FIRST_SLOPE: f32 = 0.25;

/// Hidden layers and one logit. Padding between rows is always zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    shape: NetworkShape,
    layout: Arc<Layout>,
    pub(super) parameters: Buffer,
    /// Running means and variances of batch normalization.
    pub(super) statistics: Buffer,
}

impl Network {
    /// Weights drawn by `initializer`; biases zero but the last, which is `output_bias` if that is given.
    pub fn initialized(shape: &NetworkShape, initializer: Initializer, output_bias: Option<f64>, seed: Seed) -> Self {
        let mut network = Self::zeros(shape);
        let layout = Arc::clone(&network.layout);
        let mut rng = seed.stream("init");
        for layer in &layout.hidden {
            let sides = [layer.inputs, layer.units];
            init::draw(initializer, sides, 1.0, &mut network.parameters[layer.weight.clone()], &mut rng);
            if let Some([scale, _]) = &layer.norm {
                network.parameters[scale.clone()][..layer.units].fill(1.0);
            }
            if let Some(below) = &layer.below {
                network.parameters[below.clone()][..layer.units].fill(FIRST_SLOPE);
            }
            if let Some([_, variance]) = &layer.running {
                network.statistics[variance.clone()][..layer.units].fill(1.0);
            }
        }
        let gain = if output_bias.is_some() { OUTPUT_GAIN } else { 1.0 };
        let sides = [layout.hidden.last().map_or(shape.inputs, |layer| layer.units), 1];
        init::draw_vector(initializer, sides, gain, &mut network.parameters[layout.output_weight.clone()], &mut rng);
        network.parameters[layout.output_bias.start] = output_bias.unwrap_or(0.0) as f32;
        network
    }

    /// Everything zero.
    pub fn zeros(shape: &NetworkShape) -> Self {
        let layout = Layout::of(shape);
        Self {
            shape: shape.clone(),
            parameters: Buffer::zeros(layout.parameters),
            statistics: Buffer::zeros(layout.statistics),
            layout: Arc::new(layout),
        }
    }

    pub fn shape(&self) -> &NetworkShape {
        &self.shape
    }

    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Features per row.
    pub fn inputs(&self) -> usize {
        self.shape.inputs
    }

    /// The flat parameters; see [`Layout`].
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// The flat parameters. What lies between rows must stay zero.
    pub fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    /// Trainable numbers, without padding.
    pub fn parameter_count(&self) -> usize {
        self.layout.tensors().iter().map(|tensor| tensor.rows * tensor.columns).sum()
    }

    /// Whether every parameter is a finite number.
    pub fn is_finite(&self) -> bool {
        // The sum of squares of finite f32 numbers cannot overflow f64.
        l1_and_squares(&self.parameters)[1].is_finite()
    }

    /// `l1 Σ|w| + l2 Σw²` over weights; biases and normalizations are exempt.
    pub fn penalty(&self, regularization: &Regularization) -> f64 {
        let [absolute, squares] = l1_and_squares(&self.parameters[..self.layout.weights_end]);
        regularization.l1 * absolute + regularization.l2 * squares
    }

    pub(super) fn part(&self, range: &Range<usize>) -> &[f32] {
        &self.parameters[range.clone()]
    }

    pub(super) fn statistic(&self, range: &Range<usize>) -> &[f32] {
        &self.statistics[range.clone()]
    }

    pub(super) fn output_bias(&self) -> f32 {
        self.parameters[self.layout.output_bias.start]
    }

    /// Kind and place of the parameters, weights first: two runs of contiguous memory.
    pub fn runs(&self) -> [(ParameterKind, Range<usize>); 2] {
        let end = self.layout.weights_end;
        [(ParameterKind::Weight, 0..end), (ParameterKind::Free, end..self.layout.parameters)]
    }
}
