//! What is done to a block of rows: margins, losses, and the sums that gradients and Hessians are made of. One pass
//! over a row does everything, with the widest vectors of the machine.
//!
//! A block is a copy of some rows with their dense columns, a 1 for the intercept, and zeros up to a multiple of
//! [`PAD`] columns, so that no loop has a remainder.

use pulp::Simd;

use super::math::row_loss;

/// Rows have this many columns or a multiple of it: the widest vector of f64 there is.
pub(super) const PAD: usize = 8;
/// Blocks have a multiple of this many rows; rows that do not exist are zeros.
pub(super) const ROW_GROUP: usize = 4;

/// One number per row of a block.
#[derive(Default)]
pub(super) struct RowValues {
    pub(super) margins: Vec<f64>,
    losses: Vec<f64>,
    /// The derivative of the loss by the margin.
    pub(super) slopes: Vec<f64>,
    /// The second derivative.
    pub(super) curvatures: Vec<f64>,
}

impl RowValues {
    pub(super) fn of(rows: usize) -> Self {
        let zeros = || vec![0.0; rows];
        Self { margins: zeros(), losses: zeros(), slopes: zeros(), curvatures: zeros() }
    }
}

/// The rows of a group.
#[inline(always)]
fn split_group(rows: &[f64], width: usize) -> [&[f64]; ROW_GROUP] {
    let (first, rest) = rows.split_at(width);
    let (second, rest) = rest.split_at(width);
    let (third, fourth) = rest.split_at(width);
    [first, second, third, fourth]
}

/// `block * weights`, one dot product per row.
#[inline(always)]
pub(super) fn margins<S: Simd>(simd: S, block: &[f64], weights: &[f64], margins: &mut [f64]) {
    let width = weights.len();
    let (weights, _) = S::as_simd_f64s(weights);
    for (rows, margins) in block.chunks_exact(ROW_GROUP * width).zip(margins.chunks_exact_mut(ROW_GROUP)) {
        let [first, second, third, fourth] = split_group(rows, width).map(|row| S::as_simd_f64s(row).0);
        let zero = simd.splat_f64s(0.0);
        let (mut a, mut b, mut c, mut d) = (zero, zero, zero, zero);
        for ((((w, first), second), third), fourth) in weights.iter().zip(first).zip(second).zip(third).zip(fourth) {
            a = simd.mul_add_e_f64s(*w, *first, a);
            b = simd.mul_add_e_f64s(*w, *second, b);
            c = simd.mul_add_e_f64s(*w, *third, c);
            d = simd.mul_add_e_f64s(*w, *fourth, d);
        }
        for (margin, sum) in margins.iter_mut().zip([a, b, c, d]) {
            *margin = simd.reduce_sum_f64s(sum);
        }
    }
}

/// Sums the losses of the rows and leaves their derivatives. A row's share of the loss is that of its class.
#[inline(always)]
pub(super) fn losses(values: &mut RowValues, labels: &[bool], positive_share: f64, negative_share: f64) -> f64 {
    let rows = labels.len();
    let RowValues { margins, losses, slopes, curvatures } = values;
    let (margins, losses) = (&mut margins[..rows], &mut losses[..rows]);
    let (slopes, curvatures) = (&mut slopes[..rows], &mut curvatures[..rows]);
    // Loops as simple as these are what compilers turn into vectors.
    for (margin, &label) in margins.iter_mut().zip(labels) {
        *margin = if label { *margin } else { -*margin };
    }
    for (((margin, loss), slope), curvature) in
        margins.iter().zip(losses.iter_mut()).zip(slopes.iter_mut()).zip(curvatures.iter_mut())
    {
        (*loss, *slope, *curvature) = row_loss(*margin);
    }
    for (((loss, slope), curvature), &label) in
        losses.iter_mut().zip(slopes.iter_mut()).zip(curvatures.iter_mut()).zip(labels)
    {
        let share = if label { positive_share } else { negative_share };
        *loss *= share;
        *slope *= if label { share } else { -share };
        *curvature *= share;
    }
    let (lanes, rest) = losses.as_chunks::<PAD>();
    let mut sums = [0.0; PAD];
    for lane in lanes {
        sums.iter_mut().zip(lane).for_each(|(sum, loss)| *sum += loss);
    }
    sums.iter().sum::<f64>() + rest.iter().sum::<f64>()
}

