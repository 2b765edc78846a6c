//! Loaded dossiers: what stays with a model for people to look at.

use std::sync::Arc;

use super::byte_cache::ByteCache;
use super::served::{LoadError, refusal};
use crate::http::AppState;
use crate::http::error::{ApiError, Code};
use crate::ml::dossier::{Dossier, MAX_DOSSIER_BYTES, Scores};
use crate::records::{ModelOrigin, ModelRecord};
use crate::store::Store;

/// Dossiers by the hash of their file.
#[derive(Clone)]
pub(super) struct DossierCache(ByteCache<Dossier>);

impl DossierCache {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self(ByteCache::new(max_bytes, |dossier| dossier.size_bytes() as u64))
    }
}

/// The dossier of a model.
///
/// # Errors
/// 409 if the model has none; 503 if the blob store does not answer; 500 if the file is missing or damaged.
pub(in crate::http) async fn dossier(state: &AppState, record: &ModelRecord) -> Result<Arc<Dossier>, ApiError> {
    let Some(sha256) = &record.dossier_sha256 else {
        let detail = match record.origin() {
            ModelOrigin::Training => {
                "the model was made by a version that kept no scores and explained nothing; train it again"
            }
            ModelOrigin::Import => "the model was imported; the scores of its rows are kept where it was trained",
        };
        return Err(ApiError::new(Code::NotAvailable, detail));
    };
    state.models.dossiers.0.get_or_load(sha256, load(&state.store, sha256)).await.map_err(refusal)
}

/// The scores of the rows that thresholds are chosen on.
///
/// # Errors
/// 409 if they were too many to be kept.
pub(super) fn validation(dossier: &Dossier) -> Result<&Scores, ApiError> {
    dossier.validation.as_ref().ok_or_else(|| too_many("validation"))
}

/// The scores of the rows that the report is computed on.
///
/// # Errors
/// 409 if they were too many to be kept.
pub(super) fn test(dossier: &Dossier) -> Result<&Scores, ApiError> {
    dossier.test.as_ref().ok_or_else(|| too_many("test"))
}

fn too_many(part: &'static str) -> ApiError {
    let most = crate::ml::dossier::MAX_KEPT_ROWS;
    ApiError::new(Code::NotAvailable, format!("the model has more than {most} {part} rows, whose scores are not kept"))
}

async fn load(store: &Store, sha256: &str) -> Result<Dossier, LoadError> {
    let bytes = store.blobs().get(sha256, MAX_DOSSIER_BYTES).await.map_err(LoadError::Store)?;
    let read = tokio::task::spawn_blocking(move || Dossier::from_bytes(&bytes)).await;
    read.map_err(LoadError::Interrupted)?.map_err(LoadError::Dossier)
}
