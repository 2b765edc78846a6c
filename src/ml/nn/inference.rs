//! Prediction: features to logits, in blocks of rows.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;

use super::layout::HiddenLayout;
use super::network::Network;
use super::normalization::NormInference;
use super::part::{affine, clear_padding};
use super::pass::Batch;
use super::picture::scorer::PictureScorer;
use super::rows::Rows;
use crate::ml::config::Activation;
use crate::ml::kernel::{
    Buffer, activate, add_into, dot_rows, matmul, matmul_shared, parametric_relu, relu, stride, threads,
};

/// Rows that go through the network together: enough for the matrix product, few enough for the cache.
const BLOCK: usize = 256;
/// Multiply-adds of a block below which sharing its rows costs more than it saves, and the rows shared out at a time.
const WORTH_SHARING: usize = 1 << 22;
const SHARED_ROWS: usize = 64;

/// A network of any kind, ready to score rows.
pub(super) enum Scorer<'a> {
    Rows(RowScorer<'a>),
    Pictures(Arc<PictureScorer>),
}

impl<'a> Scorer<'a> {
    /// For blocks of up to `rows` rows.
    pub(super) fn new(network: &'a Network, rows: usize) -> Self {
        match PictureScorer::new(network) {
            Some(scorer) => Scorer::Pictures(Arc::new(scorer)),
            None => Scorer::Rows(RowScorer::new(network, rows)),
        }
    }

    /// One logit per row. A row's logit depends on that row alone. On a thread of a pool with several threads, work is
    /// shared where that pays.
    pub(super) fn score(&mut self, batch: Batch<'_>, logits: &mut [f32]) {
        match self {
            Scorer::Rows(scorer) => scorer.score(batch, logits),
            Scorer::Pictures(scorer) => scorer.score(batch, logits),
        }
    }
}

/// What makes networks that do not change any more ready to score pictures, made when it is first asked for.
#[derive(Clone, Default)]
pub(super) struct Prepared(OnceLock<Vec<Option<Arc<PictureScorer>>>>);

impl Prepared {
    /// The scorers of the same networks every time, for blocks of up to `rows` rows.
    fn scorers<'a>(&self, networks: impl Iterator<Item = &'a Network> + Clone, rows: usize) -> Vec<Scorer<'a>> {
        let make = || networks.clone().map(|network| PictureScorer::new(network).map(Arc::new)).collect();
        let known = self.0.get_or_init(make);
        let ready = |(network, known): (&'a Network, &Option<Arc<PictureScorer>>)| match known {
            Some(scorer) => Scorer::Pictures(Arc::clone(scorer)),
            None => Scorer::Rows(RowScorer::new(network, rows)),
        };
        networks.zip(known).map(ready).collect()
    }
}

/// Whether there is something ready yet tells nothing of the networks.
impl PartialEq for Prepared {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Prepared")
    }
}

/// A multilayer perceptron ready to score rows, with room for a block of them.
pub(super) struct RowScorer<'a> {
    network: &'a Network,
    outputs: Vec<Buffer>,
    norms: Vec<NormInference>,
}

impl<'a> RowScorer<'a> {
    /// For blocks of up to `rows` rows.
    fn new(network: &'a Network, rows: usize) -> Self {
        let layers = &network.layout().hidden;
        Self {
            network,
            outputs: layers.iter().map(|layer| Buffer::zeros(rows * stride(layer.units))).collect(),
            norms: layers.iter().map(|layer| NormInference::new(network, layer, rows)).collect(),
        }
    }

    /// One logit per row. A row's logit depends on that row alone: each is summed in the same order wherever the
    /// row stands. On a thread of a pool with several threads, the rows of a large network are shared.
    fn score(&mut self, batch: Batch<'_>, logits: &mut [f32]) {
        let network = self.network;
        let is_shared = threads() > 1 && batch.rows.saturating_mul(network.layout().weights_end) >= WORTH_SHARING;
        let mut below = batch;
        for ((layer, output), norm) in network.layout().hidden.iter().zip(&mut self.outputs).zip(&mut self.norms) {
            let width = stride(layer.units);
            let output = &mut output[..batch.rows * width];
            if is_shared && !norm.is_of_rows() {
                let norm = &*norm;
                let inputs = below.values.par_chunks(SHARED_ROWS * below.stride);
                output.par_chunks_mut(SHARED_ROWS * width).zip(inputs).for_each(|(output, values)| {
                    let below = Batch { values, rows: output.len() / width, ..below };
                    affine(matmul, network.parameters(), layer, below, output);
                    norm.apply_to_units(output);
                    activate_layer(network, layer, below, output);
                });
            } else {
                affine(matmul_shared, network.parameters(), layer, below, output);
                norm.apply(network, layer, output);
                activate_layer(network, layer, below, output);
            }
            below = Batch { values: output, stride: width, rows: batch.rows };
        }
        dot_rows(below.values, network.part(&network.layout().output_weight), network.output_bias(), logits);
    }

