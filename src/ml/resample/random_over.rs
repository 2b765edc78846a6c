//! Random over-sampling, by copies or by a smoothed bootstrap.
//!
//! Rows of the class are drawn with replacement. With a shrinkage s, a drawn row x becomes
//!
//! `x + s · h · σ ∘ z`, `z ~ N(0, I)`, `h = (4 / ((p + 2) N))^(1 / (p + 4))`
//!
//! with σ the population standard deviation of each of the p features within the class: G. Menardi and
//! N. Torelli, "Training and assessing classification rules with imbalanced data", Data Mining and Knowledge
//! Discovery 28, 2014. N is the number of all rows, as in imbalanced-learn; the R package ROSE takes the class
//! alone and divides the variance by n − 1, which gives wider noise. A class of one row has σ = 0 and is copied.
//! Categories are copied.

use ndarray::Array2;

use super::grow::Growing;
use super::{Outcome, ResampleError, Task, rows_of};
use crate::ml::observe::Stop;
use crate::ml::sets::TrainSet;

pub(super) fn apply(task: &mut Task<'_>, set: TrainSet, shrinkage: Option<f64>) -> Result<Outcome, ResampleError> {
    let (class, count) = task.rows_to_add(&set)?;
    match shrinkage {
        None => copy(task, set, class, count),
        Some(shrinkage) => {
            let widths = widths(&set.features, &rows_of(&set.labels, class), set.rows(), shrinkage)?;
            smooth(task, set, class, count, &widths)
        }
    }
}

/// Copies rows of a class.
pub(super) fn copy(task: &mut Task<'_>, set: TrainSet, class: bool, count: usize) -> Result<Outcome, ResampleError> {
    let drawn = draw(task, &set, class, count)?;
    let mut growing = Growing::new(set, class, count);
    drawn.into_iter().try_for_each(|parent| growing.copy(task, parent))?;
    Ok(Outcome::grown(growing.finish()))
}

/// Copies rows of a class and adds normal noise of these widths to their numbers.
pub(super) fn smooth(
    task: &mut Task<'_>,
    set: TrainSet,
    class: bool,
    count: usize,
    widths: &[f64],
) -> Result<Outcome, ResampleError> {
    let drawn = draw(task, &set, class, count)?;
    let numbers = set.kinds.numeric_columns(set.features.ncols());
    let mut growing = Growing::new(set, class, count);
    for parent in drawn {
        let noise: Vec<f64> = numbers.iter().map(|&column| task.draws.normal() * widths[column]).collect();
        growing.push(task, [parent; 2], |rows, out| {
            out.iter_mut().zip(rows.row(parent)).for_each(|(out, &value)| *out = value);
            numbers.iter().zip(&noise).for_each(|(&column, noise)| out[column] += noise);
        })?;
    }
    Ok(Outcome::grown(growing.finish()))
}

fn draw(task: &mut Task<'_>, set: &TrainSet, class: bool, count: usize) -> Result<Vec<usize>, Stop> {
    let members = rows_of(&set.labels, class);
    task.draw(count, |draws, _| members[draws.below(members.len())])
}

/// The standard deviation of the noise of each feature.
fn widths(features: &Array2<f64>, members: &[usize], rows: usize, shrinkage: f64) -> Result<Vec<f64>, ResampleError> {
    let columns = features.ncols() as f64;
    let smoothing = (4.0 / ((columns + 2.0) * rows as f64)).powf(1.0 / (columns + 4.0));
    let width = |(column, spread): (usize, f64)| {
        let width = shrinkage * smoothing * spread;
        if width.is_finite() { Ok(width) } else { Err(ResampleError::NotFinite { column }) }
    };
    spreads(features, members).into_iter().enumerate().map(width).collect()
}

/// The population standard deviation of each feature over the members.
pub(super) fn spreads(features: &Array2<f64>, members: &[usize]) -> Vec<f64> {
    let count = members.len() as f64;
    let spread = |column: usize| {
        let values = || members.iter().map(|&row| features[[row, column]]);
        let mean = values().sum::<f64>() / count;
        (values().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count).sqrt()
    };
    (0..features.ncols()).map(spread).collect()
}

#[cfg(test)]
mod tests {
    use super::widths;
    use crate::ml::resample::ResampleError;
    use ndarray::array;

    #[test]
    fn widths_follow_the_rule_of_thumb() {
        let features = array![[1.0, 5.0], [2.0, 5.0], [4.0, 5.0], [9.0, 9.0]];
        // import numpy as np; X = np.array([[1, 5], [2, 5], [4, 5]])
        // (0.5 * (4 / ((2 + 2) * 4)) ** (1 / 6) * X.std(axis=0)).tolist()
        let found = widths(&features, &[0, 1, 2], 4, 0.5).unwrap();
        assert!((found[0] - 0.49495923932246155).abs() < 1e-15);
        assert_eq!(found[1], 0.0);
    }

    #[test]
    fn a_spread_that_overflows_is_named() {
        let features = array![[0.0, 1e308], [0.0, -1e308]];
        assert_eq!(widths(&features, &[0, 1], 2, 1.0), Err(ResampleError::NotFinite { column: 1 }));
    }
}
