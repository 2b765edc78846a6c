//! `evenkeel resample`: a file in, the resampled rows out; numeric columns as they are, unscaled.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

use ndarray::Array2;

use super::CliError;
use super::files::{self, DataFile};
use crate::ml::config::{ConfigLimits, check_resample_steps};
use crate::ml::labels::{ClassCounts, ClassNames};
use crate::ml::pipeline::Target;
use crate::ml::resample;
use crate::ml::seed::Seed;
use crate::ml::sets::TrainSet;
use crate::ml::table::{Table, Values};

/// Settings of `evenkeel resample`.
#[derive(Debug, clap::Args)]
pub(super) struct ResampleArgs {
    /// The rows: .csv, .ndjson, .parquet or .arrow; every column but the target numeric and complete.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The column with the two classes.
    #[arg(long, value_name = "COLUMN")]
    target: String,
    /// A JSON list of steps, as under `resample` in a job.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where the rows go: .csv, the target as the last column.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The seed of steps that have none of their own.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// At most this many threads; 0 for one per core.
    #[arg(long, env = "EVENKEEL_THREADS", default_value_t = 0, value_name = "N")]
    threads: usize,
}

pub(super) fn run(args: &ResampleArgs) -> Result<(), CliError> {
    files::with_threads(args.threads, || resample_file(args))
}

fn resample_file(args: &ResampleArgs) -> Result<(), CliError> {
    let file = DataFile::named(&args.data)?;
    let profile = file.profile()?;
    let table = file.load(&profile)?;
    let target = rarer_is_positive(&table, &args.target)?;
    let (names, features) = numeric_features(&table, &args.target, &target)?;
    let config = files::read_json(&args.config)?;
    let counts = ClassCounts::of(&target.labels);
    let steps = check_resample_steps(&config, &ConfigLimits::STANDARD, Some(counts)).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect();
        CliError::Usage(lines.join("\n"))
    })?;
    let mut set = TrainSet::new(features, target.labels);
    for (index, step) in steps.iter().enumerate() {
        let seed = step.seed.map_or_else(|| Seed(args.seed).derive(&format!("resample-{index}")), Seed);
        let resampled = resample::apply(index, step, set, seed, &mut |_| ControlFlow::Continue(()))
            .map_err(|error| CliError::work(format!("step {index} ({})", step.method.name()), error))?;
        set = resampled.set;
        let counts = set.class_counts();
        println!("{:<20} {} positive, {} negative", step.method.name(), counts.positive, counts.negative);
        resampled.notes.iter().for_each(|note| println!("{:<20} {note}", ""));
    }
    write_csv(args, &names, &set, &target.classes)
}

/// The labels, the rarer class being the positive one.
fn rarer_is_positive(table: &Table, name: &str) -> Result<Target, CliError> {
    let column = table.column(name).ok_or_else(|| CliError::Usage(format!("the file has no column {name:?}")))?;
    let label = (0..table.rows()).find_map(|row| column.values.text(row));
    let label = label.ok_or_else(|| CliError::Usage(format!("the column {name:?} is empty")))?;
    let target = Target::of(table, name, &label).map_err(|error| CliError::work("the target", error))?;
    let counts = ClassCounts::of(&target.labels);
    if counts.minority_is_positive() {
        return Ok(target);
    }
    Target::of(table, name, &target.classes.negative).map_err(|error| CliError::work("the target", error))
}

fn numeric_features(table: &Table, target: &str, rows: &Target) -> Result<(Vec<String>, Array2<f64>), CliError> {
    let columns: Vec<_> = table.columns().iter().filter(|column| column.name != target).collect();
    let mut features = Array2::zeros((rows.rows.len(), columns.len()));
    let mut mistakes = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        match &column.values {
            Values::Numeric(values) if values.iter().all(|value| value.is_finite()) => {
                features.column_mut(index).iter_mut().zip(&rows.rows).for_each(|(cell, &row)| *cell = values[row]);
            }
            Values::Numeric(_) => mistakes.push(format!("column {:?} has missing values", column.name)),
            other => {
                mistakes.push(format!("column {:?} is {}, not numeric", column.name, other.column_type().as_str()));
            }
        }
    }
    if mistakes.is_empty() {
        Ok((columns.iter().map(|column| column.name.clone()).collect(), features))
    } else {
        Err(CliError::Usage(mistakes.join("\n")))
    }
}

fn write_csv(args: &ResampleArgs, names: &[String], set: &TrainSet, classes: &ClassNames) -> Result<(), CliError> {
    files::write_whole(&args.out, |out| {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(names.iter().map(String::as_str).chain([args.target.as_str()]))?;
        for (row, &label) in set.features.rows().into_iter().zip(&set.labels) {
            for value in row {
                csv.write_field(value.to_string())?;
            }
            csv.write_field(classes.name(label))?;
            csv.write_record(None::<&[u8]>)?;
        }
        csv.flush()?;
        csv.into_inner().map_err(|error| error.into_error())?.flush()
    })
}
