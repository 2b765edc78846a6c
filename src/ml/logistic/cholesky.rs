//! Solves a symmetric positive definite system.

use ndarray::{Array1, Array2, s};

/// Solves `matrix * x = rhs`. Where the matrix is not positive definite in floating point (collinear columns,
/// saturated probabilities), its diagonal is raised until it is; the result is then a damped Newton step.
pub(super) fn solve(matrix: &Array2<f64>, rhs: &Array1<f64>) -> Array1<f64> {
    let size = matrix.nrows();
    let scale = matrix.diag().iter().fold(0.0_f64, |most, value| most.max(value.abs())).max(f64::MIN_POSITIVE);
    let mut damping = 0.0;
    loop {
        let mut damped = matrix.clone();
        damped.diag_mut().map_inplace(|value| *value += damping);
        if factorize(&mut damped) {
            return substitute(&damped, rhs);
        }
        damping = if damping == 0.0 { scale * 1e-14 * size as f64 } else { damping * 100.0 };
        if !damping.is_finite() {
            return Array1::zeros(size);
        }
    }
}

/// Overwrites the lower triangle with the factor `L` of `L * L^T`; false if a pivot is not safely positive.
fn factorize(matrix: &mut Array2<f64>) -> bool {
    let size = matrix.nrows();
    for column in 0..size {
        let above = matrix.slice(s![column, ..column]).to_owned();
        let original = matrix[[column, column]];
        let pivot = original - above.dot(&above);
        if pivot.is_nan() || pivot <= original.abs() * 1e-14 {
            return false;
        }
        let root = pivot.sqrt();
        matrix[[column, column]] = root;
        for row in column + 1..size {
            let value = matrix[[row, column]] - matrix.slice(s![row, ..column]).dot(&above);
            matrix[[row, column]] = value / root;
        }
    }
    true
}

fn substitute(factor: &Array2<f64>, rhs: &Array1<f64>) -> Array1<f64> {
    let size = factor.nrows();
    let mut x = rhs.clone();
    for row in 0..size {
        let known = factor.slice(s![row, ..row]).dot(&x.slice(s![..row]));
        x[row] = (x[row] - known) / factor[[row, row]];
    }
    for row in (0..size).rev() {
        let known = factor.slice(s![row + 1.., row]).dot(&x.slice(s![row + 1..]));
        x[row] = (x[row] - known) / factor[[row, row]];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::solve;
    use ndarray::array;

    #[test]
    fn a_definite_system_is_solved_and_a_singular_one_gives_a_finite_descent() {
        let matrix = array![[4.0, 2.0, 0.5], [2.0, 5.0, 1.0], [0.5, 1.0, 3.0]];
        let expected = array![1.0, -2.0, 0.5];
        let found = solve(&matrix, &matrix.dot(&expected));
        assert!((found - expected).iter().all(|difference| difference.abs() < 1e-12));

        let singular = array![[1.0, 1.0], [1.0, 1.0]];
        let found = solve(&singular, &array![1.0, 1.0]);
        assert!(found.iter().all(|value| value.is_finite()) && found.sum() > 0.0, "{found}");
    }
}
