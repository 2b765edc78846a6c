//! The penalised loss and its derivatives, summed in one pass over the rows, and the measure of being done.
//!
//! Rows are summed chunk by chunk and the chunks in their order, whichever thread did them: the sums do not depend
//! on the number of threads.

use std::ops::ControlFlow;

use ndarray::Array2;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::design::{Chunk, Design};
use super::kernels::{self, ROW_GROUP, RowValues};
use super::{LogisticTask, Stop, Watch};
use crate::ml::labels::ClassCounts;

/// A block of rows has about this many cells: with its scaled copy it stays in the cache.
const BLOCK_CELLS: usize = 1 << 14;
const BLOCK_ROWS: std::ops::RangeInclusive<usize> = 32..=256;
/// Below this many cells of a Hessian each thread gets several chunks at a time, which evens out their ends.
const SMALL_HESSIAN: usize = 1 << 16;

/// How far to differentiate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    Value,
    Gradient,
    /// The gradient and the diagonal of the Hessian.
    Diagonal,
    Hessian,
}

/// The objective of a task.
pub(super) struct Objective<'a> {
    pub(super) design: Design<'a>,
    labels: &'a [bool],
    /// Per class, divided by the sum over all rows: a row's share of the loss.
    positive_share: f64,
    negative_share: f64,
    pub(super) l1: f64,
    pub(super) l2: f64,
}

/// The objective at a point, in the coordinates of the design. Of the L1 penalty, only `value` knows.
pub(super) struct Evaluation {
    pub(super) value: f64,
    /// Empty if not asked for, as the rest.
    pub(super) gradient: Vec<f64>,
    pub(super) diagonal: Vec<f64>,
    pub(super) hessian: Option<Array2<f64>>,
}

impl<'a> Objective<'a> {
    pub(super) fn new(task: &LogisticTask<'a>, watch: &mut Watch<'_>) -> Result<Self, Stop> {
        let total = task.class_weights.total(ClassCounts::of(task.labels));
        Ok(Self {
            design: Design::new(task.features, watch)?,
            labels: task.labels,
            positive_share: task.class_weights.positive / total,
            negative_share: task.class_weights.negative / total,
            l1: task.l1,
            l2: task.l2,
        })
    }

    /// All weights 0 and the intercept at the weighted log-odds: the optimum of the constant model.
    pub(super) fn start(&self) -> Vec<f64> {
        let (positive, negative) = self.class_shares();
        let mut point = vec![0.0; self.design.size()];
        point[self.design.intercept()] = (positive / negative).ln();
        point
    }

    /// The objective at [`Objective::start`].
    pub(super) fn start_value(&self) -> f64 {
        let (positive, negative) = self.class_shares();
        -(positive * positive.ln() + negative * negative.ln())
    }

    fn class_shares(&self) -> (f64, f64) {
        let counts = ClassCounts::of(self.labels);
        (counts.positive as f64 * self.positive_share, counts.negative as f64 * self.negative_share)
    }

    pub(super) fn rows(&self) -> usize {
        self.labels.len()
    }

    pub(super) fn is_penalized(&self, coordinate: usize) -> bool {
        coordinate != self.design.intercept()
    }

