//! What resampling a table will need.

use super::encode::MAX_CATEGORIES;
use crate::ml::config::DatasetFacts;
use crate::ml::config::ResampleConfig;
use crate::ml::pipeline::{Estimate, rows_after};
use crate::ml::table::ColumnType;

/// Estimates a resampling of a dataset with these facts.
pub fn estimate_resampling(config: &ResampleConfig, facts: &DatasetFacts) -> Estimate {
    let rows = facts.rows as u64;
    let is_feature = |name: &str| name != config.target && !config.exclude.iter().any(|excluded| excluded == name);
    let width = |column_type: ColumnType, distinct: usize| match column_type {
        ColumnType::Numeric => 1,
        // One column a category, one for the rare ones or the missing.
        ColumnType::Categorical | ColumnType::Boolean | ColumnType::Image => distinct.min(MAX_CATEGORIES) as u64 + 1,
    };
    let features: u64 = facts
        .columns
        .iter()
        .filter(|column| is_feature(&column.name))
        .map(|column| width(column.column_type, column.distinct))
        .sum();
    let minority = facts.class_counts.values().min().copied().unwrap_or(0) as f64;
    let after = rows_after(&config.resample, rows as f64, minority);
    let written = if config.keep_removed { after.saturating_add(rows) } else { after };
    let cells = |rows: u64, columns: u64| rows.saturating_mul(columns).saturating_mul(8);
    let columns = facts.columns.len() as u64;
    // The table, the new one with and without its origins, the matrix as it was, in the index of neighbours, and grown.
    let parts = [
        cells(rows, columns),
        cells(written, columns),
        cells(written, columns + config.origin_columns().len() as u64),
        cells(rows, features).saturating_mul(2),
        cells(after, features),
    ];
    Estimate {
        memory_bytes: parts.into_iter().fold(16 << 20, u64::saturating_add),
        train_rows: after,
        features,
        parameters: 0,
        multiply_adds: 0,
    }
}
