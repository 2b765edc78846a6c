//! Rows that arrive in pieces, cut into blocks of whole rows, so that a request of any length needs no more memory than a
//! block does.

mod arrow;
mod csv;
mod lines;

pub use arrow::ArrowBlocks;
pub use csv::CsvBlocks;
pub use lines::LineBlocks;

use bytes::{Bytes, BytesMut};

/// Pieces that have come and were not cut off yet.
#[derive(Debug, Default)]
struct Held {
    bytes: BytesMut,
}

impl Held {
    fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The first `length` bytes.
    fn cut(&mut self, length: usize) -> Bytes {
        self.bytes.split_to(length.min(self.bytes.len())).freeze()
    }
}
