//! The engine of `predict` jobs: a dataset and a model in, a file with the prediction of each row out.

use super::engine::{Ended, ProducedResult, Work};
use super::score::score;
use super::source::{EngineLimits, enter, write_table};
use crate::ml::observe::{Phase, TrainObserver};
use crate::ml::table::{Column, PATH_COLUMN, Table, Values};
use crate::records::PredictJob;
use crate::telemetry::Chain;

/// The columns that a prediction is in, behind those of the dataset.
pub const PREDICTION_COLUMNS: [&str; 2] = ["label", "probability"];

pub(super) fn run(
    limits: &EngineLimits,
    work: Work,
    job: &PredictJob,
    observer: &mut dyn TrainObserver,
) -> Result<ProducedResult, Ended> {
    let (scored, record) = score(limits, work.input, &work.dataset, work.model, observer)?;
    let threshold = job.threshold.unwrap_or(record.threshold);
    let [label, probability] = PREDICTION_COLUMNS;
    let predicted = [
        Column {
            name: label.to_owned(),
            values: Values::Categorical {
                codes: scored.probabilities.iter().map(|&probability| u32::from(probability >= threshold)).collect(),
                levels: vec![record.classes.negative.clone(), record.classes.positive.clone()],
            },
        },
        Column { name: probability.to_owned(), values: Values::Numeric(scored.probabilities) },
    ];
    let table = Table::new(chosen(&scored.table, &job.columns).into_iter().chain(predicted).collect())
        .map_err(|error| Ended::failed("invalid-data", "The columns cannot be written", Chain(&error).to_string()))?;
    enter(observer, Phase::Writing)?;
    let file = write_table(&table, job.format, &work.scratch, &mut |share| observer.step(share))?;
    Ok(ProducedResult { file, media_type: job.format.media_type(), rows: Some(table.rows() as u64) })
}

/// The columns of the dataset that are asked for; of pictures their paths, and these at any rate.
fn chosen(table: &Table, names: &[String]) -> Vec<Column> {
    let paths = table.column(PATH_COLUMN);
    let mut chosen: Vec<Column> =
        paths.into_iter().filter(|_| !names.iter().any(|name| name == PATH_COLUMN)).cloned().collect();
    for column in names.iter().filter_map(|name| table.column(name)) {
        let values = match (&column.values, paths) {
            (Values::Pictures(_), Some(paths)) => paths.values.clone(),
            (values, _) => values.clone(),
        };
        chosen.push(Column { name: column.name.clone(), values });
    }
    chosen
}
