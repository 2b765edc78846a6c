//! How a table is read: its format, what counts as missing, how large it may be.

use std::collections::BTreeMap;

use super::ReadError;
use crate::ml::picture::{DecodeLimits, PictureSpec};
use crate::ml::table::TableFormat;

/// What counts as missing besides the empty field, unless an upload says otherwise.
pub const DEFAULT_MISSING: [&str; 4] = ["NA", "NaN", "null", "?"];

/// How a table is read. The same options on the same bytes always give the same table.
#[derive(Debug, Clone, Copy)]
pub struct ReadOptions<'a> {
    pub format: &'a TableFormat,
    /// Texts that mean "no value", compared without surrounding whitespace; the empty text always does.
    pub missing_markers: &'a [String],
    pub limits: &'a TableLimits,
    /// What pictures become; without it their paths are read in their place.
    pub pictures: Option<PictureSpec>,
}

/// How large a table may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableLimits {
    pub max_rows: u64,
    pub max_columns: usize,
    /// Of a file whose format compresses its parts, together.
    pub max_decompressed_bytes: u64,
    pub max_field_bytes: usize,
    /// Of one row of text, quotes and delimiters included; what a quote that is never closed may swallow.
    pub max_row_bytes: usize,
    pub max_name_chars: usize,
    /// Problems that are reported one by one; what comes after them is only said to exist.
    pub max_errors: usize,
    /// Distinct categories of one column.
    pub max_levels: usize,
    pub pictures: PictureLimits,
}

/// How large archives of pictures, and pictures, may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureLimits {
    /// Files and folders of an archive.
    pub max_files: u64,
    /// Of the file of one picture.
    pub max_file_bytes: u64,
    /// Of the table that names pictures, which is held in memory.
    pub max_manifest_bytes: u64,
    pub decode: DecodeLimits,
}

impl PictureLimits {
    /// What is allowed unless the operator says otherwise.
    pub const STANDARD: PictureLimits = PictureLimits {
        max_files: 1_000_000,
        max_file_bytes: 64 << 20,
        max_manifest_bytes: 256 << 20,
        decode: DecodeLimits { max_side: 16_384, max_pixels: 64 << 20, max_bytes: 512 << 20 },
    };
    /// Those of what was accepted before: it is read, whatever the limits are now.
    pub const ACCEPTED: PictureLimits = PictureLimits {
        max_files: u64::MAX,
        max_file_bytes: u64::MAX,
        max_manifest_bytes: u64::MAX,
        decode: DecodeLimits { max_side: u32::MAX, max_pixels: u64::MAX, max_bytes: u64::MAX },
    };
}

impl TableLimits {
    /// What is allowed unless the operator says otherwise.
    pub const STANDARD: TableLimits = TableLimits {
        max_rows: 1_000_000_000,
        max_columns: 10_000,
        max_decompressed_bytes: 16 << 30,
        max_field_bytes: 131_072,
        max_row_bytes: 16 << 20,
        max_name_chars: 500,
        max_errors: 100,
        max_levels: 1_000_000,
        pictures: PictureLimits::STANDARD,
    };
}

impl ReadOptions<'_> {
    /// The delimiter of a CSV file as a byte.
    ///
    /// # Errors
    /// If it is not a single ASCII character or has another meaning in CSV.
    pub(super) fn delimiter_byte(delimiter: char) -> Result<u8, ReadError> {
        match u8::try_from(delimiter) {
            Ok(byte) if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r' | 0) => Ok(byte),
            _ => Err(ReadError::Delimiter { delimiter }),
        }
    }
}

/// Refuses names that no column has: a misspelt override must not be ignored in silence.
pub(super) fn check_names_exist<'n>(
    wanted: impl Iterator<Item = &'n String>,
    columns: &[String],
) -> Result<(), ReadError> {
    let known: BTreeMap<&str, ()> = columns.iter().map(|name| (name.as_str(), ())).collect();
    let names: Vec<String> = wanted.filter(|name| !known.contains_key(name.as_str())).cloned().collect();
    if names.is_empty() { Ok(()) } else { Err(ReadError::UnknownColumns { names }) }
}
