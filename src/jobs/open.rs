//! From a claimed job to everything that its engine needs.

use super::engine::{Work, WorkModel};
use super::failure;
use super::parts::Parts;
use super::runner::Outcome;
use crate::ml::model::MAX_ARTIFACT_BYTES;
use crate::records::{Failure, JobRecord, ModelId};
use crate::store::{Store, StoreError};
use crate::telemetry::Chain;

/// Opens the dataset of a job, and the model of one that works with a model. `parts` is how it shares in the job's parts.
///
/// # Errors
/// How the job ends, or that it is to be tried again.
pub(super) async fn open(store: Store, job: JobRecord, parts: Parts) -> Result<Work, Outcome> {
    let dataset = store.dataset(job.dataset_id).await.map_err(|error| trouble(&error))?;
    let dataset = dataset.ok_or_else(|| Outcome::Failed(failure::dataset_missing()))?;
    let input = store.blobs().open(&dataset.sha256).await;
    let input = input.map_err(|error| unread(&error, failure::dataset_missing(), failure::dataset_damaged()))?;
    let model = match job.config.input_model() {
        Some(id) => Some(open_model(&store, id).await?),
        None => None,
    };
    let scratch = store.blobs().scratch();
    Ok(Work { job, dataset, input, model, scratch, parts })
}

async fn open_model(store: &Store, id: ModelId) -> Result<WorkModel, Outcome> {
    let record = store.model(id).await.map_err(|error| trouble(&error))?;
    let record = record.ok_or_else(|| Outcome::Failed(failure::model_missing()))?;
    let artifact = store.blobs().get(&record.sha256, MAX_ARTIFACT_BYTES).await;
    let artifact = artifact.map_err(|error| unread(&error, failure::model_missing(), failure::model_damaged()))?;
    Ok(WorkModel { record, artifact })
}

fn unread(error: &StoreError, missing: Failure, damaged: Failure) -> Outcome {
    match error {
        StoreError::BlobMissing { .. } => log(error, Outcome::Failed(missing)),
        StoreError::BlobCorrupt { .. } | StoreError::TooLarge { .. } => log(error, Outcome::Failed(damaged)),
        _ => trouble(error),
    }
}

fn trouble(error: &StoreError) -> Outcome {
    log(error, Outcome::Trouble(failure::storage_failed()))
}

fn log(error: &StoreError, outcome: Outcome) -> Outcome {
    tracing::error!(error = %Chain(error), "what a job works with could not be read");
    outcome
}
