//! The feature matrix as the solvers read it: chunks of rows, each with its dense columns and, where columns are
//! mostly zero (one-hot categories), a list of what is not.
//!
//! Solvers number the coordinates in their own order: the dense columns, the intercept, the sparse columns.

use std::borrow::Cow;

use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;

use super::kernels::PAD;

/// Rows looked at to tell which columns are mostly zero.
const SAMPLED_ROWS: usize = 1_024;
/// A column with a larger share of values that are not zero is dense.
const SPARSE_SHARE: f64 = 0.25;
/// About how many cells a chunk has: a few milliseconds of work, so that a fit can be stopped soon.
const CHUNK_CELLS: usize = 1 << 19;
const LEAST_CHUNK_ROWS: usize = 512;

pub(super) struct Design<'a> {
    pub(super) chunks: Vec<Chunk<'a>>,
    /// The original columns that are dense, and those that are sparse.
    dense: Vec<usize>,
    sparse: Vec<usize>,
    /// Values that are not zero in the sparse columns of a row, on average.
    entries_per_row: f64,
}

/// Consecutive rows. How they are divided depends on the matrix alone.
pub(super) struct Chunk<'a> {
    pub(super) first_row: usize,
    pub(super) rows: usize,
    /// Row by row, the dense columns.
    pub(super) dense: Cow<'a, [f64]>,
    pub(super) entries: Entries,
}

/// The values of sparse columns that are not zero, row by row; columns ascend within a row.
#[derive(Default)]
pub(super) struct Entries {
    /// Where each row ends; empty if there is no sparse column.
    ends: Vec<u32>,
    columns: Vec<u32>,
    values: Vec<f64>,
}

impl Entries {
    /// The columns and values of a row of the chunk.
    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> (&[u32], &[f64]) {
        let start = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        let range = start..self.ends[row] as usize;
        (&self.columns[range.clone()], &self.values[range])
    }
}

impl<'a> Design<'a> {
    pub(super) fn new(features: ArrayView2<'a, f64>) -> Self {
        let (dense, sparse) = divide(features);
        let rows_at_once = (CHUNK_CELLS / features.ncols().max(1)).max(LEAST_CHUNK_ROWS);
        let mut parts = Vec::new();
        let mut rest = features;
        while rest.nrows() > 0 {
            let (part, after) = rest.split_at(Axis(0), rows_at_once.min(rest.nrows()));
            parts.push(part);
            rest = after;
        }
        let chunks: Vec<Chunk<'a>> = parts
            .into_par_iter()
            .enumerate()
            .map(|(index, rows)| Chunk::new(index * rows_at_once, rows, &dense, &sparse))
            .collect();
        let entries: usize = chunks.iter().map(|chunk| chunk.entries.values.len()).sum();
        Self { chunks, dense, sparse, entries_per_row: entries as f64 / features.nrows().max(1) as f64 }
    }

    /// Coordinates: one per column and the intercept.
    pub(super) fn size(&self) -> usize {
        self.dense.len() + 1 + self.sparse.len()
    }

    /// The coordinate of the intercept.
    pub(super) fn intercept(&self) -> usize {
        self.dense.len()
    }

    /// Dense columns and the intercept, and zeros up to a multiple of the widest vector.
    pub(super) fn dense_width(&self) -> usize {
        (self.dense.len() + 1).next_multiple_of(PAD)
    }

    pub(super) fn sparse_columns(&self) -> usize {
        self.sparse.len()
    }

    /// How many times as much work as a gradient the Hessian adds to it, about.
    pub(super) fn hessian_cost(&self) -> f64 {
        let (dense, entries) = (self.dense_width() as f64, self.entries_per_row);
        hessian_work(dense, entries) / (40.0 + 3.0 * dense + 4.0 * entries)
    }

    /// Multiplications and additions of a gradient over all rows, about.
    pub(super) fn gradient_work(&self, rows: usize) -> f64 {
        rows as f64 * (self.dense_width() as f64 + self.entries_per_row)
    }

