//! The feature matrix as the solvers read it: chunks of rows, each with its dense columns and, where columns mostly
//! have one value (one-hot categories, scaled or not; amounts that are mostly zero), a list of what differs from it.
//!
//! Solvers number the coordinates in their own order: the dense columns, the intercept, the sparse columns. A sparse
//! column is read as its difference from its usual value, its base; the intercept of the solvers is the one for rows
//! that have every base. As the intercept bears no penalty, that changes no optimum.

use std::borrow::Cow;
use std::ops::ControlFlow;

use ndarray::{ArrayView2, Axis};
use pulp::Arch;
use rayon::prelude::*;

use super::kernels::PAD;
use super::{Stop, Watch};

/// Cells and rows looked at to tell which columns mostly have one value.
const SAMPLED_CELLS: usize = 1 << 18;
const SAMPLED_ROWS: std::ops::RangeInclusive<usize> = 64..=1_024;
/// A column with a larger share of other values is dense.
const SPARSE_SHARE: f64 = 0.25;
/// About how many cells a chunk has: a few milliseconds of work, so that a fit can be stopped soon.
const CHUNK_CELLS: usize = 1 << 19;
const LEAST_CHUNK_ROWS: usize = 512;
/// Chunks that each thread makes before the fit may be stopped.
const CHUNKS_AT_ONCE: usize = 4;

pub(super) struct Design<'a> {
    pub(super) chunks: Vec<Chunk<'a>>,
    /// The original columns that are dense, and those that are sparse.
    dense: Vec<usize>,
    sparse: Vec<usize>,
    /// The usual value of each sparse column.
    bases: Vec<f64>,
    /// Values other than the base in the sparse columns of a row, on average.
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

/// The differences of sparse columns from their bases, where there are any, row by row; columns ascend within a row.
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
    /// Whoever watches is asked between chunks of rows.
    pub(super) fn new(features: ArrayView2<'a, f64>, watch: &mut Watch<'_>) -> Result<Self, Stop> {
        let Division { dense, sparse, bases } = Division::of(features);
        let rows_at_once = (CHUNK_CELLS / features.ncols().max(1)).max(LEAST_CHUNK_ROWS);
        let mut parts = Vec::new();
        let mut rest = features;
        while rest.nrows() > 0 {
            let (part, after) = rest.split_at(Axis(0), rows_at_once.min(rest.nrows()));
            parts.push(part);
            rest = after;
        }
        let mut chunks = Vec::with_capacity(parts.len());
        // Some at a time, so that whoever watches is asked in between.
        let at_once = CHUNKS_AT_ONCE * rayon::current_num_threads();
        for (index, parts) in parts.chunks(at_once).enumerate() {
            let first_row = index * at_once * rows_at_once;
            let made = parts
                .par_iter()
                .enumerate()
                .map(|(index, rows)| Chunk::new(first_row + index * rows_at_once, *rows, &dense, &sparse, &bases));
            chunks.append(&mut made.collect());
            if let ControlFlow::Break(stop) = watch.ask() {
                return Err(stop);
            }
        }
        let entries: usize = chunks.iter().map(|chunk| chunk.entries.values.len()).sum();
        let entries_per_row = entries as f64 / features.nrows().max(1) as f64;
        Ok(Self { chunks, dense, sparse, bases, entries_per_row })
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
        let usual: f64 = self.sparse.iter().map(weight).zip(&self.bases).map(|(weight, base)| weight * base).sum();
        let dense = self.dense.iter().map(weight);
        dense.chain(std::iter::once(intercept + usual)).chain(self.sparse.iter().map(weight)).collect()
    }

    /// One weight per original column, and the intercept.
    pub(super) fn weights(&self, coordinates: &[f64]) -> (Vec<f64>, f64) {
        let usual: f64 = coordinates[self.dense.len() + 1..].iter().zip(&self.bases).map(|(w, base)| w * base).sum();
        (self.by_column(coordinates), coordinates[self.intercept()] - usual)
    }

    /// One derivative per original column from those by the coordinates: with the intercept that belongs to zeros.
    pub(super) fn slopes(&self, gradient: &[f64]) -> Vec<f64> {
        let slopes: Vec<f64> = (0..gradient.len()).map(|at| self.slope(gradient, at)).collect();
        self.by_column(&slopes)
    }

    /// The derivative by the weight of a coordinate, with the intercept that belongs to zeros.
    pub(super) fn slope(&self, gradient: &[f64], coordinate: usize) -> f64 {
        let base = coordinate.checked_sub(self.dense.len() + 1).map_or(0.0, |place| self.bases[place]);
        if base == 0.0 { gradient[coordinate] } else { gradient[coordinate] + base * gradient[self.intercept()] }
    }

    /// The coordinates of the columns, in the original order.
    fn by_column(&self, coordinates: &[f64]) -> Vec<f64> {
        let mut values = vec![0.0; self.dense.len() + self.sparse.len()];
        let (dense, sparse) = (&coordinates[..self.dense.len()], &coordinates[self.dense.len() + 1..]);
        for (&column, &value) in self.dense.iter().zip(dense).chain(self.sparse.iter().zip(sparse)) {
            values[column] = value;
        }
        values
    }
}

