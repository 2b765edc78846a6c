//! A dataset as it is known after upload: where its bytes are and what its columns hold.

use std::collections::BTreeMap;

use super::ids::DatasetId;
use crate::clock::Timestamp;
use crate::ml::config::{DatasetFacts, FeatureFacts};
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

    /// What a configuration is checked against.
    pub fn facts(&self) -> DatasetFacts {
        DatasetFacts {
            rows: self.rows as usize,
            target: self.target.clone(),
            positive_label: self.positive_label.clone(),
            columns: self.columns.iter().map(feature_facts).collect(),
            class_counts: self.class_counts.iter().map(|(label, &count)| (label.clone(), count as usize)).collect(),
        }
    }
}

fn feature_facts(column: &ColumnSummary) -> FeatureFacts {
    let counted: u64 = column.top.len() as u64;
    let all_listed = column.distinct_exact && counted == column.distinct;
    FeatureFacts {
        name: column.name.clone(),
        column_type: column.column_type,
        distinct: column.distinct as usize,
        values: all_listed.then(|| column.top.iter().map(|top| (top.value.clone(), top.count as usize)).collect()),
    }
}
