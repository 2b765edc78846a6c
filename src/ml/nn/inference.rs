//! Prediction: features to logits, in blocks of rows.

use ndarray::{Array2, ArrayView2, s};

use super::activation::activate;
use super::network::Network;

/// Rows that go through the network together; enough for the matrix product, few enough for the cache.
const BLOCK: usize = 256;
/// Blocks are filled up with zeros to a multiple of this, which every register tile of the matrix product
/// divides. So each row goes through the same instructions whatever it is sent with, and its result is the same
/// to the last bit.
const TILE: usize = 16;

impl Network {
    /// One logit per row of `features`, `(rows, inputs)`. A row's logit depends on that row alone.
    pub fn logits(&self, features: &Array2<f64>) -> Vec<f64> {
        self.logits_of(features.view())
    }

    /// [`Network::logits`] of a view.
    pub fn logits_of(&self, features: ArrayView2<'_, f64>) -> Vec<f64> {
        let rows = features.nrows();
        let capacity = rows.min(BLOCK).next_multiple_of(TILE);
        let widths = std::iter::once(self.inputs()).chain(self.hidden.iter().map(|layer| layer.dense.outputs()));
        let mut buffers: Vec<Array2<f32>> = widths.chain([1]).map(|width| Array2::zeros((capacity, width))).collect();
        let mut logits = Vec::with_capacity(rows);
        for start in (0..rows).step_by(BLOCK) {
            let end = rows.min(start + BLOCK);
            self.block(features.slice(s![start..end, ..]), &mut buffers, &mut logits);
        }
        logits
    }

    /// `buffers` has one matrix for the input, one per hidden layer and one for the logits.
    fn block(&self, features: ArrayView2<'_, f64>, buffers: &mut [Array2<f32>], logits: &mut Vec<f64>) {
        let rows = features.nrows();
        let padded = rows.next_multiple_of(TILE);
        let Some((mut input, mut rest)) = buffers.split_first_mut() else { return };
        input.slice_mut(s![..rows, ..]).zip_mut_with(&features, |to, &from| *to = from as f32);
        input.slice_mut(s![rows..padded, ..]).fill(0.0);
        for layer in &self.hidden {
            let Some((output, others)) = rest.split_first_mut() else { return };
            let mut values = output.slice_mut(s![..padded, ..]);
            layer.dense.forward(input.slice(s![..padded, ..]), values.view_mut());
            if let Some(norm) = &layer.batch_norm {
                norm.forward(values.view_mut());
            }
            activate(self.activation, values);
            (input, rest) = (output, others);
        }
        let Some(output) = rest.first_mut() else { return };
        self.output.forward(input.slice(s![..padded, ..]), output.slice_mut(s![..padded, ..]));
        logits.extend(output.iter().take(rows).map(|&logit| f64::from(logit)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::config::{Activation, Initializer};
    use crate::ml::nn::NetworkShape;
    use crate::ml::seed::Seed;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// The widths and counts straddle the tiles and blocks of the matrix product.
        #[test]
        fn a_row_gets_the_same_bits_alone_and_in_any_company(
            rows in 1_usize..600, inputs in 1_usize..40, units in 1_usize..40, normalize: bool, seed: u64,
        ) {
            let shape = NetworkShape {
                inputs, hidden_layers: vec![units, 7], activation: Activation::Gelu, batch_normalization: normalize,
            };
            let network = Network::initialized(&shape, Initializer::HeNormal, None, Seed(seed));
            let features = Array2::from_shape_fn((rows, inputs), |(row, column)| ((row * 31 + column * 17) as f64).sin());
            let together = network.logits(&features);
            prop_assert_eq!(together.len(), rows);
            for row in [0, rows / 2, rows - 1] {
                let alone = network.logits_of(features.slice(s![row..row + 1, ..]));
                prop_assert_eq!(alone[0].to_bits(), together[row].to_bits());
            }
            let tail = network.logits_of(features.slice(s![rows / 3.., ..]));
            prop_assert_eq!(&tail[..], &together[rows / 3..]);
        }
    }
}
