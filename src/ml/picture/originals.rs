//! What pictures were before they had the size that a model reads.

/// The files behind a store of pictures, picture by picture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Originals {
    /// Height and width of each, in pixels.
    pub sizes: Vec<[u32; 2]>,
    /// Files that became no picture because they cannot be read.
    pub unreadable: u64,
}

impl Originals {
    /// Those of both, `other` last.
    pub(super) fn joined(&self, other: &Self) -> Self {
        Self {
            sizes: [self.sizes.as_slice(), &other.sizes].concat(),
            unreadable: self.unreadable.saturating_add(other.unreadable),
        }
    }
}
