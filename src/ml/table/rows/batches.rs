//! Arrow record batches and Parquet: columns with types of their own.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Float64Type};
use bytes::Bytes;

use super::exact_csv::from_loaded;
use super::sink::Sink;
use super::{CellError, InputRows, Inputs};
use crate::ml::table::cell::{Cell, MissingMarkers};
use crate::ml::table::read::{
    MemorySource, ReadError, TableLimits, load_batches, parquet_batches, parquet_rows, read_as,
};
use crate::ml::table::{ColumnType, Values};

/// From record batches of one schema.
///
/// # Errors
/// Every mistake, up to `limits.max_errors` and one more that says so. That there are no rows is none.
pub fn read_batches(
    batches: &[RecordBatch],
    inputs: &Inputs,
    limits: &TableLimits,
) -> Result<InputRows, Vec<CellError>> {
    if let Some(rows) = quick_batches(batches, inputs, limits) {
        return Ok(rows);
    }
    let wanted: Vec<(String, ColumnType)> =
        inputs.iter().map(|input| (input.name.clone(), input.column_type)).collect();
    let (readable, mut others) = without_unreadable(batches, inputs);
    let mut rows = from_loaded(load_batches(&readable, &wanted, limits), inputs, limits)?;
    rows.ignored_columns.append(&mut others);
    rows.ignored_columns.sort_unstable();
    Ok(rows)
}

/// The batches without columns that no feature can be, and the names of these, unless the model asks for them.
fn without_unreadable(batches: &[RecordBatch], inputs: &Inputs) -> (Vec<RecordBatch>, Vec<String>) {
    let Some(schema) = batches.first().map(RecordBatch::schema) else { return (Vec::new(), Vec::new()) };
    let is_kept =
        |field: &&Arc<Field>| read_as(field.data_type()).is_some() || inputs.position(field.name().trim(), 0).is_some();
    let (kept, others): (Vec<_>, Vec<_>) = schema.fields().iter().enumerate().partition(|(_, field)| is_kept(field));
    let kept: Vec<usize> = kept.into_iter().map(|(index, _)| index).collect();
    // Every batch has the columns of the schema.
    let readable = batches.iter().filter_map(|batch| batch.project(&kept).ok()).collect();
    (readable, others.into_iter().map(|(_, field)| field.name().trim().to_owned()).collect())
}

/// From a Parquet file.
///
/// # Errors
/// Every mistake, as [`read_batches`].
pub fn read_parquet(bytes: Bytes, inputs: &Inputs, limits: &TableLimits) -> Result<InputRows, Vec<CellError>> {
    let whole = |error: ReadError| vec![CellError { row: None, column: None, detail: error.to_string() }];
    let batches = parquet_batches(MemorySource::new(bytes), limits).map_err(whole)?;
    if batches.is_empty() {
        return Ok(InputRows::default());
    }
    read_batches(&batches, inputs, limits)
}

/// How many rows a Parquet file says that it has; `None` if it is no such file.
pub fn parquet_row_count(bytes: &Bytes) -> Option<u64> {
    parquet_rows(&MemorySource::new(bytes.clone()))
}

/// `None` for whatever is not plainly right.
fn quick_batches(batches: &[RecordBatch], inputs: &Inputs, limits: &TableLimits) -> Option<InputRows> {
    let schema = batches.first()?.schema();
    let mut places = vec![None; inputs.len()];
    let mut ignored = Vec::new();
    for (index, field) in schema.fields().iter().enumerate() {
        let name = field.name().trim();
        let is_fine = !name.is_empty() && !name.contains('\0') && name.len() <= limits.max_name_chars;
        is_fine.then_some(())?;
        match inputs.position(name, index) {
            Some(place) => places.get_mut(place)?.replace(index).is_none().then_some(())?,
            None => ignored.push(name.to_owned()),
        }
    }
    ignored.sort_unstable();
    let is_whole = ignored.is_sorted_by(|a, b| a < b) && schema.fields().len() <= limits.max_columns;
    is_whole.then_some(())?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    (rows as u64 <= limits.max_rows).then_some(())?;
    let columns = inputs.iter().zip(places).map(|(input, place)| {
        let arrays = batches.iter().map(|batch| batch.columns().get(place?));
        column(arrays, input.column_type, rows, limits)
    });
    let columns: Vec<Values> = columns.collect::<Option<_>>()?;
    Some(InputRows { columns: columns.into(), rows, ignored_columns: ignored })
}

fn column<'a>(
    arrays: impl Iterator<Item = Option<&'a ArrayRef>>,
    column_type: ColumnType,
    rows: usize,
    limits: &TableLimits,
) -> Option<Values> {
    let mut sink = Sink::new(column_type, limits);
    let markers = MissingMarkers::new(&[]);
    for array in arrays {
        let array = array?;
        let kind = read_as(array.data_type())?;
        let array = match *array.data_type() == kind {
            true => array.clone(),
            false => cast_with_options(array, &kind, &CastOptions { safe: false, ..CastOptions::default() }).ok()?,
        };
        match (&mut sink, &kind) {
            (Sink::Numbers(numbers), DataType::Float64) => {
                numbers.reserve(rows.saturating_sub(numbers.len()));
                extend(numbers, &array)?;
            }
            _ => push_all(&mut sink, &array, &markers, limits)?,
        }
    }
    Some(sink.finish())
}

fn extend(numbers: &mut Vec<f64>, array: &ArrayRef) -> Option<()> {
    let array = array.as_primitive_opt::<Float64Type>()?;
    let first = numbers.len();
    match array.null_count() {
        0 => numbers.extend(array.values().iter().map(|number| number + 0.0)),
        _ => numbers.extend(array.iter().map(|number| number.map_or(f64::NAN, |number| number + 0.0))),
    }
    let is_finite = !numbers.get(first..)?.iter().any(|number| number.is_infinite());
    is_finite.then_some(())
}

fn push_all(sink: &mut Sink, array: &ArrayRef, markers: &MissingMarkers, limits: &TableLimits) -> Option<()> {
    if let Some(numbers) = array.as_primitive_opt::<Float64Type>() {
        return numbers.iter().try_for_each(|number| sink.push(number.map_or(Cell::Missing, Cell::Number)));
    }
    if let Some(flags) = array.as_boolean_opt() {
        return flags.iter().try_for_each(|flag| sink.push(flag.map_or(Cell::Missing, Cell::Boolean)));
    }
    let texts = array.as_string_opt::<i32>()?;
    texts.iter().try_for_each(|text| match text {
        Some(text) => sink.push_text(text, markers, limits),
        None => sink.push(Cell::Missing),
    })
}
