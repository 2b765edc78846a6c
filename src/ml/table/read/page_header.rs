//! What the header of a Parquet page says about sizes, before anything is decompressed. Headers are Thrift structs in
//! the compact protocol; fields that say nothing about sizes are passed over.

/// Containers within containers beyond this depth are in no page header.
const MAX_DEPTH: usize = 16;

// Types of the compact protocol.
const STOP: u8 = 0;
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const I32: u8 = 5;
const STRUCT: u8 = 12;

/// The sizes of one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageHeader {
    /// Of the header itself.
    pub(super) header_bytes: u64,
    /// Of the page as it is stored, after the header.
    pub(super) stored_bytes: u64,
    /// Of the page once decompressed, as the writer says.
    pub(super) decompressed_bytes: u64,
    /// What at the start of the page is never compressed.
    pub(super) plain_bytes: u64,
    pub(super) compressed: bool,
}

impl PageHeader {
    /// The header at the start of `bytes`; `None` if it is not one, or not whole.
    pub(super) fn parse(bytes: &[u8]) -> Option<PageHeader> {
        let mut reader = Compact { bytes, at: 0 };
        let (mut decompressed, mut stored, mut plain_bytes, mut compressed) = (None, None, 0, true);
        reader.fields(&mut |reader, id, kind| {
            match (id, kind) {
                (2, I32) => decompressed = Some(reader.size()?),
                (3, I32) => stored = Some(reader.size()?),
                // The header of a data page of version 2: its levels are stored as they are.
                (8, STRUCT) => reader.fields(&mut |reader, id, kind| {
                    match (id, kind) {
                        (5 | 6, I32) => plain_bytes += reader.size()?,
                        (7, TRUE | FALSE) => compressed = kind == TRUE,
                        _ => reader.skip(kind, 0)?,
                    }
                    Some(())
                })?,
                _ => reader.skip(kind, 0)?,
            }
            Some(())
        })?;
        Some(PageHeader {
            header_bytes: reader.at as u64,
            stored_bytes: stored?,
            decompressed_bytes: decompressed?,
            plain_bytes,
            compressed,
        })
    }
}

struct Compact<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Compact<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn pass(&mut self, bytes: u64) -> Option<()> {
        let end = self.at.checked_add(usize::try_from(bytes).ok()?)?;
        self.at = Some(end).filter(|end| *end <= self.bytes.len())?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A signed number that may not be negative.
    fn size(&mut self) -> Option<u64> {
        let zigzag = self.varint()?;
        (zigzag & 1 == 0).then_some(zigzag >> 1)
    }

    /// Hands each field of a struct to `take`, which reads all of it.
    fn fields(&mut self, take: &mut dyn FnMut(&mut Self, i64, u8) -> Option<()>) -> Option<()> {
        let mut id = 0_i64;
        loop {
            let head = self.byte()?;
            let kind = head & 0x0f;
            if kind == STOP {
                return Some(());
            }
            match head >> 4 {
                0 => {
                    let zigzag = self.varint()? as i64;
                    id = (zigzag >> 1) ^ -(zigzag & 1);
                }
                step => id = id.checked_add(i64::from(step))?,
            }
            take(self, id, kind)?;
        }
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match kind {
            TRUE | FALSE => Some(()),
            3 => self.pass(1),
            4..=6 => self.varint().map(drop),
            7 => self.pass(8),
            8 => {
                let length = self.varint()?;
                self.pass(length)
            }
            9 | 10 => self.skip_list(depth),
            11 => self.skip_map(depth),
            STRUCT => self.fields(&mut |reader, _, kind| reader.skip(kind, depth + 1)),
            _ => None,
        }
    }

    fn skip_list(&mut self, depth: usize) -> Option<()> {
        let head = self.byte()?;
        let length = match head >> 4 {
            15 => self.varint()?,
            short => u64::from(short),
        };
        (0..length).try_for_each(|_| self.skip_item(head & 0x0f, depth + 1))
    }

    fn skip_map(&mut self, depth: usize) -> Option<()> {
        let length = self.varint()?;
        if length == 0 {
            return Some(());
        }
        let kinds = self.byte()?;
        (0..length).try_for_each(|_| {
            self.skip_item(kinds >> 4, depth + 1)?;
            self.skip_item(kinds & 0x0f, depth + 1)
        })
    }

    /// As a field, but for booleans, which take a byte in a container.
    fn skip_item(&mut self, kind: u8, depth: usize) -> Option<()> {
        if matches!(kind, TRUE | FALSE) { self.pass(1) } else { self.skip(kind, depth) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_found_among_other_fields() {
        // type = DATA_PAGE_V2 (3), 1000 bytes once decompressed, 70 as stored, then the header of version 2.
        let bytes = [
            0x15, 0x06, 0x15, 0xd0, 0x0f, 0x15, 0x8c, 0x01, 0x5c, 0x15, 0x02, 0x15, 0x00, 0x15, 0x02, 0x15, 0x00, 0x15,
            0x06, 0x15, 0x04, 0x12, 0x00, 0x00, 0xaa,
        ];
        let expected = PageHeader {
            header_bytes: 24,
            stored_bytes: 70,
            decompressed_bytes: 1000,
            plain_bytes: 5,
            compressed: false,
        };
        assert_eq!(PageHeader::parse(&bytes), Some(expected));
        for end in 0..24 {
            assert_eq!(PageHeader::parse(&bytes[..end]), None, "{end} bytes");
        }
    }

    #[test]
    fn fields_of_every_type_are_passed_over() {
        let bytes = [
            0x15, 0x00, // 1: i32
            0x15, 0x04, // 2: i32 = 2
            0x15, 0x06, // 3: i32 = 3
            0x6c, // 9: struct of
            0x18, 0x03, b'a', b'b', b'c', // 1: three bytes
            0x19, 0x21, 0x01, 0x02, // 2: two booleans
            0x1b, 0x01, 0x85, 0x01, b'k', 0x02, // 3: map from bytes to i32
            0x17, 0, 0, 0, 0, 0, 0, 0, 0, // 4: double
            0x13, 0x07, // 5: byte
            0x11, // 6: true
            0x00, // the end of the struct
            0x05, 0xc8, 0x01, 0x02, // 100, by its whole id: i32
            0x00,
        ];
        let header = PageHeader::parse(&bytes).unwrap();
        assert_eq!((header.header_bytes, header.decompressed_bytes, header.stored_bytes), (bytes.len() as u64, 2, 3));
    }

    #[test]
    fn what_is_no_header_is_none() {
        assert_eq!(PageHeader::parse(&[0x15, 0x00, 0x15, 0x01, 0x15, 0x06, 0x00]), None, "a negative size");
        assert_eq!(PageHeader::parse(&[0x00]), None, "no sizes");
        assert_eq!(PageHeader::parse(&[0x1c; 1000]), None, "structs without an end");
        assert_eq!(PageHeader::parse(&[0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), None);
    }
}
