//! Learning the preprocessing from the training rows.

use super::boolean::BooleanColumn;
use super::category::CategoryColumn;
use super::numeric::NumericColumn;
use super::{FittedColumn, FittedPreprocessor, MAX_FEATURES, PreprocessError};
use crate::ml::config::Preprocess;
use crate::ml::table::{Column, Table, Values};

/// Learns from `table`, which has the training rows and the feature columns and nothing else.
///
/// # Errors
/// If there are no rows, no column has any variation, or there would be more than [`MAX_FEATURES`] features.
pub fn fit(table: &Table, config: &Preprocess) -> Result<FittedPreprocessor, PreprocessError> {
    if table.rows() == 0 {
        return Err(PreprocessError::NoRows);
    }
    let mut columns = Vec::new();
    let mut dropped = Vec::new();
    for column in table.columns() {
        let fitted = fit_column(column, config);
        if fitted.width() == 0 {
            dropped.push(column.name.clone());
        } else {
            columns.push(fitted);
        }
    }
    if columns.is_empty() {
        return Err(PreprocessError::NoFeatures { dropped: dropped.len() });
    }
    let found = columns.iter().map(FittedColumn::width).sum();
    if found > MAX_FEATURES {
        return Err(PreprocessError::TooManyFeatures { found, limit: MAX_FEATURES });
    }
    Ok(FittedPreprocessor { columns, dropped })
}

fn fit_column(column: &Column, config: &Preprocess) -> FittedColumn {
    let name = &column.name;
    match &column.values {
        Values::Numeric(values) => FittedColumn::Numeric(NumericColumn::fit(name, values, &config.numeric)),
        Values::Categorical { codes, levels } => {
            FittedColumn::Categorical(CategoryColumn::fit(name, codes, levels, &config.categorical))
        }
        Values::Boolean(flags) => FittedColumn::Boolean(BooleanColumn::fit(name, flags, &config.categorical)),
    }
}
