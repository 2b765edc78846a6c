//! Sums and copies over matrices whose rows are padded to whole vectors.

use super::{LANES, vectorized};

/// Adds up sixteen lanes in a fixed tree.
#[inline(always)]
fn total(lanes: [f32; LANES]) -> f32 {
    let mut width = LANES;
    let mut sums = lanes;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
    }
    sums[0]
}

/// The dot products of `N` rows with `weights`. Several at once, since each is one long chain of additions that a
/// processor can only fill by working on others meanwhile.
#[inline(always)]
fn dots<const N: usize>(rows: [&[f32]; N], weights: &[f32]) -> [f32; N] {
    let mut lanes = [[0.0_f32; LANES]; N];
    let (factors, _) = weights.as_chunks::<LANES>();
    let vectors = rows.map(|row| row.as_chunks::<LANES>().0);
    for (index, factor) in factors.iter().enumerate() {
        for row in 0..N {
            let vector = &vectors[row][index];
            for lane in 0..LANES {
                lanes[row][lane] = vector[lane].mul_add(factor[lane], lanes[row][lane]);
            }
        }
    }
    lanes.map(total)
}

vectorized! {
    /// The dot product of each row of `values` with `weights`, plus `bias`; rows are as long as `weights`, a
    /// multiple of [`LANES`].
    pub fn dot_rows(values: &[f32], weights: &[f32], bias: f32, products: &mut [f32]) {
        const AT_ONCE: usize = 4;
        let width = weights.len().max(1);
        let whole = products.len() - products.len() % AT_ONCE;
        let (groups, rest) = products.split_at_mut(whole);
        let (grouped, single) = values.split_at(whole * width);
        for (rows, products) in grouped.chunks_exact(AT_ONCE * width).zip(groups.chunks_exact_mut(AT_ONCE)) {
            let rows = [0, 1, 2, 3].map(|row| &rows[row * width..(row + 1) * width]);
            for (product, sum) in products.iter_mut().zip(dots(rows, weights)) {
                *product = sum + bias;
            }
        }
        for (row, product) in single.chunks_exact(width).zip(rest) {
            *product = dots([row], weights)[0] + bias;
        }
    }
}

vectorized! {
    /// Writes `factors[r] * weights` to row `r` of `to`, whose rows are as long as `weights`.
    pub fn spread_rows(factors: &[f32], weights: &[f32], to: &mut [f32]) {
        for (row, &factor) in to.chunks_exact_mut(weights.len().max(1)).zip(factors) {
            for (value, &weight) in row.iter_mut().zip(weights) {
                *value = factor * weight;
            }
        }
    }
}

vectorized! {
    /// Adds the rows of `values`, each times its factor, to `sum`; rows are as long as `sum`.
    pub fn add_outer_product(factors: &[f32], values: &[f32], sum: &mut [f32]) {
        for (row, &factor) in values.chunks_exact(sum.len().max(1)).zip(factors) {
            for (sum, &value) in sum.iter_mut().zip(row) {
                *sum = factor.mul_add(value, *sum);
            }
        }
    }
}

vectorized! {
    /// Adds the rows of `values`, which are as long as `sum`, to `sum`.
    pub fn add_rows(values: &[f32], sum: &mut [f32]) {
        for row in values.chunks_exact(sum.len().max(1)) {
            for (sum, &value) in sum.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }
}

vectorized! {
    /// Adds `from` to `to`.
    pub fn add_into(to: &mut [f32], from: &[f32]) {
        for (value, &other) in to.iter_mut().zip(from) {
            *value += other;
        }
    }
}

vectorized! {
    /// Multiplies every value by `factor`.
    pub fn scale(values: &mut [f32], factor: f32) {
        for value in values {
            *value *= factor;
        }
    }
}

vectorized! {
    /// Moves `average` towards `values`, of which it keeps the share `keep` of itself.
    pub fn interpolate(average: &mut [f32], values: &[f32], keep: f32) {
        let share = 1.0 - keep;
        for (average, &value) in average.iter_mut().zip(values) {
            *average = keep.mul_add(*average, share * value);
        }
    }
}

vectorized! {
    /// The sums of absolute values and of squares, in f64.
    pub fn l1_and_squares(values: &[f32]) -> [f64; 2] {
        let (mut absolute, mut squares) = ([0.0_f64; LANES], [0.0_f64; LANES]);
        let (vectors, rest) = values.as_chunks::<LANES>();
        for vector in vectors {
            for lane in 0..LANES {
                let value = f64::from(vector[lane]);
                absolute[lane] += value.abs();
                squares[lane] += value * value;
            }
        }
        for (lane, &value) in rest.iter().enumerate() {
            absolute[lane] += f64::from(value.abs());
            squares[lane] += f64::from(value) * f64::from(value);
        }
        [absolute.iter().sum(), squares.iter().sum()]
    }
}

/// Copies the given rows of `from` to the rows of `to`; both have rows of `stride` values.
pub fn gather_rows(from: &[f32], stride: usize, rows: &[u32], to: &mut [f32]) {
    for (to, &row) in to.chunks_exact_mut(stride.max(1)).zip(rows) {
        let start = row as usize * stride;
        if let Some(values) = from.get(start..start + stride) {
            to.copy_from_slice(values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_same_product_alone_and_beside_others() {
        let values: Vec<f32> = (0..7 * 48).map(|i| (i as f32 * 0.37).sin()).collect();
        let weights: Vec<f32> = (0..48).map(|i| (i as f32 * 0.11).cos()).collect();
        let mut together = [0.0; 7];
        dot_rows(&values, &weights, 0.5, &mut together);
        for (row, &expected) in together.iter().enumerate() {
            let mut alone = [0.0; 1];
            dot_rows(&values[row * 48..(row + 1) * 48], &weights, 0.5, &mut alone);
            assert_eq!(alone[0].to_bits(), expected.to_bits());
        }
    }

    #[test]
    fn sums_and_products_by_hand() {
        let mut rows = vec![0.0; 32];
        (rows[0], rows[1], rows[16], rows[17]) = (1.0, 2.0, -3.0, 4.0);
        let mut weights = vec![0.0; 16];
        (weights[0], weights[1]) = (0.5, 10.0);
        let mut products = [0.0; 2];
        dot_rows(&rows, &weights, 0.25, &mut products);
        assert_eq!(products, [20.75, 38.75]);
        let mut sum = vec![1.0; 16];
        add_outer_product(&[2.0, -1.0], &rows, &mut sum);
        assert_eq!(sum[..3], [6.0, 1.0, 1.0]);
        add_rows(&rows, &mut sum);
        assert_eq!(sum[..3], [4.0, 7.0, 1.0]);
        spread_rows(&[2.0, -1.0], &weights, &mut rows);
        assert_eq!((rows[1], rows[16], rows[17]), (20.0, -0.5, -10.0));
        gather_rows(&rows.clone(), 16, &[1, 1], &mut rows);
        assert_eq!((rows[1], rows[17]), (-10.0, -10.0));
        interpolate(&mut weights, &[1.0; 16], 0.75);
        assert_eq!(weights[..3], [0.625, 7.75, 0.25]);
        assert_eq!(l1_and_squares(&[-3.0, 4.0]), [7.0, 25.0]);
        assert_eq!(l1_and_squares(&[2.0; 17]), [34.0, 68.0]);
    }
}
