//! One training step through a network: forward with dropout and batch statistics, and backward.

use ndarray::{Array2, ArrayView2, s};

use super::activation::activate_with_slopes;
use super::batch_norm::BatchNormTrace;
use super::dropout::Dropout;
use super::network::{Hidden, Network};
use crate::ml::config::Activation;
use crate::ml::seed::Rng;

/// The intermediate values of a step, allocated once for the largest batch.
#[derive(Debug, Clone)]
pub struct Pass {
    hidden: Vec<HiddenPass>,
    logits: Array2<f32>,
    d_logits: Array2<f32>,
    dropout: Option<Dropout>,
}

/// Of one hidden layer; each `(rows, units)`.
#[derive(Debug, Clone)]
struct HiddenPass {
    output: Array2<f32>,
    /// Derivatives of `output` by what went into the activation.
    slopes: Array2<f32>,
    /// Derivatives of the loss by `output`, then by what went into it.
    d_output: Array2<f32>,
    norm: Option<BatchNormTrace>,
}

impl Pass {
    /// For batches of up to `rows` rows; `dropout` is the chance that a hidden unit is left out.
    pub fn new(network: &Network, rows: usize, dropout: f64) -> Self {
        Self {
            hidden: network.hidden.iter().map(|layer| HiddenPass::new(layer, rows)).collect(),
            logits: Array2::zeros((rows, 1)),
            d_logits: Array2::zeros((rows, 1)),
            dropout: Dropout::new(dropout),
        }
    }

    /// The logits of `input`, `(rows, inputs)`; moves the running statistics of `network`, draws dropout from
    /// `rng`.
    pub fn forward(&mut self, network: &mut Network, input: ArrayView2<'_, f32>, rng: &mut Rng) -> &[f32] {
        let rows = input.nrows();
        let mut previous = input;
        for (layer, buffers) in network.hidden.iter_mut().zip(&mut self.hidden) {
            buffers.forward(layer, network.activation, previous, self.dropout, rng);
            previous = buffers.output.slice(s![..rows, ..]);
        }
        network.output.forward(previous, self.logits.slice_mut(s![..rows, ..]));
        front(self.logits.as_slice(), rows)
    }

    /// The logits of the last forward pass, and room for the derivatives of the loss by them.
    pub fn logits_and_slopes(&mut self, rows: usize) -> (&[f32], &mut [f32]) {
        let slopes = self.d_logits.as_slice_mut().unwrap_or_default();
        (front(self.logits.as_slice(), rows), slopes.get_mut(..rows).unwrap_or_default())
    }

    /// Overwrites `gradient` with the derivatives of the loss by every parameter, from those by the logits.
    /// `input` is the batch of the forward pass.
    pub fn backward(&mut self, network: &Network, input: ArrayView2<'_, f32>, gradient: &mut Network) {
        let rows = input.nrows();
        let d_logits = self.d_logits.slice(s![..rows, ..]);
        let (below, d_below) = match self.hidden.last_mut() {
            Some(last) => (last.output.slice(s![..rows, ..]), Some(last.d_output.slice_mut(s![..rows, ..]))),
            None => (input, None),
        };
        network.output.backward(below, d_logits, &mut gradient.output, d_below);
        for index in (0..self.hidden.len()).rev() {
            let (before, from_here) = self.hidden.split_at_mut(index);
            let (Some(buffers), Some(layer), Some(gradient)) =
                (from_here.first_mut(), network.hidden.get(index), gradient.hidden.get_mut(index))
            else {
                return;
            };
            buffers.backward_to_dense(layer, rows, gradient);
            let (below, d_below) = match before.last_mut() {
                Some(last) => (last.output.slice(s![..rows, ..]), Some(last.d_output.slice_mut(s![..rows, ..]))),
                None => (input, None),
            };
            layer.dense.backward(below, buffers.d_output.slice(s![..rows, ..]), &mut gradient.dense, d_below);
        }
    }
}

impl HiddenPass {
    fn new(layer: &Hidden, rows: usize) -> Self {
        let units = layer.dense.outputs();
        let zeros = || Array2::zeros((rows, units));
        let norm = layer.batch_norm.as_ref().map(|_| BatchNormTrace::new(rows, units));
        Self { output: zeros(), slopes: zeros(), d_output: zeros(), norm }
    }

    fn forward(
        &mut self,
        layer: &mut Hidden,
        activation: Activation,
        input: ArrayView2<'_, f32>,
        dropout: Option<Dropout>,
        rng: &mut Rng,
    ) {
        let rows = input.nrows();
        let mut output = self.output.slice_mut(s![..rows, ..]);
        let mut slopes = self.slopes.slice_mut(s![..rows, ..]);
        layer.dense.forward(input, output.view_mut());
        if let (Some(norm), Some(trace)) = (&mut layer.batch_norm, &mut self.norm) {
            norm.forward_training(output.view_mut(), trace);
        }
        activate_with_slopes(activation, output.view_mut(), slopes.view_mut());
        if let Some(dropout) = dropout {
            dropout.apply(output, slopes, rng);
        }
    }

    /// From the derivatives by the layer's output to those by the output of its affine part, in place.
    fn backward_to_dense(&mut self, layer: &Hidden, rows: usize, gradient: &mut Hidden) {
        let mut d_output = self.d_output.slice_mut(s![..rows, ..]);
        d_output *= &self.slopes.slice(s![..rows, ..]);
        if let (Some(norm), Some(trace), Some(gradient)) = (&layer.batch_norm, &mut self.norm, &mut gradient.batch_norm)
        {
            norm.backward(d_output, trace, gradient);
        }
    }
}

fn front(values: Option<&[f32]>, rows: usize) -> &[f32] {
    values.and_then(|values| values.get(..rows)).unwrap_or_default()
}
