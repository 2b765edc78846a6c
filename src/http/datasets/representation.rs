//! A dataset as the API shows it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::ml::table::{ColumnSummary, TableFormat};
use crate::records::{DatasetId, DatasetRecord};

/// One dataset. Its members are the contract's, in the contract's order.
#[derive(Debug, Serialize)]
pub(super) struct DatasetView<'a> {
    id: DatasetId,
    name: &'a str,
    created_at: Timestamp,
    format: &'a TableFormat,
    size_bytes: u64,
    sha256: &'a str,
    rows: u64,
    target: &'a str,
    positive_label: &'a str,
    class_counts: &'a BTreeMap<String, u64>,
    imbalance_ratio: f64,
    columns: &'a [ColumnSummary],
    missing_markers: &'a [String],
    origin_columns: &'a [String],
}

impl<'a> From<&'a DatasetRecord> for DatasetView<'a> {
    fn from(dataset: &'a DatasetRecord) -> Self {
        Self {
            id: dataset.id,
            name: &dataset.name,
            created_at: dataset.created_at,
            format: &dataset.format,
            size_bytes: dataset.size_bytes,
            sha256: &dataset.sha256,
            rows: dataset.rows,
            target: &dataset.target,
            positive_label: &dataset.positive_label,
            class_counts: &dataset.class_counts,
            imbalance_ratio: dataset.imbalance_ratio(),
            columns: &dataset.columns,
            missing_markers: &dataset.missing_markers,
            origin_columns: &dataset.origin_columns,
        }
    }
}
