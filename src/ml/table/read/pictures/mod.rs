//! Archives of pictures as tables: a row per picture, in a column called `image`, with the label of its folder or with the
//! columns of a manifest.
//!
//! Folders are read as the manifest that they stand for, so that behind [`plan`] there is one way only. Pictures that
//! cannot be read are no rows; which ones these are depends on the bytes alone, so that loading has the rows of the profile.

mod archive;
mod folders;
mod junk;
mod kept;
mod load;
mod manifest;
mod plan;
mod stream;
mod survey;
mod tally;
mod unseen;

pub use archive::PictureArchive;
pub(super) use load::{head_pictures, load_pictures};
pub(super) use survey::profile_pictures;
pub use unseen::UnseenPictures;

use super::error::{Problems, ReadError};
use super::options::TableLimits;
use crate::ml::archive::{Archive, ArchiveError, ArchiveLimits, RandomAccess, open};

/// The column that the pictures are in.
pub const IMAGE_COLUMN: &str = "image";
/// The column of the names of folders, and the one of a manifest that classes are expected in.
pub const LABEL_COLUMN: &str = "label";
/// The column of the parts of a split, of folders such as `train/cat` and `test/cat`.
pub const PART_COLUMN: &str = "split";
/// A column that can be loaded but is not listed: the path of each picture in the archive.
pub const PATH_COLUMN: &str = "path";
/// Bytes of the path of a file.
const MAX_PATH_BYTES: usize = 1000;
/// Folders above a file.
const MAX_DEPTH: usize = 32;
/// Decompressed bytes, in sizes of the archive. Uncompressed pictures of one colour shrink to a thousandth, photographs do
/// not shrink at all.
const MAX_RATIO: u64 = 200;
/// Of the directory of an archive, per file.
const DIRECTORY_BYTES: u64 = 1 << 11;

impl TableLimits {
    fn archive(&self) -> ArchiveLimits {
        ArchiveLimits {
            max_entries: self.pictures.max_files,
            max_directory_bytes: self.pictures.max_files.saturating_mul(DIRECTORY_BYTES),
            max_path_bytes: MAX_PATH_BYTES,
            max_depth: MAX_DEPTH,
            max_decompressed_bytes: self.max_decompressed_bytes,
            max_ratio: MAX_RATIO,
            max_problems: self.max_errors,
        }
    }
}

fn opened<R: RandomAccess>(source: &R, limits: &TableLimits) -> Result<Archive, ReadError> {
    open(source, &limits.archive()).map_err(|error| match error {
        ArchiveError::NotAnArchive(detail) => ReadError::NotTheFormat { format: "a ZIP archive", detail },
        ArchiveError::TooLarge(detail) => ReadError::ArchiveTooLarge { detail },
        ArchiveError::Read(source) => ReadError::Read(source),
        ArchiveError::Refused { problems, more } => {
            let mut refused = Problems::new(limits.max_errors);
            for problem in problems {
                refused.push(0, None, format!("{:?}: {}", problem.path, problem.reason));
            }
            refused.into_error(more)
        }
    })
}
