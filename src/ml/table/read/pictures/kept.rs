//! Some of the rows of a table, read as if the others were not there.

use crate::ml::table::read::batch::{Batch, BatchReader};
use crate::ml::table::read::error::{Problems, ReadError};

/// Leaves out rows.
pub(super) struct Kept {
    inner: Box<dyn BatchReader>,
    /// Whether each row stays.
    keep: Vec<bool>,
    rows: usize,
}

impl Kept {
    pub(super) fn new(inner: Box<dyn BatchReader>, keep: Vec<bool>) -> Self {
        Self { inner, keep, rows: 0 }
    }
}

impl BatchReader for Kept {
    fn columns(&self) -> &[String] {
        self.inner.columns()
    }

    fn next_batch(&mut self, problems: &mut Problems) -> Result<Option<Batch>, ReadError> {
        loop {
            let Some(batch) = self.inner.next_batch(problems)? else { return Ok(None) };
            let keep = self.keep.get(self.rows..).unwrap_or_default();
            self.rows += batch.rows();
            let batch = batch.kept(keep);
            if batch.rows() > 0 {
                return Ok(Some(batch));
            }
        }
    }
}
