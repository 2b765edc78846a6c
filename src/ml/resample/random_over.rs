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

use ndarray::Array2;

use super::{RESAMPLED_ROWS_MAX, ResampleError, Resampled, Task, check_size, report, root, rows_of, with_room};
use crate::ml::sets::{Origin, TrainSet};

/// Rows between two calls of the task's progress.
const BLOCK_ROWS: usize = 16_384;

pub(super) fn apply(task: &mut Task<'_>, set: TrainSet, shrinkage: Option<f64>) -> Result<Resampled, ResampleError> {
    let wanted = task.plan.rows_to_add()?;
    let rows = set.rows();
    check_size(rows, wanted[0] + wanted[1], RESAMPLED_ROWS_MAX)?;
    let mut grown = Grown {
        features: with_room(&set.features, wanted[0] + wanted[1]),
        labels: set.labels,
        origins: set.origins,
        original_rows: rows,
    };
    for (class, count) in [false, true].into_iter().zip(wanted) {
        if count > 0 {
            let members = rows_of(&grown.labels[..rows], class);
            let drawn = task.draws.many_below(members.len(), count);
            let drawn: Vec<usize> = drawn.into_iter().map(|index| members[index]).collect();
            match shrinkage {
                None => grown.copy(task, &drawn)?,
                Some(shrinkage) => grown.smooth(task, &drawn, &widths(&grown.features, &members, rows, shrinkage)?)?,
            }
        }
    }
    let set = TrainSet { features: grown.features, labels: grown.labels, origins: grown.origins, weights: None };
    Ok(Resampled { set, removed: Vec::new() })
}

/// The set as it grows: `features` has all its rows from the start, labels and origins follow.
struct Grown {
    features: Array2<f64>,
    labels: Vec<bool>,
    origins: Vec<Origin>,
    original_rows: usize,
}

impl Grown {
    fn copy(&mut self, task: &mut Task<'_>, drawn: &[usize]) -> Result<(), ResampleError> {
        for &parent in drawn {
            self.push(task, parent, self.origins[parent])?;
        }
        Ok(())
    }

    fn smooth(&mut self, task: &mut Task<'_>, drawn: &[usize], widths: &[f64]) -> Result<(), ResampleError> {
        for &parent in drawn {
            let row = self.labels.len();
            let parents = [root(self.origins[parent]); 2];
            self.push(task, parent, Origin::Synthetic { step: task.step, parents })?;
            for (column, (value, width)) in self.features.row_mut(row).iter_mut().zip(widths).enumerate() {
                *value += task.draws.normal() * width;
                if !value.is_finite() {
                    return Err(ResampleError::NoiseNotFinite { column });
                }
            }
        }
        Ok(())
    }

    /// Appends a copy of the parent.
    fn push(&mut self, task: &mut Task<'_>, parent: usize, origin: Origin) -> Result<(), ResampleError> {
        let row = self.labels.len();
        let added = row - self.original_rows;
        if added.is_multiple_of(BLOCK_ROWS) {
            report(task.progress, added as f64 / (self.features.nrows() - self.original_rows) as f64)?;
        }
        let values = self.features.row(parent).to_owned();
        self.features.row_mut(row).assign(&values);
        self.labels.push(self.labels[parent]);
        self.origins.push(origin);
        Ok(())
    }
}

/// The standard deviation of the noise of each feature.
fn widths(features: &Array2<f64>, members: &[usize], rows: usize, shrinkage: f64) -> Result<Vec<f64>, ResampleError> {
    let columns = features.ncols() as f64;
    let smoothing = (4.0 / ((columns + 2.0) * rows as f64)).powf(1.0 / (columns + 4.0));
    let count = members.len() as f64;
    let width = |column: usize| {
        let values = || members.iter().map(|&row| features[[row, column]]);
        let mean = values().sum::<f64>() / count;
        let variance = values().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
        let width = shrinkage * smoothing * variance.sqrt();
        if width.is_finite() { Ok(width) } else { Err(ResampleError::NoiseNotFinite { column }) }
    };
    (0..features.ncols()).map(width).collect()
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
        assert_eq!(widths(&features, &[0, 1], 2, 1.0), Err(ResampleError::NoiseNotFinite { column: 1 }));
    }
}
