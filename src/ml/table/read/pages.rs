//! Whether the pages of a Parquet file may be decompressed: a small file can say that it holds terabytes, and the
//! decoders believe it.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::reader::ChunkReader;

use super::columnar::not_the_format;
use super::error::ReadError;
use super::page_header::PageHeader;
use super::source::PARQUET;

/// Bytes of one page once decompressed; a page is held in memory whole. Writers make pages of about one MiB.
pub(super) const MAX_PAGE_BYTES: u64 = 256 << 20;
/// What is read to find a header; statistics can make one longer.
const WINDOW_BYTES: u64 = 64 << 10;
/// A header with statistics beyond this is none.
const MAX_HEADER_BYTES: u64 = 16 << 20;

/// Checks the first row groups, as many as hold `rows` rows, and gives their number: the others are not to be read.
///
/// # Errors
/// If a page, or all of them together, would be too large once decompressed, or the file does not hold together.
pub(super) fn check_pages<R: ChunkReader>(
    input: &R,
    metadata: &ParquetMetaData,
    rows: u64,
    max_decompressed_bytes: u64,
) -> Result<usize, ReadError> {
    let mut budget = Budget { taken: 0, limit_bytes: max_decompressed_bytes };
    let (mut groups, mut found) = (0, 0_u64);
    for group in metadata.row_groups() {
        if groups > 0 && found >= rows {
            break;
        }
        for column in group.columns() {
            Chunk::of(input, column)?.check(&mut budget)?;
        }
        groups += 1;
        found = found.saturating_add(u64::try_from(group.num_rows()).unwrap_or(0));
    }
    Ok(groups)
}

/// What may still be decompressed.
struct Budget {
    taken: u64,
    limit_bytes: u64,
}

impl Budget {
    fn take(&mut self, bytes: u64, column: &str) -> Result<(), ReadError> {
        if bytes > MAX_PAGE_BYTES {
            let what = format!("a page of the column {column:?}");
            return Err(ReadError::TooLarge { what, limit_bytes: MAX_PAGE_BYTES });
        }
        self.taken = self.taken.saturating_add(bytes);
        if self.taken > self.limit_bytes {
            return Err(ReadError::TooLarge { what: "the file".to_owned(), limit_bytes: self.limit_bytes });
        }
        Ok(())
    }
}

/// The pages of one column in one row group.
struct Chunk<'a, R> {
    input: &'a R,
    column: String,
    codec: Compression,
    start: u64,
    end: u64,
    /// Bytes that were read, and where they begin.
    window: (u64, Bytes),
}

impl<'a, R: ChunkReader> Chunk<'a, R> {
    fn of(input: &'a R, column: &ColumnChunkMetaData) -> Result<Self, ReadError> {
        let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
        let place = u64::try_from(start).ok().zip(u64::try_from(column.compressed_size()).ok());
        let place = place.and_then(|(start, length)| Some((start, start.checked_add(length)?)));
        let name = column.column_path().string();
        let Some((start, end)) = place.filter(|(_, end)| *end <= input.len()) else {
            return Err(broken(format!("the column {name:?} lies outside of the file")));
        };
        Ok(Self { input, column: name, codec: column.compression(), start, end, window: (start, Bytes::new()) })
    }

    fn check(&mut self, budget: &mut Budget) -> Result<(), ReadError> {
        let mut position = self.start;
        while position < self.end {
            let header = self.header(position)?;
            let page = position + header.header_bytes;
            let Some(next) = page.checked_add(header.stored_bytes).filter(|next| *next <= self.end) else {
                return Err(broken(format!("a page of the column {:?} goes beyond its column", self.column)));
            };
            budget.take(header.decompressed_bytes.max(header.stored_bytes), &self.column)?;
            if header.compressed && !self.keeps_its_word(page, &header)? {
                return Err(broken(format!("a page of the column {:?} is larger than it says", self.column)));
            }
            position = next;
        }
        Ok(())
    }

    fn header(&mut self, position: u64) -> Result<PageHeader, ReadError> {
        let mut wanted = WINDOW_BYTES;
        loop {
            let (start, bytes) = &self.window;
            let known = position.checked_sub(*start).and_then(|skipped| bytes.get(usize::try_from(skipped).ok()?..));
            if let Some(header) = known.and_then(PageHeader::parse) {
                return Ok(header);
            }
            let available = self.end - position;
            if known.is_some_and(|known| known.len() as u64 >= available.min(MAX_HEADER_BYTES)) {
                return Err(broken(format!("a page of the column {:?} has no header", self.column)));
            }
            self.window = (position, self.bytes(position, wanted.min(available))?);
            wanted = (wanted * 4).min(MAX_HEADER_BYTES);
        }
    }

