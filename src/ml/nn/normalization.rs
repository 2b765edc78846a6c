//! Batch and layer normalization: each unit over the batch (Ioffe and Szegedy 2015), or each row over its units
//! (Ba et al. 2016), is brought to mean 0 and variance 1, then scaled and shifted by learnt parameters. Prediction
//! with batch normalization uses running statistics, so that a row's result does not depend on the rows it is sent
//! with.

use super::layout::HiddenLayout;
use super::network::Network;
use crate::ml::kernel::{
    Buffer, column_moments, normalize_columns, normalize_columns_backward, normalize_rows, normalize_rows_backward,
    scale_and_shift, stride,
};

/// Added to the variance before the root.
pub const EPSILON: f64 = 1e-5;
/// The share of a running statistic that a batch leaves as it was.
const MOMENTUM: f64 = 0.9;

/// What the backward pass needs of the forward pass, and room to work in.
#[derive(Debug, Clone)]
pub(super) struct NormTrace {
    normalized: Buffer,
    /// Per unit; of batch normalization.
    mean: Buffer,
    /// `1 / sqrt(variance + EPSILON)`: per unit of batch normalization, per row of layer normalization.
    inverse_deviation: Buffer,
    moments: [Vec<f64>; 2],
    /// One over the rows; 0 if running statistics stood in for those of the batch.
    share: f64,
}

impl NormTrace {
    /// Room for batches of up to `rows` rows.
    pub(super) fn new(layer: &HiddenLayout, rows: usize) -> Option<Self> {
        layer.norm.as_ref()?;
        let width = stride(layer.units);
        let deviations = if layer.running.is_some() { width } else { rows };
        Some(Self {
            normalized: Buffer::zeros(rows * width),
            mean: Buffer::zeros(width),
            inverse_deviation: Buffer::zeros(deviations),
            moments: [vec![0.0; width], vec![0.0; width]],
            share: 0.0,
        })
    }

    /// Normalizes `values`; batch normalization moves its running statistics towards those of the batch.
    ///
    /// A single row has no variance: it would come out as the shift alone, whatever its features. Batch
    /// normalization takes its running statistics instead and leaves them as they are.
    pub(super) fn forward(
        &mut self,
        parameters: &[f32],
        statistics: &mut [f32],
        layer: &HiddenLayout,
        values: &mut [f32],
    ) {
        let Some([scale, shift]) = &layer.norm else { return };
        let (scale, shift) = (&parameters[scale.clone()], &parameters[shift.clone()]);
        let normalized = &mut self.normalized[..values.len()];
        let Some([mean, variance]) = &layer.running else {
            return normalize_rows(values, normalized, &mut self.inverse_deviation, scale, shift, layer.units, EPSILON);
        };
        let rows = values.len() / self.mean.len();
        if rows > 1 {
            let [batch_mean, batch_variance] = &mut self.moments;
            column_moments(values, batch_mean, batch_variance);
            self.mean.iter_mut().zip(batch_mean.iter()).for_each(|(to, &from)| *to = from as f32);
            let unbiased = rows as f64 / (rows - 1) as f64;
            towards(&mut statistics[mean.clone()], batch_mean, 1.0);
            towards(&mut statistics[variance.clone()], batch_variance, unbiased);
            let inverses = self.inverse_deviation.iter_mut().zip(batch_variance.iter());
            inverses.for_each(|(to, &variance)| *to = (1.0 / (variance + EPSILON).sqrt()) as f32);
            self.share = 1.0 / rows as f64;
        } else {
            self.mean.copy_from_slice(&statistics[mean.clone()]);
            let inverses = self.inverse_deviation.iter_mut().zip(&statistics[variance.clone()]);
            inverses.for_each(|(to, &variance)| *to = (1.0 / (f64::from(variance) + EPSILON).sqrt()) as f32);
            self.share = 0.0;
        }
        normalize_columns(values, normalized, &self.mean, &self.inverse_deviation, scale, shift);
    }

