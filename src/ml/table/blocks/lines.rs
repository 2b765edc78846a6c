//! Lines, of which each is a row.

use bytes::Bytes;
use memchr::memrchr;

use super::Held;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Cuts at line ends. A byte order mark is passed over at the very beginning, and is for nobody to pass over anywhere else.
#[derive(Debug, Default)]
pub struct LineBlocks {
    held: Held,
    /// Whether the beginning was cut off.
    begun: bool,
    /// The end of the last whole line.
    whole: usize,
}

impl LineBlocks {
    pub fn push(&mut self, piece: &[u8]) {
        let before = self.held.len();
        self.held.push(piece);
        if let Some(end) = memrchr(b'\n', piece) {
            self.whole = before + end + 1;
        }
    }

    /// Bytes that have come and were not cut off.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All whole lines that have come, if there are any.
    pub fn cut(&mut self) -> Option<Bytes> {
        let whole = std::mem::take(&mut self.whole);
        (whole > 0).then(|| self.take(whole))
    }

    /// What is left at the end, where the last line may lack its end.
    pub fn rest(&mut self) -> Option<Bytes> {
        self.whole = 0;
        (self.held.len() > 0).then(|| self.take(self.held.len()))
    }

    fn take(&mut self, length: usize) -> Bytes {
        let block = self.held.cut(length);
        match std::mem::replace(&mut self.begun, true) {
            false if block.starts_with(BYTE_ORDER_MARK) => block.slice(BYTE_ORDER_MARK.len()..),
            _ => block,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(pieces: &[&[u8]]) -> Vec<Bytes> {
        let mut lines = LineBlocks::default();
        let mut found = Vec::new();
        for piece in pieces {
            lines.push(piece);
            found.extend(lines.cut());
        }
        found.extend(lines.rest());
        found
    }

    #[test]
    fn a_byte_order_mark_counts_at_the_very_beginning_only() {
        assert_eq!(blocks(&[b"\xef\xbb", b"\xbf{}\n{}", b"\n"]), [&b"{}\n"[..], b"{}\n"]);
        assert_eq!(blocks(&[b"\xef\xbb\xbf{}"]), [&b"{}"[..]]);
        assert_eq!(blocks(&[b"{}\n", b"\xef\xbb\xbf{}\n"]), [&b"{}\n"[..], b"\xef\xbb\xbf{}\n"]);
        assert_eq!(blocks(&[b"\n", b"\xef\xbb\xbf{}\n"]), [&b"\n"[..], b"\xef\xbb\xbf{}\n"]);
    }
}
