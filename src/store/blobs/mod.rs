//! Bytes in an object store, under their SHA-256.
//!
//! Bytes arrive in `staging/<random>` and are moved to `blobs/<2 digits>/<sha256>` when they are whole, so a blob is
//! either there whole or not at all. Nothing a user typed is part of a path. What is read whole is hashed again. Storing
//! bytes that are there already renews their time, which keeps the sweeper off them until a row names them.

mod place;
mod read;
mod scratch;
mod stage;
mod sweep;

pub use read::BlobParts;
pub use scratch::Scratch;
pub use stage::{KeptBlob, StagedBlob};
pub use sweep::SweptBlobs;

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::{Result, StoreError};
use crate::clock::Clock;

/// Stored bytes; cheap to clone.
#[derive(Clone)]
pub struct BlobStore {
    store: Arc<dyn ObjectStore>,
    /// The directory, where the store is one.
    root: Option<PathBuf>,
    spool_dir: PathBuf,
    clock: Arc<dyn Clock>,
}

impl BlobStore {
    /// Opens `file:///directory`, `s3://`, `gs://`, `az://` or `memory://`.
    ///
    /// # Errors
    /// [`StoreError::Address`].
    pub fn connect(
        url: &str,
        options: &[(String, String)],
        spool_dir: &FilePath,
        clock: Arc<dyn Clock>,
    ) -> Result<BlobStore> {
        std::fs::create_dir_all(spool_dir).map_err(|source| super::engine::address("spool", source))?;
        let place::Opened { store, root } = place::open(url, options)?;
        Ok(BlobStore { store, root, spool_dir: spool_dir.to_owned(), clock })
    }

    /// Whether a blob is there. Does not read it.
    pub async fn exists(&self, sha256: &str) -> Result<bool> {
        match self.store.head(&blob_path(sha256)?).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(StoreError::blobs(source)),
        }
    }
}

/// Where a blob is. A key that is not 64 hexadecimal digits names no blob.
fn blob_path(sha256: &str) -> Result<Path> {
    let is_key = sha256.len() == 64 && sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_key {
        return Err(StoreError::BlobMissing { sha256: sha256.to_owned() });
    }
    Ok(Path::from_iter(["blobs", sha256.get(..2).unwrap_or_default(), sha256]))
}

/// The error for a blob that could not be read.
fn unreadable(sha256: &str, source: object_store::Error) -> StoreError {
    match source {
        object_store::Error::NotFound { .. } => StoreError::BlobMissing { sha256: sha256.to_owned() },
        source => StoreError::blobs(source),
    }
}

#[cfg(test)]
mod tests {
    use super::blob_path;

    #[test]
    fn only_a_hash_becomes_a_path() {
        let key = "ab".repeat(32);
        assert_eq!(blob_path(&key).unwrap().as_ref(), format!("blobs/ab/{key}"));
        for bad in ["", "../../etc/passwd", &"AB".repeat(32), &"é".repeat(32)] {
            assert!(blob_path(bad).is_err(), "{bad}");
        }
    }
}
