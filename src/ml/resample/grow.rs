//! Appending new rows below those that are there.

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::{ResampleError, Task, report, root};
use crate::ml::in_place::into_values;
use crate::ml::kernel::prefer_large_pages;
use crate::ml::sets::{Origin, TrainSet};

/// Rows between two calls of the task's progress.
const BLOCK_ROWS: usize = 16_384;

/// A set with room for new rows of one class.
pub(super) struct Growing {
    /// Row by row, those that were there before first.
    values: Vec<f64>,
    columns: usize,
    /// Rows that were there before, and how many there is room for.
    rows: usize,
    added: usize,
    class: bool,
    /// Everything but the features.
    set: TrainSet,
}

impl Growing {
    /// Makes room for `added` rows. Large blocks of memory grow without being copied.
    pub(super) fn new(mut set: TrainSet, class: bool, added: usize) -> Self {
        let (rows, columns) = set.features.dim();
        let mut values = into_values(std::mem::take(&mut set.features));
        values.reserve_exact(added * columns);
        prefer_large_pages(&mut values);
        set.labels.reserve_exact(added);
        set.origins.reserve_exact(added);
        set.weights = None;
        Self { values, columns, rows, added, class, set }
    }

    /// Appends all rows that there is room for: each with these parents and with the values that `fill` computes, on
    /// all threads.
    ///
    /// # Errors
    /// If a value is not finite or the run is stopped.
    pub(super) fn push_all(
        &mut self,
        task: &mut Task<'_>,
        parents: impl Fn(usize) -> [usize; 2],
        fill: impl Fn(usize, ArrayView2<'_, f64>, &mut [f64]) + Sync,
    ) -> Result<(), ResampleError> {
        for first in (0..self.added).step_by(BLOCK_ROWS) {
            report(task.progress, first as f64 / self.added as f64)?;
            let block = first..self.added.min(first + BLOCK_ROWS);
            let whole = if task.keep_integers { &self.set.kinds.whole[..] } else { &[] };
            // Zeros on all threads, since the system hands out the memory as it is written to.
            self.values.par_extend((0..block.len() * self.columns).into_par_iter().map(|_| 0.0));
            let (before, values) = halves(&mut self.values, self.rows, self.columns, first);
            let rows = values.par_chunks_exact_mut(self.columns.max(1)).enumerate().with_min_len(256);
            let broken = rows.filter_map(|(row, out)| {
                fill(first + row, before, out);
                whole.iter().for_each(|whole| whole.round(&mut out[whole.column]));
                out.iter().position(|value| !value.is_finite())
            });
            if let Some(column) = broken.min() {
                return Err(ResampleError::NotFinite { column });
            }
            for new in block {
                let parents = parents(new).map(|parent| root(self.set.origins[parent]));
                self.set.labels.push(self.class);
                self.set.origins.push(Origin::Synthetic { step: task.step, parents });
            }
        }
        Ok(())
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

    fn push_row(
        &mut self,
        task: &mut Task<'_>,
        origin: Origin,
        round: bool,
        fill: impl FnOnce(ArrayView2<'_, f64>, &mut [f64]),
    ) -> Result<(), ResampleError> {
        let added = self.set.labels.len() - self.rows;
        if added.is_multiple_of(BLOCK_ROWS) {
            report(task.progress, added as f64 / self.added as f64)?;
        }
        self.values.resize(self.values.len() + self.columns, 0.0);
        let (before, values) = halves(&mut self.values, self.rows, self.columns, added);
        fill(before, values);
        if round {
            self.set.kinds.whole.iter().for_each(|whole| whole.round(&mut values[whole.column]));
        }
        if let Some(column) = values.iter().position(|value| !value.is_finite()) {
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
        let rows = self.set.labels.len();
        debug_assert_eq!(self.values.len(), rows * self.columns);
        let features = Array2::from_shape_vec((rows, self.columns), self.values).unwrap_or_default();
        TrainSet { features, ..self.set }
    }
}

/// The `rows` rows that were there before, and the new ones from the `first` on.
fn halves(values: &mut [f64], rows: usize, columns: usize, first: usize) -> (ArrayView2<'_, f64>, &mut [f64]) {
    let (before, after) = values.split_at_mut(rows * columns);
    let before = ArrayView2::from_shape((rows, columns), before).unwrap_or_else(|_| ArrayView2::from(&[[]; 0]));
    (before, &mut after[first * columns..])
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
