//! Batch normalization (Ioffe and Szegedy 2015): each unit is brought to mean 0 and variance 1 over the batch,
//! then scaled and shifted by learnt parameters. Prediction uses running statistics, so that a row's result does
//! not depend on the rows it is sent with.

use ndarray::{Array1, Array2, ArrayViewMut2, Axis, s};

/// Added to the variance before the root.
const EPSILON: f64 = 1e-5;
/// The share of a running statistic that a batch leaves as it was.
const MOMENTUM: f64 = 0.9;

/// One scale, shift, running mean and running variance per unit.
///
/// The gradient is another `BatchNorm`, of which only scale and shift are used.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchNorm {
    pub scale: Array1<f32>,
    pub shift: Array1<f32>,
    pub running_mean: Array1<f32>,
    /// Of batches by `n - 1`, as PyTorch keeps it.
    pub running_variance: Array1<f32>,
}

/// What the backward pass needs of the forward pass, and room to work in.
#[derive(Debug, Clone)]
pub struct BatchNormTrace {
    normalized: Array2<f32>,
    mean: Array1<f64>,
    /// `1 / sqrt(variance + EPSILON)`.
    inverse_deviation: Array1<f64>,
    d_scale: Array1<f64>,
    d_shift: Array1<f64>,
    /// False if running statistics stood in for those of the batch.
    of_batch: bool,
}

impl BatchNormTrace {
    /// Room for batches of up to `rows` rows.
    pub fn new(rows: usize, units: usize) -> Self {
        let zeros = || Array1::zeros(units);
        Self {
            normalized: Array2::zeros((rows, units)),
            mean: zeros(),
            inverse_deviation: zeros(),
            d_scale: zeros(),
            d_shift: zeros(),
            of_batch: false,
        }
    }
}

impl BatchNorm {
    /// Changes nothing until it is trained: scale 1, shift 0, mean 0, variance 1.
    pub fn identity(units: usize) -> Self {
        Self {
            scale: Array1::ones(units),
            shift: Array1::zeros(units),
            running_mean: Array1::zeros(units),
            running_variance: Array1::ones(units),
        }
    }

    /// Normalizes `values` by the running statistics.
    pub fn forward(&self, mut values: ArrayViewMut2<'_, f32>) {
        let factor = ndarray::Zip::from(&self.scale)
            .and(&self.running_variance)
            .map_collect(|&scale, &variance| (f64::from(scale) / (f64::from(variance) + EPSILON).sqrt()) as f32);
        let offset = &self.shift - &(&factor * &self.running_mean);
        for mut row in values.axis_iter_mut(Axis(0)) {
            row *= &factor;
            row += &offset;
        }
    }

    /// Normalizes `values` by the statistics of the batch and moves the running ones towards them.
    ///
    /// A single row has no variance: it would come out as the shift alone, whatever its features. It is
    /// normalized by the running statistics instead, which it leaves as they are.
    pub fn forward_training(&mut self, mut values: ArrayViewMut2<'_, f32>, trace: &mut BatchNormTrace) {
        trace.of_batch = values.nrows() > 1;
        if trace.of_batch {
            self.measure(&values, trace);
        } else {
            trace.mean.zip_mut_with(&self.running_mean, |mean, &running| *mean = f64::from(running));
            let inverse = |value: &mut f64, &variance: &f32| *value = 1.0 / (f64::from(variance) + EPSILON).sqrt();
            trace.inverse_deviation.zip_mut_with(&self.running_variance, inverse);
        }
        let mut normalized = trace.normalized.slice_mut(s![..values.nrows(), ..]);
        for (mut row, mut kept) in values.axis_iter_mut(Axis(0)).zip(normalized.axis_iter_mut(Axis(0))) {
            ndarray::Zip::from(&mut kept)
                .and(&row)
                .and(&trace.mean)
                .and(&trace.inverse_deviation)
                .for_each(|kept, &value, &mean, &inverse| *kept = ((f64::from(value) - mean) * inverse) as f32);
            ndarray::Zip::from(&mut row)
                .and(&kept)
                .and(&self.scale)
                .and(&self.shift)
                .for_each(|value, &kept, &scale, &shift| *value = scale * kept + shift);
        }
    }

