//! The directory of an archive: its files, each held against what a file may be.

use std::collections::HashMap;

use super::end::{self, DirectoryPlace};
use super::error::{ArchiveError, ArchiveProblem};
use super::fields::Fields;
use super::{Archive, ArchiveLimits, Entry, FREE_BYTES, Method, RandomAccess, path};

const ENTRY: &[u8; 4] = b"PK\x01\x02";
const ZIP64_FIELD: u16 = 1;
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
const UTF8: u16 = 1 << 11;
const UNIX: u16 = 3;
/// Bytes of a file's own header without name and extra fields.
pub(super) const HEADER_BYTES: u64 = 30;
/// What is read of a directory at a time.
const BLOCK_BYTES: u64 = 1 << 20;
/// An entry with the longest name, extra fields and comment.
const MAX_ENTRY_BYTES: usize = 46 + 3 * u16::MAX as usize;

/// Reads the directory of an archive. No file of it is read.
///
/// # Errors
/// See [`ArchiveError`]; all files that are refused at once.
pub fn open<R: RandomAccess>(source: &R, limits: &ArchiveLimits) -> Result<Archive, ArchiveError> {
    let place = end::find(source, limits)?;
    let mut listing = Listing::new(limits);
    let mut window = Window { source, next: place.start, end: place.start + place.bytes, held: Vec::new(), at: 0 };
    for _ in 0..place.entries {
        let bytes = window.ahead()?;
        let (found, length) = record(bytes).ok_or_else(torn)?;
        listing.add(&found);
        window.pass(length);
    }
    if !window.is_empty() {
        return Err(ArchiveError::NotAnArchive("its directory has more bytes than its entries".to_owned()));
    }
    listing.finish(place, source.size())
}

fn torn() -> ArchiveError {
    ArchiveError::NotAnArchive("its directory is damaged".to_owned())
}

/// The part of the directory that is being read.
struct Window<'a, R> {
    source: &'a R,
    /// What is held ends here.
    next: u64,
    end: u64,
    held: Vec<u8>,
    /// What is held and comes before this is done with.
    at: usize,
}

impl<R: RandomAccess> Window<'_, R> {
    /// Enough bytes for any entry, or all that are left.
    fn ahead(&mut self) -> Result<&[u8], ArchiveError> {
        if self.held.len() - self.at < MAX_ENTRY_BYTES && self.next < self.end {
            let length = BLOCK_BYTES.min(self.end - self.next);
            let block = self.source.bytes(self.next, length as usize).map_err(ArchiveError::Read)?;
            self.held.drain(..self.at);
            self.at = 0;
            self.held.extend_from_slice(&block);
            self.next += length;
        }
        Ok(self.held.get(self.at..).unwrap_or_default())
    }

    /// `length` is at most what was given.
    fn pass(&mut self, length: usize) {
        self.at += length;
    }

    fn is_empty(&self) -> bool {
        self.held.len() == self.at && self.next == self.end
    }
}

/// An entry as the directory has it.
struct Record<'a> {
    made_by: u16,
    flags: u16,
    method: u16,
    crc32: u32,
    compressed_bytes: u64,
    bytes: u64,
    disk: u16,
    attributes: u32,
    start: u64,
    name: &'a [u8],
}

/// The first entry of some bytes, and its length.
fn record(bytes: &[u8]) -> Option<(Record<'_>, usize)> {
    let mut fields = Fields(bytes);
    (fields.take(4)? == ENTRY).then_some(())?;
    let made_by = fields.u16()?;
    fields.u16()?;
    let (flags, method) = (fields.u16()?, fields.u16()?);
    fields.u32()?;
    let (crc32, compressed, size) = (fields.u32()?, fields.u32()?, fields.u32()?);
    let (name, extra, comment) = (fields.u16()?, fields.u16()?, fields.u16()?);
    let disk = fields.u16()?;
    fields.u16()?;
    let (attributes, start) = (fields.u32()?, fields.u32()?);
    let name = fields.take(name.into())?;
    let extra = fields.take(extra.into())?;
    fields.take(comment.into())?;
    let mut large = Fields(zip64(extra));
    let mut widened = |small: u32| if small == u32::MAX { large.u64() } else { Some(small.into()) };
    // The order is that of the field, which has only those that do not fit.
    let bytes_once = widened(size)?;
    let compressed_bytes = widened(compressed)?;
    let start = widened(start)?;
    let length = bytes.len() - fields.0.len();
    let record =
        Record { made_by, flags, method, crc32, compressed_bytes, bytes: bytes_once, disk, attributes, start, name };
    Some((record, length))
}

/// The ZIP64 field among the extra fields; empty where there is none.
fn zip64(extra: &[u8]) -> &[u8] {
    let mut fields = Fields(extra);
    while let (Some(id), Some(length)) = (fields.u16(), fields.u16()) {
        match fields.take(length.into()) {
            Some(field) if id == ZIP64_FIELD => return field,
            Some(_) => {}
            None => break,
        }
    }
    &[]
}

/// The files found so far.
struct Listing<'a> {
    limits: &'a ArchiveLimits,
    entries: Vec<Entry>,
    /// Paths as a system sees them that does not tell capitals apart.
    seen: HashMap<String, usize>,
    decompressed_bytes: u64,
    problems: Vec<ArchiveProblem>,
    more: bool,
}

