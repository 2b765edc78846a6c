//! Normalization of activations, by column over a batch or by row over a layer. Rows are padded: columns beyond the
//! width have scale and shift 0 and stay 0.

use super::vectorized;

vectorized! {
    /// Mean and population variance of each column; rows are as long as `mean`. Two passes, so that a large mean
    /// does not drown a small variance.
    pub fn column_moments(values: &[f32], mean: &mut [f64], variance: &mut [f64]) {
        let stride = mean.len().max(1);
        let rows = (values.len() / stride).max(1) as f64;
        mean.fill(0.0);
        for row in values.chunks_exact(stride) {
            for (sum, &value) in mean.iter_mut().zip(row) {
                *sum += f64::from(value);
            }
        }
        for sum in mean.iter_mut() {
            *sum /= rows;
        }
        variance.fill(0.0);
        for row in values.chunks_exact(stride) {
            for ((sum, &mean), &value) in variance.iter_mut().zip(mean.iter()).zip(row) {
                let distance = f64::from(value) - mean;
                *sum += distance * distance;
            }
        }
        for sum in variance.iter_mut() {
            *sum /= rows;
        }
    }
}

vectorized! {
    /// Brings each column to mean 0 and deviation 1 by the given statistics, keeps that in `normalized`, then
    /// scales and shifts it.
    pub fn normalize_columns(
        values: &mut [f32],
        normalized: &mut [f32],
        mean: &[f32],
        inverse_deviation: &[f32],
        scale: &[f32],
        shift: &[f32],
    ) {
        let stride = mean.len().max(1);
        let (inverse_deviation, scale, shift) =
            (&inverse_deviation[..mean.len()], &scale[..mean.len()], &shift[..mean.len()]);
        for (row, kept) in values.chunks_exact_mut(stride).zip(normalized.chunks_exact_mut(stride)) {
            for column in 0..mean.len() {
                kept[column] = (row[column] - mean[column]) * inverse_deviation[column];
                row[column] = scale[column].mul_add(kept[column], shift[column]);
            }
        }
    }
}

vectorized! {
    /// Turns derivatives by the output of [`normalize_columns`] into those by its input, in place; overwrites
    /// `d_scale` and `d_shift`. `share` is one over the rows where the statistics are the batch's, 0 where they do
    /// not depend on it.
    pub fn normalize_columns_backward(
        d_values: &mut [f32],
        normalized: &[f32],
        inverse_deviation: &[f32],
        scale: &[f32],
        share: f64,
        d_scale: &mut [f64],
        d_shift: &mut [f64],
    ) {
        let width = scale.len();
        let stride = width.max(1);
        let (inverse_deviation, d_scale, d_shift) =
            (&inverse_deviation[..width], &mut d_scale[..width], &mut d_shift[..width]);
        d_scale.fill(0.0);
        d_shift.fill(0.0);
        for (row, kept) in d_values.chunks_exact(stride).zip(normalized.chunks_exact(stride)) {
            for column in 0..width {
                d_shift[column] += f64::from(row[column]);
                d_scale[column] += f64::from(row[column]) * f64::from(kept[column]);
            }
        }
        for (row, kept) in d_values.chunks_exact_mut(stride).zip(normalized.chunks_exact(stride)) {
            for column in 0..width {
                let common = f64::from(kept[column]).mul_add(d_scale[column], d_shift[column]) * share;
                row[column] = inverse_deviation[column] * scale[column] * (row[column] - common as f32);
            }
        }
    }
}

vectorized! {
    /// Scales and shifts each column; rows are as long as `scale`.
    pub fn scale_and_shift(values: &mut [f32], scale: &[f32], shift: &[f32]) {
        for row in values.chunks_exact_mut(scale.len().max(1)) {
            for ((value, &scale), &shift) in row.iter_mut().zip(scale).zip(shift) {
                *value = scale.mul_add(*value, shift);
            }
        }
    }
}

vectorized! {
    /// Layer normalization: brings the first `width` values of each row to mean 0 and deviation 1, keeps that in
    /// `normalized` and each row's inverse deviation in `inverse_deviation`, then scales and shifts.
    pub fn normalize_rows(
        values: &mut [f32],
        normalized: &mut [f32],
        inverse_deviation: &mut [f32],
        scale: &[f32],
        shift: &[f32],
        width: usize,
        epsilon: f64,
    ) {
        let stride = scale.len().max(1);
        let rows = values.chunks_exact_mut(stride).zip(normalized.chunks_exact_mut(stride));
        for ((row, kept), inverse) in rows.zip(inverse_deviation) {
            let inside = &row[..width];
            let mean = inside.iter().map(|&value| f64::from(value)).sum::<f64>() / width as f64;
            let squares = inside.iter().map(|&value| (f64::from(value) - mean) * (f64::from(value) - mean));
            *inverse = (1.0 / (squares.sum::<f64>() / width as f64 + epsilon).sqrt()) as f32;
            let mean = mean as f32;
            for (((value, kept), &scale), &shift) in row.iter_mut().zip(kept).zip(scale).zip(shift) {
                *kept = (*value - mean) * *inverse;
                *value = scale.mul_add(*kept, shift);
            }
        }
    }
}

vectorized! {
    /// As [`normalize_columns_backward`], for [`normalize_rows`].
    pub fn normalize_rows_backward(
        d_values: &mut [f32],
        normalized: &[f32],
        inverse_deviation: &[f32],
        scale: &[f32],
        width: usize,
        d_scale: &mut [f64],
        d_shift: &mut [f64],
    ) {
        let stride = scale.len().max(1);
        d_scale.fill(0.0);
        d_shift.fill(0.0);
        let rows = d_values.chunks_exact_mut(stride).zip(normalized.chunks_exact(stride));
        for ((row, kept), &inverse) in rows.zip(inverse_deviation) {
            let (mut sum, mut sum_kept) = (0.0_f64, 0.0_f64);
            for column in 0..width {
                let (d, kept) = (f64::from(row[column]), f64::from(kept[column]));
                d_shift[column] += d;
                d_scale[column] += d * kept;
                let scaled = d * f64::from(scale[column]);
                sum += scaled;
                sum_kept += scaled * kept;
            }
            let (mean, mean_kept) = ((sum / width as f64) as f32, (sum_kept / width as f64) as f32);
            for column in 0..width {
                let common = kept[column].mul_add(mean_kept, mean);
                row[column] = inverse * scale[column].mul_add(row[column], -common);
            }
            row[width..].fill(0.0);
        }
    }
}
