//! A dataset as it is known after upload: where its bytes are and what its columns hold.

use std::collections::BTreeMap;

use super::ids::DatasetId;
use crate::clock::Timestamp;
use crate::ml::table::{ColumnSummary, TableFormat};

/// One uploaded dataset. Never changes after it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasetRecord {
    pub id: DatasetId,
    pub name: String,
    pub created_at: Timestamp,
    pub format: TableFormat,
    /// Of the stored (decompressed) bytes.
    pub size_bytes: u64,
    /// Of the stored bytes, hexadecimal; also the key of the blob.
    pub sha256: String,
    pub rows: u64,
    pub target: String,
    pub positive_label: String,
    pub class_counts: BTreeMap<String, u64>,
    /// In the order of the file, the target included.
    pub columns: Vec<ColumnSummary>,
    /// What counts as missing besides an empty field.
    pub missing_markers: Vec<String>,
}

impl DatasetRecord {
    /// Majority over minority.
    pub fn imbalance_ratio(&self) -> f64 {
        let largest = self.class_counts.values().max().copied().unwrap_or(0) as f64;
        let smallest = self.class_counts.values().min().copied().unwrap_or(0) as f64;
        largest / smallest.max(1.0)
    }
}
