//! One training step through a network: forward with dropout and batch statistics, and backward.

use std::sync::Arc;

use rand::RngCore;

use super::layout::{HiddenLayout, Layout};
use super::network::Network;
use super::normalization::NormTrace;
use crate::ml::config::Activation;
use crate::ml::kernel::{
    Buffer, Dropout, Left, Start, activate_with_slopes, add_into, add_rows, dot_rows, drop_units, drop_values, matmul,
    multiply, outer_product_sum, parametric_relu, parametric_relu_gradient, parametric_relu_slopes, relu,
    relu_backward, relu_with_dropout, relu_with_dropout_backward, spread_rows, stride, transpose,
};
use crate::ml::seed::Rng;

/// A batch of features: rows padded to `stride`.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    pub values: &'a [f32],
    pub stride: usize,
    pub rows: usize,
}

/// The intermediate values of a step, allocated once for the largest batch.
#[derive(Debug, Clone)]
pub struct Pass {
    layout: Arc<Layout>,
    activation: Activation,
    hidden: Vec<HiddenPass>,
    logits: Buffer,
    d_logits: Buffer,
    /// The chance that a hidden unit is left out.
    dropout: f64,
}

/// Of one hidden layer; each `(rows, stride)`.
#[derive(Debug, Clone)]
struct HiddenPass {
    output: Buffer,
    /// Derivatives of `output` by what went into the activation, where `output` itself does not tell.
    slopes: Option<Buffer>,
    /// What went into parametric ReLU, times the factors of dropout.
    before: Option<Buffer>,
    /// Derivatives of the loss by `output`, then by what went into it.
    d_output: Buffer,
    norm: Option<NormTrace>,
    /// The weights `(units, inputs)`, for the derivatives by the layer's input; none for the first layer.
    transposed: Buffer,
    dropout: Option<Dropout>,
}

impl Pass {
    /// For batches of up to `rows` rows; `dropout` is the chance that a hidden unit is left out.
    pub fn new(network: &Network, rows: usize, dropout: f64) -> Self {
        let activation = network.shape().activation;
        let layers = network.layout().hidden.iter().enumerate();
        Self {
            layout: Arc::clone(network.layout()),
            activation,
            hidden: layers.map(|(index, layer)| HiddenPass::new(layer, activation, index > 0, rows)).collect(),
            logits: Buffer::zeros(rows),
            d_logits: Buffer::zeros(rows),
            dropout,
        }
    }

    /// The logits of a batch; moves the running statistics of `network`, draws dropout from `rng`.
    pub fn forward(&mut self, network: &mut Network, batch: Batch<'_>, rng: &mut Rng) -> &[f32] {
        let layout = Arc::clone(&self.layout);
        let mut below = batch;
        for (layer, buffers) in layout.hidden.iter().zip(&mut self.hidden) {
            buffers.dropout = draw_dropout(self.dropout, rng);
            buffers.forward(network, layer, self.activation, below);
            let width = stride(layer.units);
            below = Batch { values: &buffers.output[..batch.rows * width], stride: width, rows: batch.rows };
        }
        let weights = network.part(&layout.output_weight);
        dot_rows(below.values, weights, network.output_bias(), &mut self.logits[..batch.rows]);
        &self.logits[..batch.rows]
    }

    /// The logits of the last forward pass, and room for the derivatives of the loss by them.
    pub fn logits_and_slopes(&mut self, rows: usize) -> (&[f32], &mut [f32]) {
        (&self.logits[..rows], &mut self.d_logits[..rows])
    }

    /// Overwrites `gradient` with the derivatives of the loss by every parameter, from those by the logits.
    /// `batch` is that of the forward pass.
    pub fn backward(&mut self, network: &Network, batch: Batch<'_>, gradient: &mut [f32]) {
        let layout = Arc::clone(&self.layout);
        let rows = batch.rows;
        let d_logits = &self.d_logits[..rows];
        gradient[layout.output_bias.start] = d_logits.iter().sum();
        let top = match layout.hidden.last().zip(self.hidden.last_mut()) {
            Some((layer, last)) => {
                let used = rows * stride(layer.units);
                spread_rows(d_logits, network.part(&layout.output_weight), &mut last.d_output[..used]);
                &last.output[..used]
            }
            None => batch.values,
        };
        outer_product_sum(d_logits, top, &mut gradient[layout.output_weight.clone()]);
        for index in (0..self.hidden.len()).rev() {
            let (before, from_here) = self.hidden.split_at_mut(index);
            let (Some(buffers), Some(layer)) = (from_here.first_mut(), layout.hidden.get(index)) else { return };
            let below = match before.last_mut() {
                Some(last) => {
                    let width = stride(layer.inputs);
                    let values = &last.output[..rows * width];
                    let d_values = &mut last.d_output[..rows * width];
                    if layer.residual {
                        d_values.copy_from_slice(&buffers.d_output[..rows * width]);
                    }
                    (Batch { values, stride: width, rows }, Some(d_values))
                }
                None => (batch, None),
            };
            buffers.backward(network, layer, self.activation, below, gradient);
        }
    }

