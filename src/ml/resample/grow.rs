//! Appending new rows below those that are there.

use ndarray::{Array2, ArrayView2, Axis, s};

use super::{ResampleError, Task, report, root};
use crate::ml::sets::{Origin, TrainSet};

/// Rows between two calls of the task's progress.
const BLOCK_ROWS: usize = 16_384;

/// A set with room for new rows of one class.
pub(super) struct Growing {
    features: Array2<f64>,
    /// Rows that were there before.
    rows: usize,
    class: bool,
    set: TrainSet,
}

impl Growing {
    /// Makes room for `added` rows.
    pub(super) fn new(mut set: TrainSet, class: bool, added: usize) -> Self {
        let (rows, columns) = set.features.dim();
        let mut features = Array2::zeros((rows + added, columns));
        features.slice_mut(s![..rows, ..]).assign(&set.features);
        set.features = Array2::zeros((0, columns));
        set.weights = None;
        Self { features, rows, class, set }
    }

    /// Appends a row whose parents are rows of the set; `fill` is given the rows that were there before and computes
    /// its values, which are 0 until then.
    ///
    /// # Errors
    /// If a value is not finite or the run is stopped.
    pub(super) fn push(
        &mut self,
        task: &mut Task<'_>,
        parents: [usize; 2],
        fill: impl FnOnce(ArrayView2<'_, f64>, &mut [f64]),
    ) -> Result<(), ResampleError> {
        let parents = parents.map(|parent| root(self.set.origins[parent]));
        let round = task.keep_integers;
        self.push_row(task, Origin::Synthetic { step: task.step, parents }, round, fill)
    }

    /// Appends a row whose parents are rows of another set, which the growing one was taken from.
    pub(super) fn push_of(
        &mut self,
        task: &mut Task<'_>,
        source: &TrainSet,
        parents: [usize; 2],
        fill: impl FnOnce(&mut [f64]),
    ) -> Result<(), ResampleError> {
        let parents = parents.map(|parent| root(source.origins[parent]));
        let round = task.keep_integers;
        self.push_row(task, Origin::Synthetic { step: task.step, parents }, round, |_, out| fill(out))
    }

    fn push_row(
        &mut self,
        task: &mut Task<'_>,
        origin: Origin,
        round: bool,
        fill: impl FnOnce(ArrayView2<'_, f64>, &mut [f64]),
    ) -> Result<(), ResampleError> {
        let added = self.set.labels.len() - self.rows;
        if added.is_multiple_of(BLOCK_ROWS) {
            report(task.progress, added as f64 / (self.features.nrows() - self.rows) as f64)?;
        }
        let (before, mut after) = self.features.view_mut().split_at(Axis(0), self.rows);
        let mut row = after.row_mut(added);
        if let Some(values) = row.as_slice_mut() {
            fill(before.view(), values);
            if round {
                self.set.kinds.whole.iter().for_each(|whole| whole.round(&mut values[whole.column]));
            }
        }
        if let Some(column) = row.iter().position(|value| !value.is_finite()) {
            return Err(ResampleError::NotFinite { column });
        }
        self.set.labels.push(self.class);
        self.set.origins.push(origin);
        Ok(())
    }

    /// Appends a copy of a row, which keeps its origin.
    pub(super) fn copy(&mut self, task: &mut Task<'_>, parent: usize) -> Result<(), ResampleError> {
        let origin = self.set.origins[parent];
        self.push_row(task, origin, false, |rows, out| {
            out.iter_mut().zip(rows.row(parent)).for_each(|(out, &value)| *out = value);
        })
    }

    pub(super) fn finish(self) -> TrainSet {
        debug_assert_eq!(self.features.nrows(), self.set.labels.len());
        TrainSet { features: self.features, ..self.set }
    }
}

/// `from + at * (to - from)`, also where the difference of two huge numbers overflows.
pub(super) fn between(from: f64, to: f64, at: f64) -> f64 {
    let value = from + at * (to - from);
    if value.is_finite() { value } else { (1.0 - at) * from + at * to }
}

#[cfg(test)]
mod tests {
    use super::between;

    #[test]
    fn a_point_between_huge_ends_is_finite() {
        assert_eq!(between(1.0, 3.0, 0.25), 1.5);
        assert_eq!(between(-1.6e308, 1.6e308, 0.5), 0.0);
    }
}
