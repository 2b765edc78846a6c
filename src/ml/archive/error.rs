//! What can be wrong with an archive.

use std::io;

/// Why an archive could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// No archive at all, or one that nothing can be read of.
    #[error("the bytes are not a ZIP archive: {0}")]
    NotAnArchive(String),
    #[error("{0}")]
    TooLarge(String),
    /// Files that an archive must not have.
    #[error("the archive has {} files that are refused", problems.len())]
    Refused {
        problems: Vec<ArchiveProblem>,
        /// Whether there are more than these.
        more: bool,
    },
    #[error("reading the archive failed")]
    Read(#[source] io::Error),
}

/// A file of an archive that is refused, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveProblem {
    /// Cut short where it is long.
    pub path: String,
    pub reason: String,
}

/// Why one file of an archive could not be read.
#[derive(Debug, thiserror::Error)]
pub enum EntryFault {
    #[error("{0}")]
    Damaged(String),
    #[error("the file has {bytes} bytes once decompressed; at most {limit_bytes} are read")]
    TooLarge { bytes: u64, limit_bytes: u64 },
    #[error("reading the archive failed")]
    Read(#[source] io::Error),
}

impl EntryFault {
    pub(super) fn damaged(reason: impl Into<String>) -> Self {
        EntryFault::Damaged(reason.into())
    }
}
