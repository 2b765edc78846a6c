//! Appending new rows below those that are there.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::{ResampleError, Task, report, root};
use crate::ml::in_place::into_values;
use crate::ml::kernel::{append_rows, prefer_large_pages};
use crate::ml::sets::{Origin, TrainSet};

/// Rows between two calls of the task's progress, where they are pushed one by one.
const BLOCK_ROWS: usize = 16_384;
/// Values between two calls of the task's progress, where rows are made on all threads: some hundredths of a second.
const BLOCK_VALUES: usize = 4 << 20;
/// Calls of the task's progress, at least: a part that is short beside others may be long for whoever waits.
const BLOCKS: usize = 3;

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
        parents: impl Fn(usize) -> [usize; 2] + Sync,
        fill: impl Fn(usize, ArrayView2<'_, f64>, &mut [f64]) + Sync,
    ) -> Result<(), ResampleError> {
        let block_rows = (BLOCK_VALUES / self.columns.max(1)).min(self.added.div_ceil(BLOCKS)).max(1);
        let whole = if task.keep_integers { self.set.kinds.whole.clone() } else { Vec::new() };
        for first in (0..self.added).step_by(block_rows) {
            report(task.progress, first as f64 / self.added as f64)?;
            let block = first..self.added.min(first + block_rows);
            let not_finite = AtomicUsize::new(usize::MAX);
            let (rows, columns) = (self.rows, self.columns);
            append_rows(&mut self.values, columns, block.len(), |place, before, out| {
                fill(first + place, view(before, rows, columns), out);
                whole.iter().for_each(|whole| whole.round(&mut out[whole.column]));
                if !all_finite(out) {
                    let column = out.iter().position(|value| !value.is_finite()).unwrap_or_default();
                    not_finite.fetch_min(column, Ordering::Relaxed);
                }
            });
            match not_finite.into_inner() {
                usize::MAX => self.note_origins(task.step, block, &parents),
                column => return Err(ResampleError::NotFinite { column }),
            }
        }
        Ok(())
    }

    /// Says of some new rows where they come from.
    fn note_origins(&mut self, step: u16, rows: Range<usize>, parents: &(impl Fn(usize) -> [usize; 2] + Sync)) {
        let known = &self.set.origins;
        let origin = |row| Origin::Synthetic { step, parents: parents(row).map(|parent| root(known[parent])) };
        let origins: Vec<Origin> = rows.into_par_iter().with_min_len(1024).map(origin).collect();
        self.set.labels.resize(self.set.labels.len() + origins.len(), self.class);
        self.set.origins.extend(origins);
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
    (view(before, rows, columns), &mut after[first * columns..])
}

/// The first `rows` rows of values.
fn view(values: &[f64], rows: usize, columns: usize) -> ArrayView2<'_, f64> {
    // The values are as many as the shape has.
    let values = ArrayView2::from_shape((rows, columns), &values[..rows * columns]);
    values.unwrap_or_else(|_| ArrayView2::from(&[[]; 0]))
}

/// Looks at all values, whatever they are, which vectors do at once.
fn all_finite(values: &[f64]) -> bool {
    values.iter().fold(true, |all, value| all & value.is_finite())
}

/// `out` becomes the point of the line between two rows, at that share of the way.
pub(super) fn point_between(from: &[f64], to: &[f64], at: f64, out: &mut [f64]) {
    let ends = || from.iter().zip(to);
    out.iter_mut().zip(ends()).for_each(|(out, (from, to))| *out = from + at * (to - from));
    if !all_finite(out) {
        out.iter_mut().zip(ends()).for_each(|(out, (&from, &to))| *out = between(from, to, at));
    }
}

/// `from + at * (to - from)`, also where the difference of two huge numbers overflows.
pub(super) fn between(from: f64, to: f64, at: f64) -> f64 {
    let value = from + at * (to - from);
    if value.is_finite() { value } else { (1.0 - at) * from + at * to }
}

#[cfg(test)]
mod tests {
    use super::{all_finite, between, point_between};

    #[test]
    fn a_point_between_huge_ends_is_finite() {
        assert_eq!(between(1.0, 3.0, 0.25), 1.5);
        assert_eq!(between(-1.6e308, 1.6e308, 0.5), 0.0);
        let mut point = [7.0; 2];
        point_between(&[1.0, -1.6e308], &[3.0, 1.6e308], 0.25, &mut point);
        assert_eq!(point, [1.5, between(-1.6e308, 1.6e308, 0.25)]);
    }

    #[test]
    fn one_value_that_is_not_finite_is_found_anywhere() {
        assert!(all_finite(&[]) && all_finite(&[f64::MAX; 37]));
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for place in 0..37 {
                let mut values = [1.0; 37];
                values[place] = value;
                assert!(!all_finite(&values));
            }
        }
    }
}