    /// Turns the derivatives by the output into those by the input, in place; overwrites those by scale and shift.
    pub(super) fn backward(
        &mut self,
        parameters: &[f32],
        layer: &HiddenLayout,
        d_values: &mut [f32],
        gradient: &mut [f32],
    ) {
        let Some([scale_place, shift_place]) = &layer.norm else { return };
        let normalized = &self.normalized[..d_values.len()];
        let scale = &parameters[scale_place.clone()];
        let [d_scale, d_shift] = &mut self.moments;
        let inverse = &self.inverse_deviation;
        if layer.running.is_some() {
            normalize_columns_backward(d_values, normalized, inverse, scale, self.share, d_scale, d_shift);
        } else {
            normalize_rows_backward(d_values, normalized, inverse, scale, layer.units, d_scale, d_shift);
        }
        for (place, sums) in [(scale_place, &*d_scale), (shift_place, &*d_shift)] {
            gradient[place.clone()].iter_mut().zip(sums).for_each(|(to, &from)| *to = from as f32);
        }
    }
}

/// Moves running statistics towards those of a batch, each times `factor`.
pub(super) fn towards(running: &mut [f32], batch: &[f64], factor: f64) {
    for (running, &batch) in running.iter_mut().zip(batch) {
        *running = (MOMENTUM * f64::from(*running) + (1.0 - MOMENTUM) * factor * batch) as f32;
    }
}

/// What prediction does in place of [`NormTrace::forward`]; nothing without a normalization.
pub(super) struct NormInference {
    /// Factor and offset per unit of batch normalization.
    affine: Option<[Buffer; 2]>,
    /// Room for layer normalization, which needs it once more to forget it.
    scratch: Option<[Buffer; 2]>,
}

impl NormInference {
    /// For blocks of up to `rows` rows.
    pub(super) fn new(network: &Network, layer: &HiddenLayout, rows: usize) -> Self {
        let width = stride(layer.units);
        let affine = layer.norm.as_ref().zip(layer.running.as_ref()).map(|([scale, shift], [mean, variance])| {
            let (mut factor, mut offset) = (Buffer::zeros(width), Buffer::zeros(width));
            for unit in 0..layer.units {
                let deviation = (f64::from(network.statistic(variance)[unit]) + EPSILON).sqrt();
                factor[unit] = (f64::from(network.part(scale)[unit]) / deviation) as f32;
                offset[unit] = network.part(shift)[unit] - factor[unit] * network.statistic(mean)[unit];
            }
            [factor, offset]
        });
        let of_rows = layer.norm.is_some() && layer.running.is_none();
        let scratch = of_rows.then(|| [Buffer::zeros(rows * width), Buffer::zeros(rows)]);
        Self { affine, scratch }
    }

    /// Whether it is of rows, and not of units.
    pub(super) fn is_of_rows(&self) -> bool {
        self.scratch.is_some()
    }

    /// What is done to units, each by itself: nothing, if the normalization is of rows.
    pub(super) fn apply_to_units(&self, values: &mut [f32]) {
        if let Some([factor, offset]) = &self.affine {
            scale_and_shift(values, factor, offset);
        }
    }

    pub(super) fn apply(&mut self, network: &Network, layer: &HiddenLayout, values: &mut [f32]) {
        self.apply_to_units(values);
        if let (Some([normalized, inverse]), Some([scale, shift])) = (&mut self.scratch, &layer.norm) {
            let (scale, shift) = (network.part(scale), network.part(shift));
            normalize_rows(values, normalized, inverse, scale, shift, layer.units, EPSILON);
        }
    }
}

