//! Rows as networks read them: f32, padded to whole vectors.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, ArrayView2};

use crate::ml::kernel::{Buffer, gather_rows, stride};
use crate::ml::picture::PictureSet;
use crate::ml::sets::Examples;

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

/// Where a run takes its rows from: a matrix that is there as a whole, or pictures of which only those of a batch are
/// turned into numbers.
#[derive(Debug, Clone)]
pub enum Source<'a> {
    Rows(Arc<Rows>),
    Pictures(&'a PictureSet),
}

impl<'a> Source<'a> {
    pub fn of(examples: Examples<'a>) -> Self {
        match examples.pictures {
            Some(pictures) => Source::Pictures(pictures),
            None => Source::Rows(Arc::new(Rows::of(examples.features))),
        }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        match self {
            Source::Rows(rows) => rows.len(),
            Source::Pictures(pictures) => pictures.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes neighbouring rows as a network reads them to the first rows of `to`, which has room for them.
    pub fn copy(&self, range: Range<usize>, to: &mut Rows) {
        match self {
            Source::Rows(rows) => to.front_mut(range.len()).copy_from_slice(rows.slice(range)),
            Source::Pictures(pictures) => {
                let stride = to.stride();
                for (row, to) in range.clone().zip(to.front_mut(range.len()).chunks_exact_mut(stride)) {
                    pictures.normalized(row, to);
                }
            }
        }
    }
}
