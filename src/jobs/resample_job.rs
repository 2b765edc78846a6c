//! The engine of `resample` jobs: a stored dataset in, another one out, each row with its origin.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Seek;

use super::engine::{Ended, ProducedDataset, Work};
use super::source::{EngineLimits, enter, unwritten, write_table};
use crate::ml::config::ResampleConfig;
use crate::ml::observe::{Phase, TrainObserver};
use crate::ml::resample_table::{ResampleTableError, estimate_resampling, resample_table};
use crate::ml::table::{ColumnType, Profile, ReadError, ReadOptions, Table, profile, target_classes};
use crate::records::ResampleJob;
use crate::telemetry::Chain;

pub(super) fn run(
    limits: &EngineLimits,
    work: Work,
    job: &ResampleJob,
    observer: &mut dyn TrainObserver,
) -> Result<ProducedDataset, Ended> {
    let config = &job.resample;
    limits.check_memory(estimate_resampling(config, &work.dataset.facts()).memory_bytes)?;
    let table = limits.load(work.input, &work.dataset, None, observer)?;
    enter(observer, Phase::Resampling)?;
    let resampled = resample_table(&table, config, &mut |share| observer.step(share)).map_err(ended)?;
    drop(table);
    let table = resampled.with_origins(config).map_err(|error| ended(ResampleTableError::Table(error)))?;
    drop(resampled);
    enter(observer, Phase::Writing)?;
    let file = write_table(&table, config.format, &work.scratch, &mut |share| observer.step(share / 2.0))?;
    let profile = profiled(&file, &table, limits, config, observer)?;
    let class_counts = target_classes(&profile, &config.target)
        .map_err(|error| Ended::failed("resampling-failed", "Resampling failed", Chain(&error).to_string()))?;
    Ok(ProducedDataset {
        file,
        name: job.name.clone(),
        format: config.format.table_format(),
        target: config.target.clone(),
        positive_label: config.positive_label.clone(),
        class_counts,
        profile,
        missing_markers: Vec::new(),
        origin_columns: config.origin_columns(),
    })
}

/// What the new file holds, read as an upload is; the types are those that the columns have.
fn profiled(
    file: &File,
    table: &Table,
    limits: &EngineLimits,
    config: &ResampleConfig,
    observer: &mut dyn TrainObserver,
) -> Result<Profile, Ended> {
    let mut input = file.try_clone().map_err(|error| unwritten(&error))?;
    input.rewind().map_err(|error| unwritten(&error))?;
    let types: BTreeMap<String, ColumnType> =
        table.columns().iter().map(|column| (column.name.clone(), column.values.column_type())).collect();
    let format = config.format.table_format();
    let options = ReadOptions { format: &format, missing_markers: &[], limits: &limits.tables, pictures: None };
    let rows = table.rows().max(1) as f64;
    profile(input, &options, &types, &mut |read| observer.step(0.5 + 0.5 * read as f64 / rows)).map_err(|error| {
        match error {
            ReadError::Stopped(stop) => Ended::Stopped(stop),
            error => Ended::failed("invalid-data", "The new dataset cannot be read", Chain(&error).to_string()),
        }
    })
}

fn ended(error: ResampleTableError) -> Ended {
    match error {
        ResampleTableError::Stopped(stop) => Ended::Stopped(stop),
        error => Ended::failed(error.code(), "Resampling failed", Chain(&error).to_string()),
    }
}
