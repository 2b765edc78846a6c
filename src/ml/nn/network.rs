//! The weights of a network, in flat buffers.

use std::ops::Range;
use std::sync::Arc;

use super::design::Design;
use super::init;
use super::layout::{Architecture, HiddenLayout, Layout, NetworkShape, ParameterKind};
use super::picture::{Action, Convolution, Plan};
use crate::ml::config::{Initializer, Regularization};
use crate::ml::kernel::{Buffer, l1_and_squares};
use crate::ml::seed::{Rng, Seed};

/// With a prior as the output bias, output weights start this much smaller, so that the first predictions really
/// are the prior. They are not zero: hidden layers have a gradient from the first step on.
const OUTPUT_GAIN: f32 = 0.1;
/// Slopes of parametric ReLU before training (He et al. 2015).
const FIRST_SLOPE: f32 = 0.25;

/// Layers and one logit. Padding between rows is always zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    architecture: Architecture,
    layout: Arc<Layout>,
    pub(super) parameters: Buffer,
    /// Running means and variances of batch normalization.
    pub(super) statistics: Buffer,
}

impl Network {
    /// Weights drawn by `initializer`; biases zero but the last, which is `output_bias` if that is given.
    pub fn initialized(shape: &NetworkShape, initializer: Initializer, output_bias: Option<f64>, seed: Seed) -> Self {
        Self::zeros(shape).drawn(initializer, output_bias, seed)
    }

    /// As [`Network::initialized`], of any design.
    pub fn of_design(design: &Design, output_bias: Option<f64>, seed: Seed) -> Self {
        Self::blank(design).drawn(design.initializer, output_bias, seed)
    }

    fn drawn(mut self, initializer: Initializer, output_bias: Option<f64>, seed: Seed) -> Self {
        let layout = Arc::clone(&self.layout);
        let mut rng = seed.stream("init");
        for layer in &layout.hidden {
            let sides = [layer.inputs, layer.units];
            init::draw(initializer, sides, 1.0, &mut self.parameters[layer.weight.clone()], &mut rng);
            self.start_hidden(layer);
        }
        if let Some(plan) = &layout.plan {
            self.draw_plan(plan, initializer, &mut rng);
        }
        let gain = if output_bias.is_some() { OUTPUT_GAIN } else { 1.0 };
        let sides = [self.features(), 1];
        init::draw_vector(initializer, sides, gain, &mut self.parameters[layout.output_weight.clone()], &mut rng);
        self.parameters[layout.output_bias.start] = output_bias.unwrap_or(0.0) as f32;
        self
    }

    fn start_hidden(&mut self, layer: &HiddenLayout) {
        if let Some([scale, _]) = &layer.norm {
            self.parameters[scale.clone()][..layer.units].fill(1.0);
        }
        if let Some(below) = &layer.below {
            self.parameters[below.clone()][..layer.units].fill(FIRST_SLOPE);
        }
        if let Some([_, variance]) = &layer.running {
            self.statistics[variance.clone()][..layer.units].fill(1.0);
        }
    }

    fn draw_plan(&mut self, plan: &Plan, initializer: Initializer, rng: &mut Rng) {
        for step in &plan.steps {
            let (inputs, outputs) = (plan.maps[step.input].channels, plan.maps[step.output].channels);
            // So many values go into one of the output, and so many of the output come from one.
            let mut draw = |Convolution { window, places, .. }: &Convolution, inputs: usize, fan_outputs: usize| {
                let pixels = window.kernel[0] * window.kernel[1];
                let (rows, fans) = (pixels * inputs, [pixels * inputs, pixels * fan_outputs]);
                let weights = &mut self.parameters[places.weight.clone()];
                init::draw_rows(initializer, [rows, outputs], fans, weights, rng);
            };
            match &step.action {
                Action::Convolve(convolution) => draw(convolution, inputs, outputs),
                Action::Filter(convolution) => draw(convolution, 1, 1),
                Action::Pool { .. } => {}
                Action::Finish(finish) => {
                    if let Some(norm) = &finish.norm {
                        self.parameters[norm.affine[0].clone()][..outputs].fill(1.0);
                        self.statistics[norm.running[1].clone()][..outputs].fill(1.0);
                    }
                    if let Some(below) = &finish.below {
                        self.parameters[below.range.clone()][..outputs].fill(FIRST_SLOPE);
                    }
                }
            }
        }
    }

    /// A multilayer perceptron with everything zero.
    pub fn zeros(shape: &NetworkShape) -> Self {
        Self::with_layout(Architecture::Mlp(shape.clone()), Arc::new(Layout::of(shape)))
    }

    /// Everything zero.
    pub fn blank(design: &Design) -> Self {
        Self::with_layout(design.architecture().clone(), Arc::clone(design.layout()))
    }

    /// Everything zero; the layout is that of the architecture.
    pub(super) fn with_layout(architecture: Architecture, layout: Arc<Layout>) -> Self {
        Self {
            architecture,
            parameters: Buffer::zeros(layout.parameters),
            statistics: Buffer::zeros(layout.statistics),
            layout,
        }
    }

    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The shape of a multilayer perceptron.
    pub fn shape(&self) -> Option<&NetworkShape> {
        match &self.architecture {
            Architecture::Mlp(shape) => Some(shape),
            Architecture::Cnn(_) => None,
        }
    }

    /// The values that the logit is an affine function of.
    pub fn features(&self) -> usize {
        match &self.layout.plan {
            Some(plan) => plan.maps[plan.features].channels,
            None => self.layout.hidden.last().map_or(self.inputs(), |layer| layer.units),
        }
    }

    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Values that it reads of a row.
    pub fn inputs(&self) -> usize {
        self.architecture.inputs()
    }

    /// Multiplications and additions for the logit of one row.
    pub fn multiply_adds(&self) -> u64 {
        self.layout.plan.as_ref().map_or(self.parameters.len() as u64, Plan::multiply_adds)
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
