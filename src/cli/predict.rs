//! `evenkeel predict`: a file in, a file with the same rows in the same order out.

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use super::CliError;
use super::files::{self, DataFile};
use crate::ml::model::Model;
use crate::ml::table::Values;

/// Settings of `evenkeel predict`.
#[derive(Debug, clap::Args)]
pub(super) struct PredictArgs {
    /// The directory that `evenkeel train` wrote.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The rows: .csv, .ndjson, .parquet or .arrow, or .zip with pictures.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Where the predictions go: .csv, one line a row, with columns label and probability, and path before them where the rows
    /// are pictures.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Predict positive at this probability and above, instead of the model's threshold.
    #[arg(long)]
    threshold: Option<f64>,
    /// At most this many threads; 0 for one per core.
    #[arg(long, env = "EVENKEEL_THREADS", default_value_t = 0, value_name = "N")]
    threads: usize,
}

pub(super) fn run(args: &PredictArgs) -> Result<(), CliError> {
    if let Some(threshold) = args.threshold.filter(|threshold| !(0.0..=1.0).contains(threshold)) {
        return Err(CliError::Usage(format!("--threshold is a probability from 0 to 1, found {threshold}")));
    }
    files::with_threads(args.threads, || predict(args))
}

fn predict(args: &PredictArgs) -> Result<(), CliError> {
    let (model, _) = files::read_model(&args.model)?;
    let file = DataFile::named(&args.data)?;
    let (table, paths) = file.load_for(&model)?;
    let probabilities =
        model.predict(&table).map_err(|error| CliError::work(args.data.display().to_string(), error))?;
    let threshold = args.threshold.unwrap_or(model.threshold);
    files::write_whole(&args.out, |out| write(out, &model, &probabilities, threshold, paths.as_ref()))
}

fn write(
    out: &mut BufWriter<std::fs::File>,
    model: &Model,
    probabilities: &[f64],
    threshold: f64,
    paths: Option<&Values>,
) -> std::io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(paths.map(|_| "path").into_iter().chain(["label", "probability"]))?;
    for (row, &probability) in probabilities.iter().enumerate() {
        let path = paths.map(|paths| paths.text(row).unwrap_or_default());
        let label = model.classes.name(probability >= threshold);
        csv.write_record(path.as_deref().into_iter().chain([label, &probability.to_string()]))?;
    }
    csv.flush()?;
    csv.into_inner().map_err(|error| error.into_error())?.flush()
}