    /// The objective and its derivatives at `point`. Whoever watches is asked between chunks of rows.
    pub(super) fn evaluate(&self, point: &[f64], order: Order, watch: &mut Watch<'_>) -> Result<Evaluation, Stop> {
        let parameters = Parameters::of(&self.design, point);
        let mut sums = Sums::zeros(&self.design, order);
        let cells = sums.hessian.len();
        let at_once = rayon::current_num_threads() * if cells <= SMALL_HESSIAN { 4 } else { 1 };
        for chunks in self.design.chunks.chunks(at_once) {
            let pass = |chunk: &Chunk<'_>| {
                let labels = &self.labels[chunk.first_row..chunk.first_row + chunk.rows];
                Arch::new().dispatch(Pass { objective: self, chunk, labels, parameters: &parameters, order })
            };
            let done: Vec<Sums> = match chunks {
                [chunk] => vec![pass(chunk)],
                chunks => chunks.par_iter().map(pass).collect(),
            };
            done.iter().for_each(|chunk| sums.add(chunk));
            if let ControlFlow::Break(stop) = watch.ask() {
                return Err(stop);
            }
        }
        Ok(self.finish(point, sums, order))
    }

    /// Takes the padding out of the sums and adds the penalties.
    fn finish(&self, point: &[f64], sums: Sums, order: Order) -> Evaluation {
        let (size, width) = (self.design.size(), self.design.dense_width());
        let dense = self.design.intercept() + 1;
        let place = |coordinate: usize| if coordinate < dense { coordinate } else { coordinate - dense + width };
        let curvature = |coordinate: usize| if self.is_penalized(coordinate) { 2.0 * self.l2 } else { 0.0 };
        let mut gradient = Vec::new();
        if order >= Order::Gradient {
            gradient = (0..size).map(|at| sums.gradient[place(at)] + curvature(at) * point[at]).collect();
        }
        let mut diagonal = Vec::new();
        if order == Order::Diagonal {
            diagonal = (0..size).map(|at| sums.diagonal[place(at)] + curvature(at)).collect();
        }
        let hessian = (order == Order::Hessian).then(|| {
            let stride = width + self.design.sparse_columns();
            let mut hessian = Array2::zeros((size, size));
            for row in 0..size {
                for column in 0..=row {
                    let value = sums.hessian[place(row) * stride + place(column)];
                    hessian[[row, column]] = value;
                    hessian[[column, row]] = value;
                }
                hessian[[row, row]] += curvature(row);
            }
            hessian
        });
        Evaluation { value: sums.loss + self.penalty(point), gradient, diagonal, hessian }
    }

    fn penalty(&self, point: &[f64]) -> f64 {
        let penalized = || point.iter().enumerate().filter(|(at, _)| self.is_penalized(*at)).map(|(_, weight)| weight);
        let square: f64 = penalized().map(|weight| weight * weight).sum();
        self.absolute_penalty(point) + self.l2 * square
    }

    /// The L1 penalty alone.
    pub(super) fn absolute_penalty(&self, point: &[f64]) -> f64 {
        let penalized = point.iter().enumerate().filter(|(at, _)| self.is_penalized(*at));
        if self.l1 == 0.0 { 0.0 } else { self.l1 * penalized.map(|(_, weight)| weight.abs()).sum::<f64>() }
    }

    /// The largest coordinate of the smallest subgradient of the objective: 0 exactly at the optimum.
    pub(super) fn optimality(&self, point: &[f64], gradient: &[f64]) -> f64 {
        let coordinate = |(at, &weight): (usize, &f64)| {
            let slope = self.design.slope(gradient, at);
            let l1 = if self.is_penalized(at) { self.l1 } else { 0.0 };
            if slope.is_nan() || l1 == 0.0 {
                slope.abs()
            } else if weight == 0.0 {
                (slope.abs() - l1).max(0.0)
            } else {
                (slope + l1 * weight.signum()).abs()
            }
        };
        // `f64::max` would drop a NaN, and a fit that overflowed would pass for converged.
        let larger = |most: f64, found: f64| if found.is_nan() || found > most { found } else { most };
        point.iter().enumerate().map(coordinate).fold(0.0, larger)
    }
}

/// A point as the kernels read it.
struct Parameters {
    /// The dense weights and the intercept, padded.
    dense: Vec<f64>,
    sparse: Vec<f64>,
}

impl Parameters {
    fn of(design: &Design<'_>, point: &[f64]) -> Self {
        let (dense, sparse) = point.split_at(design.intercept() + 1);
        let mut dense = dense.to_vec();
        dense.resize(design.dense_width(), 0.0);
        Self { dense, sparse: sparse.to_vec() }
    }
}

/// Sums over rows; coordinates are the padded dense ones, then the sparse ones.
struct Sums {
    loss: f64,
    gradient: Vec<f64>,
    diagonal: Vec<f64>,
    /// Row by row; only what lies on and below the diagonal means anything.
    hessian: Vec<f64>,
}

impl Sums {
    fn zeros(design: &Design<'_>, order: Order) -> Self {
        let size = design.dense_width() + design.sparse_columns();
        let zeros = |wanted: bool, size: usize| vec![0.0; if wanted { size } else { 0 }];
        Self {
            loss: 0.0,
            gradient: zeros(order >= Order::Gradient, size),
            diagonal: zeros(order == Order::Diagonal, size),
            hessian: zeros(order == Order::Hessian, size * size),
        }
    }

    fn add(&mut self, other: &Sums) {
        self.loss += other.loss;
        let pairs = [
            (&mut self.gradient, &other.gradient),
            (&mut self.diagonal, &other.diagonal),
            (&mut self.hessian, &other.hessian),
        ];
        for (sum, part) in pairs {
            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
    }
}

/// One chunk of rows, once.
struct Pass<'p> {
    objective: &'p Objective<'p>,
    chunk: &'p Chunk<'p>,
    labels: &'p [bool],
    parameters: &'p Parameters,
    order: Order,
}

impl WithSimd for Pass<'_> {
    type Output = Sums;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Sums {
        let design = &self.objective.design;
        let width = design.dense_width();
        let mut sums = Sums::zeros(design, self.order);
        let rows = (BLOCK_CELLS / width).clamp(*BLOCK_ROWS.start(), *BLOCK_ROWS.end()).next_multiple_of(ROW_GROUP);
        let rows = rows.min(self.chunk.rows.next_multiple_of(ROW_GROUP));
        let mut block = Block {
            width,
            cells: vec![0.0; rows * width],
            scaled: vec![0.0; if self.order == Order::Hessian { rows * width } else { 0 }],
            values: RowValues::of(rows),
        };
        let mut first = 0;
        while first < self.chunk.rows {
            let count = rows.min(self.chunk.rows - first);
            block.fill(self.chunk, design.intercept(), first, count);
            self.add_block(simd, &mut block, first, count, &mut sums);
            first += count;
        }
        sums
    }
}

