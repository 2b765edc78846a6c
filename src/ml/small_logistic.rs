//! Logistic regression on a handful of numbers, to the last digits: what calibration is fitted and judged with.

/// Newton steps; the problems are convex in one to three numbers and take about ten.
const MAX_STEPS: usize = 100;
/// Of the mean gradient.
const TOLERANCE: f64 = 1e-15;
/// Keeps the second derivative away from zero where a column is constant; far below any real one.
const DAMPING: f64 = 1e-9;
/// Shorter steps change nothing.
const LEAST_STEP: f64 = 1e-10;

/// Where the loss is least, and its second derivative there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SmallFit<const N: usize> {
    pub coefficients: [f64; N],
    /// The information matrix: the second derivative of the loss, summed over the rows.
    pub information: [[f64; N]; N],
}

/// Rows of `N` numbers with targets in `0..=1`, and what is added to each row's log-odds.
#[derive(Debug, Clone, Copy)]
pub struct SmallTask<'a, const N: usize> {
    pub rows: &'a [[f64; N]],
    pub targets: &'a [f64],
    /// One per row, or none.
    pub offsets: &'a [f64],
}

impl<const N: usize> SmallTask<'_, N> {
    /// Minimizes the summed cross-entropy of `σ(offset + row · coefficients)` by Newton's method with halved steps.
    /// On rows that can be parted without a mistake there is no minimum; the answer is then steep, but finite.
    pub fn fit(&self, start: [f64; N]) -> SmallFit<N> {
        let mut at = self.state(start);
        for _ in 0..MAX_STEPS {
            if largest(at.gradient) <= TOLERANCE * self.rows.len() as f64 {
                break;
            }
            let mut damped = at.information;
            (0..N).for_each(|index| damped[index][index] += DAMPING);
            let Some(step) = solve(damped, at.gradient) else { break };
            let Some(next) = self.descend(&at, step) else { break };
            at = next;
        }
        SmallFit { coefficients: at.coefficients, information: at.information }
    }

    /// The longest of the halved steps that makes things better. Near the minimum the loss is flat to the last digit
    /// and only the gradient still tells.
    fn descend(&self, from: &State<N>, step: [f64; N]) -> Option<State<N>> {
        let mut length = 1.0;
        while length > LEAST_STEP {
            let candidate = std::array::from_fn(|index| from.coefficients[index] - length * step[index]);
            let state = self.state(candidate);
            if state.loss < from.loss || (largest(state.gradient) < 0.5 * largest(from.gradient) && length == 1.0) {
                return Some(state);
            }
            length *= 0.5;
        }
        None
    }

    fn state(&self, coefficients: [f64; N]) -> State<N> {
        let mut state = State { coefficients, loss: 0.0, gradient: [0.0; N], information: [[0.0; N]; N] };
        for (place, (row, &target)) in self.rows.iter().zip(self.targets).enumerate() {
            let offset = self.offsets.get(place).copied().unwrap_or(0.0);
            let logit = row.iter().zip(&coefficients).map(|(value, weight)| value * weight).sum::<f64>() + offset;
            let small = (-logit.abs()).exp();
            let probability = if logit >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) };
            let weight = small / ((1.0 + small) * (1.0 + small));
            state.loss += logit.max(0.0) + small.ln_1p() - target * logit;
            for i in 0..N {
                state.gradient[i] += (probability - target) * row[i];
                for j in 0..N {
                    state.information[i][j] += weight * row[i] * row[j];
                }
            }
        }
        state
    }
}

struct State<const N: usize> {
    coefficients: [f64; N],
    loss: f64,
    gradient: [f64; N],
    information: [[f64; N]; N],
}

fn largest<const N: usize>(values: [f64; N]) -> f64 {
    values.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

/// `x` in `a x = b` for a positive definite `a`, by elimination; `None` if it is not.
pub fn solve<const N: usize>(mut a: [[f64; N]; N], mut b: [f64; N]) -> Option<[f64; N]> {
    for pivot in 0..N {
        if a[pivot][pivot].is_nan() || a[pivot][pivot] <= 0.0 {
            return None;
        }
        for row in pivot + 1..N {
            let factor = a[row][pivot] / a[pivot][pivot];
            let above = a[pivot];
            for (value, above) in a[row].iter_mut().zip(above).skip(pivot) {
                *value -= factor * above;
            }
            b[row] -= factor * b[pivot];
        }
    }
    for row in (0..N).rev() {
        let known: f64 = (row + 1..N).map(|column| a[row][column] * b[column]).sum();
        b[row] = (b[row] - known) / a[row][row];
    }
    Some(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_equations_are_solved() {
        let found = solve([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]], [5.5, 4.2, 2.7]).unwrap();
        assert!(found.iter().all(|value| (value - 1.0).abs() < 1e-14), "{found:?}");
        assert_eq!(solve([[0.0]], [1.0]), None);
    }

    #[test]
    fn the_share_of_positives_is_the_intercept_alone() {
        let targets: Vec<f64> = (0..100).map(|row| f64::from(row % 4 == 0)).collect();
        let task = SmallTask { rows: &vec![[1.0]; 100], targets: &targets, offsets: &[] };
        let fit = task.fit([0.0]);
        assert!((fit.coefficients[0] - (1.0_f64 / 3.0).ln()).abs() < 1e-13, "{fit:?}");
        assert!((fit.information[0][0] - 100.0 * 0.25 * 0.75).abs() < 1e-10);
    }

    #[test]
    fn separable_and_constant_rows_have_finite_answers() {
        for rows in [[[1.0, -3.0], [1.0, 4.0]], [[1.0, 2.0], [1.0, 2.0]], [[1.0, 1e8], [1.0, -1e8]]] {
            let fit = SmallTask { rows: &rows, targets: &[0.0, 1.0], offsets: &[0.5, 0.5] }.fit([0.0; 2]);
            assert!(fit.coefficients.iter().all(|value| value.is_finite()), "{fit:?}");
        }
    }
}