impl Network {
    /// Factor and offset per unit that the batch normalization of a hidden layer comes to in prediction; `None` where it
    /// has none.
    pub fn unit_factors(&self, layer: usize) -> Option<[Vec<f32>; 2]> {
        let layer = self.layout().hidden.get(layer)?;
        let factors = NormInference::new(self, layer, 0).affine?;
        Some(factors.map(|values| values.iter().copied().take(layer.units).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::config::{Activation, Initializer, Normalization};
    use crate::ml::nn::NetworkShape;
    use crate::ml::seed::Seed;

    fn network(normalization: Normalization) -> Network {
        let shape = NetworkShape {
            inputs: 1,
            hidden_layers: vec![2],
            activation: Activation::Relu,
            normalization,
            residual: false,
        };
        let mut network = Network::initialized(&shape, Initializer::HeNormal, None, Seed(1));
        let Some([scale, shift]) = network.layout().hidden[0].norm.clone() else { return network };
        network.parameters_mut()[scale][..2].copy_from_slice(&[2.0, 0.5]);
        network.parameters_mut()[shift][..2].copy_from_slice(&[1.0, -1.0]);
        network
    }

    fn padded(rows: &[[f32; 2]]) -> Vec<f32> {
        let mut values = vec![0.0; rows.len() * 16];
        rows.iter().enumerate().for_each(|(index, row)| values[index * 16..index * 16 + 2].copy_from_slice(row));
        values
    }

    fn close(found: &[f32], expected: &[[f32; 2]]) {
        let expected = padded(expected);
        assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 2e-6), "{found:?} {expected:?}");
    }

    /// ```python
    /// import numpy as np
    /// x = np.array([[1., 10.], [2., 30.], [6., 20.]]); g, b = np.array([2., .5]), np.array([1., -1.])
    /// print((x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) * g + b)
    /// m, v = .1*x.mean(0), .9 + .1*x.var(0, ddof=1)
    /// print(m, v, (x[0] - m) / np.sqrt(v + 1e-5) * g + b)
    /// ```
    #[test]
    fn batch_normalization_trains_on_the_batch_and_predicts_by_running_statistics() {
        let mut network = network(Normalization::Batch);
        let layer = network.layout().hidden[0].clone();
        let rows = [[1.0_f32, 10.0], [2.0, 30.0], [6.0, 20.0]];
        let mut values = padded(&rows);
        let Network { parameters, statistics, .. } = &mut network;
        NormTrace::new(&layer, 3).unwrap().forward(parameters, statistics, &layer, &mut values);
        close(&values, &[[-0.851_638_2, -1.612_372_4], [0.074_180_9, -0.387_627_6], [3.777_457_3, -1.0]]);
        let [mean, variance] = layer.running.clone().unwrap();
        close(&[network.statistic(&mean), network.statistic(&variance)].concat(), &[[0.3, 2.0], [1.6, 10.9]]);

        let mut predicted = padded(&rows[..1]);
        NormInference::new(&network, &layer, 1).apply(&network, &layer, &mut predicted);
        close(&predicted, &[[2.106_793_7, 0.211_564_5]]);
    }

    /// ```python
    /// import torch
    /// n = torch.nn.LayerNorm(2); n.weight.data = torch.tensor([2., .5]); n.bias.data = torch.tensor([1., -1.])
    /// print(n(torch.tensor([[1., 10.], [3., 2.9]])))
    /// ```
    #[test]
    fn layer_normalization_is_of_each_row_alone() {
        let mut network = network(Normalization::Layer);
        let layer = network.layout().hidden[0].clone();
        let mut values = padded(&[[1.0, 10.0], [3.0, 2.9]]);
        let mut predicted = values.clone();
        let Network { parameters, statistics, .. } = &mut network;
        NormTrace::new(&layer, 2).unwrap().forward(parameters, statistics, &layer, &mut values);
        NormInference::new(&network, &layer, 2).apply(&network, &layer, &mut predicted);
        let expected = [[-0.999_999_5, -0.500_000_1], [2.996_018, -1.499_004_5]];
        assert!(values[..2].iter().zip(expected[0]).all(|(a, b)| (a - b).abs() < 1e-5), "{values:?}");
        assert!(values[16..18].iter().zip(expected[1]).all(|(a, b)| (a - b).abs() < 1e-3), "{values:?}");
        assert!(values[2..16].iter().all(|&padding| padding == 0.0));
        assert_eq!(values, predicted);
    }
}
