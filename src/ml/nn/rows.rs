//! Rows of features as networks read them: f32, padded to whole vectors.

use ndarray::{Array2, ArrayView2};

use crate::ml::kernel::{Buffer, gather_rows, stride};

/// A matrix of features.
#[derive(Debug, Clone)]
pub struct Rows {
    values: Buffer,
    stride: usize,
    rows: usize,
}

impl Rows {
    /// Room for `rows` rows of `width` features, all zero.
    pub fn zeros(rows: usize, width: usize) -> Self {
        let stride = stride(width.max(1));
        Self { values: Buffer::zeros(rows * stride), stride, rows }
    }

    pub fn of(features: &Array2<f64>) -> Self {
        let mut rows = Self::zeros(features.nrows(), features.ncols());
        rows.fill(features.view());
        rows
    }

    /// Overwrites the first rows with those of `features`, which has at most as many.
    pub fn fill(&mut self, features: ArrayView2<'_, f64>) {
        for (to, row) in self.values.chunks_exact_mut(self.stride).zip(features.outer_iter()) {
            for (to, &from) in to.iter_mut().zip(row) {
                *to = from as f32;
            }
        }
    }

    /// Overwrites the first rows with the given rows of `from`, which has the same width.
    pub fn gather(&mut self, from: &Rows, rows: &[u32]) {
        gather_rows(&from.values, self.stride, rows, &mut self.values);
    }

    pub fn len(&self) -> usize {
        self.rows
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub fn stride(&self) -> usize {
        self.stride
    }

    /// The values of the given rows.
    pub fn slice(&self, rows: std::ops::Range<usize>) -> &[f32] {
        self.values.get(rows.start * self.stride..rows.end * self.stride).unwrap_or_default()
    }

    /// The values of the first rows.
    pub fn front_mut(&mut self, rows: usize) -> &mut [f32] {
        self.values.get_mut(..rows * self.stride).unwrap_or_default()
    }
}
