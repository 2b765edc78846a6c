//! The columns of a file, as their profile says they are.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;

use super::batch::{BatchReader, Cells};
use super::columnar::ColumnarReader;
use super::drive::{Sink, drive_reader};
use super::error::{Problems, ReadError};
use super::options::{ReadOptions, TableLimits, check_names_exist};
use super::pictures::{head_pictures, load_pictures};
use super::source::{TableSource, open, split_batch};
use crate::ml::observe::Stop;
use crate::ml::table::cell::{Cell, MissingMarkers};
use crate::ml::table::{Column, ColumnType, MISSING, Table, TableFormat, Values};

/// Reads the given columns with the given types, which are those of the file's [`super::Profile`]; the table has
/// them in the given order. `step` is told the rows read so far after each batch.
///
/// # Errors
/// See [`ReadError`]; all mistakes of the file at once. None of them is new in a file that was profiled with the
/// same options and types, but for more distinct categories than may be kept.
pub fn load<R: TableSource>(
    input: R,
    options: &ReadOptions<'_>,
    columns: &[(String, ColumnType)],
    step: &mut dyn FnMut(u64) -> ControlFlow<Stop>,
) -> Result<Table, ReadError> {
    if let TableFormat::Zip { .. } = options.format {
        return load_pictures(&input, options, columns, step);
    }
    let (loaded, names) = load_present(input, options, columns, u64::MAX, step)?;
    check_names_exist(columns.iter().map(|(name, _)| name), &names)?;
    let named = columns.iter().zip(loaded).filter_map(|((name, _), values)| {
        let values = values?;
        Some(Column { name: name.clone(), values })
    });
    table(named.collect())
}

/// The first `rows` rows, or all there are, without reading much further. A column that comes up later in the file
/// has no values in them.
///
/// # Errors
/// As [`load`].
pub fn head<R: TableSource>(
    input: R,
    options: &ReadOptions<'_>,
    columns: &[(String, ColumnType)],
    rows: usize,
) -> Result<Table, ReadError> {
    if let TableFormat::Zip { .. } = options.format {
        return head_pictures(&input, options, columns, rows);
    }
    let step = &mut |_| ControlFlow::Continue(());
    let (loaded, _) = load_present(input, options, columns, rows as u64, step)?;
    let read = loaded.iter().flatten().map(Values::len).max().unwrap_or(0);
    let named = columns.iter().zip(loaded).map(|((name, kind), values)| {
        let values = values.unwrap_or_else(|| missing(*kind, read));
        Column { name: name.clone(), values }
    });
    let table = table(named.collect())?;
    Ok(table.select(&(0..read.min(rows)).collect::<Vec<_>>()))
}

fn missing(kind: ColumnType, rows: usize) -> Values {
    match kind {
        ColumnType::Numeric => Values::Numeric(vec![f64::NAN; rows]),
        // Pictures come as texts, which become pixels afterwards.
        ColumnType::Categorical | ColumnType::Image => {
            Values::Categorical { codes: vec![MISSING; rows], levels: Vec::new() }
        }
        ColumnType::Boolean => Values::Boolean(vec![None; rows]),
    }
}

fn table(columns: Vec<Column>) -> Result<Table, ReadError> {
    Table::new(columns).map_err(|error| ReadError::NotTheFormat { format: "a table", detail: error.to_string() })
}

/// [`load`] that leaves columns out which the file does not have and stops at `enough` rows; also gives the names of all that it has.
pub(in crate::ml::table) fn load_present<R: TableSource>(
    input: R,
    options: &ReadOptions<'_>,
    columns: &[(String, ColumnType)],
    enough: u64,
    step: &mut dyn FnMut(u64) -> ControlFlow<Stop>,
) -> Result<(Vec<Option<Values>>, Vec<String>), ReadError> {
    let mut problems = Problems::new(options.limits.max_errors);
    let reader = open(input, options, enough, &mut problems)?;
    load_from(reader, problems, options, columns, enough, step)
}

/// [`load_present`] of record batches of one schema.
pub(in crate::ml::table) fn load_batches(
    batches: &[RecordBatch],
    columns: &[(String, ColumnType)],
    limits: &TableLimits,
) -> Result<(Vec<Option<Values>>, Vec<String>), ReadError> {
    let mut problems = Problems::new(limits.max_errors);
    let schema = batches.first().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
    let slices: Vec<_> = batches.iter().flat_map(|batch| split_batch(Ok(batch.clone()))).collect();
    let reader = ColumnarReader::open(slices.into_iter(), &schema, "Arrow", limits, &mut problems);
    let options = ReadOptions { format: &TableFormat::ArrowStream, missing_markers: &[], limits, pictures: None };
    let step = &mut |_| ControlFlow::Continue(());
    load_from(Box::new(reader), problems, &options, columns, u64::MAX, step)
}

