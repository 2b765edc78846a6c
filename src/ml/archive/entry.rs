//! The bytes of one file of an archive.

use bytes::Bytes;
use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::directory::HEADER_BYTES;
use super::error::EntryFault;
use super::fields::Fields;
use super::{Entry, Method, RandomAccess, path};

const HEADER: &[u8; 4] = b"PK\x03\x04";
/// The sizes stand behind the data.
const SIZES_BEHIND: u16 = 1 << 3;
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
const UTF8: u16 = 1 << 11;
/// Room for name and extra fields that is read together with the data.
const HEADER_ROOM: u64 = 512;

/// The bytes of a file as they lie in the archive, its own header held against the directory.
///
/// # Errors
/// If the header says otherwise than the directory.
pub fn raw<R: RandomAccess>(source: &R, entry: &Entry) -> Result<Bytes, EntryFault> {
    let room = entry.limit.saturating_sub(entry.start);
    let wanted = HEADER_BYTES.saturating_add(HEADER_ROOM).saturating_add(entry.compressed_bytes).min(room);
    let bytes = read(source, entry.start, wanted)?;
    let header = header(&bytes).ok_or_else(|| EntryFault::damaged("there is no file where the directory says"))?;
    header.check(entry)?;
    let data_start = HEADER_BYTES + u64::from(header.name_bytes) + u64::from(header.extra_bytes);
    let data_end = data_start.saturating_add(entry.compressed_bytes);
    if data_end > room {
        return Err(EntryFault::damaged("its bytes run into those of another file or of the directory"));
    }
    let name_end = HEADER_BYTES + u64::from(header.name_bytes);
    let name = part(source, entry, &bytes, HEADER_BYTES..name_end)?;
    let decoded = path::decoded(&name, header.flags & UTF8 != 0);
    if decoded.as_deref() != Ok(entry.path.as_str()) {
        return Err(EntryFault::damaged("it has another name in its own header than in the directory"));
    }
    part(source, entry, &bytes, data_start..data_end)
}

/// A range of a file's bytes, of which the first are here already.
fn part<R: RandomAccess>(
    source: &R,
    entry: &Entry,
    first: &Bytes,
    range: std::ops::Range<u64>,
) -> Result<Bytes, EntryFault> {
    match usize::try_from(range.end) {
        Ok(end) if end <= first.len() => Ok(first.slice(range.start as usize..end)),
        _ => read(source, entry.start + range.start, range.end - range.start),
    }
}

fn read<R: RandomAccess>(source: &R, start: u64, length: u64) -> Result<Bytes, EntryFault> {
    let length = usize::try_from(length).map_err(|_| EntryFault::damaged("it is too long"))?;
    source.bytes(start, length).map_err(EntryFault::Read)
}

struct Header {
    flags: u16,
    method: u16,
    crc32: u32,
    compressed: u32,
    size: u32,
    name_bytes: u16,
    extra_bytes: u16,
}

fn header(bytes: &[u8]) -> Option<Header> {
    let mut fields = Fields(bytes);
    (fields.take(4)? == HEADER).then_some(())?;
    fields.u16()?;
    let (flags, method) = (fields.u16()?, fields.u16()?);
    fields.u32()?;
    let (crc32, compressed, size) = (fields.u32()?, fields.u32()?, fields.u32()?);
    Some(Header { flags, method, crc32, compressed, size, name_bytes: fields.u16()?, extra_bytes: fields.u16()? })
}

impl Header {
    fn check(&self, entry: &Entry) -> Result<(), EntryFault> {
        let method = match entry.method {
            Method::Stored => 0,
            Method::Deflated => 8,
        };
        let says = |small: u32, large: u64| small == u32::MAX || u64::from(small) == large;
        let sizes = says(self.size, entry.bytes) && says(self.compressed, entry.compressed_bytes);
        let behind = self.flags & SIZES_BEHIND != 0;
        if self.method != method || self.flags & ENCRYPTED != 0 {
            return Err(EntryFault::damaged("it is packed otherwise by its own header than by the directory"));
        }
        let is_consistent = behind || (sizes && self.crc32 == entry.crc32);
        if !is_consistent {
            return Err(EntryFault::damaged("it has another size or checksum in its own header than in the directory"));
        }
        Ok(())
    }
}

/// A file's bytes, decompressed and held against the size and the checksum that the directory has of it.
///
/// # Errors
/// If they are not what the directory says, or too many.
pub fn contents(entry: &Entry, raw: &Bytes, limit_bytes: u64) -> Result<Bytes, EntryFault> {
    if entry.bytes > limit_bytes {
        return Err(EntryFault::TooLarge { bytes: entry.bytes, limit_bytes });
    }
    let contents = match entry.method {
        Method::Stored => raw.clone(),
        Method::Deflated => Bytes::from(inflated(entry.bytes as usize, raw)?),
    };
    if contents.len() as u64 != entry.bytes {
        return Err(EntryFault::damaged(format!(
            "it has {} bytes; the directory says {}",
            contents.len(),
            entry.bytes
        )));
    }
    let mut crc = Crc::new();
    crc.update(&contents);
    if crc.sum() != entry.crc32 {
        return Err(EntryFault::damaged("its bytes do not have the checksum that the directory says"));
    }
    Ok(contents)
}

/// Decompresses to exactly `length` bytes; no more are ever written.
fn inflated(length: usize, raw: &[u8]) -> Result<Vec<u8>, EntryFault> {
    let mut inflate = Decompress::new(false);
    let mut contents = Vec::with_capacity(length);
    // With room for not a byte more than is announced, what is longer comes back unfinished.
    let status = inflate.decompress_vec(raw, &mut contents, FlushDecompress::Finish);
    let finished = match status {
        Ok(Status::StreamEnd) => true,
        // The end mark of a stream may come after its last byte.
        Ok(Status::Ok | Status::BufError) => is_at_end(&mut inflate, raw),
        Err(_) => return Err(EntryFault::damaged("its compressed bytes are damaged")),
    };
    if !finished {
        let detail = match contents.len() == length {
            true => format!("it has more than the {length} bytes that the directory says"),
            false => "its compressed bytes are cut off".to_owned(),
        };
        return Err(EntryFault::damaged(detail));
    }
    if inflate.total_in() != raw.len() as u64 {
        return Err(EntryFault::damaged("there are bytes behind its compressed data"));
    }
    Ok(contents)
}

/// Whether nothing but the end is left of a stream.
fn is_at_end(inflate: &mut Decompress, raw: &[u8]) -> bool {
    let rest = raw.get(inflate.total_in() as usize..).unwrap_or_default();
    let mut one = [0];
    let before = inflate.total_out();
    let status = inflate.decompress(rest, &mut one, FlushDecompress::Finish);
    matches!(status, Ok(Status::StreamEnd)) && inflate.total_out() == before
}