    /// Whether a page is no larger than its header says. Most decoders stop there of themselves; these do not.
    fn keeps_its_word(&self, page: u64, header: &PageHeader) -> Result<bool, ReadError> {
        let plain = header.plain_bytes.min(header.stored_bytes);
        let (start, stored) = (page + plain, header.stored_bytes - plain);
        match self.codec {
            Compression::GZIP(_) => {
                let expected = header.decompressed_bytes.saturating_sub(plain);
                Ok(inflates_to_at_most(&self.bytes(start, stored)?, expected))
            }
            // Of the three forms that pages of this codec have, the frame is the one without a size.
            Compression::LZ4 => Ok(!is_lz4_frame(&self.bytes(start, stored.min(4))?)),
            _ => Ok(true),
        }
    }

    fn bytes(&self, start: u64, length: u64) -> Result<Bytes, ReadError> {
        let length = usize::try_from(length).map_err(io::Error::other).map_err(ReadError::Read)?;
        self.input.get_bytes(start, length).map_err(|error| not_the_format(PARQUET, &error))
    }
}

/// Bytes that do not inflate at all pass: the reader will say so.
fn inflates_to_at_most(bytes: &[u8], limit: u64) -> bool {
    let mut inflated = MultiGzDecoder::new(bytes).take(limit.saturating_add(1));
    io::copy(&mut inflated, &mut io::sink()).map_or(true, |found| found <= limit)
}

/// A frame, one of the older format, or one to be skipped.
fn is_lz4_frame(bytes: &[u8]) -> bool {
    let magic = bytes.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes));
    magic.is_some_and(|magic| matches!(magic, 0x184d_2204 | 0x184c_2102 | 0x184d_2a50..=0x184d_2a5f))
}

fn broken(detail: String) -> ReadError {
    ReadError::NotTheFormat { format: PARQUET, detail }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::ml::table::MemorySource;

    /// A page with the sizes that its header says, and these bytes.
    fn page(decompressed_bytes: u32, stored: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x15, 0x00];
        for size in [decompressed_bytes, stored.len() as u32] {
            bytes.push(0x15);
            let mut zigzag = u64::from(size) << 1;
            while zigzag >= 0x80 {
                bytes.push(zigzag as u8 | 0x80);
                zigzag >>= 7;
            }
            bytes.push(zigzag as u8);
        }
        bytes.push(0x00);
        [bytes.as_slice(), stored].concat()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn check(bytes: Vec<u8>, codec: Compression, limit_bytes: u64) -> Result<u64, String> {
        let end = bytes.len() as u64;
        let input = MemorySource::new(bytes);
        let mut budget = Budget { taken: 0, limit_bytes };
        let window = (0, Bytes::new());
        let mut chunk = Chunk { input: &input, column: "a".to_owned(), codec, start: 0, end, window };
        chunk.check(&mut budget).map(|()| budget.taken).map_err(|error| error.to_string())
    }

    #[test]
    fn pages_add_up_to_the_limit_and_no_further() {
        let pages = [page(600, &[7; 100_000]), page(400, b"x"), page(0, b"")].concat();
        assert_eq!(check(pages.clone(), Compression::SNAPPY, 100_401), Ok(100_400));
        let refused = Err("the file has more than 100399 bytes once decompressed".to_owned());
        assert_eq!(check(pages, Compression::SNAPPY, 100_399), refused);
    }

    #[test]
    fn a_page_that_would_fill_the_memory_is_refused_by_its_header() {
        let error = check(page(i32::MAX as u32, b"tiny"), Compression::SNAPPY, u64::MAX).unwrap_err();
        assert_eq!(error, "a page of the column \"a\" has more than 268435456 bytes once decompressed");
    }

    #[test]
    fn a_page_that_lies_about_its_size_is_found() {
        let bomb = gzip(&vec![0; 5_000_000]);
        assert!(check(page(5_000_000, &bomb), Compression::GZIP(Default::default()), u64::MAX).is_ok());
        let lie = Err("the bytes are not Parquet: a page of the column \"a\" is larger than it says".to_owned());
        assert_eq!(check(page(100, &bomb), Compression::GZIP(Default::default()), u64::MAX), lie);
        let frame = [&[0x04, 0x22, 0x4d, 0x18][..], &[0; 40]].concat();
        assert_eq!(check(page(100, &frame), Compression::LZ4, u64::MAX), lie);
        assert!(check(page(100, &[0; 40]), Compression::LZ4, u64::MAX).is_ok());
    }

    #[test]
    fn pages_that_do_not_hold_together_are_refused() {
        let whole = page(10, b"0123456789");
        for end in 1..whole.len() {
            assert!(check(whole[..end].to_vec(), Compression::SNAPPY, u64::MAX).is_err(), "{end} bytes");
        }
        assert!(check(vec![0xff; 200_000], Compression::SNAPPY, u64::MAX).is_err());
    }
}
