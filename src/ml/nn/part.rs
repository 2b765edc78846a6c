//! Some rows of a batch on their way through the layers of a network, forward and back. What becomes of a row depends
//! on no other row, unless a normalization looks at the whole batch; so parts of a batch can be worked on side by side,
//! and the bits are those of the batch as a whole.

use super::layout::{HiddenLayout, Layout};
use super::normalization::NormTrace;
use super::pass::Batch;
use super::transposed::Transposed;
use crate::ml::config::Activation;
use crate::ml::kernel::{
    Buffer, Dropout, Left, Matmul, Start, activate_with_slopes, add_into, dot_rows, drop_units, drop_values, multiply,
    parametric_relu, parametric_relu_gradient, parametric_relu_slopes, relu, relu_backward, relu_with_dropout,
    relu_with_dropout_backward, spread_rows, stride,
};

/// What all parts of a step read.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) layout: &'a Layout,
    pub(super) activation: Activation,
    pub(super) parameters: &'a [f32],
    /// The draw of each hidden layer.
    pub(super) dropouts: &'a [Option<Dropout>],
    /// Of each hidden layer that has one below; for the way back.
    pub(super) transposed: &'a [Option<Transposed>],
    pub(super) product: Matmul,
}

/// The intermediate values of some rows, allocated once.
#[derive(Debug, Clone)]
pub(super) struct Part {
    hidden: Vec<HiddenPart>,
}

/// Of one hidden layer; each `(rows, stride)`.
#[derive(Debug, Clone)]
struct HiddenPart {
    output: Buffer,
    /// Derivatives of `output` by what went into the activation, where `output` itself does not tell.
    slopes: Option<Buffer>,
    /// What went into parametric ReLU, times the factors of dropout.
    before: Option<Buffer>,
    /// Derivatives of the loss by `output`, then by what the weights gave.
    d_output: Buffer,
    norm: Option<NormTrace>,
}

impl Part {
    /// For up to `rows` rows.
    pub(super) fn new(layout: &Layout, activation: Activation, rows: usize) -> Self {
        Self { hidden: layout.hidden.iter().map(|layer| HiddenPart::new(layer, activation, rows)).collect() }
    }

    /// The logits of `input`, whose first row is `first_row` of the batch. Batch normalization moves `statistics`.
    pub(super) fn forward(
        &mut self,
        step: &Step<'_>,
        (first_row, input): (usize, Batch<'_>),
        statistics: &mut [f32],
        logits: &mut [f32],
    ) {
        let mut below = input;
        for (index, (layer, buffers)) in step.layout.hidden.iter().zip(&mut self.hidden).enumerate() {
            let width = stride(layer.units);
            let dropout = step.dropouts.get(index).copied().flatten().map(|drawn| drawn.from(first_row * width));
            buffers.forward(step, layer, dropout, below, statistics);
            below = Batch { values: &buffers.output[..input.rows * width], stride: width, rows: input.rows };
        }
        let weights = &step.parameters[step.layout.output_weight.clone()];
        dot_rows(below.values, weights, step.parameters[step.layout.output_bias.start], logits);
    }

    /// From the derivatives by the logits down to those by what the weights of each layer gave. What a normalization
    /// or parametric ReLU learns from is written to `gradient`.
    pub(super) fn backward(&mut self, step: &Step<'_>, d_logits: &[f32], gradient: &mut [f32]) {
        let rows = d_logits.len();
        if let Some((layer, last)) = step.layout.hidden.last().zip(self.hidden.last_mut()) {
            let weights = &step.parameters[step.layout.output_weight.clone()];
            spread_rows(d_logits, weights, &mut last.d_output[..rows * stride(layer.units)]);
        }
        for index in (0..self.hidden.len()).rev() {
            let (below, from_here) = self.hidden.split_at_mut(index);
            let (Some(buffers), Some(layer)) = (from_here.first_mut(), step.layout.hidden.get(index)) else { return };
            let dropout = step.dropouts.get(index).copied().flatten();
            if layer.residual
                && let Some(below) = below.last_mut()
            {
                let used = rows * stride(layer.inputs);
                below.d_output[..used].copy_from_slice(&buffers.d_output[..used]);
            }
            buffers.backward(step, layer, dropout, rows, gradient);
            if let (Some(below), Some(Some(transposed))) = (below.last_mut(), step.transposed.get(index)) {
                let start = if layer.residual { Start::Present } else { Start::Zero };
                let used = rows * stride(layer.inputs);
                transposed.multiply(step.product, rows, &buffers.d_output, start, &mut below.d_output[..used]);
            }
        }
    }

    /// The outputs of a hidden layer.
    pub(super) fn output(&self, layer: usize) -> &[f32] {
        &self.hidden[layer].output
    }

    /// After the backward pass, the derivatives by what the weights of a hidden layer gave.
    pub(super) fn slopes(&self, layer: usize) -> &[f32] {
        &self.hidden[layer].d_output
    }
}

/// `input · weight + bias`.
pub(super) fn affine(product: Matmul, parameters: &[f32], layer: &HiddenLayout, input: Batch<'_>, output: &mut [f32]) {
    let width = stride(layer.units);
    let left = Left { values: input.values, row_step: input.stride, depth_step: 1 };
    let (weight, bias) = (&parameters[layer.weight.clone()], &parameters[layer.bias.clone()]);
    product([input.rows, layer.inputs, width], left, weight, width, Start::Row(bias), output, width);
}

impl HiddenPart {
    fn new(layer: &HiddenLayout, activation: Activation, rows: usize) -> Self {
        let size = rows * stride(layer.units);
        // The output of ReLU says where its slope is 0, unless the layer's input was added to it.
        let tells = activation == Activation::Relu && !layer.residual;
        Self {
            output: Buffer::zeros(size),
            slopes: (!tells).then(|| Buffer::zeros(size)),
            before: layer.below.as_ref().map(|_| Buffer::zeros(size)),
            d_output: Buffer::zeros(size),
            norm: NormTrace::new(layer, rows),
        }
    }