fn load_from(
    reader: Box<dyn BatchReader>,
    problems: Problems,
    options: &ReadOptions<'_>,
    columns: &[(String, ColumnType)],
    enough: u64,
    step: &mut dyn FnMut(u64) -> ControlFlow<Stop>,
) -> Result<(Vec<Option<Values>>, Vec<String>), ReadError> {
    let types: HashMap<&str, ColumnType> = columns.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    let make = |name: &str, _| {
        let builder = ColumnBuilder::new(*types.get(name)?, options.limits.max_levels);
        Some(ColumnLoad { name: name.to_owned(), builder, problems: Problems::new(options.limits.max_errors) })
    };
    let driven = drive_reader(reader, problems, options, &make, enough, step)?;
    let names = driven.columns.iter().map(|(name, _)| name.clone()).collect();
    let present = driven.columns.into_iter().filter_map(|(name, sink)| sink.map(|sink| (name, sink.builder.finish())));
    let mut present: HashMap<String, Values> = present.collect();
    Ok((columns.iter().map(|(name, _)| present.remove(name)).collect(), names))
}

struct ColumnLoad {
    name: String,
    builder: ColumnBuilder,
    problems: Problems,
}

impl Sink for ColumnLoad {
    fn take(&mut self, cells: &Cells, row_numbers: &[u64], markers: &MissingMarkers) {
        cells.visit(markers, |row, cell| {
            if let Err(detail) = self.builder.push(cell) {
                self.problems.push(row_numbers.get(row).copied().unwrap_or(0), Some(&self.name), detail);
            }
        });
    }

    fn problems(&mut self) -> &mut Problems {
        &mut self.problems
    }
}

/// Grows one column, cell by cell; also used for the rows of a prediction.
pub(in crate::ml::table) struct ColumnBuilder {
    values: Values,
    /// The code of each level.
    codes: HashMap<String, u32>,
    max_levels: usize,
}

impl ColumnBuilder {
    pub(in crate::ml::table) fn new(column_type: ColumnType, max_levels: usize) -> Self {
        let values = match column_type {
            ColumnType::Numeric => Values::Numeric(Vec::new()),
            // Pictures come as texts, which become pixels afterwards.
            ColumnType::Categorical | ColumnType::Image => {
                Values::Categorical { codes: Vec::new(), levels: Vec::new() }
            }
            ColumnType::Boolean => Values::Boolean(Vec::new()),
        };
        Self { values, codes: HashMap::new(), max_levels: max_levels.min(MISSING as usize) }
    }

    /// Appends a cell. A wrong one is appended as missing, so that the columns stay of equal length.
    ///
    /// # Errors
    /// What is wrong with the cell.
    pub(in crate::ml::table) fn push(&mut self, cell: Cell<'_>) -> Result<(), String> {
        match &mut self.values {
            Values::Numeric(values) => {
                let number = cell.numeric();
                values.push(*number.as_ref().unwrap_or(&f64::NAN));
                number.map(|_| ())
            }
            Values::Boolean(values) => {
                let flag = cell.boolean();
                values.push(*flag.as_ref().unwrap_or(&None));
                flag.map(|_| ())
            }
            Values::Categorical { codes, levels } => {
                let code = level_code(cell, levels, &mut self.codes, self.max_levels);
                codes.push(*code.as_ref().unwrap_or(&MISSING));
                code.map(|_| ())
            }
            // Never built cell by cell.
            Values::Pictures(_) => Ok(()),
        }
    }

    pub(in crate::ml::table) fn finish(self) -> Values {
        self.values
    }
}

fn level_code(
    cell: Cell<'_>,
    levels: &mut Vec<String>,
    codes: &mut HashMap<String, u32>,
    max_levels: usize,
) -> Result<u32, String> {
    let Some(text) = cell.category() else { return Ok(MISSING) };
    if let Some(&code) = codes.get(text.as_ref()) {
        return Ok(code);
    }
    if levels.len() >= max_levels {
        return Err(format!("more than {max_levels} distinct categories, which is the limit"));
    }
    let code = levels.len() as u32;
    levels.push(text.clone().into_owned());
    codes.insert(text.into_owned(), code);
    Ok(code)
}
