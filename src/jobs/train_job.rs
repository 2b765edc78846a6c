//! The real engine: a stored dataset in, a trained model out.

use std::fs::File;
use std::ops::ControlFlow;

use super::engine::{Ended, Engine, Produced, Work};
use crate::ml::config::TrainConfig;
use crate::ml::model::Model;
use crate::ml::observe::{Phase, TrainObserver};
use crate::ml::pipeline::{self, TrainError, TrainInput, Trained, estimate};
use crate::ml::table::{ColumnType, ReadError, ReadOptions, Table, TableLimits, load};
use crate::records::{DatasetRecord, Failure, ModelFeature, TrainingSummary};
use crate::telemetry::Chain;

/// Trains models.
#[derive(Debug, Clone)]
pub struct TrainEngine {
    pub table_limits: TableLimits,
    /// A job whose estimate is above this fails.
    pub memory_bytes: u64,
}

impl Engine for TrainEngine {
    fn run(&self, work: Work, observer: &mut dyn TrainObserver) -> Result<Produced, Ended> {
        self.train(work.input, &work.dataset, &work.job.config.train, observer)
    }
}

impl TrainEngine {
    /// Trains on the bytes of a dataset.
    ///
    /// # Errors
    /// [`Ended::Failed`] with the reason, or [`Ended::Stopped`] if the observer asked for it.
    pub fn train(
        &self,
        input: File,
        dataset: &DatasetRecord,
        config: &TrainConfig,
        observer: &mut dyn TrainObserver,
    ) -> Result<Produced, Ended> {
        let needed = estimate(config, &dataset.facts()).memory_bytes;
        if needed > self.memory_bytes {
            return Err(Ended::Failed(too_large(needed, self.memory_bytes)));
        }
        if let ControlFlow::Break(stop) = observer.phase(Phase::Loading) {
            return Err(Ended::Stopped(stop));
        }
        let table = self.load(input, dataset, observer)?;
        let input = TrainInput { table, missing_markers: dataset.missing_markers.clone() };
        produced(pipeline::train(input, config, observer).map_err(ended)?)
    }

    fn load(&self, input: File, dataset: &DatasetRecord, observer: &mut dyn TrainObserver) -> Result<Table, Ended> {
        let DatasetRecord { format, missing_markers, columns, rows, .. } = dataset;
        let options = ReadOptions { format, missing_markers, limits: &self.table_limits };
        let columns: Vec<(String, ColumnType)> =
            columns.iter().map(|column| (column.name.clone(), column.column_type)).collect();
        let total = (*rows).max(1) as f64;
        load(input, &options, &columns, &mut |read| observer.step(read as f64 / total)).map_err(|error| match error {
            ReadError::Stopped(stop) => Ended::Stopped(stop),
            error => Ended::Failed(failure("invalid-data", "The dataset cannot be read", Chain(&error).to_string())),
        })
    }
}

fn produced(trained: Trained) -> Result<Produced, Ended> {
    let artifact = trained.model.to_bytes().map_err(|error| {
        Ended::Failed(failure("storage-failed", "The model cannot be written", Chain(&error).to_string()))
    })?;
    Ok(Produced {
        artifact,
        features: model_features(&trained.model),
        threshold_rule: trained.model.threshold_rule,
        threshold: trained.model.threshold,
        classes: trained.model.classes,
        training: TrainingSummary {
            epochs_run: trained.epochs_run,
            best_epoch: trained.best_epoch,
            stopped_by: trained.stopped_by.as_str().to_owned(),
            examples_per_second: None,
            class_counts: trained.class_counts,
            dropped_columns: trained.dropped_columns,
            unlabelled_rows: trained.unlabelled_rows,
            threshold_note: trained.threshold_note,
        },
        examples_seen: trained.examples_seen,
        verdict: trained.verdict,
        report: trained.report,
    })
}

/// The columns that a model reads, as a record shows them.
fn model_features(model: &Model) -> Vec<ModelFeature> {
    let feature = |input: crate::ml::preprocess::InputColumn| ModelFeature {
        name: input.name,
        column_type: input.column_type,
        categories: input.categories,
        missing_policy: input.missing_policy,
        unseen_policy: input.unseen_policy,
    };
    model.inputs().into_iter().map(feature).collect()
}

fn ended(error: TrainError) -> Ended {
    match error {
        TrainError::Stopped(stop) => Ended::Stopped(stop),
        error => Ended::Failed(failure(error.code(), "Training failed", Chain(&error).to_string())),
    }
}

fn failure(code: &str, title: &str, detail: String) -> Failure {
    Failure { code: code.to_owned(), title: title.to_owned(), detail, retryable: false }
}

fn too_large(needed: u64, allowed: u64) -> Failure {
    let detail = format!("The job would need about {needed} bytes of memory; {allowed} are allowed.");
    failure("too-large-for-memory", "Too large for the memory", detail)
}
