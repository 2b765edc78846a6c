//! From the bytes of a prediction to a table that the model can read.

use super::call::{Call, Format};
use super::json_body::{PredictRows, read_predict_body};
use super::score::Instead;
use crate::http::error::{ApiError, Code};
use crate::http::extract::parse_json;
use crate::http::limits::HttpConfig;
use crate::http::models::Served;
use crate::http::problem::FieldProblem;
use crate::ml::table::{CellError, CsvRows, Parsed, Table, TableLimits, from_csv, from_json_columns, from_json_rows};

/// What a request may hold.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct RowLimits {
    pub(in crate::http) max_rows: usize,
    pub(in crate::http) max_json_depth: usize,
}

impl RowLimits {
    pub(in crate::http) fn new(config: &HttpConfig) -> Self {
        Self { max_rows: config.max_predict_rows, max_json_depth: config.max_json_depth }
    }
}

/// Rows that the model can be asked about.
#[derive(Debug)]
pub(in crate::http) struct Rows {
    pub(in crate::http) table: Table,
    pub(in crate::http) ignored_columns: Vec<String>,
    /// Instead of the model's own.
    pub(in crate::http) instead: Instead,
}

/// Reads a body against the columns of a model.
///
/// # Errors
/// 400 for what is no JSON, 413 for too many rows, 422 with every mistake in the body or in its cells.
pub(in crate::http) fn read_rows(
    call: &Call,
    bytes: &[u8],
    served: &Served,
    limits: RowLimits,
) -> Result<Rows, ApiError> {
    let expected = served.inputs.as_slice();
    let table_limits = TableLimits { max_rows: limits.max_rows as u64, ..TableLimits::STANDARD };
    match call.format {
        Format::Json => {
            let body = read_predict_body(parse_json(bytes, limits.max_json_depth)?).map_err(ApiError::invalid)?;
            check_count(body.rows.len(), limits.max_rows)?;
            if body.rows.len() == 0 {
                return Ok(Rows { table: Table::default(), ignored_columns: Vec::new(), instead: body.instead });
            }
            let parsed = match body.rows {
                PredictRows::Objects(rows) => from_json_rows(&rows, expected, &table_limits),
                PredictRows::Arrays { columns, data } => from_json_columns(&columns, &data, expected, &table_limits),
            };
            rows(parsed, body.instead)
        }
        Format::Csv { delimiter } => {
            check_count(lines(bytes).saturating_sub(1), limits.max_rows)?;
            let csv = CsvRows { delimiter, header: true, missing_markers: &served.model.missing_markers };
            rows(from_csv(bytes, &csv, expected, &table_limits), call.instead)
        }
    }
}

fn check_count(rows: usize, max_rows: usize) -> Result<(), ApiError> {
    if rows <= max_rows {
        return Ok(());
    }
    Err(ApiError::new(Code::TooManyRows, format!("{rows} rows; at most {max_rows} are predicted at once")))
}

/// Line breaks outside quotes, and a last line without one.
fn lines(bytes: &[u8]) -> usize {
    let (mut count, mut quoted) = (0, false);
    for byte in bytes {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => count += 1,
            _ => {}
        }
    }
    count + usize::from(bytes.last().is_some_and(|last| *last != b'\n'))
}

fn rows(parsed: Result<Parsed, Vec<CellError>>, instead: Instead) -> Result<Rows, ApiError> {
    match parsed {
        Ok(Parsed { table, ignored_columns }) => Ok(Rows { table, ignored_columns, instead }),
        Err(errors) => Err(ApiError::listing(Code::InvalidRows, errors.into_iter().map(problem).collect())),
    }
}

/// The API counts rows from 1.
fn problem(error: CellError) -> FieldProblem {
    FieldProblem::in_table(error.row.map(|row| row + 1), error.column, error.detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_count_from_one() {
        let error = CellError { row: Some(0), column: Some("area".to_owned()), detail: "expected a number".to_owned() };
        assert_eq!(problem(error), FieldProblem::in_table(Some(1), Some("area".to_owned()), "expected a number"));
    }

    #[test]
    fn a_request_at_the_limit_passes_and_one_above_does_not() {
        assert!(check_count(3, 3).is_ok());
        let error = check_count(4, 3).unwrap_err();
        assert_eq!(error.code(), Code::TooManyRows);
        assert_eq!(error.detail(), "4 rows; at most 3 are predicted at once");
    }

    #[test]
    fn lines_are_counted_as_csv_counts_them() {
        for (text, expected) in [("", 0), ("a", 1), ("a\n", 1), ("a\r\n1\r\n2", 3), ("a\n\"x\ny\"\n2\n", 3)] {
            assert_eq!(lines(text.as_bytes()), expected, "{text:?}");
        }
    }
}