    /// The outputs of each hidden layer in the last forward pass, rows padded, with the layer's units.
    pub fn outputs(&self, rows: usize) -> impl Iterator<Item = (&[f32], usize)> {
        let layers = self.hidden.iter().zip(&self.layout.hidden);
        layers.map(move |(buffers, layer)| (&buffers.output[..rows * stride(layer.units)], layer.units))
    }
}

/// The draw of one layer in one step; `None` where nothing would be left out.
fn draw_dropout(probability: f64, rng: &mut Rng) -> Option<Dropout> {
    let threshold = (probability * f64::from(u32::MAX)) as u32;
    (threshold > 0).then(|| Dropout {
        keys: [rng.next_u32(), rng.next_u32()],
        threshold,
        scale: (1.0 / (1.0 - probability)) as f32,
    })
}

/// `input · weight + bias`.
pub(super) fn affine(network: &Network, layer: &HiddenLayout, input: Batch<'_>, output: &mut [f32]) {
    let width = stride(layer.units);
    let left = Left { values: input.values, row_step: input.stride, depth_step: 1 };
    let sides = [input.rows, layer.inputs, width];
    matmul(sides, left, network.part(&layer.weight), width, Start::Row(network.part(&layer.bias)), output, width);
}

impl HiddenPass {
    fn new(layer: &HiddenLayout, activation: Activation, has_below: bool, rows: usize) -> Self {
        let size = rows * stride(layer.units);
        // The output of ReLU says where its slope is 0, unless the layer's input was added to it.
        let tells = activation == Activation::Relu && !layer.residual;
        Self {
            output: Buffer::zeros(size),
            slopes: (!tells).then(|| Buffer::zeros(size)),
            before: layer.below.as_ref().map(|_| Buffer::zeros(size)),
            d_output: Buffer::zeros(size),
            norm: NormTrace::new(layer, rows),
            transposed: if has_below { Buffer::zeros(layer.units * stride(layer.inputs)) } else { Buffer::default() },
            dropout: None,
        }
    }

    fn forward(&mut self, network: &mut Network, layer: &HiddenLayout, activation: Activation, input: Batch<'_>) {
        let used = input.rows * stride(layer.units);
        let output = &mut self.output[..used];
        affine(network, layer, input, output);
        if let Some(norm) = &mut self.norm {
            norm.forward(network, layer, output);
        }
        match (&mut self.slopes, self.dropout) {
            (None, None) => relu(output),
            (None, Some(dropout)) => relu_with_dropout(output, dropout),
            (Some(slopes), dropout) => {
                let slopes = &mut slopes[..used];
                if let (Some(below), Some(before)) = (&layer.below, &mut self.before) {
                    before[..used].copy_from_slice(output);
                    parametric(network.part(below), output, slopes, &before[..used]);
                } else {
                    activate_with_slopes(activation, output, slopes);
                    clear_padding(activation, layer.units, output);
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

    /// From the derivatives by the layer's output to those by its parameters and, where there are any below, to
    /// those by its input.
    fn backward(
        &mut self,
        network: &Network,
        layer: &HiddenLayout,
        activation: Activation,
        (below, d_below): (Batch<'_>, Option<&mut [f32]>),
        gradient: &mut [f32],
    ) {
        debug_assert!(self.slopes.is_some() || activation == Activation::Relu);
        let width = stride(layer.units);
        let used = below.rows * width;
        let d_output = &mut self.d_output[..used];
        if let (Some(place), Some(before)) = (&layer.below, &self.before) {
            parametric_relu_gradient(d_output, &before[..used], &mut gradient[place.clone()]);
        }
        match (&self.slopes, self.dropout) {
            (None, None) => relu_backward(d_output, &self.output[..used]),
            (None, Some(dropout)) => relu_with_dropout_backward(d_output, &self.output[..used], dropout.scale),
            (Some(slopes), _) => multiply(d_output, &slopes[..used]),
        }
        if let Some(norm) = &mut self.norm {
            norm.backward(network, layer, d_output, gradient);
        }
        add_rows(d_output, &mut gradient[layer.bias.clone()]);
        let left = Left { values: below.values, row_step: 1, depth_step: below.stride };
        let sides = [layer.inputs, below.rows, width];
        matmul(sides, left, d_output, width, Start::Zero, &mut gradient[layer.weight.clone()], width);
        if let Some(d_below) = d_below {
            let weights = network.part(&layer.weight);
            transpose([layer.inputs, layer.units], weights, width, &mut self.transposed, below.stride);
            let start = if layer.residual { Start::Present } else { Start::Zero };
            let left = Left { values: d_output, row_step: width, depth_step: 1 };
            let sides = [below.rows, layer.units, below.stride];
            matmul(sides, left, &self.transposed, below.stride, start, d_below, below.stride);
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
