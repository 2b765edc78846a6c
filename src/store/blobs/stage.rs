//! Bytes on their way in.

use std::error::Error;
use std::fs::File;
use std::io::{Read, Seek};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload, WriteMultipart};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::read::{BLOCK, blocking};
use super::{BlobStore, blob_path};
use crate::store::api_keys::to_hex;
use crate::store::{Result, StoreError};

/// Parts sent at the same time: a distant store costs at most 30 MiB per upload, a local directory 6.
const PARTS_IN_FLIGHT: usize = 4;
/// Bytes of a part; distant stores take none smaller.
const PART_BYTES: usize = 5 << 20;
const LOCAL_PART_BYTES: usize = 1 << 20;

/// Bytes that are stored whole but not yet kept. Dropping it leaves them to the sweeper.
#[derive(Debug)]
pub struct StagedBlob {
    pub sha256: String,
    pub size_bytes: u64,
    pub(super) path: Path,
}

/// A blob that was just stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBlob {
    pub sha256: String,
    pub size_bytes: u64,
}

impl BlobStore {
    /// Stores a stream of bytes in constant memory and hashes it on the way. Nothing is left of a stream that fails
    /// or is too long.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], [`StoreError::BodyBroken`] if the stream fails, [`StoreError::Unavailable`].
    pub async fn stage<S, E>(&self, bytes: S, max_bytes: u64) -> Result<StagedBlob>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let path = Path::from_iter(["staging", Uuid::now_v7().to_string().as_str()]);
        let upload = self.store.put_multipart(&path).await.map_err(StoreError::blobs)?;
        let part_bytes = if self.root.is_some() { LOCAL_PART_BYTES } else { PART_BYTES };
        let mut writer = WriteMultipart::new_with_chunk_size(upload, part_bytes);
        match receive(&mut writer, bytes, max_bytes).await {
            Ok((sha256, size_bytes)) => {
                writer.finish().await.map_err(StoreError::blobs)?;
                Ok(StagedBlob { sha256, size_bytes, path })
            }
            Err(error) => {
                abort(writer).await;
                Err(error)
            }
        }
    }

    /// Makes staged bytes a blob and answers its key. If the blob is there already, it is replaced by its equal.
    pub async fn keep(&self, staged: StagedBlob) -> Result<String> {
        self.store.rename(&staged.path, &blob_path(&staged.sha256)?).await.map_err(StoreError::blobs)?;
        Ok(staged.sha256)
    }

    /// Removes staged bytes.
    pub async fn discard(&self, staged: StagedBlob) -> Result<()> {
        self.store.delete(&staged.path).await.map_err(StoreError::blobs)
    }

    /// Stores a file whole, from its start.
    pub async fn put_file(&self, file: &File) -> Result<KeptBlob> {
        let file = file.try_clone().map_err(StoreError::blobs)?;
        let staged = self.stage(blocks(file), u64::MAX).await?;
        let size_bytes = staged.size_bytes;
        Ok(KeptBlob { sha256: self.keep(staged).await?, size_bytes })
    }

    /// Stores bytes that are in memory and answers their key.
    pub async fn put(&self, bytes: Bytes) -> Result<String> {
        let path = Path::from_iter(["staging", Uuid::now_v7().to_string().as_str()]);
        let sha256 = to_hex(&Sha256::digest(&bytes));
        let size_bytes = bytes.len() as u64;
        self.store.put(&path, PutPayload::from_bytes(bytes)).await.map_err(StoreError::blobs)?;
        self.keep(StagedBlob { sha256, size_bytes, path }).await
    }
}

/// The bytes of a file from its start, a block at a time, read off the async threads.
fn blocks(file: File) -> impl Stream<Item = Result<Bytes>> + Send {
    stream::try_unfold((file, true), |(mut file, is_first)| async move {
        let (block, file) = blocking(move || {
            if is_first {
                file.rewind().map_err(StoreError::blobs)?;
            }
            let mut block = Vec::with_capacity(BLOCK);
            (&mut file).take(BLOCK as u64).read_to_end(&mut block).map_err(StoreError::blobs)?;
            Ok((block, file))
        })
        .await?;
        Ok((!block.is_empty()).then(|| (Bytes::from(block), (file, false))))
    })
}

async fn receive<S, E>(writer: &mut WriteMultipart, bytes: S, max_bytes: u64) -> Result<(String, u64)>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let mut bytes = std::pin::pin!(bytes);
    let mut hash = Sha256::new();
    let mut size = 0u64;
    while let Some(chunk) = bytes.next().await {
        let chunk = chunk.map_err(|source| StoreError::BodyBroken { source: source.into() })?;
        size = size.saturating_add(chunk.len() as u64);
        if size > max_bytes {
            return Err(StoreError::TooLarge { limit_bytes: max_bytes });
        }
        hash.update(&chunk);
        writer.wait_for_capacity(PARTS_IN_FLIGHT).await.map_err(StoreError::blobs)?;
        writer.put(chunk);
    }
    Ok((to_hex(&hash.finalize()), size))
}

/// What cannot be removed now is removed by the sweeper.
async fn abort(writer: WriteMultipart) {
    if let Err(error) = writer.abort().await {
        tracing::warn!(error = %error, "could not remove an unfinished upload; the sweeper will");
    }
}
