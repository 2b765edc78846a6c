//! Rows that arrive in pieces, cut into blocks of whole rows, so that a request of any length needs no more memory than a
//! block does.

mod arrow;
mod csv;
mod lines;

pub use arrow::ArrowBlocks;
pub use csv::CsvBlocks;
pub use lines::LineBlocks;

use bytes::{Bytes, BytesMut};

/// What is set aside at a time for bodies that come in large pieces, so that what has come is not moved again and again.
const ROOM_BYTES: usize = 512 << 10;
/// Pieces of this length are large.
const LARGE_PIECE_BYTES: usize = 8 << 10;

/// Pieces that have come and were not cut off yet.
#[derive(Debug, Default)]
struct Held {
    bytes: BytesMut,
}

impl Held {
    fn push(&mut self, piece: &[u8]) {
        if self.bytes.capacity() - self.bytes.len() < piece.len() && piece.len() >= LARGE_PIECE_BYTES {
            self.bytes.reserve(piece.len().max(ROOM_BYTES));
        }
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
