//! Pages over lists that grow at the front.

use uuid::Uuid;

/// One page of a list, newest first: at most `size` rows with ids before `before`. Ids sort by time of creation, so
/// rows that are added while somebody pages shift nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    pub size: u32,
    pub before: Option<Uuid>,
}

impl Page {
    /// The first page.
    pub fn first(size: u32) -> Self {
        Self { size, before: None }
    }

    pub(super) fn before_text(&self) -> Option<String> {
        self.before.map(|id| id.to_string())
    }
}
