//! One training step through a network: forward with dropout and batch statistics, and backward.
//! Convolutional networks have theirs in [`super::picture::pass`].
//!
//! Of a large network the rows of a batch are worked on in parts, and the gradient of the weights in blocks, which the
//! threads of a pool share. Parts and blocks depend on the network and the batch alone, each number is computed by one
//! chain in the order of the rows, and so the bits are the same for any number of threads.

use std::sync::Arc;

use rand::RngCore;
use rayon::prelude::*;

use super::layout::Layout;
use super::network::Network;
use super::part::{Part, Step};
use super::picture::pass::PicturePass;
use super::transposed::Transposed;
use crate::ml::config::Activation;
use crate::ml::kernel::{
    Buffer, Dropout, Left, Matmul, Start, add_outer_product, add_rows, matmul, matmul_shared, stride, threads,
};
use crate::ml::seed::Rng;

/// Rows of a part.
const PART_ROWS: usize = 64;
/// Rows of a block of weights.
const BLOCK_ROWS: usize = 64;
/// Multiply-adds of a forward pass below which sharing the work costs more than it saves.
const WORTH_SHARING: usize = 1 << 22;

/// A batch of features: rows padded to `stride`.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    pub values: &'a [f32],
    pub stride: usize,
    pub rows: usize,
}

impl<'a> Batch<'a> {
    /// Its rows, so many at a time.
    fn parts(self, rows: usize) -> impl Fn(usize) -> Batch<'a> {
        move |part| {
            let (first, end) = ((part * rows).min(self.rows), ((part + 1) * rows).min(self.rows));
            Batch { values: &self.values[first * self.stride..end * self.stride], rows: end - first, ..self }
        }
    }
}

/// A training step through a network of any kind.
#[derive(Debug, Clone)]
pub enum Pass {
    Rows(Box<RowPass>),
    Pictures(Box<PicturePass>),
}

impl Pass {
    /// For batches of up to `rows` rows; `dropout` is the chance that a hidden unit of a multilayer perceptron is left out.
    pub fn new(network: &Network, rows: usize, dropout: f64) -> Self {
        match PicturePass::new(network, rows) {
            Some(pass) => Pass::Pictures(Box::new(pass)),
            None => Pass::Rows(Box::new(RowPass::new(network, rows, dropout))),
        }
    }

    /// Whether a step with so many rows is work enough for several threads.
    pub(super) fn shares(network: &Network, rows: usize) -> bool {
        match &network.layout().plan {
            Some(plan) => PicturePass::shares(plan, rows),
            None => RowPass::shares(network, rows),
        }
    }

    /// The logits of a batch; moves the running statistics of `network`, draws dropout from `rng`.
    pub fn forward(&mut self, network: &mut Network, batch: Batch<'_>, rng: &mut Rng) -> &[f32] {
        match self {
            Pass::Rows(pass) => pass.forward(network, batch, rng),
            Pass::Pictures(pass) => pass.forward(network, batch, rng),
        }
    }

    /// The logits of the last forward pass, and room for the derivatives of the loss by them.
    pub fn logits_and_slopes(&mut self, rows: usize) -> (&[f32], &mut [f32]) {
        match self {
            Pass::Rows(pass) => pass.logits_and_slopes(rows),
            Pass::Pictures(pass) => pass.logits_and_slopes(rows),
        }
    }

    /// Overwrites `gradient` with the derivatives of the loss by every parameter, from those by the logits.
    /// `batch` and `network` are those of the forward pass.
    pub fn backward(&mut self, network: &Network, batch: Batch<'_>, gradient: &mut [f32]) {
        match self {
            Pass::Rows(pass) => pass.backward(network, batch, gradient),
            Pass::Pictures(pass) => pass.backward(network, batch.rows, gradient),
        }
    }
}

/// The intermediate values of a step of a multilayer perceptron, allocated once for the largest batch.
#[derive(Debug, Clone)]
pub struct RowPass {
    layout: Arc<Layout>,
    activation: Activation,
    /// One, unless the work is shared.
    parts: Vec<Part>,
    part_rows: usize,
    blocks: Vec<Block>,
    /// Of each hidden layer but the first, below which nobody asks for derivatives.
    transposed: Vec<Option<Transposed>>,
    logits: Buffer,
    d_logits: Buffer,
    /// The chance that a hidden unit is left out.
    dropout: f64,
    /// The draw of each hidden layer in the present step.
    dropouts: Vec<Option<Dropout>>,
}

/// Some rows of the weights of a layer.
#[derive(Debug, Clone)]
struct Block {
    layer: usize,
    first_row: usize,
    rows: usize,
    /// Where it begins in the parameters.
    start: usize,
}

