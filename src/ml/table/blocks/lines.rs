//! Lines, of which each is a row.

use bytes::Bytes;

use super::Held;

/// Cuts at line ends.
#[derive(Debug, Default)]
pub struct LineBlocks {
    held: Held,
    /// The end of the last whole line.
    whole: usize,
}

impl LineBlocks {
    pub fn push(&mut self, piece: &[u8]) {
        let before = self.held.len();
        self.held.push(piece);
        if let Some(end) = piece.iter().rposition(|byte| *byte == b'\n') {
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
        (whole > 0).then(|| self.held.cut(whole))
    }

    /// What is left at the end, where the last line may lack its end.
    pub fn rest(&mut self) -> Option<Bytes> {
        self.whole = 0;
        (self.held.len() > 0).then(|| self.held.cut(self.held.len()))
    }
}
