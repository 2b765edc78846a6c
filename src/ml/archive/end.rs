//! The end of an archive, which says where its directory is.

use super::error::ArchiveError;
use super::fields::Fields;
use super::{ArchiveLimits, RandomAccess};

const END: &[u8; 4] = b"PK\x05\x06";
const END_BYTES: usize = 22;
const MAX_COMMENT_BYTES: usize = u16::MAX as usize;
const LOCATOR: &[u8; 4] = b"PK\x06\x07";
const LOCATOR_BYTES: u64 = 20;
const END_64: &[u8; 4] = b"PK\x06\x06";
const END_64_BYTES: usize = 56;
/// The shortest entry of a directory.
pub(super) const MIN_ENTRY_BYTES: u64 = 46;

/// Where the directory is and how many entries it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DirectoryPlace {
    pub(super) start: u64,
    pub(super) bytes: u64,
    pub(super) entries: u64,
}

/// Finds the directory and bounds it.
///
/// # Errors
/// If there is none where the end says, or it is larger than the limits.
pub(super) fn find<R: RandomAccess>(source: &R, limits: &ArchiveLimits) -> Result<DirectoryPlace, ArchiveError> {
    let size = source.size();
    let tail_bytes = size.min((END_BYTES + MAX_COMMENT_BYTES) as u64);
    let tail = source.bytes(size - tail_bytes, tail_bytes as usize).map_err(ArchiveError::Read)?;
    let at = position(&tail).ok_or_else(|| no_end(&tail))?;
    let end_start = size - tail_bytes + at as u64;
    let record = tail.get(at..).and_then(end_record).ok_or_else(|| broken("its end is cut off"))?;
    // Some writers put a ZIP64 record where none is needed.
    let has_locator = at.checked_sub(LOCATOR_BYTES as usize).and_then(|at| tail.get(at..at + 4)) == Some(LOCATOR);
    let (place, directory_end) = match record.is_64() || has_locator {
        true => end_64(source, end_start)?,
        false => (record.place(), end_start),
    };
    if record.disk != 0 || record.directory_disk != 0 || record.disk_entries != record.entries {
        return Err(broken("it is one of several volumes, which are not read"));
    }
    if place.start.checked_add(place.bytes) != Some(directory_end) {
        return Err(broken(
            "its directory does not end where the end of the archive begins, as if something was put before or between",
        ));
    }
    check(place, limits)?;
    Ok(place)
}

fn check(place: DirectoryPlace, limits: &ArchiveLimits) -> Result<(), ArchiveError> {
    if place.entries > limits.max_entries {
        let detail = format!("the archive has {} entries; at most {} are allowed", place.entries, limits.max_entries);
        return Err(ArchiveError::TooLarge(detail));
    }
    if place.bytes > limits.max_directory_bytes {
        let limit = limits.max_directory_bytes;
        let detail = format!("the directory of the archive has {} bytes; at most {limit} are allowed", place.bytes);
        return Err(ArchiveError::TooLarge(detail));
    }
    if place.entries.saturating_mul(MIN_ENTRY_BYTES) > place.bytes {
        return Err(broken("its directory is too short for the entries that it is said to have"));
    }
    Ok(())
}

/// The last end record whose comment reaches exactly to the end.
fn position(tail: &[u8]) -> Option<usize> {
    let last = tail.len().checked_sub(END_BYTES)?;
    (0..=last).rev().find(|&at| {
        let mut fields = Fields(tail.get(at..).unwrap_or_default());
        let is_end = fields.take(4) == Some(END);
        let comment = fields.take(END_BYTES - 6).and_then(|_| fields.u16());
        is_end && comment.map(|comment| at + END_BYTES + usize::from(comment)) == Some(tail.len())
    })
}

fn no_end(tail: &[u8]) -> ArchiveError {
    let somewhere = tail.windows(4).any(|window| window == END);
    broken(if somewhere { "there are bytes behind its end" } else { "it has no end, as if it was cut off" })
}

fn broken(detail: &str) -> ArchiveError {
    ArchiveError::NotAnArchive(detail.to_owned())
}

struct EndRecord {
    disk: u16,
    directory_disk: u16,
    disk_entries: u16,
    entries: u16,
    bytes: u32,
    start: u32,
}

impl EndRecord {
    fn place(&self) -> DirectoryPlace {
        DirectoryPlace { start: self.start.into(), bytes: self.bytes.into(), entries: self.entries.into() }
    }

    fn is_64(&self) -> bool {
        self.entries == u16::MAX || self.bytes == u32::MAX || self.start == u32::MAX
    }
}

fn end_record(bytes: &[u8]) -> Option<EndRecord> {
    let mut fields = Fields(bytes.get(4..)?);
    Some(EndRecord {
        disk: fields.u16()?,
        directory_disk: fields.u16()?,
        disk_entries: fields.u16()?,
        entries: fields.u16()?,
        bytes: fields.u32()?,
        start: fields.u32()?,
    })
}

/// The place by the ZIP64 record, which must lie just before its locator, and where that record begins.
fn end_64<R: RandomAccess>(source: &R, end_start: u64) -> Result<(DirectoryPlace, u64), ArchiveError> {
    let no_locator = || broken("its end points to a ZIP64 record that is not there");
    let locator_start = end_start.checked_sub(LOCATOR_BYTES).ok_or_else(no_locator)?;
    let locator = source.bytes(locator_start, LOCATOR_BYTES as usize).map_err(ArchiveError::Read)?;
    let mut fields = Fields(&locator);
    if fields.take(4) != Some(LOCATOR) {
        return Err(no_locator());
    }
    let (disk, start, disks) = (fields.u32(), fields.u64(), fields.u32());
    let start = start.ok_or_else(no_locator)?;
    if disk != Some(0) || disks.is_none_or(|disks| disks > 1) {
        return Err(broken("it is one of several volumes, which are not read"));
    }
    if start.checked_add(END_64_BYTES as u64).is_none_or(|end| end > locator_start) {
        return Err(no_locator());
    }
    let record = source.bytes(start, END_64_BYTES).map_err(ArchiveError::Read)?;
    let place = record_64(&record, locator_start - start).ok_or_else(no_locator)?;
    Ok((place, start))
}

fn record_64(bytes: &[u8], room: u64) -> Option<DirectoryPlace> {
    let mut fields = Fields(bytes);
    let is_record = fields.take(4)? == END_64 && fields.u64()?.checked_add(12)? == room;
    fields.take(4)?;
    let (disk, directory_disk) = (fields.u32()?, fields.u32()?);
    let (disk_entries, entries) = (fields.u64()?, fields.u64()?);
    let (bytes, start) = (fields.u64()?, fields.u64()?);
    let is_whole = disk == 0 && directory_disk == 0 && disk_entries == entries;
    (is_record && is_whole).then_some(DirectoryPlace { start, bytes, entries })
}