impl RowPass {
    /// For batches of up to `rows` rows; `dropout` is the chance that a hidden unit is left out.
    pub fn new(network: &Network, rows: usize, dropout: f64) -> Self {
        let layout = Arc::clone(network.layout());
        let activation = layout.activation;
        // What a normalization or parametric ReLU learns is summed over all rows.
        let apart = layout.hidden.iter().all(|layer| layer.norm.is_none() && layer.below.is_none());
        let is_shared = apart && Self::shares(network, rows);
        let part_rows = if is_shared { PART_ROWS } else { rows.max(1) };
        let parts = rows.div_ceil(part_rows).max(1);
        Self {
            activation,
            parts: (0..parts).map(|_| Part::new(&layout, activation, part_rows)).collect(),
            part_rows,
            blocks: Block::all(&layout, if is_shared { BLOCK_ROWS } else { usize::MAX }),
            transposed: layout
                .hidden
                .iter()
                .enumerate()
                .map(|(at, layer)| (at > 0).then(|| Transposed::new(layer)))
                .collect(),
            logits: Buffer::zeros(rows),
            d_logits: Buffer::zeros(rows),
            dropout,
            dropouts: vec![None; layout.hidden.len()],
            layout,
        }
    }

    /// Whether a step with so many rows is work enough for several threads.
    pub(super) fn shares(network: &Network, rows: usize) -> bool {
        rows.saturating_mul(network.layout().weights_end) >= WORTH_SHARING
    }

    /// The logits of a batch; moves the running statistics of `network`, draws dropout from `rng`.
    pub fn forward(&mut self, network: &mut Network, batch: Batch<'_>, rng: &mut Rng) -> &[f32] {
        self.dropouts.iter_mut().for_each(|dropout| *dropout = draw_dropout(self.dropout, rng));
        let Network { parameters, statistics, .. } = network;
        let parameters: &[f32] = parameters;
        let logits = &mut self.logits[..batch.rows];
        let step = Step {
            layout: &self.layout,
            activation: self.activation,
            parameters,
            dropouts: &self.dropouts,
            transposed: &[],
            product: product(self.parts.len()),
        };
        let (rows, part) = (self.part_rows, batch.parts(self.part_rows));
        match self.parts.as_mut_slice() {
            [only] => only.forward(&step, (0, batch), statistics, logits),
            parts if threads() > 1 => {
                let parts = parts.par_iter_mut().zip(logits.par_chunks_mut(rows)).enumerate();
                let forward = || {
                    parts.for_each(|(index, (buffers, logits))| {
                        buffers.forward(&step, (index * rows, part(index)), &mut [], logits);
                    });
                };
                rayon::join(forward, || refresh(&self.layout, &mut self.transposed, parameters));
            }
            parts => {
                for (index, (buffers, logits)) in parts.iter_mut().zip(logits.chunks_mut(rows)).enumerate() {
                    buffers.forward(&step, (index * rows, part(index)), &mut [], logits);
                }
            }
        }
        &self.logits[..batch.rows]
    }

    /// The logits of the last forward pass, and room for the derivatives of the loss by them.
    pub fn logits_and_slopes(&mut self, rows: usize) -> (&[f32], &mut [f32]) {
        (&self.logits[..rows], &mut self.d_logits[..rows])
    }

    /// Overwrites `gradient` with the derivatives of the loss by every parameter, from those by the logits.
    /// `batch` and `network` are those of the forward pass.
    pub fn backward(&mut self, network: &Network, batch: Batch<'_>, gradient: &mut [f32]) {
        let is_parallel = self.parts.len() > 1 && threads() > 1;
        if !is_parallel {
            refresh(&self.layout, &mut self.transposed, network.parameters());
        }
        let step = Step {
            layout: &self.layout,
            activation: self.activation,
            parameters: network.parameters(),
            dropouts: &self.dropouts,
            transposed: &self.transposed,
            product: product(self.parts.len()),
        };
        let d_logits = &self.d_logits[..batch.rows];
        match self.parts.as_mut_slice() {
            [only] => only.backward(&step, d_logits, gradient),
            parts if is_parallel => parts
                .par_iter_mut()
                .zip(d_logits.par_chunks(self.part_rows))
                .for_each(|(part, d_logits)| part.backward(&step, d_logits, &mut [])),
            parts => parts
                .iter_mut()
                .zip(d_logits.chunks(self.part_rows))
                .for_each(|(part, d_logits)| part.backward(&step, d_logits, &mut [])),
        }
        let (weights, rest) = gradient.split_at_mut(self.layout.output_weight.start);
        if is_parallel {
            rayon::join(|| self.share_blocks(&self.blocks, batch, weights, 0), || self.sum_rows(batch, rest));
        } else {
            for block in &self.blocks {
                self.block_gradient(block, batch, &mut weights[block.start..]);
            }
            self.sum_rows(batch, rest);
        }
    }