impl<'a> Chunk<'a> {
    fn new(first_row: usize, rows: ArrayView2<'a, f64>, dense: &[usize], sparse: &[usize], bases: &[f64]) -> Self {
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
        let mut row_values = vec![0.0; rows.ncols().next_multiple_of(PAD)];
        let mut gather = Gather::new(row_values.len(), sparse);
        let mut base_of = vec![0.0; rows.ncols()];
        sparse.iter().zip(bases).for_each(|(&column, &base)| base_of[column] = base);
        for row in rows.outer_iter() {
            row_values.iter_mut().zip(row).zip(&base_of).for_each(|((copy, value), base)| *copy = value - base);
            cells.extend(dense.iter().map(|&column| row_values[column]));
            let found = Arch::new().dispatch(|| gather.row(&row_values));
            entries.columns.extend_from_slice(&gather.columns[..found]);
            entries.values.extend_from_slice(&gather.values[..found]);
            entries.ends.push(entries.values.len() as u32);
        }
        Self { first_row, rows: count, dense: Cow::Owned(cells), entries }
    }
}

/// Finds what is not zero in the sparse columns of a row.
struct Gather {
    /// For each column its place among the sparse ones, and whether it is one of them.
    places: Vec<(u32, bool)>,
    columns: Vec<u32>,
    values: Vec<f64>,
}

impl Gather {
    fn new(width: usize, sparse: &[usize]) -> Self {
        let mut places = vec![(0, false); width];
        sparse.iter().enumerate().for_each(|(place, &column)| places[column] = (place as u32, true));
        Self { places, columns: vec![0; width + 1], values: vec![0.0; width + 1] }
    }

    /// Leaves the columns and values of a row in front and tells how many they are.
    #[inline(always)]
    fn row(&mut self, row: &[f64]) -> usize {
        let mut found = 0;
        for (values, places) in row.as_chunks::<PAD>().0.iter().zip(self.places.as_chunks::<PAD>().0) {
            // All bits but the sign.
            let bits = values.iter().fold(0, |bits, value| bits | (value.to_bits() << 1));
            if bits == 0 {
                continue;
            }
            // Every value is written down and a zero overwritten by the next: nobody can guess the branch.
            for (&value, &(place, is_sparse)) in values.iter().zip(places) {
                self.columns[found] = place;
                self.values[found] = value;
                found += usize::from((value != 0.0) & is_sparse);
            }
        }
        found
    }
}

/// Which columns are dense and which sparse.
struct Division {
    dense: Vec<usize>,
    sparse: Vec<usize>,
    bases: Vec<f64>,
}

impl Division {
    /// By a sample of the rows; all columns are dense where lists would not pay.
    fn of(features: ArrayView2<'_, f64>) -> Self {
        let sampled = (SAMPLED_CELLS / features.ncols().max(1)).clamp(*SAMPLED_ROWS.start(), *SAMPLED_ROWS.end());
        let step = (features.nrows() / sampled).max(1);
        // Copied row by row: along a column, every value would lie on a line of the cache of its own.
        let rows: Vec<usize> = (0..features.nrows()).step_by(step).collect();
        let features = features.select(Axis(0), &rows);
        let mut division = Self { dense: Vec::new(), sparse: Vec::new(), bases: Vec::new() };
        let mut entries = 0.0;
        for (index, column) in features.axis_iter(Axis(1)).enumerate() {
            let mut sample: Vec<f64> = column.to_vec();
            let (base, share) = usual(&mut sample);
            if share <= SPARSE_SHARE {
                division.sparse.push(index);
                division.bases.push(base);
                entries += share;
            } else {
                division.dense.push(index);
            }
        }
        let mixed = hessian_work((division.dense.len() + 1).next_multiple_of(PAD) as f64, entries);
        let plain = hessian_work((features.ncols() + 1).next_multiple_of(PAD) as f64, 0.0);
        if mixed < 0.8 * plain {
            return division;
        }
        Self { dense: (0..features.ncols()).collect(), sparse: Vec::new(), bases: Vec::new() }
    }
}

/// The middle value, which is the usual one if any is, and the share of values that are others.
fn usual(values: &mut [f64]) -> (f64, f64) {
    let middle = values.len() / 2;
    if values.is_empty() {
        return (0.0, 1.0);
    }
    let (_, &mut base, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let others = values.iter().filter(|value| **value != base).count();
    (base + 0.0, others as f64 / values.len() as f64)
}

/// The time of a row of the Hessian: dense columns are multiplied eight at a time, entries of lists one by one.
fn hessian_work(dense_width: f64, entries: f64) -> f64 {
    dense_width * dense_width / 20.0 + entries * (4.0 + dense_width / 8.0 + 1.5 * entries)
}
