//! Rows of CSV: a line break inside quotes ends none.

use bytes::Bytes;
use memchr::{memchr, memrchr2};

use super::Held;
use crate::ml::table::rows::CsvBlock;

/// Cuts at the ends of rows, and keeps the header for all blocks.
#[derive(Debug)]
pub struct CsvBlocks {
    held: Held,
    /// The end of the last whole row.
    whole: usize,
    header: Option<Bytes>,
    state: State,
    delimiter: u8,
}

/// Where in a row a reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Row,
    Field,
    /// Quotes are letters here.
    Plain,
    Quoted,
    /// After a quote in a quoted field: its end, or the first of two that stand for one.
    Quote,
}

impl CsvBlocks {
    /// A delimiter that is no ASCII character parts nothing; the reader of the rows will refuse it.
    pub fn new(delimiter: char) -> Self {
        let delimiter = u8::try_from(delimiter).ok().filter(u8::is_ascii).unwrap_or(b',');
        Self { held: Held::default(), whole: 0, header: None, state: State::Row, delimiter }
    }

    pub fn push(&mut self, piece: &[u8]) {
        let before = self.held.len();
        self.held.push(piece);
        if self.header.is_some() {
            if let Some(end) = self.last_end(piece) {
                self.whole = before + end;
            }
            return;
        }
        if let Some(end) = self.first_end(piece) {
            self.header = Some(self.held.cut(before + end));
            let rows = piece.get(end..).unwrap_or_default();
            self.whole = self.last_end(rows).unwrap_or(0);
        }
    }

    /// Bytes that have come and were not cut off.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All whole rows that have come, if there are any.
    pub fn cut(&mut self) -> Option<CsvBlock> {
        let header = self.header.clone()?;
        let whole = std::mem::take(&mut self.whole);
        (whole > 0).then(|| CsvBlock { header, rows: self.held.cut(whole) })
    }

    /// What is left at the end, where the last row may lack its end.
    pub fn rest(&mut self) -> Option<CsvBlock> {
        self.whole = 0;
        let left = self.held.cut(self.held.len());
        match &self.header {
            Some(header) => (!left.is_empty()).then(|| CsvBlock { header: header.clone(), rows: left }),
            None => {
                // Were there more than a header, its end would have been found.
                self.header = Some(left.clone());
                Some(CsvBlock { header: left, rows: Bytes::new() })
            }
        }
    }

    /// The end of the first row that is not blank.
    fn first_end(&mut self, piece: &[u8]) -> Option<usize> {
        for (at, byte) in piece.iter().enumerate() {
            let was_blank = self.state == State::Row;
            // A byte order mark is no part of the first field.
            if was_blank && matches!(byte, 0xef | 0xbb | 0xbf) {
                continue;
            }
            if self.advance(*byte) && !was_blank {
                return Some(at + 1);
            }
        }
        None
    }

    /// The end of the last row.
    fn last_end(&mut self, piece: &[u8]) -> Option<usize> {
        let inside = matches!(self.state, State::Quoted | State::Quote);
        if !inside && memchr(b'"', piece).is_none() {
            let end = memrchr2(b'\n', b'\r', piece);
            if let Some(last) = piece.last() {
                self.state = if matches!(last, b'\n' | b'\r') {
                    State::Row
                } else if *last == self.delimiter {
                    State::Field
                } else {
                    State::Plain
                };
            }
            return end.map(|end| end + 1);
        }
        let mut found = None;
        for (at, byte) in piece.iter().enumerate() {
            if self.advance(*byte) {
                found = Some(at + 1);
            }
        }
        found
    }

    /// Passes a byte; whether it ends a row.
    fn advance(&mut self, byte: u8) -> bool {
        self.state = match (self.state, byte) {
            (State::Quoted, b'"') => State::Quote,
            (State::Quoted, _) | (State::Row | State::Field | State::Quote, b'"') => State::Quoted,
            (_, b'\n' | b'\r') => State::Row,
            (_, byte) if byte == self.delimiter => State::Field,
            _ => State::Plain,
        };
        self.state == State::Row
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The records that the `csv` crate finds.
    fn records(text: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
        let record = |record: ::csv::ByteRecord| record.iter().map(<[u8]>::to_vec).collect();
        reader.byte_records().map(|found| record(found.unwrap())).collect()
    }

    proptest! {
        #[test]
        fn blocks_have_the_rows_that_the_whole_has(text in "[ab\",\n\r]{0,60}", size in 1_usize..20) {
            let mut blocks = CsvBlocks::new(',');
            let mut found = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                blocks.push(piece);
                found.extend(blocks.cut());
            }
            found.extend(blocks.rest());
            let header = blocks.header.as_deref().map_or_else(Vec::new, records);
            prop_assert!(header.len() <= 1);
            let rows: Vec<_> = header.into_iter().chain(found.iter().flat_map(|block| records(&block.rows))).collect();
            prop_assert_eq!(rows, records(text.as_bytes()));
        }
    }
}
