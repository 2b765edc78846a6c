//! From what a job has produced to what its record can name: every byte stored.

use bytes::Bytes;

use super::engine::{Produced, ProducedDataset, ProducedModel, ProducedResult};
use crate::records::{DatasetId, DatasetRecord, JobRecord, JobResult, ModelId, TrainingSummary};
use crate::store::{NewModel, NewResults, Store, StoreError};

/// Stores the bytes of all that a job leaves. May be tried again with the same things.
pub(super) async fn keep(
    store: &Store,
    job: &JobRecord,
    produced: &Produced,
    examples_per_second: Option<f64>,
) -> Result<NewResults, StoreError> {
    let mut results = NewResults::default();
    if let Some(model) = &produced.model {
        results.model = Some(keep_model(store, job, model, examples_per_second).await?);
    }
    if let Some(dataset) = &produced.dataset {
        results.dataset = Some(keep_dataset(store, dataset).await?);
    }
    if let Some(result) = &produced.result {
        results.result = Some(keep_result(store, result).await?);
    }
    Ok(results)
}

async fn keep_model(
    store: &Store,
    job: &JobRecord,
    model: &ProducedModel,
    examples_per_second: Option<f64>,
) -> Result<NewModel, StoreError> {
    let dossier_sha256 = match &model.dossier {
        Some(dossier) => Some(store.blobs().put(Bytes::from(dossier.clone())).await?),
        None => None,
    };
    Ok(NewModel {
        id: ModelId::new(),
        name: job.config.model_name().unwrap_or("model").to_owned(),
        sha256: store.blobs().put(Bytes::from(model.artifact.clone())).await?,
        size_bytes: model.artifact.len() as u64,
        classes: model.classes.clone(),
        threshold_rule: model.threshold_rule.clone(),
        threshold: model.threshold,
        threshold_basis: model.threshold_basis.clone(),
        dossier_sha256,
        features: model.features.clone(),
        training: TrainingSummary { examples_per_second, ..model.training.clone() },
        verdict: model.verdict,
        report: model.report.clone(),
    })
}

async fn keep_dataset(store: &Store, dataset: &ProducedDataset) -> Result<DatasetRecord, StoreError> {
    let kept = store.blobs().put_file(&dataset.file).await?;
    Ok(DatasetRecord {
        id: DatasetId::new(),
        name: dataset.name.clone(),
        created_at: store.clock().now(),
        format: dataset.format.clone(),
        size_bytes: kept.size_bytes,
        sha256: kept.sha256,
        rows: dataset.profile.rows,
        target: dataset.target.clone(),
        positive_label: dataset.positive_label.clone(),
        class_counts: dataset.class_counts.clone(),
        columns: dataset.profile.columns.clone(),
        missing_markers: dataset.missing_markers.clone(),
        origin_columns: dataset.origin_columns.clone(),
    })
}

async fn keep_result(store: &Store, result: &ProducedResult) -> Result<JobResult, StoreError> {
    let kept = store.blobs().put_file(&result.file).await?;
    let media_type = result.media_type.to_owned();
    Ok(JobResult { sha256: kept.sha256, size_bytes: kept.size_bytes, media_type, rows: result.rows })
}
