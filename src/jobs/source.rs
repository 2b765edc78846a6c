//! What engines share: the room that a job may take, its dataset as a table, a table as a file.

use std::fs::File;
use std::io::BufWriter;
use std::ops::ControlFlow;

use super::engine::Ended;
use crate::ml::observe::{Phase, Stop, TrainObserver};
use crate::ml::picture::PictureSpec;
use crate::ml::table::{
    ColumnSummary, ColumnType, PATH_COLUMN, ReadError, ReadOptions, Table, TableFormat, TableLimits, WriteError,
    WriteFormat, load, write,
};
use crate::records::DatasetRecord;
use crate::store::Scratch;
use crate::telemetry::Chain;

/// What every engine goes by.
#[derive(Debug, Clone)]
pub struct EngineLimits {
    pub tables: TableLimits,
    /// A job whose estimate is above this fails.
    pub memory_bytes: u64,
}

impl EngineLimits {
    /// Refuses what would end in an out-of-memory kill.
    pub(super) fn check_memory(&self, needed: u64) -> Result<(), Ended> {
        if needed <= self.memory_bytes {
            return Ok(());
        }
        let allowed = self.memory_bytes;
        let detail = format!("The job would need about {needed} bytes of memory; {allowed} are allowed.");
        Err(Ended::failed("too-large-for-memory", "Too large for the memory", detail))
    }

    /// Reads the whole dataset, in the phase of loading; pictures as `pictures` says.
    pub(super) fn load(
        &self,
        input: File,
        dataset: &DatasetRecord,
        pictures: Option<PictureSpec>,
        observer: &mut dyn TrainObserver,
    ) -> Result<Table, Ended> {
        self.load_as(input, dataset, pictures, &|column| column.column_type, false, observer)
    }

    /// As [`EngineLimits::load`], each column with the type that `read_as` says; `with_paths`: pictures have a column with
    /// their paths beside them.
    pub(super) fn load_as(
        &self,
        input: File,
        dataset: &DatasetRecord,
        pictures: Option<PictureSpec>,
        read_as: &dyn Fn(&ColumnSummary) -> ColumnType,
        with_paths: bool,
        observer: &mut dyn TrainObserver,
    ) -> Result<Table, Ended> {
        enter(observer, Phase::Loading)?;
        let DatasetRecord { format, missing_markers, columns, rows, .. } = dataset;
        let options = ReadOptions { format, missing_markers, limits: &self.tables, pictures };
        let paths =
            matches!(format, TableFormat::Zip { .. }).then(|| (PATH_COLUMN.to_owned(), ColumnType::Categorical));
        let listed = columns.iter().map(|column| (column.name.clone(), read_as(column)));
        let columns: Vec<(String, ColumnType)> = listed.chain(paths.filter(|_| with_paths)).collect();
        let total = (*rows).max(1) as f64;
        load(input, &options, &columns, &mut |read| observer.step(read as f64 / total)).map_err(|error| match error {
            ReadError::Stopped(stop) => Ended::Stopped(stop),
            error => Ended::failed("invalid-data", "The dataset cannot be read", Chain(&error).to_string()),
        })
    }
}

/// Begins a phase.
pub(super) fn enter(observer: &mut dyn TrainObserver, phase: Phase) -> Result<(), Ended> {
    match observer.phase(phase) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(stop) => Err(Ended::Stopped(stop)),
    }
}

/// A table in a new file. `step` is told the share that is written.
pub(super) fn write_table(
    table: &Table,
    format: WriteFormat,
    scratch: &Scratch,
    step: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<File, Ended> {
    let file = scratch.file().map_err(|error| unwritten(&error))?;
    write(table, format, BufWriter::new(&file), step).map_err(|error| match error {
        WriteError::Stopped(stop) => Ended::Stopped(stop),
        error => unwritten(&error),
    })?;
    Ok(file)
}

/// A file that cannot be written is no answer about the job.
pub(super) fn unwritten(error: &(dyn std::error::Error + 'static)) -> Ended {
    tracing::error!(error = %Chain(error), "a new file could not be written");
    Ended::Trouble
}
