//! Bytes on their way out, hashed again.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetResult, GetResultPayload, ObjectStore, ObjectStoreExt};
use sha2::{Digest, Sha256};

use super::{BlobStore, StagedBlob, blob_path, unreadable};
use crate::store::api_keys::to_hex;
use crate::store::{Result, StoreError};

/// What is read from a file at a time.
pub(super) const BLOCK: usize = 1 << 20;

impl BlobStore {
    /// A whole blob in memory.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], [`StoreError::BlobMissing`], [`StoreError::BlobCorrupt`].
    pub async fn get(&self, sha256: &str, max_bytes: u64) -> Result<Bytes> {
        let found = self.fetch(sha256).await?;
        if found.meta.size > max_bytes {
            return Err(StoreError::TooLarge { limit_bytes: max_bytes });
        }
        let bytes = found.bytes().await.map_err(|source| unreadable(sha256, source))?;
        check(sha256, &to_hex(&Sha256::digest(&bytes)))?;
        Ok(bytes)
    }

    /// A blob as a file, checked before it is handed out. The file of a distant store has no name and goes when it
    /// is closed.
    ///
    /// # Errors
    /// [`StoreError::BlobMissing`], [`StoreError::BlobCorrupt`].
    pub async fn open(&self, sha256: &str) -> Result<File> {
        let found = self.fetch(sha256).await?;
        match found.payload {
            GetResultPayload::File(file, _) => {
                let sha256 = sha256.to_owned();
                blocking(move || verify(file, &sha256)).await
            }
            GetResultPayload::Stream(bytes) => self.spool(bytes, Some(sha256)).await,
        }
    }

    /// Staged bytes as a file, as [`BlobStore::open`]; they were hashed as they came in and are not hashed again.
    pub async fn open_staged(&self, staged: &StagedBlob) -> Result<File> {
        match self.store.get(&staged.path).await.map_err(StoreError::blobs)?.payload {
            GetResultPayload::File(file, _) => Ok(file),
            GetResultPayload::Stream(bytes) => self.spool(bytes, None).await,
        }
    }

    /// The size of a blob and its bytes. If they turn out damaged, the stream ends with
    /// [`StoreError::BlobCorrupt`].
    ///
    /// # Errors
    /// [`StoreError::BlobMissing`].
    pub async fn stream(&self, sha256: &str) -> Result<(u64, BoxStream<'static, Result<Bytes>>)> {
        let found = self.fetch(sha256).await?;
        let size = found.meta.size;
        let key = sha256.to_owned();
        let end = sha256.to_owned();
        let bytes = found.into_stream().map_err(move |source| unreadable(&key, source));
        let checked = bytes
            .map(Some)
            .chain(futures::stream::iter([None]))
            .scan(Sha256::new(), move |hash, chunk| std::future::ready(step(hash, chunk, &end)));
        Ok((size, checked.boxed()))
    }

    /// Parts of a blob, for a look at some of it. What is not read cannot be hashed, so nothing is checked.
    ///
    /// # Errors
    /// [`StoreError::BlobMissing`].
    pub async fn parts(&self, sha256: &str) -> Result<BlobParts> {
        let path = blob_path(sha256)?;
        let found = self.store.head(&path).await.map_err(|source| unreadable(sha256, source))?;
        Ok(BlobParts { store: self.store.clone(), sha256: sha256.to_owned(), path, size: found.size })
    }

    async fn fetch(&self, sha256: &str) -> Result<GetResult> {
        self.store.get(&blob_path(sha256)?).await.map_err(|source| unreadable(sha256, source))
    }

    /// Writes a stream to a file without a name.
    async fn spool(
        &self,
        mut bytes: BoxStream<'static, object_store::Result<Bytes>>,
        sha256: Option<&str>,
    ) -> Result<File> {
        let scratch = self.scratch();
        let mut file = blocking(move || scratch.file().map_err(StoreError::blobs)).await?;
        let mut hash = Sha256::new();
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk.map_err(StoreError::blobs)?;
            hash.update(&chunk);
            file = blocking(move || file.write_all(&chunk).map(|()| file).map_err(StoreError::blobs)).await?;
        }
        if let Some(sha256) = sha256 {
            check(sha256, &to_hex(&hash.finalize()))?;
        }
        file.rewind().map_err(StoreError::blobs)?;
        Ok(file)
    }
}

/// A blob of which parts are read; cheap to clone.
#[derive(Clone)]
pub struct BlobParts {
    store: Arc<dyn ObjectStore>,
    sha256: String,
    path: Path,
    size: u64,
}

impl BlobParts {
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes from `range.start` on, as many of the range as there are.
    ///
    /// # Errors
    /// [`StoreError::BlobMissing`], [`StoreError::Unavailable`].
    pub async fn range(&self, range: Range<u64>) -> Result<Bytes> {
        let range = range.start..range.end.min(self.size);
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        self.store.get_range(&self.path, range).await.map_err(|source| unreadable(&self.sha256, source))
    }
}

/// Passes a chunk on; at the end (`None`), the error if the bytes were not those of the key.
fn step(hash: &mut Sha256, chunk: Option<Result<Bytes>>, sha256: &str) -> Option<Result<Bytes>> {
    match chunk {
        Some(Ok(bytes)) => {
            hash.update(&bytes);
            Some(Ok(bytes))
        }
        Some(Err(error)) => Some(Err(error)),
        None => check(sha256, &to_hex(&hash.finalize_reset())).err().map(Err),
    }
}

fn check(sha256: &str, found: &str) -> Result<()> {
    if sha256 == found {
        return Ok(());
    }
    Err(StoreError::BlobCorrupt { sha256: sha256.to_owned(), found: found.to_owned() })
}

fn verify(mut file: File, sha256: &str) -> Result<File> {
    let mut hash = Sha256::new();
    let mut block = vec![0; BLOCK];
    loop {
        let read = file.read(&mut block).map_err(StoreError::blobs)?;
        if read == 0 {
            break;
        }
        hash.update(block.get(..read).unwrap_or_default());
    }
    check(sha256, &to_hex(&hash.finalize()))?;
    file.rewind().map_err(StoreError::blobs)?;
    Ok(file)
}

/// Runs file work off the async threads.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(StoreError::blobs)?
}
