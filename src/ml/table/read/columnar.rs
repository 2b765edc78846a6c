//! Parquet and Arrow streams: columns with types of their own.
//!
//! Integers, floats and decimals are numeric (whole numbers beyond 2^53 are rounded to the nearest `f64`),
//! booleans boolean, strings and dictionaries of them categorical, dates and times text in ISO 8601.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float64Type, Schema};
use arrow::error::ArrowError;

use super::batch::{Batch, BatchReader, Cells};
use super::error::{Problems, ReadError};
use super::names::check_names;
use super::options::TableLimits;

/// Reads rows that come as Arrow record batches.
pub(super) struct ColumnarReader<I> {
    batches: I,
    columns: Vec<String>,
    /// What each column is read as; `None` where that is not possible, which has been reported.
    kinds: Vec<Option<DataType>>,
    max_field_bytes: usize,
    format: &'static str,
    rows: u64,
}

impl<I> ColumnarReader<I>
where
    I: Iterator<Item = Result<RecordBatch, ArrowError>> + Send,
{
    /// Columns whose type cannot be read go to `problems`, each by its name.
    pub(super) fn open(
        batches: I,
        schema: &Arc<Schema>,
        format: &'static str,
        limits: &TableLimits,
        problems: &mut Problems,
    ) -> Self {
        let columns: Vec<String> = schema.fields().iter().map(|field| field.name().trim().to_owned()).collect();
        check_names(&columns, limits, problems);
        let kinds: Vec<Option<DataType>> = schema.fields().iter().map(|field| read_as(field.data_type())).collect();
        for (field, _) in schema.fields().iter().zip(&kinds).filter(|(_, kind)| kind.is_none()) {
            let detail = format!(
                "the type {} cannot be a feature; expected numbers, booleans, strings, dates or times",
                field.data_type()
            );
            problems.push(0, Some(field.name()), detail);
        }
        Self { batches, columns, kinds, max_field_bytes: limits.max_field_bytes, format, rows: 0 }
    }

    fn cells(&self, index: usize, array: &ArrayRef, problems: &mut Problems) -> Cells {
        let Some(Some(kind)) = self.kinds.get(index) else { return Cells::Empty(array.len()) };
        // An unsafe cast turns a value that does not fit into null: data would be lost in silence.
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let name = self.columns.get(index).map(String::as_str);
        match cast_with_options(array, kind, &options) {
            Ok(array) => self.typed(&array, name, problems),
            Err(error) => {
                let detail = format!("a value of type {} cannot be read: {error}", array.data_type());
                problems.push(self.rows + 1, name, detail);
                Cells::Empty(array.len())
            }
        }
    }

    fn typed(&self, array: &ArrayRef, name: Option<&str>, problems: &mut Problems) -> Cells {
        if let Some(numbers) = array.as_primitive_opt::<Float64Type>() {
            return Cells::Numbers(numbers.clone());
        }
        if let Some(flags) = array.as_boolean_opt() {
            return Cells::Booleans(flags.clone());
        }
        let Some(texts) = array.as_string_opt::<i32>() else { return Cells::Empty(array.len()) };
        for (row, length) in texts.offsets().lengths().enumerate().filter(|(_, length)| *length > self.max_field_bytes)
        {
            let detail = format!("{length} bytes; at most {} are allowed", self.max_field_bytes);
            problems.push(self.rows + row as u64 + 1, name, detail);
        }
        Cells::Texts(texts.clone())
    }
}

impl<I> BatchReader for ColumnarReader<I>
where
    I: Iterator<Item = Result<RecordBatch, ArrowError>> + Send,
{
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn next_batch(&mut self, problems: &mut Problems) -> Result<Option<Batch>, ReadError> {
        loop {
            let Some(batch) = guarded(self.format, || self.batches.next())? else { return Ok(None) };
            let batch = batch.map_err(|error| not_the_format(self.format, &error))?;
            if batch.num_rows() == 0 {
                continue;
            }
            let cells = |(index, array)| self.cells(index, array, problems);
            let columns = batch.columns().iter().enumerate().map(cells).collect();
            let first = self.rows + 1;
            self.rows += batch.num_rows() as u64;
            return Ok(Some(Batch { row_numbers: (first..=self.rows).collect(), columns }));
        }
    }
}

/// The decoders panic at some damaged files. That is a mistake in the file like any other.
pub(in crate::ml::table) fn guarded<T>(format: &'static str, decode: impl FnOnce() -> T) -> Result<T, ReadError> {
    let damaged = |_| ReadError::NotTheFormat { format, detail: "the decoder gave up on damaged bytes".to_owned() };
    std::panic::catch_unwind(AssertUnwindSafe(decode)).map_err(damaged)
}

/// The bytes are broken, or were of another format from the start.
pub(super) fn not_the_format(format: &'static str, error: &dyn std::error::Error) -> ReadError {
    let detail: String = error.to_string().chars().take(300).collect();
    ReadError::NotTheFormat { format, detail }
}

/// The type that a column is cast to, if it is one that can be a feature.
pub(in crate::ml::table) fn read_as(data_type: &DataType) -> Option<DataType> {
    use DataType::*;
    match data_type {
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 | Float16 | Float32 | Float64
        | Decimal32(..) | Decimal64(..) | Decimal128(..) | Decimal256(..) => Some(Float64),
        Boolean => Some(Boolean),
        Utf8 | LargeUtf8 | Utf8View | Date32 | Date64 | Time32(_) | Time64(_) | Timestamp(..) | Null => Some(Utf8),
        Dictionary(_, values) => read_as(values),
        _ => None,
    }
}