    /// The outputs of each hidden layer for the first `rows` rows of the last block, with the layer's units.
    pub(super) fn outputs(&self, rows: usize) -> impl Iterator<Item = (&[f32], usize)> {
        let layers = self.outputs.iter().zip(&self.network.layout().hidden);
        layers.map(move |(output, layer)| (&output[..rows * stride(layer.units)], layer.units))
    }
}

/// What comes after the weights of a layer and its normalization.
fn activate_layer(network: &Network, layer: &HiddenLayout, input: Batch<'_>, output: &mut [f32]) {
    match (&layer.below, network.layout().activation) {
        (Some(slopes), _) => {
            let slopes = network.part(slopes);
            output.chunks_exact_mut(slopes.len()).for_each(|row| parametric_relu(row, slopes));
        }
        (None, Activation::Relu) => relu(output),
        (None, activation) => {
            activate(activation, output);
            clear_padding(activation, layer.units, output);
        }
    }
    if layer.residual {
        add_into(output, input.values);
    }
}

/// One logit per row for each of some networks with the same inputs. `fill` writes the features of some rows, each so
/// much after the one before. `take` is given the logits of each block, of one network after the other.
pub(super) fn score_blocks<'a>(
    networks: impl Iterator<Item = &'a Network> + Clone,
    prepared: &Prepared,
    inputs: usize,
    rows: usize,
    mut fill: impl FnMut(Range<usize>, &mut [f32], usize),
    mut take: impl FnMut(usize, &[f32]),
) {
    let block = BLOCK.min(rows);
    let (mut features, mut logits) = (Rows::zeros(block, inputs), vec![0.0; block]);
    let mut scorers = prepared.scorers(networks, block);
    for start in (0..rows).step_by(BLOCK) {
        let count = BLOCK.min(rows - start);
        let (stride, logits) = (features.stride(), &mut logits[..count]);
        fill(start..start + count, features.front_mut(count), stride);
        let batch = Batch { values: features.slice(0..count), stride, rows: count };
        for (index, scorer) in scorers.iter_mut().enumerate() {
            scorer.score(batch, logits);
            take(index, logits);
        }
    }
}

impl Network {
    /// One logit per row of `features`, `(rows, inputs)`. A row's logit depends on that row alone.
    pub fn logits(&self, features: &Array2<f64>) -> Vec<f64> {
        self.logits_of(features.view())
    }

    /// [`Network::logits`] of a view.
    pub fn logits_of(&self, features: ArrayView2<'_, f64>) -> Vec<f64> {
        let block = BLOCK.min(features.nrows());
        let (mut rows, mut scorer) = (Rows::zeros(block, self.inputs()), Scorer::new(self, block));
        let mut found = vec![0.0; block];
        let mut logits = Vec::with_capacity(features.nrows());
        for start in (0..features.nrows()).step_by(BLOCK) {
            let end = features.nrows().min(start + BLOCK);
            let found = &mut found[..end - start];
            rows.fill(features.slice(s![start..end, ..]));
            let batch = Batch { values: rows.slice(0..end - start), stride: rows.stride(), rows: end - start };
            scorer.score(batch, found);
            logits.extend(found.iter().map(|&logit| f64::from(logit)));
        }
        logits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::config::{Initializer, Normalization};
    use crate::ml::nn::NetworkShape;
    use crate::ml::seed::Seed;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// The widths and counts straddle the tiles and blocks of the matrix product.
        #[test]
        fn a_row_gets_the_same_bits_alone_and_in_any_company(
            rows in 1_usize..600, inputs in 1_usize..40, units in 1_usize..40, kind in 0_usize..3, seed: u64,
        ) {
            let normalization = [Normalization::None, Normalization::Batch, Normalization::Layer][kind];
            let shape = NetworkShape {
                inputs, hidden_layers: vec![units, 7, 7], activation: Activation::Gelu, normalization, residual: true,
            };
            let network = Network::initialized(&shape, Initializer::HeNormal, None, Seed(seed));
            let features = Array2::from_shape_fn((rows, inputs), |(row, column)| ((row * 31 + column * 17) as f64).sin());
            let together = network.logits(&features);
            prop_assert_eq!(together.len(), rows);
            for row in [0, rows / 2, rows - 1] {
                let alone = network.logits(&features.slice(s![row..row + 1, ..]).to_owned());
                prop_assert_eq!(alone[0].to_bits(), together[row].to_bits());
            }
        }
    }
}