    /// Turns the derivatives by the output, `d_values`, into those by the input, in place; overwrites scale and
    /// shift of `gradient`.
    pub fn backward(&self, mut d_values: ArrayViewMut2<'_, f32>, trace: &mut BatchNormTrace, gradient: &mut BatchNorm) {
        let rows = d_values.nrows();
        let normalized = trace.normalized.slice(s![..rows, ..]);
        trace.d_scale.fill(0.0);
        trace.d_shift.fill(0.0);
        for (row, kept) in d_values.outer_iter().zip(normalized.outer_iter()) {
            trace.d_shift.zip_mut_with(&row, |sum, &d| *sum += f64::from(d));
            ndarray::Zip::from(&mut trace.d_scale)
                .and(&row)
                .and(&kept)
                .for_each(|sum, &d, &kept| *sum += f64::from(d) * f64::from(kept));
        }
        gradient.scale.zip_mut_with(&trace.d_scale, |value, &sum| *value = sum as f32);
        gradient.shift.zip_mut_with(&trace.d_shift, |value, &sum| *value = sum as f32);
        // Statistics that did not come from the batch do not depend on its rows: their terms fall away.
        let share = if trace.of_batch { 1.0 / rows as f64 } else { 0.0 };
        trace.d_scale *= share;
        trace.d_shift *= share;
        trace.inverse_deviation.zip_mut_with(&self.scale, |inverse, &scale| *inverse *= f64::from(scale));
        for (mut row, kept) in d_values.axis_iter_mut(Axis(0)).zip(normalized.outer_iter()) {
            ndarray::Zip::from(&mut row)
                .and(&kept)
                .and(&trace.d_scale)
                .and(&trace.d_shift)
                .and(&trace.inverse_deviation)
                .for_each(|d, &kept, &d_scale, &d_shift, &factor| {
                    *d = (factor * (f64::from(*d) - d_shift - f64::from(kept) * d_scale)) as f32;
                });
        }
    }

    /// Mean and variance of the batch, in two passes so that a large mean does not drown a small variance.
    fn measure(&mut self, values: &ArrayViewMut2<'_, f32>, trace: &mut BatchNormTrace) {
        let rows = values.nrows() as f64;
        trace.mean.fill(0.0);
        for row in values.outer_iter() {
            trace.mean.zip_mut_with(&row, |sum, &value| *sum += f64::from(value));
        }
        trace.mean /= rows;
        trace.inverse_deviation.fill(0.0);
        for row in values.outer_iter() {
            ndarray::Zip::from(&mut trace.inverse_deviation)
                .and(&row)
                .and(&trace.mean)
                .for_each(|sum, &value, &mean| *sum += (f64::from(value) - mean).powi(2));
        }
        let towards = |running: &mut f32, batch: f64| {
            *running = (MOMENTUM * f64::from(*running) + (1.0 - MOMENTUM) * batch) as f32;
        };
        self.running_mean.zip_mut_with(&trace.mean, |running, &mean| towards(running, mean));
        self.running_variance
            .zip_mut_with(&trace.inverse_deviation, |running, &sum| towards(running, sum / (rows - 1.0)));
        trace.inverse_deviation.mapv_inplace(|sum| 1.0 / (sum / rows + EPSILON).sqrt());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// ```python
    /// import numpy as np
    /// x = np.array([[1., 10.], [2., 30.], [6., 20.]]); g, b = np.array([2., .5]), np.array([1., -1.])
    /// print((x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) * g + b)
    /// m, v = .1*x.mean(0), .9 + .1*x.var(0, ddof=1)
    /// print(m, v, (x[0] - m) / np.sqrt(v + 1e-5) * g + b)
    /// ```
    #[test]
    fn training_uses_the_batch_and_prediction_the_running_statistics() {
        let mut layer = BatchNorm { scale: array![2.0, 0.5], shift: array![1.0, -1.0], ..BatchNorm::identity(2) };
        let rows = array![[1.0_f32, 10.0], [2.0, 30.0], [6.0, 20.0]];
        let mut trained = rows.clone();
        layer.forward_training(trained.view_mut(), &mut BatchNormTrace::new(3, 2));
        close(&trained, &array![[-0.851_638_2, -1.612_372_4], [0.074_180_9, -0.387_627_6], [3.777_457_3, -1.0]]);
        assert!((layer.running_mean[0] - 0.3).abs() < 1e-6 && (layer.running_mean[1] - 2.0).abs() < 1e-6);
        assert!((layer.running_variance[0] - 1.6).abs() < 1e-6 && (layer.running_variance[1] - 10.9).abs() < 1e-5);

        let mut predicted = rows.slice(s![..1, ..]).to_owned();
        layer.forward(predicted.view_mut());
        close(&predicted, &array![[2.106_793_7, 0.211_564_5]]);
    }

    #[test]
    fn a_single_row_is_normalized_by_the_running_statistics_and_leaves_them() {
        let mut layer =
            BatchNorm { running_mean: array![2.0], running_variance: array![4.0], ..BatchNorm::identity(1) };
        let before = layer.clone();
        let (mut trained, mut predicted) = (array![[5.0_f32]], array![[5.0_f32]]);
        layer.forward_training(trained.view_mut(), &mut BatchNormTrace::new(1, 1));
        layer.forward(predicted.view_mut());
        close(&trained, &predicted);
        close(&trained, &array![[1.5]]);
        assert_eq!(layer, before);
    }

    fn close(found: &Array2<f32>, expected: &Array2<f32>) {
        assert!((found - expected).iter().all(|difference| difference.abs() < 1e-5), "{found} for {expected}");
    }
}
