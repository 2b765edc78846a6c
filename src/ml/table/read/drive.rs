//! The one loop over a file: the next batch is read while the columns of the present one are taken in.

use std::ops::ControlFlow;

use rayon::prelude::*;

use super::batch::{Batch, BatchReader, Cells};
use super::error::{Problems, ReadError};
use super::options::ReadOptions;
use super::source::{TableSource, open};
use crate::ml::observe::Stop;
use crate::ml::table::cell::MissingMarkers;

/// Takes in one column, from the first row to the last.
pub(super) trait Sink: Send {
    /// `row_numbers` has the number of each cell's row.
    fn take(&mut self, cells: &Cells, row_numbers: &[u64], markers: &MissingMarkers);

    /// What was wrong, once all is taken in.
    fn problems(&mut self) -> &mut Problems;
}

/// A whole file, taken in.
pub(super) struct Driven<S> {
    pub(super) rows: u64,
    /// In the order of the file; `None` for columns that nobody wanted.
    pub(super) columns: Vec<(String, Option<S>)>,
}

/// Reads `input` until at least `enough` rows are taken in, or to its end; `make` gives the sink of a column by its name, given the number of columns.
///
/// # Errors
/// See [`ReadError`]; all mistakes of the file at once.
pub(super) fn drive<R: TableSource, S: Sink>(
    input: R,
    options: &ReadOptions<'_>,
    make: &dyn Fn(&str, usize) -> Option<S>,
    enough: u64,
    step: &mut dyn FnMut(u64) -> ControlFlow<Stop>,
) -> Result<Driven<S>, ReadError> {
    let mut problems = Problems::new(options.limits.max_errors);
    let reader = open(input, options, enough, &mut problems)?;
    drive_reader(reader, problems, options, make, enough, step)
}

/// [`drive`] of a reader that is open already, with what was found wrong while it was opened.
pub(super) fn drive_reader<S: Sink>(
    mut reader: Box<dyn BatchReader>,
    mut problems: Problems,
    options: &ReadOptions<'_>,
    make: &dyn Fn(&str, usize) -> Option<S>,
    enough: u64,
    step: &mut dyn FnMut(u64) -> ControlFlow<Stop>,
) -> Result<Driven<S>, ReadError> {
    let mut state = State { sinks: Vec::new(), rows: 0, markers: MissingMarkers::new(options.missing_markers) };
    let names_usable = reader.columns().len() <= options.limits.max_columns;
    let mut next = if names_usable { reader.next_batch(&mut problems)? } else { None };
    while let Some(batch) = next {
        state.add_columns(reader.columns(), make);
        if state.rows + batch.rows() as u64 > options.limits.max_rows {
            let limit = options.limits.max_rows;
            problems.push(limit + 1, None, format!("more than {limit} rows, which is the limit"));
            break;
        }
        let ((), following) = rayon::join(|| state.take(&batch), || reader.next_batch(&mut problems));
        if let ControlFlow::Break(stop) = step(state.rows) {
            return Err(ReadError::Stopped(stop));
        }
        next = if state.is_full() || state.rows >= enough { None } else { following? };
    }
    // Columns that came up in a batch of nothing but wrong rows.
    state.add_columns(reader.columns(), make);
    if state.rows == 0 && problems.is_empty() {
        problems.push(0, None, "there are no rows of data");
    }
    state.finish(reader.columns(), problems)
}

struct State<S> {
    sinks: Vec<Option<S>>,
    /// Rows taken in.
    rows: u64,
    markers: MissingMarkers,
}

impl<S: Sink> State<S> {
    /// Columns that are new begin with a missing value for each row before them.
    fn add_columns(&mut self, names: &[String], make: &dyn Fn(&str, usize) -> Option<S>) {
        for name in names.iter().skip(self.sinks.len()) {
            let mut sink = make(name, names.len());
            if let (Some(sink), true) = (&mut sink, self.rows > 0) {
                sink.take(&Cells::Empty(self.rows as usize), &[], &self.markers);
            }
            self.sinks.push(sink);
        }
    }

    fn take(&mut self, batch: &Batch) {
        let markers = &self.markers;
        let missing = Cells::Empty(batch.rows());
        self.sinks.par_iter_mut().enumerate().for_each(|(index, sink)| {
            if let Some(sink) = sink {
                sink.take(batch.columns.get(index).unwrap_or(&missing), &batch.row_numbers, markers);
            }
        });
        self.rows += batch.rows() as u64;
    }

    fn is_full(&mut self) -> bool {
        self.sinks.iter_mut().flatten().any(|sink| sink.problems().is_full())
    }

    fn finish(mut self, names: &[String], problems: Problems) -> Result<Driven<S>, ReadError> {
        let limit = problems.limit();
        let mut parts = vec![problems];
        for sink in self.sinks.iter_mut().flatten() {
            parts.push(std::mem::replace(sink.problems(), Problems::new(limit)));
        }
        match Problems::merge(parts) {
            Some(error) => Err(error),
            None => Ok(Driven { rows: self.rows, columns: names.iter().cloned().zip(self.sinks).collect() }),
        }
    }
}