/// Adds `factor * row` over the rows of the block to `sum`.
#[inline(always)]
pub(super) fn add_rows<S: Simd>(simd: S, block: &[f64], factors: &[f64], sum: &mut [f64]) {
    let width = sum.len();
    let (sum, _) = S::as_mut_simd_f64s(sum);
    for (rows, factors) in block.chunks_exact(ROW_GROUP * width).zip(factors.chunks_exact(ROW_GROUP)) {
        let [first, second, third, fourth] = split_group(rows, width).map(|row| S::as_simd_f64s(row).0);
        let [a, b, c, d] = [factors[0], factors[1], factors[2], factors[3]].map(|factor| simd.splat_f64s(factor));
        for ((((sum, first), second), third), fourth) in sum.iter_mut().zip(first).zip(second).zip(third).zip(fourth) {
            let left = simd.mul_add_e_f64s(b, *second, simd.mul_add_e_f64s(a, *first, *sum));
            *sum = simd.add_f64s(left, simd.mul_add_e_f64s(d, *fourth, simd.mul_f64s(c, *third)));
        }
    }
}

/// Adds `factor * x^2` over the rows of the block to `sum`.
#[inline(always)]
pub(super) fn add_squares<S: Simd>(simd: S, block: &[f64], factors: &[f64], sum: &mut [f64]) {
    let width = sum.len();
    let (sum, _) = S::as_mut_simd_f64s(sum);
    for (row, &factor) in block.chunks_exact(width).zip(factors) {
        let factor = simd.splat_f64s(factor);
        for (x, sum) in S::as_simd_f64s(row).0.iter().zip(sum.iter_mut()) {
            *sum = simd.mul_add_e_f64s(simd.mul_f64s(factor, *x), *x, *sum);
        }
    }
}

/// `scaled = factor * row` for each row of the block.
#[inline(always)]
pub(super) fn scale_rows<S: Simd>(simd: S, block: &[f64], factors: &[f64], width: usize, scaled: &mut [f64]) {
    for ((row, scaled), &factor) in block.chunks_exact(width).zip(scaled.chunks_exact_mut(width)).zip(factors) {
        let factor = simd.splat_f64s(factor);
        for (x, y) in S::as_simd_f64s(row).0.iter().zip(S::as_mut_simd_f64s(scaled).0) {
            *y = simd.mul_f64s(factor, *x);
        }
    }
}

/// Adds `scaled^T * block` to the lower triangle of `hessian`, whose rows have `stride` columns. Some of what lies
/// above the diagonal is written too and means nothing.
#[inline(always)]
pub(super) fn add_products<S: Simd>(
    simd: S,
    block: &[f64],
    scaled: &[f64],
    width: usize,
    hessian: &mut [f64],
    stride: usize,
) {
    // With few registers the sums of a larger tile would not stay in them.
    if S::REGISTER_COUNT >= 32 {
        add_tiles::<S, 8>(simd, block, scaled, width, hessian, stride);
    } else {
        add_tiles::<S, 4>(simd, block, scaled, width, hessian, stride);
    }
}

#[inline(always)]
fn add_tiles<S: Simd, const ROWS: usize>(
    simd: S,
    block: &[f64],
    scaled: &[f64],
    width: usize,
    hessian: &mut [f64],
    stride: usize,
) {
    for top in (0..width).step_by(ROWS) {
        let vectors = (top + ROWS).div_ceil(S::F64_LANES);
        let groups = vectors.div_ceil(3);
        let mut left = 0;
        for group in 0..groups {
            // As even as it goes: a lone vector would wait for its own sums.
            let take = (vectors - left).div_ceil(groups - group);
            let column = left * S::F64_LANES;
            match take {
                1 => add_tile::<S, ROWS, 1>(simd, block, scaled, width, top, column, hessian, stride),
                2 => add_tile::<S, ROWS, 2>(simd, block, scaled, width, top, column, hessian, stride),
                _ => add_tile::<S, ROWS, 3>(simd, block, scaled, width, top, column, hessian, stride),
            }
            left += take;
        }
    }
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "a kernel: two matrices, a tile of a third and where they lie")]
fn add_tile<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    block: &[f64],
    scaled: &[f64],
    width: usize,
    top: usize,
    column: usize,
    hessian: &mut [f64],
    stride: usize,
) {
    let mut sums = [[simd.splat_f64s(0.0); VECTORS]; ROWS];
    for (x, y) in block.chunks_exact(width).zip(scaled.chunks_exact(width)) {
        let (x, _) = S::as_simd_f64s(&x[column..column + VECTORS * S::F64_LANES]);
        let y = &y[top..top + ROWS];
        for (sums, &y) in sums.iter_mut().zip(y) {
            let y = simd.splat_f64s(y);
            for vector in 0..VECTORS {
                sums[vector] = simd.mul_add_e_f64s(y, x[vector], sums[vector]);
            }
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        let start = (top + row) * stride + column;
        let (hessian, _) = S::as_mut_simd_f64s(&mut hessian[start..start + VECTORS * S::F64_LANES]);
        for (present, sum) in hessian.iter_mut().zip(sums) {
            *present = simd.add_f64s(*present, *sum);
        }
    }
}