/// Some rows of a chunk, padded.
struct Block {
    width: usize,
    cells: Vec<f64>,
    /// The cells times the curvature of their row.
    scaled: Vec<f64>,
    values: RowValues,
}

impl Block {
    #[inline(always)]
    fn fill(&mut self, chunk: &Chunk<'_>, dense: usize, first: usize, count: usize) {
        for (index, row) in self.cells.chunks_exact_mut(self.width).take(count).enumerate() {
            let start = (first + index) * dense;
            // Rows are short: a call to copy one would take longer than to copy it.
            row.iter_mut().zip(&chunk.dense[start..start + dense]).for_each(|(copy, &value)| *copy = value);
            row[dense] = 1.0;
        }
    }
}

impl Pass<'_> {
    #[inline(always)]
    fn add_block<S: Simd>(&self, simd: S, block: &mut Block, first: usize, count: usize, sums: &mut Sums) {
        let Block { width, cells, scaled, values } = block;
        let (width, used) = (*width, count.next_multiple_of(ROW_GROUP));
        let labels = &self.labels[first..first + count];
        kernels::margins(simd, &cells[..used * width], &self.parameters.dense, &mut values.margins);
        self.add_sparse_margins(first, &mut values.margins[..count]);
        let (positive, negative) = (self.objective.positive_share, self.objective.negative_share);
        sums.loss += kernels::losses(values, labels, positive, negative);
        if self.order == Order::Value {
            return;
        }
        // Rows beyond the last one are left over from another block: they count nothing.
        values.slopes[count..used].fill(0.0);
        values.curvatures[count..used].fill(0.0);
        let (dense, sparse) = sums.gradient.split_at_mut(width);
        kernels::add_rows(simd, &cells[..used * width], &values.slopes[..used], dense);
        self.each_entry(first, count, |row, column, value| sparse[column] += values.slopes[row] * value);
        if self.order == Order::Diagonal {
            let (dense, sparse) = sums.diagonal.split_at_mut(width);
            kernels::add_squares(simd, &cells[..used * width], &values.curvatures[..used], dense);
            self.each_entry(first, count, |row, column, value| {
                sparse[column] += values.curvatures[row] * value * value;
            });
        }
        if self.order == Order::Hessian {
            let stride = sums.gradient.len();
            kernels::scale_rows(simd, &cells[..used * width], &values.curvatures[..used], width, scaled);
            let (cells, scaled) = (&cells[..used * width], &scaled[..used * width]);
            kernels::add_products(simd, cells, scaled, width, &mut sums.hessian, stride);
            self.add_sparse_products(
                simd,
                scaled,
                &values.curvatures,
                first,
                count,
                &mut sums.hessian[width * stride..],
            );
        }
    }

    #[inline(always)]
    fn add_sparse_margins(&self, first: usize, margins: &mut [f64]) {
        if self.parameters.sparse.is_empty() {
            return;
        }
        for (row, margin) in margins.iter_mut().enumerate() {
            let (columns, values) = self.chunk.entries.row(first + row);
            for (&column, value) in columns.iter().zip(values) {
                *margin += self.parameters.sparse[column as usize] * value;
            }
        }
    }

    #[inline(always)]
    fn each_entry(&self, first: usize, count: usize, mut entry: impl FnMut(usize, usize, f64)) {
        if self.parameters.sparse.is_empty() {
            return;
        }
        for row in 0..count {
            let (columns, values) = self.chunk.entries.row(first + row);
            columns.iter().zip(values).for_each(|(&column, &value)| entry(row, column as usize, value));
        }
    }

    /// The rows of the Hessian that belong to sparse columns.
    #[inline(always)]
    fn add_sparse_products<S: Simd>(
        &self,
        simd: S,
        scaled: &[f64],
        curvatures: &[f64],
        first: usize,
        count: usize,
        hessian: &mut [f64],
    ) {
        if self.parameters.sparse.is_empty() {
            return;
        }
        let width = self.parameters.dense.len();
        let stride = width + self.parameters.sparse.len();
        for ((row, scaled), curvature) in (0..count).zip(scaled.chunks_exact(width)).zip(curvatures) {
            let (columns, values) = self.chunk.entries.row(first + row);
            let (scaled, _) = S::as_simd_f64s(scaled);
            for (place, (&column, &value)) in columns.iter().zip(values).enumerate() {
                let products = &mut hessian[column as usize * stride..][..stride];
                let (dense, sparse) = products.split_at_mut(width);
                let wide_value = simd.splat_f64s(value);
                for (sum, scaled) in S::as_mut_simd_f64s(dense).0.iter_mut().zip(scaled) {
                    *sum = simd.mul_add_e_f64s(*scaled, wide_value, *sum);
                }
                let factor = curvature * value;
                for (&other, other_value) in columns[..=place].iter().zip(values) {
                    sparse[other as usize] += factor * other_value;
                }
            }
        }
    }
}
