//! The rows of a dataset through a model.

use std::fs::File;
use std::ops::ControlFlow;

use super::engine::{Ended, WorkModel};
use super::source::{EngineLimits, enter};
use crate::ml::model::Model;
use crate::ml::observe::{Phase, TrainObserver};
use crate::ml::pipeline::Estimate;
use crate::ml::table::{ColumnSummary, Table};
use crate::records::{DatasetRecord, ModelRecord};
use crate::telemetry::Chain;

/// Cells of the matrix of a block: some megabytes, and a small part of a second.
const BLOCK_CELLS: usize = 1 << 20;
const MIN_BLOCK_ROWS: usize = 256;

/// A dataset with the probability of each row.
pub(super) struct Scored {
    pub(super) table: Table,
    pub(super) model: Model,
    /// Of the positive class.
    pub(super) probabilities: Vec<f64>,
}

/// What scoring a dataset will need.
pub fn estimate_scoring(dataset: &DatasetRecord, model: &ModelRecord) -> Estimate {
    let features = model.features.len() as u64;
    let columns = dataset.columns.len() as u64 + features + 3;
    let table = dataset.rows.saturating_mul(columns).saturating_mul(16);
    let pictures = model.features.iter().filter_map(|feature| feature.picture);
    let pixels = pictures.map(|picture| dataset.rows.saturating_mul(picture.shape.values() as u64)).sum();
    let parts = [table, pixels, model.size_bytes.saturating_mul(2)];
    Estimate {
        memory_bytes: parts.into_iter().fold(64 << 20, u64::saturating_add),
        train_rows: 0,
        features,
        parameters: 0,
        multiply_adds: 0,
    }
}

/// Reads the dataset as the model reads rows and predicts each.
pub(super) fn score(
    limits: &EngineLimits,
    input: File,
    dataset: &DatasetRecord,
    model: Option<WorkModel>,
    observer: &mut dyn TrainObserver,
) -> Result<(Scored, ModelRecord), Ended> {
    let Some(WorkModel { record, artifact }) = model else {
        return Err(Ended::failed("model-missing", "The model is missing", "The job names no model.".to_owned()));
    };
    limits.check_memory(estimate_scoring(dataset, &record).memory_bytes)?;
    let model = Model::from_bytes(&artifact)
        .map_err(|error| Ended::failed("storage-failed", "The model cannot be read", Chain(&error).to_string()))?;
    drop(artifact);
    let inputs = model.inputs();
    let read_as = |column: &ColumnSummary| {
        let input = inputs.iter().find(|input| input.name == column.name);
        input.map_or(column.column_type, |input| input.column_type)
    };
    let table = limits.load_as(input, dataset, model.picture_spec(), &read_as, true, observer)?;
    enter(observer, Phase::Predicting)?;
    let probabilities = probabilities(&model, &table, observer)?;
    Ok((Scored { table, model, probabilities }, record))
}

/// Block by block; a row's probability does not depend on the rows beside it.
fn probabilities(model: &Model, table: &Table, observer: &mut dyn TrainObserver) -> Result<Vec<f64>, Ended> {
    let features = model.preprocessor.feature_names().len().max(1);
    let rows: Vec<usize> = (0..table.rows()).collect();
    let mut probabilities = Vec::with_capacity(rows.len());
    for block in rows.chunks((BLOCK_CELLS / features).max(MIN_BLOCK_ROWS)) {
        if let ControlFlow::Break(stop) = observer.step(probabilities.len() as f64 / rows.len() as f64) {
            return Err(Ended::Stopped(stop));
        }
        let found = model.predict(&table.select(block)).map_err(|error| {
            Ended::failed("invalid-data", "The rows do not fit the model", Chain(&error).to_string())
        })?;
        probabilities.extend(found);
    }
    if probabilities.iter().all(|probability| probability.is_finite()) {
        return Ok(probabilities);
    }
    let detail = "The model gave a probability that is not a finite number.".to_owned();
    Err(Ended::failed("diverged", "The model gave no number", detail))
}
