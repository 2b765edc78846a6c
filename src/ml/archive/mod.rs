//! ZIP archives, read strictly and in bounded memory.
//!
//! An archive says everything twice, in its directory and before each file, and what two readers make of one that
//! contradicts itself is how attacks hide. Here the directory is what counts; it is bounded before anything is allocated for
//! it, must end exactly where the archive ends, and a file whose own header says otherwise, or that shares bytes with
//! another, is refused. Paths are kept only as names: nothing is ever written to where they point.
//!
//! Read are stored and deflated files, with ZIP64 and with sizes behind the data. Not read are encrypted files, parts of
//! archives in several volumes and programs that unpack themselves (PKWARE APPNOTE 6.3.10).

mod directory;
mod end;
mod entry;
mod error;
mod fields;
mod path;

use std::io;

use bytes::Bytes;
use parquet::file::reader::ChunkReader;

pub use directory::open;
pub use entry::{contents, raw};
pub use error::{ArchiveError, ArchiveProblem, EntryFault};

/// Bytes that can be read from anywhere.
pub trait RandomAccess: Sync {
    fn size(&self) -> u64;

    /// # Errors
    /// If the bytes cannot be had; also where there are fewer.
    fn bytes(&self, start: u64, length: usize) -> io::Result<Bytes>;
}

impl<R: ChunkReader> RandomAccess for R {
    fn size(&self) -> u64 {
        self.len()
    }

    fn bytes(&self, start: u64, length: usize) -> io::Result<Bytes> {
        self.get_bytes(start, length).map_err(io::Error::other)
    }
}

/// How large an archive may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// Files and folders.
    pub max_entries: u64,
    /// Of the directory: what the names of all files take.
    pub max_directory_bytes: u64,
    /// Of a path.
    pub max_path_bytes: usize,
    /// Folders above a file.
    pub max_depth: usize,
    /// Of all files together once decompressed.
    pub max_decompressed_bytes: u64,
    /// Of the same, times the size of the archive, once there is more than [`FREE_BYTES`] of them.
    pub max_ratio: u64,
    /// Problems that are reported one by one.
    pub max_problems: usize,
}

/// Decompressed bytes that no ratio is asked of.
pub const FREE_BYTES: u64 = 64 << 20;

/// The files of an archive, in the order of its directory. Folders are no files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    pub entries: Vec<Entry>,
}

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// With forward slashes between its parts; none of them empty, `.` or `..`.
    pub path: String,
    /// Once decompressed, as the directory says.
    pub bytes: u64,
    pub compressed_bytes: u64,
    method: Method,
    crc32: u32,
    /// Where the file's own header is.
    start: u64,
    /// Where the next header is, or the directory.
    limit: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Stored,
    Deflated,
}
