//! The mistakes of a request, up to a limit.

use super::{CellError, Parsed};
use crate::ml::table::{Column, Table, TableLimits};

pub(super) const MORE: &str = "there are more mistakes than are reported";

/// Mistakes found so far, up to a limit.
pub(super) struct Errors {
    found: Vec<CellError>,
    limit: usize,
    more: bool,
}

impl Errors {
    pub(super) fn new(limits: &TableLimits) -> Self {
        Self { found: Vec::new(), limit: limits.max_errors.max(1), more: false }
    }

    pub(super) fn push(&mut self, row: Option<usize>, column: Option<&str>, detail: String) {
        if self.found.len() < self.limit {
            let (row, column) = (row.map(|row| row as u64), column.map(str::to_owned));
            self.found.push(CellError { row, column, detail });
        } else {
            self.more = true;
        }
    }

    pub(super) fn missing_column(&mut self, name: &str) {
        self.push(None, Some(name), "the model reads this column; it is not there".to_owned());
    }

    pub(super) fn check_rows(&mut self, rows: usize, limits: &TableLimits) {
        if rows == 0 {
            self.push(None, None, "there are no rows".to_owned());
        }
        if rows as u64 > limits.max_rows {
            self.push(None, None, format!("{rows} rows; at most {} are allowed", limits.max_rows));
        }
    }

    pub(super) fn or(mut self, columns: Vec<Column>, ignored_columns: Vec<String>) -> Result<Parsed, Vec<CellError>> {
        if self.found.is_empty() {
            match Table::new(columns) {
                Ok(table) => return Ok(Parsed { table, ignored_columns }),
                Err(error) => self.push(None, None, error.to_string()),
            }
        }
        Err(self.finish())
    }

    /// Takes in what another reader found of the same rows.
    pub(super) fn add(&mut self, found: Vec<CellError>) {
        self.more |= found.iter().any(|error| error.detail == MORE);
        self.found.extend(found);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// By row, those of no row first.
    pub(super) fn finish(mut self) -> Vec<CellError> {
        self.found.sort_by_key(|error| error.row);
        self.found.retain(|error| error.detail != MORE);
        if self.more || self.found.len() > self.limit {
            self.found.truncate(self.limit);
            self.found.push(CellError { row: None, column: None, detail: MORE.to_owned() });
        }
        self.found
    }
}
