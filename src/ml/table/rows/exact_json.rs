//! JSON that has been read into values: the reader that knows every mistake.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::errors::Errors;
use super::{CellError, ExpectedColumn, Parsed};
use crate::ml::table::cell::{Cell, MissingMarkers, shown};
use crate::ml::table::read::{ColumnBuilder, TableLimits};
use crate::ml::table::{Column, ColumnType};

/// From a list of objects.
///
/// # Errors
/// Every mistake, up to `limits.max_errors` and one more that says so.
pub fn from_json_rows(
    rows: &[Value],
    expected: &[ExpectedColumn],
    limits: &TableLimits,
) -> Result<Parsed, Vec<CellError>> {
    let mut errors = Errors::new(limits);
    errors.check_rows(rows.len(), limits);
    let objects: Vec<Option<&Map<String, Value>>> = rows.iter().map(Value::as_object).collect();
    for (row, _) in objects.iter().enumerate().filter(|(_, object)| object.is_none()) {
        errors.push(Some(row), None, "expected an object with a member for each column".to_owned());
    }
    let present: BTreeSet<&String> = objects.iter().flatten().flat_map(|object| object.keys()).collect();
    let mut parser = Parser::new(limits);
    for column in expected {
        if !present.contains(&column.name) {
            errors.missing_column(&column.name);
            continue;
        }
        parser.column(column, objects.iter().map(|object| object.map(|object| object.get(&column.name))), &mut errors);
    }
    let known: BTreeSet<&str> = expected.iter().map(|column| column.name.as_str()).collect();
    let ignored = present.into_iter().filter(|name| !known.contains(name.as_str())).cloned().collect();
    errors.or(parser.columns, ignored)
}

/// From column names and a list of rows, each a list of values in the order of the names.
///
/// # Errors
/// Every mistake, as [`from_json_rows`].
pub fn from_json_columns(
    columns: &[String],
    data: &[Vec<Value>],
    expected: &[ExpectedColumn],
    limits: &TableLimits,
) -> Result<Parsed, Vec<CellError>> {
    let mut errors = Errors::new(limits);
    errors.check_rows(data.len(), limits);
    let mut positions = HashMap::new();
    for (position, name) in columns.iter().enumerate() {
        if positions.insert(name.as_str(), position).is_some() {
            errors.push(None, Some(name), "two columns have this name".to_owned());
        }
    }
    for (row, values) in data.iter().enumerate().filter(|(_, values)| values.len() != columns.len()) {
        errors.push(Some(row), None, format!("expected {} values, found {}", columns.len(), values.len()));
    }
    let mut parser = Parser::new(limits);
    for column in expected {
        match positions.get(column.name.as_str()) {
            // A row of another length has been reported; its values may belong to other columns.
            Some(&position) => {
                let whole = |values: &'_ Vec<Value>| values.len() == columns.len();
                parser.column(column, data.iter().map(|row| whole(row).then(|| row.get(position))), &mut errors);
            }
            None => errors.missing_column(&column.name),
        }
    }
    let known: BTreeSet<&str> = expected.iter().map(|column| column.name.as_str()).collect();
    let ignored: BTreeSet<&String> = columns.iter().filter(|name| !known.contains(name.as_str())).collect();
    errors.or(parser.columns, ignored.into_iter().cloned().collect())
}

/// Builds columns of JSON values.
struct Parser<'a> {
    columns: Vec<Column>,
    markers: MissingMarkers,
    limits: &'a TableLimits,
}

impl<'a> Parser<'a> {
    fn new(limits: &'a TableLimits) -> Self {
        Self { columns: Vec::new(), markers: MissingMarkers::new(&[]), limits }
    }

    /// A row is `None` where it has been reported as wrong already; its cell is `None` where it has no value.
    fn column<'v>(
        &mut self,
        column: &ExpectedColumn,
        rows: impl Iterator<Item = Option<Option<&'v Value>>>,
        errors: &mut Errors,
    ) {
        let mut builder = ColumnBuilder::new(column.column_type, self.limits.max_levels);
        for (row, cell) in rows.enumerate() {
            let parsed = match cell {
                None => builder.push(Cell::Missing),
                Some(None) => Err("the row has no value for this column; null says that it is missing".to_owned()),
                Some(Some(value)) => self.cell(value, column.column_type).and_then(|cell| builder.push(cell)),
            };
            if let Err(detail) = parsed {
                errors.push(Some(row), Some(&column.name), detail);
            }
        }
        self.columns.push(Column { name: column.name.clone(), values: builder.finish() });
    }

    fn cell<'v>(&self, value: &'v Value, column_type: ColumnType) -> Result<Cell<'v>, String> {
        match (column_type, value) {
            (_, Value::Null) => Ok(Cell::Missing),
            (ColumnType::Numeric | ColumnType::Categorical, Value::Number(number)) => {
                Ok(number.as_f64().map_or(Cell::Missing, Cell::Number))
            }
            (ColumnType::Boolean | ColumnType::Categorical, Value::Bool(flag)) => Ok(Cell::Boolean(*flag)),
            (ColumnType::Image, Value::String(text)) => Ok(Cell::Text(text)),
            (ColumnType::Image, found) => Err(format!("expected a picture in base64, found {}", described(found))),
            (ColumnType::Categorical, Value::String(text)) if text.len() > self.limits.max_field_bytes => {
                Err(format!("{} bytes; at most {} are allowed", text.len(), self.limits.max_field_bytes))
            }
            (ColumnType::Categorical, Value::String(text)) => Ok(self.markers.text(text)),
            (ColumnType::Numeric, found) => Err(format!("expected a number or null, found {}", described(found))),
            (ColumnType::Boolean, found) => Err(format!("expected true, false or null, found {}", described(found))),
            (ColumnType::Categorical, found) => {
                Err(format!("expected a string, a number, true, false or null, found {}", described(found)))
            }
        }
    }
}

fn described(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => format!("the number {}", shown(&number.to_string()).trim_matches('"')),
        Value::String(text) => format!("the string {}", shown(text)),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
