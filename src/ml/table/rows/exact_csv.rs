//! CSV as files of it are read: the reader that knows every mistake.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::errors::{Errors, MORE};
use super::{CellError, CsvRows, ExpectedColumn, InputRows, Parsed};
use crate::ml::table::read::{MemorySource, ReadError, ReadOptions, TableLimits, load_present};
use crate::ml::table::{Column, ColumnType, TableFormat, Values};

/// From CSV, read as a file would be.
///
/// # Errors
/// Every mistake, as [`from_json_rows`](super::from_json_rows).
pub fn from_csv(
    bytes: &[u8],
    csv: &CsvRows<'_>,
    expected: &[ExpectedColumn],
    limits: &TableLimits,
) -> Result<Parsed, Vec<CellError>> {
    let format = TableFormat::Csv { delimiter: csv.delimiter, header: csv.header };
    let options = ReadOptions { format: &format, missing_markers: csv.missing_markers, limits, pictures: None };
    let wanted: Vec<(String, ColumnType)> = expected
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let name = if csv.header { column.name.clone() } else { format!("column_{}", index + 1) };
            (name, column.column_type)
        })
        .collect();
    let step = &mut |_| ControlFlow::Continue(());
    let loaded = load_present(MemorySource::new(bytes.to_vec()), &options, &wanted, u64::MAX, step);
    let loaded = loaded.map_err(|error| cell_errors(error, csv.header, expected))?;
    named(loaded, &wanted, expected, limits)
}

/// What a reader of files made of the columns of a model.
pub(super) fn from_loaded(
    loaded: Result<(Vec<Option<Values>>, Vec<String>), ReadError>,
    expected: &[ExpectedColumn],
    limits: &TableLimits,
) -> Result<InputRows, Vec<CellError>> {
    let loaded = loaded.map_err(|error| cell_errors(error, true, expected))?;
    let wanted: Vec<(String, ColumnType)> =
        expected.iter().map(|column| (column.name.clone(), column.column_type)).collect();
    named(loaded, &wanted, expected, limits).map(InputRows::from)
}

/// `wanted` has the names of the columns in the file.
fn named(
    (loaded, names): (Vec<Option<Values>>, Vec<String>),
    wanted: &[(String, ColumnType)],
    expected: &[ExpectedColumn],
    limits: &TableLimits,
) -> Result<Parsed, Vec<CellError>> {
    let mut errors = Errors::new(limits);
    let mut columns = Vec::new();
    for (column, values) in expected.iter().zip(loaded) {
        match values {
            Some(values) => columns.push(Column { name: column.name.clone(), values }),
            None => errors.missing_column(&column.name),
        }
    }
    let known: BTreeSet<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
    let ignored: BTreeSet<String> = names.into_iter().filter(|name| !known.contains(name.as_str())).collect();
    errors.or(columns, ignored.into_iter().collect())
}

/// The same mistakes with rows counted from 0 and columns by the names the model knows.
fn cell_errors(error: ReadError, has_header: bool, expected: &[ExpectedColumn]) -> Vec<CellError> {
    let ReadError::Malformed { problems, more } = error else {
        return vec![CellError { row: None, column: None, detail: error.to_string() }];
    };
    let name_of = |name: String| match (has_header, name.strip_prefix("column_").and_then(|n| n.parse::<usize>().ok()))
    {
        (false, Some(number)) => expected.get(number.wrapping_sub(1)).map_or(name, |column| column.name.clone()),
        _ => name,
    };
    let mut errors: Vec<CellError> = problems
        .into_iter()
        .map(|problem| CellError {
            row: problem.row.checked_sub(1),
            column: problem.column.map(name_of),
            detail: problem.detail,
        })
        .collect();
    if more {
        errors.push(CellError { row: None, column: None, detail: MORE.to_owned() });
    }
    errors
}
