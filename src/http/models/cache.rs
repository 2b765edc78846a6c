//! Loaded models, so that a prediction does not begin with reading a file.

use std::sync::Arc;

use super::byte_cache::ByteCache;
use crate::http::error::ApiError;
use crate::ml::dossier::DossierError;
use crate::ml::model::{ArtifactError, MAX_ARTIFACT_BYTES, Model};
use crate::records::ModelRecord;
use crate::store::{Store, StoreError};

/// Why a stored model cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error("the artifact cannot be had")]
    Store(#[source] StoreError),
    #[error("the artifact cannot be read")]
    Artifact(#[source] ArtifactError),
    #[error("the dossier cannot be read")]
    Dossier(#[source] DossierError),
    #[error("the thread that read the artifact ended early")]
    Interrupted(#[source] tokio::task::JoinError),
}

/// Models by the hash of their artifact. What a hash names never changes, so nothing here is ever out of date.
#[derive(Clone)]
pub(super) struct ModelCache(ByteCache<Model>);

impl ModelCache {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self(ByteCache::new(max_bytes, |model| model.size_bytes() as u64))
    }

    /// The model of a record, checked whole when it is loaded.
    ///
    /// # Errors
    /// 503 if the blob store does not answer; 500 if the artifact is missing or damaged.
    pub(super) async fn get(&self, store: &Store, record: &ModelRecord) -> Result<Arc<Model>, ApiError> {
        self.0.get_or_load(&record.sha256, load(store, &record.sha256)).await.map_err(refusal)
    }

    /// Forgets a model that was deleted. Another version with the same bytes is only loaded again.
    pub(super) async fn evict(&self, record: &ModelRecord) {
        self.0.evict(&record.sha256).await;
    }
}

async fn load(store: &Store, sha256: &str) -> Result<Model, LoadError> {
    let bytes = store.blobs().get(sha256, MAX_ARTIFACT_BYTES).await.map_err(LoadError::Store)?;
    let read = tokio::task::spawn_blocking(move || Model::from_bytes(&bytes)).await;
    read.map_err(LoadError::Interrupted)?.map_err(LoadError::Artifact)
}

pub(super) fn refusal(error: Arc<LoadError>) -> ApiError {
    match &*error {
        LoadError::Store(cause) if cause.is_transient() => ApiError::unavailable(error),
        LoadError::Store(_) | LoadError::Artifact(_) | LoadError::Dossier(_) | LoadError::Interrupted(_) => {
            ApiError::internal(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Code;

    #[test]
    fn trouble_that_passes_is_told_apart_from_damage() {
        let unavailable = StoreError::Unavailable { what: "blob store", source: "timed out".into() };
        let missing = StoreError::BlobMissing { sha256: "ab".repeat(32) };
        let damaged = Model::from_bytes(b"not a model").unwrap_err();
        assert_eq!(refusal(Arc::new(LoadError::Store(unavailable))).code(), Code::NotReady);
        assert_eq!(refusal(Arc::new(LoadError::Store(missing))).code(), Code::InternalError);
        assert_eq!(refusal(Arc::new(LoadError::Artifact(damaged))).code(), Code::InternalError);
    }
}
