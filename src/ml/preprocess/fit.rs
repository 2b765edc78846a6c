//! Learning the preprocessing from the training rows.

use super::boolean::BooleanColumn;
use super::category::CategoryColumn;
use super::numeric::NumericColumn;
use super::picture::PictureColumn;
use super::{FittedColumn, FittedPreprocessor, MAX_FEATURES, PreprocessError};
use crate::ml::config::Preprocess;
use crate::ml::table::{Column, ColumnType, Table, Values};

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
    let only_pictures = config.image.as_ref().is_some_and(|image| !image.flatten);
    let is_read = |column: &&Column| !only_pictures || column.values.column_type() == ColumnType::Image;
    for column in table.columns().iter().filter(is_read) {
        let fitted = fit_column(column, config)?;
        if fitted.width() == 0 && !fitted.is_picture() {
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

fn fit_column(column: &Column, config: &Preprocess) -> Result<FittedColumn, PreprocessError> {
    let name = &column.name;
    Ok(match &column.values {
        Values::Numeric(values) => FittedColumn::Numeric(NumericColumn::fit(name, values, &config.numeric)),
        Values::Categorical { codes, levels } => {
            FittedColumn::Categorical(CategoryColumn::fit(name, codes, levels, &config.categorical))
        }
        Values::Boolean(flags) => FittedColumn::Boolean(BooleanColumn::fit(name, flags, &config.categorical)),
        Values::Pictures(pictures) => match &config.image {
            Some(image) => FittedColumn::Image(PictureColumn::fit(name, pictures, image)),
            None => return Err(PreprocessError::UnreadPictures { column: name.clone() }),
        },
    })
}
