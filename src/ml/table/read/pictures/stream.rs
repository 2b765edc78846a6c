//! Pictures out of an archive, one block after the other: while one is decoded on all threads, the next is read.

use std::ops::ControlFlow;

use bytes::Bytes;
use rayon::prelude::*;

use crate::ml::archive::{Archive, Entry, EntryFault, RandomAccess, contents, raw};
use crate::ml::observe::Stop;
use crate::ml::picture::{DecodeError, Decoded, decode};
use crate::ml::table::read::PictureLimits;
use crate::ml::table::read::error::ReadError;

/// Pictures of a block, at most: between two blocks the work can be stopped.
const BLOCK_PICTURES: usize = 64;
/// Compressed bytes of a block, about. Together with what threads decode at a time it is all that memory is needed for.
const BLOCK_BYTES: u64 = 8 << 20;

/// Why a picture is no row.
#[derive(Debug)]
pub(super) enum Fault {
    /// It cannot be read, now or ever.
    Unreadable(String),
    /// It is larger than the limits, which are not the same everywhere.
    TooLarge(String),
    /// The archive cannot be had.
    Read(std::io::Error),
}

impl From<EntryFault> for Fault {
    fn from(fault: EntryFault) -> Self {
        match fault {
            EntryFault::Damaged(reason) => Fault::Unreadable(reason),
            EntryFault::TooLarge { .. } => Fault::TooLarge(fault.to_string()),
            EntryFault::Read(source) => Fault::Read(source),
        }
    }
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::TooLarge { .. } | DecodeError::TooMuchMemory { .. } => Fault::TooLarge(error.to_string()),
            _ => Fault::Unreadable(error.to_string()),
        }
    }
}

/// Pictures in the order of their rows.
pub(super) struct PictureStream<'a, R> {
    pub(super) source: &'a R,
    pub(super) archive: &'a Archive,
    pub(super) limits: &'a PictureLimits,
    /// The place of each row's picture in the archive.
    pub(super) entries: &'a [usize],
}

impl<R: RandomAccess> PictureStream<'_, R> {
    /// Decodes each picture, makes something of it with `work`, on any thread, and hands that to `take`, in the order of
    /// the rows. Stops when `take` says that it has enough; `step` is told how many rows have been seen after each block.
    ///
    /// # Errors
    /// If the archive cannot be had, or `step` ends the work.
    pub(super) fn each<T: Send>(
        &self,
        work: &(dyn Fn(Decoded) -> T + Sync),
        take: &mut dyn FnMut(usize, Result<T, Fault>) -> ControlFlow<()>,
        step: &mut dyn FnMut(u64) -> ControlFlow<Stop>,
    ) -> Result<(), ReadError> {
        let mut start = 0;
        let mut block = self.block(start);
        while !block.is_empty() {
            let next = start + block.len();
            let decode = || block.into_par_iter().map(|picture| self.one(picture, work)).collect::<Vec<_>>();
            let (done, following) = rayon::join(decode, || self.block(next));
            for (row, done) in (start..).zip(done) {
                let done = match done {
                    Err(Fault::Read(source)) => return Err(ReadError::Read(source)),
                    done => done,
                };
                if take(row, done).is_break() {
                    return Ok(());
                }
            }
            if let ControlFlow::Break(stop) = step(next as u64) {
                return Err(ReadError::Stopped(stop));
            }
            (start, block) = (next, following);
        }
        Ok(())
    }

    fn one<T>(
        &self,
        (entry, raw): (&Entry, Result<Bytes, Fault>),
        work: &(dyn Fn(Decoded) -> T + Sync),
    ) -> Result<T, Fault> {
        let bytes = contents(entry, &raw?, self.limits.max_file_bytes)?;
        Ok(work(decode(&bytes, &self.limits.decode)?))
    }

    /// The compressed bytes of the next rows, from `start` on; empty past the last.
    fn block(&self, start: usize) -> Vec<(&Entry, Result<Bytes, Fault>)> {
        let mut block = Vec::new();
        let mut bytes = 0;
        let entries = self.entries.iter().skip(start).filter_map(|&entry| self.archive.entries.get(entry));
        for entry in entries.take(BLOCK_PICTURES) {
            let raw = self.raw(entry);
            bytes += raw.as_ref().map_or(0, |raw| raw.len() as u64);
            block.push((entry, raw));
            if bytes >= BLOCK_BYTES {
                break;
            }
        }
        block
    }

    fn raw(&self, entry: &Entry) -> Result<Bytes, Fault> {
        let limit_bytes = self.limits.max_file_bytes;
        if entry.compressed_bytes > limit_bytes {
            return Err(EntryFault::TooLarge { bytes: entry.bytes.max(entry.compressed_bytes), limit_bytes }.into());
        }
        Ok(raw(self.source, entry)?)
    }
}