    fn forward(
        &mut self,
        step: &Step<'_>,
        layer: &HiddenLayout,
        dropout: Option<Dropout>,
        input: Batch<'_>,
        statistics: &mut [f32],
    ) {
        let used = input.rows * stride(layer.units);
        let output = &mut self.output[..used];
        affine(step.product, step.parameters, layer, input, output);
        if let Some(norm) = &mut self.norm {
            norm.forward(step.parameters, statistics, layer, output);
        }
        match (&mut self.slopes, dropout) {
            (None, None) => relu(output),
            (None, Some(dropout)) => relu_with_dropout(output, dropout),
            (Some(slopes), dropout) => {
                let slopes = &mut slopes[..used];
                if let (Some(below), Some(before)) = (&layer.below, &mut self.before) {
                    before[..used].copy_from_slice(output);
                    parametric(&step.parameters[below.clone()], output, slopes, &before[..used]);
                } else {
                    activate_with_slopes(step.activation, output, slopes);
                    clear_padding(step.activation, layer.units, output);
                }
                if let Some(dropout) = dropout {
                    drop_units(output, slopes, dropout);
                    if let Some(before) = &mut self.before {
                        drop_values(&mut before[..used], dropout);
                    }
                }
            }
        }
        if layer.residual {
            add_into(output, &input.values[..used]);
        }
    }

    /// From the derivatives by the layer's output to those by what its weights gave.
    fn backward(
        &mut self,
        step: &Step<'_>,
        layer: &HiddenLayout,
        dropout: Option<Dropout>,
        rows: usize,
        gradient: &mut [f32],
    ) {
        debug_assert!(self.slopes.is_some() || step.activation == Activation::Relu);
        let used = rows * stride(layer.units);
        let d_output = &mut self.d_output[..used];
        if let (Some(place), Some(before)) = (&layer.below, &self.before) {
            let sum = &mut gradient[place.clone()];
            sum.fill(0.0);
            parametric_relu_gradient(d_output, &before[..used], sum);
        }
        match (&self.slopes, dropout) {
            (None, None) => relu_backward(d_output, &self.output[..used]),
            (None, Some(dropout)) => relu_with_dropout_backward(d_output, &self.output[..used], dropout.scale),
            (Some(slopes), _) => multiply(d_output, &slopes[..used]),
        }
        if let Some(norm) = &mut self.norm {
            norm.backward(step.parameters, layer, d_output, gradient);
        }
    }
}

/// Zeros what an activation that is not 0 at 0 wrote between rows.
pub(super) fn clear_padding(activation: Activation, units: usize, output: &mut [f32]) {
    if activation == Activation::Sigmoid {
        output.chunks_exact_mut(stride(units)).for_each(|row| row[units..].fill(0.0));
    }
}

fn parametric(below: &[f32], output: &mut [f32], slopes: &mut [f32], before: &[f32]) {
    let rows = output.chunks_exact_mut(below.len()).zip(slopes.chunks_exact_mut(below.len()));
    for ((output, slopes), before) in rows.zip(before.chunks_exact(below.len())) {
        parametric_relu_slopes(before, below, slopes);
        parametric_relu(output, below);
    }
}
