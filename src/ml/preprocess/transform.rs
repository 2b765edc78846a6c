//! Applying what was learnt, row by row.

use std::collections::HashMap;

use ndarray::{Array2, ArrayViewMut2, Axis, s};

use super::{FittedColumn, FittedPreprocessor, PreprocessError};
use crate::ml::table::{Column, Table, Values};

impl FittedPreprocessor {
    /// One row per row of `table`, one column per name in [`FittedPreprocessor::feature_names`]; every value is
    /// finite. Columns are found by name; others are ignored.
    ///
    /// # Errors
    /// If a column is missing or has another type than in training.
    pub fn transform(&self, table: &Table) -> Result<Array2<f64>, PreprocessError> {
        let by_name: HashMap<&str, &Column> =
            table.columns().iter().map(|column| (column.name.as_str(), column)).collect();
        let mut features = Array2::zeros((table.rows(), self.width()));
        let mut start = 0;
        for fitted in &self.columns {
            let Some(column) = by_name.get(fitted.name()) else {
                return Err(PreprocessError::MissingColumn { column: fitted.name().to_owned() });
            };
            let end = start + fitted.width();
            fitted.write(&column.values, features.slice_mut(s![.., start..end]))?;
            start = end;
        }
        Ok(features)
    }

    /// The number of output columns.
    pub fn width(&self) -> usize {
        self.columns.iter().map(FittedColumn::width).sum()
    }
}

impl FittedColumn {
    fn write(&self, values: &Values, mut out: ArrayViewMut2<'_, f64>) -> Result<(), PreprocessError> {
        let mut row_of = vec![0.0; self.width()];
        let mut set = |row: usize, numbers: &[f64]| {
            out.index_axis_mut(Axis(0), row).iter_mut().zip(numbers).for_each(|(out, number)| *out = *number);
        };
        match (self, values) {
            (FittedColumn::Numeric(column), Values::Numeric(values)) => {
                for (row, &value) in values.iter().enumerate() {
                    column.write(value, &mut row_of);
                    set(row, &row_of);
                }
            }
            (FittedColumn::Boolean(column), Values::Boolean(flags)) => {
                for (row, &flag) in flags.iter().enumerate() {
                    column.write(flag, &mut row_of);
                    set(row, &row_of);
                }
            }
            (FittedColumn::Categorical(column), Values::Categorical { codes, levels }) => {
                let positions: Vec<Option<usize>> = levels.iter().map(|level| column.position(level)).collect();
                let missing = column.missing_position();
                for (row, &code) in codes.iter().enumerate() {
                    let position = positions.get(code as usize).copied().unwrap_or(missing);
                    if let Some(one) = position.and_then(|position| out.get_mut((row, position))) {
                        *one = 1.0;
                    }
                }
            }
            (_, other) => {
                return Err(PreprocessError::WrongType {
                    column: self.name().to_owned(),
                    expected: self.column_type(),
                    found: other.column_type(),
                });
            }
        }
        Ok(())
    }
}
