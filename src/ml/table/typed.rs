//! Columns whose values come with types of their own, as tensors have them, held against the columns of a model.
//!
//! What a value means is decided where rows of JSON are read too. Two things are wider here, because a matrix has one
//! type for all of its columns: a boolean is 0 or 1 in a numeric column, and NaN is missing everywhere.

use super::cell::{Cell, MissingMarkers};
use super::read::{ColumnBuilder, TableLimits};
use super::{CellError, Column, ColumnType, ExpectedColumn};

/// One value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TypedValue<'a> {
    /// NaN is missing.
    Number(f64),
    /// `None` is missing.
    Boolean(Option<bool>),
    /// White space alone is missing.
    Text(&'a str),
}

/// What all values of a tensor are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    Number,
    Boolean,
    Text,
}

impl ValueKind {
    /// Whether a column of this type can be made of such values at all.
    pub fn fits(self, column_type: ColumnType) -> bool {
        self != ValueKind::Text || matches!(column_type, ColumnType::Categorical | ColumnType::Image)
    }
}

/// Builds a column of a model; `wrong` is told every value that does not fit, with its row from 0.
pub fn typed_column<'v>(
    expected: &ExpectedColumn,
    values: impl Iterator<Item = TypedValue<'v>>,
    limits: &TableLimits,
    wrong: &mut dyn FnMut(CellError),
) -> Column {
    let markers = MissingMarkers::new(&[]);
    let mut builder = ColumnBuilder::new(expected.column_type, limits.max_levels);
    for (row, value) in values.enumerate() {
        let cell = cell(value, expected.column_type, &markers, limits);
        // A wrong one is missing, so that the columns stay of equal length.
        let pushed = builder.push(*cell.as_ref().unwrap_or(&Cell::Missing));
        if let Err(detail) = cell.and(pushed) {
            wrong(CellError { row: Some(row as u64), column: Some(expected.name.clone()), detail });
        }
    }
    Column { name: expected.name.clone(), values: builder.finish() }
}

fn cell<'v>(
    value: TypedValue<'v>,
    column_type: ColumnType,
    markers: &MissingMarkers,
    limits: &TableLimits,
) -> Result<Cell<'v>, String> {
    match value {
        TypedValue::Number(number) => Ok(Cell::Number(number)),
        TypedValue::Boolean(None) => Ok(Cell::Missing),
        TypedValue::Boolean(Some(flag)) if column_type == ColumnType::Numeric => {
            Ok(Cell::Number(if flag { 1.0 } else { 0.0 }))
        }
        TypedValue::Boolean(Some(flag)) => Ok(Cell::Boolean(flag)),
        TypedValue::Text(text) if text.len() > limits.max_field_bytes => {
            Err(format!("{} bytes; at most {} are allowed", text.len(), limits.max_field_bytes))
        }
        TypedValue::Text(text) => Ok(markers.text(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::table::{MISSING, Values};

    fn read(column_type: ColumnType, values: &[TypedValue<'_>]) -> (Values, Vec<(u64, String)>) {
        let expected = ExpectedColumn { name: "a".to_owned(), column_type };
        let limits = TableLimits { max_field_bytes: 5, ..TableLimits::STANDARD };
        let mut wrong = Vec::new();
        let column = typed_column(&expected, values.iter().copied(), &limits, &mut |error: CellError| {
            wrong.push((error.row.unwrap_or_default(), error.detail));
        });
        (column.values, wrong)
    }

    #[test]
    fn numbers_and_booleans_make_numeric_columns() {
        let values = [TypedValue::Number(0.1), TypedValue::Number(f64::NAN), TypedValue::Boolean(Some(true))];
        let (Values::Numeric(found), wrong) = read(ColumnType::Numeric, &values) else { panic!("not numeric") };
        assert_eq!((found[0].to_bits(), found[1].is_nan(), found[2]), (0.1_f64.to_bits(), true, 1.0));
        assert!(wrong.is_empty());
        let (_, wrong) = read(ColumnType::Numeric, &[TypedValue::Number(1.0), TypedValue::Number(f64::INFINITY)]);
        assert_eq!(wrong, [(1, "expected a finite number, found an infinite one".to_owned())]);
    }

    #[test]
    fn zero_one_and_flags_make_boolean_columns() {
        let values = [
            TypedValue::Number(1.0),
            TypedValue::Boolean(Some(false)),
            TypedValue::Boolean(None),
            TypedValue::Number(f64::NAN),
        ];
        assert_eq!(read(ColumnType::Boolean, &values).0, Values::Boolean(vec![Some(true), Some(false), None, None]));
        assert_eq!(read(ColumnType::Boolean, &[TypedValue::Number(2.0)]).1.len(), 1);
    }

    #[test]
    fn texts_numbers_and_flags_are_categories_by_their_text() {
        let values = [
            TypedValue::Text(" red "),
            TypedValue::Text(" "),
            TypedValue::Number(1.0),
            TypedValue::Boolean(Some(true)),
            TypedValue::Text("123456"),
        ];
        let (found, wrong) = read(ColumnType::Categorical, &values);
        let levels = vec!["red".to_owned(), "1".to_owned(), "true".to_owned()];
        assert_eq!(found, Values::Categorical { codes: vec![0, MISSING, 1, 2, MISSING], levels });
        assert_eq!(wrong, [(4, "6 bytes; at most 5 are allowed".to_owned())]);
    }

    #[test]
    fn texts_fit_categories_only() {
        assert!(ValueKind::Text.fits(ColumnType::Categorical) && !ValueKind::Text.fits(ColumnType::Numeric));
        assert!(!ValueKind::Text.fits(ColumnType::Boolean) && ValueKind::Boolean.fits(ColumnType::Numeric));
    }
}
