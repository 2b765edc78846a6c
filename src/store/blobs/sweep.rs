//! Removing what nothing names.

use std::path::Path as FilePath;
use std::time::{Duration, UNIX_EPOCH};

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};

use super::{BlobStore, blob_path};
use crate::clock::Timestamp;
use crate::store::{Result, StoreError};

/// What a sweep of the blobs removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SweptBlobs {
    /// Uploads that were never finished.
    pub staged: u64,
    /// Blobs that no row named.
    pub blobs: u64,
}

impl BlobStore {
    /// The keys of blobs that were last written before `before`.
    pub(in crate::store) async fn written_before(&self, before: Timestamp) -> Result<Vec<String>> {
        let prefix = Path::from("blobs");
        self.store
            .list(Some(&prefix))
            .try_filter(|meta| std::future::ready(is_older(meta, before)))
            .map_ok(|meta| meta.location.filename().unwrap_or_default().to_owned())
            .try_collect()
            .await
            .map_err(StoreError::blobs)
    }

    /// Removes a blob, if it was last written before `before`.
    pub(in crate::store) async fn remove(&self, sha256: &str, before: Timestamp) -> Result<bool> {
        let path = blob_path(sha256)?;
        match self.store.head(&path).await {
            Ok(meta) if is_older(&meta, before) => self.store.delete(&path).await.map_err(StoreError::blobs)?,
            Ok(_) | Err(object_store::Error::NotFound { .. }) => return Ok(false),
            Err(source) => return Err(StoreError::blobs(source)),
        }
        Ok(true)
    }

    /// Removes staged bytes that were last written more than `seconds` ago.
    pub(in crate::store) async fn sweep_staging(&self, seconds: f64) -> Result<u64> {
        let before = self.clock.now().plus_seconds(-seconds);
        if let Some(root) = self.root.clone() {
            let swept = tokio::task::spawn_blocking(move || sweep_directory(&root, before)).await;
            return swept.map_err(StoreError::blobs)?.map_err(StoreError::blobs);
        }
        let prefix = Path::from("staging");
        let staged: Vec<ObjectMeta> = self.store.list(Some(&prefix)).try_collect().await.map_err(StoreError::blobs)?;
        let mut removed = 0;
        for meta in staged.into_iter().filter(|meta| is_older(meta, before)) {
            self.store.delete(&meta.location).await.map_err(StoreError::blobs)?;
            removed += 1;
        }
        Ok(removed)
    }
}

fn is_older(meta: &ObjectMeta, before: Timestamp) -> bool {
    meta.last_modified.timestamp_micros() < before.as_micros()
}

/// A directory holds the parts of an upload under names that listing the object store does not show, so the
/// directory itself is read.
fn sweep_directory(root: &FilePath, before: Timestamp) -> std::io::Result<u64> {
    let before = UNIX_EPOCH + Duration::from_micros(before.as_micros().max(0).unsigned_abs());
    let mut removed = 0;
    for entry in std::fs::read_dir(root.join("staging"))? {
        let entry = entry?;
        if entry.metadata().and_then(|meta| meta.modified()).is_ok_and(|modified| modified < before) {
            std::fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}
