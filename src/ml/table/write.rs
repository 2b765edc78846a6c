//! From tables to bytes, in formats that [`super::load`] reads back to the same values.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Column, ColumnType, Table, TableFormat, Values};
use crate::ml::observe::Stop;

/// Rows between two calls of `step`, and in a batch of Parquet.
const BLOCK_ROWS: usize = 16_384;

/// A format to write in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteFormat {
    /// With a header, commas, quotes where they are needed; a missing value is an empty field.
    Csv,
    /// One object a line; a missing value is `null`.
    Ndjson,
    /// Compressed with Snappy; a missing value is null.
    Parquet,
}

impl WriteFormat {
    /// By its name in configurations.
    pub const ALL: [(&'static str, WriteFormat); 3] =
        [("csv", WriteFormat::Csv), ("ndjson", WriteFormat::Ndjson), ("parquet", WriteFormat::Parquet)];

    pub fn media_type(self) -> &'static str {
        match self {
            WriteFormat::Csv => "text/csv",
            WriteFormat::Ndjson => "application/x-ndjson",
            WriteFormat::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// How the written bytes are read.
    pub fn table_format(self) -> TableFormat {
        match self {
            WriteFormat::Csv => TableFormat::Csv { delimiter: ',', header: true },
            WriteFormat::Ndjson => TableFormat::Ndjson,
            WriteFormat::Parquet => TableFormat::Parquet,
        }
    }
}

/// Why a table could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("the rows cannot be written")]
    Io(#[from] io::Error),
    #[error("the rows cannot be written as Parquet")]
    Parquet(#[from] ParquetError),
    #[error("the rows do not form a batch")]
    Batch(#[from] ArrowError),
    #[error("stopped before the end: {0:?}")]
    Stopped(Stop),
}

/// Writes all rows. `step` is told the share of them that is written.
///
/// # Errors
/// If `out` refuses the bytes or `step` ends the work.
pub fn write<W: Write + Send>(
    table: &Table,
    format: WriteFormat,
    out: W,
    step: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<(), WriteError> {
    match format {
        WriteFormat::Csv => write_csv(table, out, step),
        WriteFormat::Ndjson => write_ndjson(table, out, step),
        WriteFormat::Parquet => write_parquet(table, out, step),
    }
}

/// The starts of all blocks; ends early if `step` says so.
fn blocks<'a>(
    table: &'a Table,
    step: &'a mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> impl Iterator<Item = Result<std::ops::Range<usize>, WriteError>> + 'a {
    let rows = table.rows();
    (0..rows).step_by(BLOCK_ROWS).map(move |start| match step(start as f64 / rows as f64) {
        ControlFlow::Continue(()) => Ok(start..rows.min(start + BLOCK_ROWS)),
        ControlFlow::Break(stop) => Err(WriteError::Stopped(stop)),
    })
}

fn write_csv<W: Write>(
    table: &Table,
    out: W,
    step: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<(), WriteError> {
    let mut csv = csv::Writer::from_writer(out);
    let failed = |error: csv::Error| WriteError::Io(error.into());
    csv.write_record(table.columns().iter().map(|column| column.name.as_str())).map_err(failed)?;
    for block in blocks(table, step) {
        for row in block? {
            for column in table.columns() {
                csv.write_field(column.values.text(row).unwrap_or_default()).map_err(failed)?;
            }
            csv.write_record(None::<&[u8]>).map_err(failed)?;
        }
    }
    Ok(csv.flush()?)
}

fn write_ndjson<W: Write>(
    table: &Table,
    mut out: W,
    step: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<(), WriteError> {
    for block in blocks(table, step) {
        let mut lines = Vec::new();
        for row in block? {
            let members = table.columns().iter().map(|column| (column.name.clone(), json_value(&column.values, row)));
            serde_json::to_writer(&mut lines, &members.collect::<Map<String, Value>>()).map_err(io::Error::from)?;
            lines.push(b'\n');
        }
        out.write_all(&lines)?;
    }
    Ok(out.flush()?)
}

fn json_value(values: &Values, row: usize) -> Value {
    match values {
        // Whole numbers without a point, as people write them.
        Values::Numeric(values) => match values.get(row).copied().unwrap_or(f64::NAN) {
            value if value.is_nan() => Value::Null,
            value if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 => json!(value as i64),
            value => json!(value),
        },
        Values::Categorical { .. } | Values::Pictures(_) => values.text(row).map_or(Value::Null, Value::String),
        Values::Boolean(values) => json!(values.get(row).copied().flatten()),
    }
}

fn write_parquet<W: Write + Send>(
    table: &Table,
    out: W,
    step: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<(), WriteError> {
    let fields: Vec<Field> = table.columns().iter().map(field).collect();
    let schema = Arc::new(Schema::new(fields));
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(out, schema.clone(), Some(properties))?;
    for block in blocks(table, step) {
        let block = block?;
        let arrays = table.columns().iter().map(|column| array(&column.values, block.clone())).collect();
        writer.write(&RecordBatch::try_new(schema.clone(), arrays)?)?;
    }
    writer.close()?;
    Ok(())
}

fn field(column: &Column) -> Field {
    let data_type = match column.values.column_type() {
        ColumnType::Numeric => DataType::Float64,
        ColumnType::Categorical | ColumnType::Image => DataType::Utf8,
        ColumnType::Boolean => DataType::Boolean,
    };
    Field::new(&column.name, data_type, true)
}

fn array(values: &Values, rows: std::ops::Range<usize>) -> ArrayRef {
    match values {
        Values::Numeric(values) => {
            let present = rows.map(|row| values.get(row).copied().filter(|value| !value.is_nan()));
            Arc::new(present.collect::<Float64Array>())
        }
        Values::Categorical { codes, levels } => {
            let level = |row: usize| codes.get(row).and_then(|&code| levels.get(code as usize)).map(String::as_str);
            Arc::new(rows.map(level).collect::<StringArray>())
        }
        Values::Pictures(_) => Arc::new(rows.map(|row| values.text(row)).collect::<StringArray>()),
        Values::Boolean(values) => {
            Arc::new(rows.map(|row| values.get(row).copied().flatten()).collect::<BooleanArray>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::table::{MISSING, MemorySource, ReadOptions, TableLimits, load};

    fn table() -> Table {
        let column = |name: &str, values| Column { name: name.to_owned(), values };
        Table::new(vec![
            column("x", Values::Numeric(vec![0.1 + 0.2, f64::NAN, -3.0, 1e300])),
            column(
                "say \"c\", please",
                Values::Categorical {
                    codes: vec![1, 0, MISSING, 1],
                    levels: vec!["a,b".to_owned(), "tr\u{fc}b".to_owned()],
                },
            ),
            column("flag", Values::Boolean(vec![Some(true), None, Some(false), Some(true)])),
        ])
        .unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let table = table();
        let columns: Vec<(String, ColumnType)> =
            table.columns().iter().map(|column| (column.name.clone(), column.values.column_type())).collect();
        for (name, format) in WriteFormat::ALL {
            let mut bytes = Vec::new();
            write(&table, format, &mut bytes, &mut |_| ControlFlow::Continue(())).unwrap();
            let format = format.table_format();
            let options =
                ReadOptions { format: &format, missing_markers: &[], limits: &TableLimits::STANDARD, pictures: None };
            let source = MemorySource::new(bytes);
            let read = load(source, &options, &columns, &mut |_| ControlFlow::Continue(())).unwrap();
            for (before, after) in table.columns().iter().zip(read.columns()) {
                let texts = |column: &Column| (0..4).map(|row| column.values.text(row)).collect::<Vec<_>>();
                assert_eq!((&before.name, texts(before)), (&after.name, texts(after)), "{name}");
            }
        }
    }

    #[test]
    fn writing_can_be_stopped() {
        for (_, format) in WriteFormat::ALL {
            let stopped = write(&table(), format, Vec::new(), &mut |_| ControlFlow::Break(Stop::Cancelled));
            assert!(matches!(stopped, Err(WriteError::Stopped(Stop::Cancelled))));
        }
    }
}
