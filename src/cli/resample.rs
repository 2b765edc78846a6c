//! `evenkeel resample`: a file in, the resampled rows out; the same work as a `resample` job, without a server.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::CliError;
use super::files::{self, DataFile};
use crate::ml::config::{
    ConfigLimits, NumericImpute, ResampleConfig, ResampleNumeric, ResamplePreprocess, Scale, check_resample_steps,
};
use crate::ml::labels::ClassCounts;
use crate::ml::pipeline::Target;
use crate::ml::resample_table::{StepCounts, resample_table};
use crate::ml::table::{Column, Table, TableFormat, WriteFormat, write};

/// Settings of `evenkeel resample`.
#[derive(Debug, clap::Args)]
pub(super) struct ResampleArgs {
    /// The rows: .csv, .ndjson, .parquet or .arrow.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The column with the two classes.
    #[arg(long, value_name = "COLUMN")]
    target: String,
    /// A JSON list of steps, as under `resample` in a job.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where the rows go: .csv, .ndjson or .parquet, the target behind the other columns.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A column that is neither measured nor written; may be given more than once.
    #[arg(long, value_name = "COLUMN")]
    exclude: Vec<String>,
    /// What a missing number becomes; without it, a file with missing numbers is refused.
    #[arg(long, value_enum)]
    impute: Option<Impute>,
    /// The scale of the distances; the rows keep their units.
    #[arg(long, value_enum, default_value_t = DistanceScale::None)]
    scale: DistanceScale,
    /// Round synthetic values of columns that have whole numbers only, as `keep_integers` in every step.
    #[arg(long)]
    round_integers: bool,
    /// Add columns that say where each row comes from.
    #[arg(long)]
    origins: bool,
    /// Write rows that a step removed too, marked as removed.
    #[arg(long, requires = "origins")]
    keep_removed: bool,
    /// The seed of steps that have none of their own.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// At most this many threads; 0 for one per core.
    #[arg(long, env = "EVENKEEL_THREADS", default_value_t = 0, value_name = "N")]
    threads: usize,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Impute {
    Median,
    Mean,
    #[value(name = "most_frequent")]
    MostFrequent,
}

impl Impute {
    fn numeric(self) -> NumericImpute {
        match self {
            Impute::Median => NumericImpute::Median,
            Impute::Mean => NumericImpute::Mean,
            Impute::MostFrequent => NumericImpute::MostFrequent,
        }
    }
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum DistanceScale {
    None,
    Standard,
    Robust,
    #[value(name = "min_max")]
    MinMax,
}

impl DistanceScale {
    fn of_config(self) -> Scale {
        match self {
            DistanceScale::None => Scale::None,
            DistanceScale::Standard => Scale::Standard,
            DistanceScale::Robust => Scale::Robust,
            DistanceScale::MinMax => Scale::MinMax,
        }
    }
}

pub(super) fn run(args: &ResampleArgs) -> Result<(), CliError> {
    files::with_threads(args.threads, || resample_file(args))
}

fn resample_file(args: &ResampleArgs) -> Result<(), CliError> {
    let format = written_format(&args.out)?;
    let file = DataFile::named(&args.data)?;
    if let TableFormat::Zip { .. } = file.format() {
        let detail = "pictures are resampled within training: `resample` in the configuration of evenkeel train";
        return Err(CliError::Usage(format!("{}: {detail}", args.data.display())));
    }
    let profile = file.profile()?;
    let table = file.load(&profile)?;
    let target = rarer_is_positive(&table, &args.target)?;
    let config = config(args, &target, format)?;
    let resampled = resample_table(&table, &config, &mut |_| ControlFlow::Continue(()))
        .map_err(|error| CliError::work("the rows", error))?;
    for StepCounts { method, counts, notes, .. } in &resampled.steps {
        if let Some(method) = method {
            println!("{method:<20} {} positive, {} negative", counts.positive, counts.negative);
            notes.iter().for_each(|note| println!("{:<20} {note}", ""));
        }
    }
    let with_origins = args.origins.then(|| resampled.with_origins(&config)).transpose();
    let table = with_origins.map_err(|error| CliError::work("the columns of --origins", error))?;
    let table = target_last(table.as_ref().unwrap_or(&resampled.table), &config)?;
    files::write_whole(&args.out, |out| {
        write(&table, format, out, &mut |_| ControlFlow::Continue(())).map_err(std::io::Error::other)
    })
}

fn config(args: &ResampleArgs, target: &Target, format: WriteFormat) -> Result<ResampleConfig, CliError> {
    let counts = ClassCounts::of(&target.labels);
    let steps = files::read_json(&args.config)?;
    let resample = check_resample_steps(&steps, &ConfigLimits::STANDARD, Some(counts)).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect();
        CliError::Usage(lines.join("\n"))
    })?;
    Ok(ResampleConfig {
        seed: args.seed,
        target: args.target.clone(),
        positive_label: target.classes.positive.clone(),
        exclude: args.exclude.clone(),
        resample,
        preprocess: ResamplePreprocess {
            numeric: ResampleNumeric { impute: args.impute.map(Impute::numeric), scale: args.scale.of_config() },
        },
        round_integers: args.round_integers,
        keep_removed: args.keep_removed,
        origin_column: "origin".to_owned(),
        format,
    })
}

fn written_format(path: &Path) -> Result<WriteFormat, CliError> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("").to_ascii_lowercase();
    let known = WriteFormat::ALL.into_iter().find(|(name, _)| *name == ending);
    known.map(|(_, format)| format).ok_or_else(|| {
        CliError::Usage(format!("{}: expected a file ending in .csv, .ndjson or .parquet", path.display()))
    })
}

/// The table with its columns in this order: features, target, origins.
fn target_last(table: &Table, config: &ResampleConfig) -> Result<Table, CliError> {
    let origins = config.origin_columns();
    let place = |column: &Column| match column {
        Column { name, .. } if *name == config.target => 1,
        Column { name, .. } if origins.contains(name) => 2,
        Column { .. } => 0,
    };
    let mut columns = table.columns().to_vec();
    columns.sort_by_key(place);
    Table::new(columns).map_err(|error| CliError::work("the columns", error))
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
