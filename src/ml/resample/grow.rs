//! Appending new rows below those that are there.

use ndarray::{Array2, ArrayView2, Axis};
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelExtend, ParallelIterator};
use rayon::slice::ParallelSliceMut;

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
        let features = with_room(std::mem::replace(&mut set.features, Array2::zeros((0, columns))), added);
        set.labels.reserve_exact(added);
        set.origins.reserve_exact(added);
        set.weights = None;
        Self { features, rows, class, set }
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
        let whole = if task.keep_integers { &self.set.kinds.whole[..] } else { &[] };
        let columns = self.features.ncols().max(1);
        let added = self.features.nrows() - self.rows;
        let (before, mut after) = self.features.view_mut().split_at(Axis(0), self.rows);
        let before = before.view();
        let values = after.as_slice_mut().unwrap_or_default();
        for (part, values) in values.chunks_mut(BLOCK_ROWS * columns).enumerate() {
            let first = part * BLOCK_ROWS;
            report(task.progress, first as f64 / added as f64)?;
            let broken = values.par_chunks_mut(columns).enumerate().with_min_len(256).filter_map(|(row, out)| {
                fill(first + row, before, out);
                whole.iter().for_each(|whole| whole.round(&mut out[whole.column]));
                out.iter().position(|value| !value.is_finite())
            });
            if let Some(column) = broken.min() {
                return Err(ResampleError::NotFinite { column });
            }
        }
        for new in 0..added {
            let parents = parents(new).map(|parent| root(self.set.origins[parent]));
            self.set.labels.push(self.class);
            self.set.origins.push(Origin::Synthetic { step: task.step, parents });
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

/// The rows with `added` rows of zeros below them. Large blocks of memory grow without being copied.
fn with_room(features: Array2<f64>, added: usize) -> Array2<f64> {
    let (rows, columns) = features.dim();
    let mut values = match features.is_standard_layout() {
        true => match features.into_raw_vec_and_offset() {
            (values, None | Some(0)) => values,
            (mut values, Some(offset)) => values.split_off(offset),
        },
        false => features.iter().copied().collect(),
    };
    values.truncate(rows * columns);
    values.reserve_exact(added * columns);
    // On all threads, since most of it is that the system hands out the memory.
    values.par_extend((0..added * columns).into_par_iter().map(|_| 0.0));
    Array2::from_shape_vec((rows + added, columns), values).unwrap_or_default()
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