    /// Coordinates from one weight per original column and an intercept.
    pub(super) fn coordinates(&self, weights: &[f64], intercept: f64) -> Vec<f64> {
        let weight = |&column: &usize| weights.get(column).copied().unwrap_or(0.0);
        let dense = self.dense.iter().map(weight);
        dense.chain(std::iter::once(intercept)).chain(self.sparse.iter().map(weight)).collect()
    }

    /// One weight per original column, and the intercept.
    pub(super) fn weights(&self, coordinates: &[f64]) -> (Vec<f64>, f64) {
        let mut weights = vec![0.0; self.dense.len() + self.sparse.len()];
        let (dense, rest) = coordinates.split_at(self.dense.len());
        let (intercept, sparse) = rest.split_at(1);
        for (&column, &value) in self.dense.iter().zip(dense).chain(self.sparse.iter().zip(sparse)) {
            weights[column] = value;
        }
        (weights, intercept[0])
    }
}

impl<'a> Chunk<'a> {
    fn new(first_row: usize, rows: ArrayView2<'a, f64>, dense: &[usize], sparse: &[usize]) -> Self {
        let count = rows.nrows();
        if sparse.is_empty() {
            let dense = match rows.to_slice() {
                Some(cells) => Cow::Borrowed(cells),
                None => Cow::Owned(rows.iter().copied().collect()),
            };
            return Self { first_row, rows: count, dense, entries: Entries::default() };
        }
        let mut cells = Vec::with_capacity(count * dense.len());
        let mut entries = Entries { ends: Vec::with_capacity(count), ..Entries::default() };
        let mut row_values = vec![0.0; rows.ncols()];
        let (mut found_columns, mut found_values) = (vec![0; sparse.len() + 1], vec![0.0; sparse.len() + 1]);
        for row in rows.outer_iter() {
            row_values.iter_mut().zip(row).for_each(|(copy, &value)| *copy = value);
            cells.extend(dense.iter().map(|&column| row_values[column]));
            // Every value is written down and a zero overwritten by the next: nobody can guess the branch.
            let mut found = 0;
            for (place, &column) in sparse.iter().enumerate() {
                let value = row_values[column];
                found_columns[found] = place as u32;
                found_values[found] = value;
                found += usize::from(value != 0.0);
            }
            entries.columns.extend_from_slice(&found_columns[..found]);
            entries.values.extend_from_slice(&found_values[..found]);
            entries.ends.push(entries.values.len() as u32);
        }
        Self { first_row, rows: count, dense: Cow::Owned(cells), entries }
    }
}

/// Which columns are dense and which sparse, by a sample of the rows; all are dense where lists would not pay.
fn divide(features: ArrayView2<'_, f64>) -> (Vec<usize>, Vec<usize>) {
    let step = (features.nrows() / SAMPLED_ROWS).max(1);
    let mut filled = vec![0_usize; features.ncols()];
    let mut sampled = 0_usize;
    for row in features.outer_iter().step_by(step) {
        sampled += 1;
        for (count, &value) in filled.iter_mut().zip(row) {
            *count += usize::from(value != 0.0);
        }
    }
    let share = |column: usize| filled[column] as f64 / sampled.max(1) as f64;
    let (sparse, dense): (Vec<usize>, Vec<usize>) =
        (0..features.ncols()).partition(|&column| share(column) <= SPARSE_SHARE);
    let entries: f64 = sparse.iter().map(|&column| share(column)).sum();
    let mixed = hessian_work((dense.len() + 1).next_multiple_of(PAD) as f64, entries);
    let plain = hessian_work((features.ncols() + 1).next_multiple_of(PAD) as f64, 0.0);
    if mixed < 0.8 * plain { (dense, sparse) } else { ((0..features.ncols()).collect(), Vec::new()) }
}

/// The time of a row of the Hessian: dense columns are multiplied eight at a time, entries of lists one by one.
fn hessian_work(dense_width: f64, entries: f64) -> f64 {
    dense_width * dense_width / 20.0 + entries * (4.0 + dense_width / 8.0 + 1.5 * entries)
}