impl<'a> Listing<'a> {
    fn new(limits: &'a ArchiveLimits) -> Self {
        let (entries, seen, problems) = (Vec::new(), HashMap::new(), Vec::new());
        Self { limits, entries, seen, decompressed_bytes: 0, problems, more: false }
    }

    fn add(&mut self, record: &Record<'_>) {
        let says_utf8 = record.flags & UTF8 != 0;
        let (path, checked) = match path::decoded(record.name, says_utf8) {
            Ok(path) => {
                let checked = path::check(&path, self.limits);
                (path, checked)
            }
            Err(reason) => (String::from_utf8_lossy(record.name).into_owned(), Err(reason)),
        };
        match checked.and_then(|()| check_kind(record)) {
            Ok(()) if path.ends_with('/') => {
                if record.bytes > 0 {
                    self.refuse(&path, "it is a folder with contents".to_owned());
                }
            }
            Ok(()) => self.add_file(path, record),
            Err(reason) => self.refuse(&path, reason),
        }
    }

    fn add_file(&mut self, path: String, record: &Record<'_>) {
        let method = match method(record.method) {
            Ok(method) => method,
            Err(reason) => return self.refuse(&path, reason),
        };
        if let Some(first) = self.seen.insert(path::folded(&path), self.entries.len()) {
            let other = self.entries.get(first).map(|entry| entry.path.clone()).unwrap_or_default();
            let reason = match other == path {
                true => "there are two files of this path".to_owned(),
                false => format!("only capitals tell its path from that of {:?}", path::shown(&other)),
            };
            return self.refuse(&path, reason);
        }
        self.decompressed_bytes = self.decompressed_bytes.saturating_add(record.bytes);
        let Record { bytes, compressed_bytes, crc32, start, .. } = *record;
        self.entries.push(Entry { path, bytes, compressed_bytes, method, crc32, start, limit: 0 });
    }

    fn refuse(&mut self, path: &str, reason: String) {
        if self.problems.len() < self.limits.max_problems.max(1) {
            self.problems.push(ArchiveProblem { path: path::shown(path), reason });
        } else {
            self.more = true;
        }
    }

    fn finish(mut self, place: DirectoryPlace, size: u64) -> Result<Archive, ArchiveError> {
        self.bound(place.start);
        if !self.problems.is_empty() {
            return Err(ArchiveError::Refused { problems: self.problems, more: self.more });
        }
        let ArchiveLimits { max_decompressed_bytes, max_ratio, .. } = *self.limits;
        let bytes = self.decompressed_bytes;
        if bytes > max_decompressed_bytes {
            let detail = format!(
                "the files of the archive have {bytes} bytes once decompressed; at most {max_decompressed_bytes} are allowed"
            );
            return Err(ArchiveError::TooLarge(detail));
        }
        if bytes > FREE_BYTES && bytes > size.saturating_mul(max_ratio) {
            let detail = format!(
                "the files of the archive have {bytes} bytes once decompressed, more than {max_ratio} times its {size} bytes"
            );
            return Err(ArchiveError::TooLarge(detail));
        }
        Ok(Archive { entries: self.entries })
    }

    /// Gives each file its bytes, up to where the next begins; files that share bytes are refused.
    fn bound(&mut self, directory_start: u64) {
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        order.sort_by_key(|&index| self.entries.get(index).map(|entry| entry.start));
        let mut limit = directory_start;
        let mut overlapping = Vec::new();
        for &index in order.iter().rev() {
            let Some(entry) = self.entries.get_mut(index) else { continue };
            entry.limit = limit;
            let least = HEADER_BYTES.checked_add(entry.compressed_bytes);
            let end = least.and_then(|least| entry.start.checked_add(least));
            if end.is_none_or(|end| end > limit) {
                overlapping.push(entry.path.clone());
            }
            limit = limit.min(entry.start);
        }
        for path in overlapping {
            self.refuse(&path, "its bytes run into those of another file or of the directory".to_owned());
        }
    }
}

/// # Errors
/// If it is no plain file or folder that can be read.
fn check_kind(record: &Record<'_>) -> Result<(), String> {
    if record.flags & ENCRYPTED != 0 {
        return Err("it is encrypted".to_owned());
    }
    if record.disk != 0 {
        return Err("it lies in another volume".to_owned());
    }
    let mode = record.attributes >> 16;
    match mode & 0o170_000 {
        _ if record.made_by >> 8 != UNIX => Ok(()),
        0 | 0o100_000 | 0o040_000 => Ok(()),
        0o120_000 => Err("it is a symbolic link".to_owned()),
        _ => Err("it is neither a file nor a folder".to_owned()),
    }
}

fn method(number: u16) -> Result<Method, String> {
    let name = match number {
        0 => return Ok(Method::Stored),
        8 => return Ok(Method::Deflated),
        9 => " (Deflate64)",
        12 => " (bzip2)",
        14 => " (LZMA)",
        93 => " (Zstandard)",
        95 => " (XZ)",
        _ => "",
    };
    Err(format!("it is compressed by method {number}{name}; store or deflate it"))
}
