//! The rows of a prediction, by column name and in any order, held against the columns a model was trained on.
//!
//! All mistakes are reported at once, each with its row and column; a column that is not there at all is one
//! mistake, not one per row. What a value means is decided where files are read too, so that one row gives the
//! same bits by every format. JSON is stricter where it has types of its own: a number must be a number (a
//! numeric string is a mistake), a boolean `true` or `false`. In JSON the missing value is `null`, or a string
//! of nothing but whitespace for a category; in Arrow and Parquet it is null.
//!
//! Each format has two readers. The quick one goes straight from the bytes into columns and gives up at whatever is
//! not plainly right; the exact one then finds every mistake, or that there is none. Where both read, they read
//! the same, which the tests hold them to with bytes made up by chance.

mod batches;
mod csv;
mod eight;
mod errors;
mod exact_csv;
mod exact_json;
mod grid;
mod inputs;
mod ndjson;
mod pictures;
mod plain_csv;
mod quick_json;
mod scan;
mod sink;

pub use batches::{parquet_row_count, read_batches, read_parquet};
pub use csv::{CsvBlock, read_csv};
pub use exact_csv::from_csv;
pub use exact_json::{from_json_columns, from_json_rows};
pub use inputs::Inputs;
pub use ndjson::read_ndjson;
pub use pictures::{read_picture, read_pictures, with_picture_mistakes};
pub use quick_json::{JsonRows, quick_json};

use super::{Column, ColumnRef, ColumnType, Table, TableError};
use grid::Columns;

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

/// Rows that a model can be asked about, without the names that both sides know.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InputRows {
    columns: Columns,
    pub rows: usize,
    /// Columns that the model does not read, in alphabetical order.
    pub ignored_columns: Vec<String>,
}

impl From<Parsed> for InputRows {
    fn from(parsed: Parsed) -> Self {
        let Parsed { table, ignored_columns } = parsed;
        let rows = table.rows();
        let values: Vec<_> = table.into_columns().into_iter().map(|column| column.values).collect();
        Self { columns: values.into(), rows, ignored_columns }
    }
}

impl InputRows {
    /// The model's inputs, in its order, each of as many values as there are rows.
    pub fn columns(&self) -> impl Iterator<Item = ColumnRef<'_>> {
        self.columns.iter()
    }

    /// The same rows with the names of their columns.
    ///
    /// # Errors
    /// If the columns are not those of `inputs`.
    pub fn to_table(&self, inputs: &Inputs) -> Result<Table, TableError> {
        let column = |(input, values): (&ExpectedColumn, ColumnRef<'_>)| Column {
            name: input.name.clone(),
            values: values.to_values(self.rows),
        };
        Table::new(inputs.iter().zip(self.columns()).map(column).collect())
    }
}
