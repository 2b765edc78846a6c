//! Solves symmetric positive definite systems.

use ndarray::Array2;
use pulp::{Arch, Simd, WithSimd};

/// The factor `L` of `L * L^T`, row by row.
pub(super) struct Factor {
    size: usize,
    lower: Vec<f64>,
}

impl Factor {
    /// Factorises `matrix`. Where it is not positive definite in floating point (collinear columns, saturated
    /// probabilities), its diagonal is raised until it is; solutions are then damped Newton steps. `None` if the
    /// matrix is not finite.
    pub(super) fn of(matrix: &Array2<f64>) -> Option<Self> {
        let size = matrix.nrows();
        let scale = matrix.diag().iter().fold(0.0_f64, |most, value| most.max(value.abs())).max(f64::MIN_POSITIVE);
        let mut damping = 0.0;
        loop {
            let mut lower: Vec<f64> = matrix.iter().copied().collect();
            lower.iter_mut().step_by(size + 1).for_each(|value| *value += damping);
            if Arch::new().dispatch(Factorize { size, lower: &mut lower }) {
                return Some(Self { size, lower });
            }
            damping = if damping == 0.0 { scale * 1e-14 * size as f64 } else { damping * 100.0 };
            if !damping.is_finite() {
                return None;
            }
        }
    }

    /// The `x` of `L * L^T * x = rhs`.
    pub(super) fn solve(&self, rhs: &[f64]) -> Vec<f64> {
        let mut x = rhs.to_vec();
        for (at, row) in self.lower.chunks_exact(self.size).enumerate() {
            let known: f64 = row[..at].iter().zip(&x).map(|(factor, x)| factor * x).sum();
            x[at] = (x[at] - known) / row[at];
        }
        for (at, row) in self.lower.chunks_exact(self.size).enumerate().rev() {
            x[at] /= row[at];
            let (before, solved) = x.split_at_mut(at);
            before.iter_mut().zip(row).for_each(|(x, factor)| *x -= factor * solved[0]);
        }
        x
    }
}

/// Overwrites the lower triangle with its factor; false if a pivot is not safely positive.
struct Factorize<'a> {
    size: usize,
    lower: &'a mut [f64],
}

impl WithSimd for Factorize<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        for row in 0..self.size {
            let (above, rest) = self.lower.split_at_mut(row * self.size);
            let current = &mut rest[..self.size];
            for (column, other) in above.chunks_exact(self.size).enumerate() {
                let known = dot(simd, &current[..column], &other[..column]);
                current[column] = (current[column] - known) / other[column];
            }
            let original = current[row];
            let pivot = original - dot(simd, &current[..row], &current[..row]);
            if pivot.is_nan() || pivot <= original.abs() * 1e-14 {
                return false;
            }
            current[row] = pivot.sqrt();
        }
        true
    }
}

#[inline(always)]
fn dot<S: Simd>(simd: S, a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (S::as_simd_f64s(a), S::as_simd_f64s(b));
    let ((a, a_odd), (b, b_odd)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let mut sums = [simd.splat_f64s(0.0); 4];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..4 {
            sums[lane] = simd.mul_add_e_f64s(a[lane], b[lane], sums[lane]);
        }
    }
    for (a, b) in a_odd.iter().zip(b_odd) {
        sums[0] = simd.mul_add_e_f64s(*a, *b, sums[0]);
    }
    let sum = simd.add_f64s(simd.add_f64s(sums[0], sums[1]), simd.add_f64s(sums[2], sums[3]));
    simd.reduce_sum_f64s(sum) + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::Factor;
    use ndarray::{Array1, Array2, array};

    #[test]
    fn a_definite_system_is_solved_and_a_singular_one_gives_a_finite_descent() {
        let matrix = array![[4.0, 2.0, 0.5], [2.0, 5.0, 1.0], [0.5, 1.0, 3.0]];
        let expected = array![1.0, -2.0, 0.5];
        let found = Factor::of(&matrix).unwrap().solve(&matrix.dot(&expected).to_vec());
        assert!(found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-12));

        let singular = array![[1.0, 1.0], [1.0, 1.0]];
        let found = Factor::of(&singular).unwrap().solve(&[1.0, 1.0]);
        assert!(found.iter().all(|value| value.is_finite()) && found.iter().sum::<f64>() > 0.0, "{found:?}");
        assert!(Factor::of(&array![[f64::NAN]]).is_none());
    }

    #[test]
    fn a_larger_system_is_solved_too() {
        let size = 61;
        let root = Array2::from_shape_fn((size, size), |(i, j)| ((i * 7 + j * 13) % 17) as f64 / 17.0);
        let matrix = root.t().dot(&root) + Array2::<f64>::eye(size) * 0.1;
        let expected = Array1::from_shape_fn(size, |i| (i as f64).sin());
        let found = Factor::of(&matrix).unwrap().solve(&matrix.dot(&expected).to_vec());
        assert!(found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-9));
    }
}