    /// The gradient of some blocks, halved until each thread has its part; `gradient` begins at the parameter `from`.
    fn share_blocks(&self, blocks: &[Block], batch: Batch<'_>, gradient: &mut [f32], from: usize) {
        match blocks {
            [] => {}
            [block] => self.block_gradient(block, batch, gradient),
            blocks => {
                let (left, right) = blocks.split_at(blocks.len() / 2);
                let middle = right[0].start;
                let (above, below) = gradient.split_at_mut(middle - from);
                rayon::join(
                    || self.share_blocks(left, batch, above, from),
                    || self.share_blocks(right, batch, below, middle),
                );
            }
        }
    }

    /// The gradient of a block of weights, at the beginning of `gradient`: one chain over the rows of the batch.
    fn block_gradient(&self, block: &Block, batch: Batch<'_>, gradient: &mut [f32]) {
        let Block { layer, first_row, rows, .. } = *block;
        let width = stride(self.layout.hidden[layer].units);
        for (index, part) in self.parts.iter().enumerate() {
            let below = self.below(layer, index, batch);
            if below.rows == 0 {
                break;
            }
            let left = Left { values: &below.values[first_row..], row_step: 1, depth_step: below.stride };
            let start = if index == 0 { Start::Zero } else { Start::Present };
            let slopes = &part.slopes(layer)[..below.rows * width];
            product(self.parts.len())([rows, below.rows, width], left, slopes, width, start, gradient, width);
        }
    }

    /// The gradient of the output and of the biases; `rest` is what follows the weights of hidden layers.
    fn sum_rows(&self, batch: Batch<'_>, rest: &mut [f32]) {
        let from = self.layout.output_weight.start;
        let place = |range: &std::ops::Range<usize>| range.start - from..range.end - from;
        let d_logits = &self.d_logits[..batch.rows];
        rest[self.layout.output_bias.start - from] = d_logits.iter().sum();
        let sum = &mut rest[place(&self.layout.output_weight)];
        sum.fill(0.0);
        for (index, d_logits) in d_logits.chunks(self.part_rows).enumerate() {
            add_outer_product(d_logits, self.below(self.layout.hidden.len(), index, batch).values, sum);
        }
        for (layer, place_of) in self.layout.hidden.iter().enumerate() {
            let sum = &mut rest[place(&place_of.bias)];
            sum.fill(0.0);
            for (index, part) in self.parts.iter().enumerate() {
                let rows = self.below(layer, index, batch).rows;
                add_rows(&part.slopes(layer)[..rows * stride(place_of.units)], sum);
            }
        }
    }

    /// The input of a layer, in a part of the batch.
    fn below<'s>(&'s self, layer: usize, part: usize, batch: Batch<'s>) -> Batch<'s> {
        let input = batch.parts(self.part_rows)(part);
        match layer.checked_sub(1) {
            None => input,
            Some(below) => {
                let width = stride(self.layout.hidden[below].units);
                let values = &self.parts[part].output(below)[..input.rows * width];
                Batch { values, stride: width, rows: input.rows }
            }
        }
    }
}

impl Block {
    /// All weights of the hidden layers, in their order, up to so many rows at a time.
    fn all(layout: &Layout, most_rows: usize) -> Vec<Self> {
        let mut blocks = Vec::new();
        for (layer, place) in layout.hidden.iter().enumerate() {
            let mut first_row = 0;
            while first_row < place.inputs {
                let rows = most_rows.min(place.inputs - first_row);
                let start = place.weight.start + first_row * stride(place.units);
                blocks.push(Self { layer, first_row, rows, start });
                first_row += rows;
            }
        }
        blocks
    }
}

/// With several parts, each product is the work of one thread.
fn product(parts: usize) -> Matmul {
    if parts > 1 { matmul } else { matmul_shared }
}

/// Reads the weights of all layers but the first anew.
fn refresh(layout: &Layout, transposed: &mut [Option<Transposed>], parameters: &[f32]) {
    for (layer, transposed) in layout.hidden.iter().zip(transposed) {
        if let Some(transposed) = transposed {
            transposed.refresh(&parameters[layer.weight.clone()]);
        }
    }
}

/// The draw of one layer in one step; `None` where nothing would be left out.
pub(super) fn draw_dropout(probability: f64, rng: &mut Rng) -> Option<Dropout> {
    let threshold = (probability * f64::from(u32::MAX)) as u32;
    (threshold > 0).then(|| Dropout {
        keys: [rng.next_u32(), rng.next_u32()],
        threshold,
        scale: (1.0 / (1.0 - probability)) as f32,
        first: 0,
    })
}
