//! The engine of `train` jobs: a stored dataset in, a trained model out.

use std::fs::File;

use super::engine::{Ended, ProducedModel};
use super::source::EngineLimits;
use crate::ml::config::TrainConfig;
use crate::ml::observe::TrainObserver;
use crate::ml::pipeline::{self, TrainError, TrainInput, Trained, estimate};
use crate::records::{DatasetRecord, ModelCard, ModelFeature, TrainingSummary};
use crate::telemetry::Chain;

/// Trains on the bytes of a dataset.
///
/// # Errors
/// [`Ended::Failed`] with the reason, or [`Ended::Stopped`] if the observer asked for it.
pub fn train(
    limits: &EngineLimits,
    input: File,
    dataset: &DatasetRecord,
    config: &TrainConfig,
    observer: &mut dyn TrainObserver,
) -> Result<ProducedModel, Ended> {
    limits.check_memory(estimate(config, &dataset.facts()).memory_bytes)?;
    let table = limits.load(input, dataset, config.picture_spec(), observer)?;
    let input = TrainInput { table, missing_markers: dataset.missing_markers.clone() };
    produced(pipeline::train(input, config, observer).map_err(ended)?)
}

pub(super) fn produced(trained: Trained) -> Result<ProducedModel, Ended> {
    let unwritable = |error: &dyn std::error::Error| {
        Ended::failed("storage-failed", "The model cannot be written", Chain(error).to_string())
    };
    let training = TrainingSummary {
        epochs_run: trained.epochs_run,
        best_epoch: trained.best_epoch,
        stopped_by: trained.stopped_by.as_str().to_owned(),
        examples_per_second: None,
        class_counts: trained.class_counts,
        resampling: trained.resampling,
        dropped_columns: trained.dropped_columns,
        unlabelled_rows: trained.unlabelled_rows,
        threshold_note: trained.threshold_basis.note.clone(),
    };
    let card = ModelCard::new(Some(trained.threshold_basis.clone()), &training, trained.verdict, &trained.report);
    let card = card.to_bytes().map_err(|error| unwritable(&error))?;
    let artifact = trained.model.to_bytes_with_card(&card).map_err(|error| unwritable(&error))?;
    let dossier = trained.dossier.to_bytes().map_err(|error| unwritable(&error))?;
    Ok(ProducedModel {
        artifact,
        dossier: Some(dossier),
        threshold_basis: Some(trained.threshold_basis),
        features: ModelFeature::all_of(&trained.model),
        threshold_rule: trained.model.threshold_rule,
        threshold: trained.model.threshold,
        classes: trained.model.classes,
        training,
        examples_seen: trained.examples_seen,
        verdict: trained.verdict,
        report: trained.report,
    })
}

pub(super) fn ended(error: TrainError) -> Ended {
    match error {
        TrainError::Stopped(stop) => Ended::Stopped(stop),
        error @ TrainError::Board { .. } => {
            tracing::error!(error = %Chain(&error), "the parts of a job could not be read or written");
            Ended::Trouble
        }
        error => Ended::failed(error.code(), "Training failed", Chain(&error).to_string()),
    }
}
