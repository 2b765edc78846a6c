//! A stored file for readers that wait for their bytes: they are fetched in parts, when they are asked for.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use tokio::runtime::Handle;

use crate::store::BlobParts;

/// What is fetched at a time of a file that is read from its start.
const PART_BYTES: u64 = 1 << 20;

/// To be read on a thread that may block, and on no other.
#[derive(Clone)]
pub(super) struct PartsSource {
    parts: BlobParts,
    runtime: Handle,
    /// Where the next part begins.
    position: u64,
    /// What is left of the present part.
    part: Bytes,
}

impl PartsSource {
    /// Is called on the async runtime that will fetch the parts.
    pub(super) fn new(parts: BlobParts) -> Self {
        Self { parts, runtime: Handle::current(), position: 0, part: Bytes::new() }
    }

    fn fetch(&self, start: u64, length: u64) -> io::Result<Bytes> {
        let range = start..start.saturating_add(length);
        self.runtime.block_on(self.parts.range(range)).map_err(io::Error::other)
    }
}

impl Read for PartsSource {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.part.is_empty() {
            self.part = self.fetch(self.position, PART_BYTES)?;
            self.position += self.part.len() as u64;
        }
        let read = self.part.len().min(buffer.len());
        self.part.copy_to_slice(buffer.get_mut(..read).unwrap_or_default());
        Ok(read)
    }
}

impl Length for PartsSource {
    fn len(&self) -> u64 {
        self.parts.size()
    }
}

impl ChunkReader for PartsSource {
    type T = Self;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self> {
        Ok(Self { position: start, part: Bytes::new(), ..self.clone() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let bytes = self.fetch(start, length as u64)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF(format!("{} bytes at {start}, expected {length}", bytes.len())));
        }
        Ok(bytes)
    }
}
