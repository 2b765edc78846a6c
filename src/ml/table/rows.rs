//! The rows of a prediction, by column name and in any order, held against the columns a model was trained on.
//!
//! All mistakes are reported at once, each with its row and column; a column that is not there at all is one
//! mistake, not one per row. What a value means is decided where files are read too, so that one row gives the
//! same bits by JSON and by CSV. JSON is stricter where it has types of its own: a number must be a number (a
//! numeric string is a mistake), a boolean `true` or `false`. In JSON the missing value is `null`, or a string
//! of nothing but whitespace for a category.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

use serde_json::{Map, Value};

use super::cell::{Cell, MissingMarkers, shown};
use super::read::{ColumnBuilder, MemorySource, ReadError, ReadOptions, TableLimits, load_present};
use super::{Column, ColumnType, Table, TableFormat};

/// A column that a model reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedColumn {
    pub name: String,
    pub column_type: ColumnType,
}

/// One mistake in the rows of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellError {
    /// Counts the rows of the request from 0; `None` where all rows are meant, or the header.
    pub row: Option<u64>,
    /// `None` where the row as a whole is wrong.
    pub column: Option<String>,
    pub detail: String,
}

/// Rows that a model can be asked about.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The expected columns, in the expected order.
    pub table: Table,
    /// Columns that the model does not read, in alphabetical order.
    pub ignored_columns: Vec<String>,
}

/// How a CSV body is read; as the training data was.
#[derive(Debug, Clone, Copy)]
pub struct CsvRows<'a> {
    pub delimiter: char,
    /// Without a header the fields are the expected columns in their order.
    pub header: bool,
    pub missing_markers: &'a [String],
}

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

/// From CSV, read as a file would be.
///
/// # Errors
/// Every mistake, as [`from_json_rows`].
pub fn from_csv(
    bytes: &[u8],
    csv: &CsvRows<'_>,
    expected: &[ExpectedColumn],
    limits: &TableLimits,
) -> Result<Parsed, Vec<CellError>> {
    let format = TableFormat::Csv { delimiter: csv.delimiter, header: csv.header };
    let options = ReadOptions { format: &format, missing_markers: csv.missing_markers, limits };
    let wanted: Vec<(String, ColumnType)> = expected
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let name = if csv.header { column.name.clone() } else { format!("column_{}", index + 1) };
            (name, column.column_type)
        })
        .collect();
    let source = MemorySource::new(bytes.to_vec());
    let (loaded, names) = load_present(source, &options, &wanted, u64::MAX, &mut |_| ControlFlow::Continue(()))
        .map_err(|error| cell_errors(error, csv, expected))?;
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
fn cell_errors(error: ReadError, csv: &CsvRows<'_>, expected: &[ExpectedColumn]) -> Vec<CellError> {
    let ReadError::Malformed { problems, more } = error else {
        return vec![CellError { row: None, column: None, detail: error.to_string() }];
    };
    let name_of = |name: String| match (csv.header, name.strip_prefix("column_").and_then(|n| n.parse::<usize>().ok()))
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

const MORE: &str = "there are more mistakes than are reported";

/// Mistakes found so far, up to a limit.
struct Errors {
    found: Vec<CellError>,
    limit: usize,
    more: bool,
}

impl Errors {
    fn new(limits: &TableLimits) -> Self {
        Self { found: Vec::new(), limit: limits.max_errors.max(1), more: false }
    }

    fn push(&mut self, row: Option<usize>, column: Option<&str>, detail: String) {
        if self.found.len() < self.limit {
            let (row, column) = (row.map(|row| row as u64), column.map(str::to_owned));
            self.found.push(CellError { row, column, detail });
        } else {
            self.more = true;
        }
    }

    fn missing_column(&mut self, name: &str) {
        self.push(None, Some(name), "the model reads this column; it is not there".to_owned());
    }

    fn check_rows(&mut self, rows: usize, limits: &TableLimits) {
        if rows == 0 {
            self.push(None, None, "there are no rows".to_owned());
        }
        if rows as u64 > limits.max_rows {
            self.push(None, None, format!("{rows} rows; at most {} are allowed", limits.max_rows));
        }
    }

    fn or(mut self, columns: Vec<Column>, ignored_columns: Vec<String>) -> Result<Parsed, Vec<CellError>> {
        if self.found.is_empty() {
            match Table::new(columns) {
                Ok(table) => return Ok(Parsed { table, ignored_columns }),
                Err(error) => self.push(None, None, error.to_string()),
            }
        }
        self.found.sort_by_key(|error| error.row);
        if self.more {
            self.found.push(CellError { row: None, column: None, detail: MORE.to_owned() });
        }
        Err(self.found)
    }
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
