//! What a file holds: a type and a summary for each column, over all its rows.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::batch::Cells;
use super::drive::{Sink, drive};
use super::error::{Problems, ReadError};
use super::options::{ReadOptions, check_names_exist};
use super::pictures::{LABEL_COLUMN, profile_pictures};
use super::sample::Sample;
use super::source::TableSource;
use super::tally::Tally;
use crate::ml::observe::Stop;
use crate::ml::table::cell::{Cell, MissingMarkers, parse_boolean, parse_number, shown};
use crate::ml::table::stats::RunningMoments;
use crate::ml::table::{ColumnSummary, ColumnType, NumericSummary, TableFormat, TopCategory};

/// The most frequent values kept for [`super::target_classes`].
const MAX_FREQUENT: usize = 20;
/// The most frequent values in a summary.
const MAX_TOP: usize = 10;
/// Values in a summary are cut after this many characters.
const MAX_SHOWN_CHARS: usize = 500;

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    pub rows: u64,
    /// In the order of the file.
    pub columns: Vec<ColumnSummary>,
    /// For each column its most frequent values, at most twenty, as [`super::target_classes`] needs them.
    pub(super) frequent: Vec<Vec<TopCategory>>,
}

/// Reads the whole file once. `types` overrides the types of some columns.
///
/// Without an override, a column is numeric if every value in it is a finite number (so also if it has no values
/// at all), boolean if every value is `true` or `false` in any case, else categorical. Strings of typed formats
/// (NDJSON, Parquet, Arrow) are never taken for numbers or booleans.
///
/// Distinct values are counted up to 10,000 per column, quartiles are exact up to 100,000 values (fewer from 33
/// columns on, and never under 1,000) and come from a uniform sample beyond; categories in a summary are cut
/// after 500 characters. `step` is told the rows read so far after each batch.
///
/// # Errors
/// See [`ReadError`]; all mistakes of the file at once.
pub fn profile<R: TableSource>(
    input: R,
    options: &ReadOptions<'_>,
    types: &BTreeMap<String, ColumnType>,
    step: &mut dyn FnMut(u64) -> ControlFlow<Stop>,
) -> Result<Profile, ReadError> {
    if let TableFormat::Zip { .. } = options.format {
        return profile_pictures(&input, options, types, step);
    }
    let max_errors = options.limits.max_errors;
    let make = |name: &str, columns| Some(ColumnProfile::new(name, types.get(name).copied(), columns, max_errors));
    let driven = drive(input, options, &make, u64::MAX, step)?;
    let names: Vec<String> = driven.columns.iter().map(|(name, _)| name.clone()).collect();
    check_names_exist(types.keys(), &names)?;
    Ok(Profile::of(driven.rows, driven.columns.into_iter().filter_map(|(_, column)| column)))
}

impl Profile {
    pub(super) fn of(rows: u64, columns: impl Iterator<Item = ColumnProfile>) -> Self {
        let (columns, frequent) = columns.map(ColumnProfile::finish).unzip();
        Self { rows, columns, frequent }
    }

    /// The column that is the target unless it is said: the last one, but `label` beside pictures.
    pub fn usual_target(&self) -> &str {
        let has_pictures = self.columns.iter().any(|column| column.column_type == ColumnType::Image);
        let label = self.columns.iter().find(|column| has_pictures && column.name == LABEL_COLUMN);
        label.or(self.columns.last()).map_or("", |column| column.name.as_str())
    }

    /// The same with a column before the others, of which no value is like another.
    pub(super) fn with_first(mut self, column: ColumnSummary) -> Self {
        self.columns.insert(0, column);
        self.frequent.insert(0, Vec::new());
        self
    }
}

/// Sums up one column; what it may still turn out to be is kept until the last row.
pub(super) struct ColumnProfile {
    name: String,
    declared: Option<ColumnType>,
    missing: u64,
    /// `None` once a value was no number.
    numeric: Option<NumericProfile>,
    may_be_boolean: bool,
    /// Texts as they were found; those of numbers too while they come from a format without types.
    texts: Tally<String>,
    /// Bits of the numbers of typed formats and of columns declared numeric.
    numbers: Tally<u64>,
    /// Distinct texts when the memory of `texts` was given back.
    given_up: Option<u64>,
    problems: Problems,
}

struct NumericProfile {
    moments: RunningMoments,
    sample: Sample,
    min: f64,
    max: f64,
    /// The numbers of the present batch.
    block: Vec<f64>,
}

impl ColumnProfile {
    pub(super) fn new(name: &str, declared: Option<ColumnType>, columns: usize, max_errors: usize) -> Self {
        let numeric = matches!(declared, None | Some(ColumnType::Numeric)).then(|| NumericProfile::new(columns));
        Self {
            name: name.to_owned(),
            declared,
            missing: 0,
            numeric,
            may_be_boolean: true,
            texts: Tally::new(columns),
            numbers: Tally::new(columns),
            given_up: None,
            problems: Problems::new(max_errors),
        }
    }

    /// One cell; the error says what is wrong with it.
    fn add(&mut self, cell: Cell<'_>) -> Result<(), String> {
        match self.declared {
            None => self.infer(cell),
            Some(ColumnType::Numeric) => {
                let number = cell.numeric()?;
                if number.is_nan() {
                    self.missing += 1
                } else {
                    self.add_number(number)
                }
                Ok(())
            }
            Some(ColumnType::Boolean) => {
                let flag = cell.boolean()?;
                self.add_text(flag.map(|flag| if flag { "true" } else { "false" }));
                Ok(())
            }
            Some(ColumnType::Categorical | ColumnType::Image) => {
                self.add_text(cell.category().as_deref());
                Ok(())
            }
        }
    }

    fn infer(&mut self, cell: Cell<'_>) -> Result<(), String> {
        match cell {
            Cell::Missing => self.missing += 1,
            Cell::Field(text) => self.infer_field(text),
            Cell::Text(text) => {
                self.numeric = None;
                self.may_be_boolean = false;
                self.add_text(Some(text));
            }
            Cell::Boolean(flag) => {
                self.numeric = None;
                self.add_text(Some(if flag { "true" } else { "false" }));
            }
            Cell::Number(_) => {
                let number = cell.numeric()?;
                self.may_be_boolean = false;
                if number.is_nan() { self.missing += 1 } else { self.add_number(number) }
            }
        }
        Ok(())
    }

    fn infer_field(&mut self, text: &str) {
        if let Some(numeric) = &mut self.numeric {
            match parse_number(text) {
                Some(number) => numeric.block.push(number),
                None => self.numeric = None,
            }
        }
        if self.given_up.is_none() {
            self.add_text(Some(text));
            // A column of very many numbers needs no texts; should a later row make it categorical, its
            // summary goes without the most frequent ones.
            if self.numeric.is_some() && self.texts.is_overflown() {
                self.given_up = Some(self.texts.values().count() as u64);
                self.texts.give_up();
            }
        }
    }

    fn add_number(&mut self, number: f64) {
        if let Some(numeric) = &mut self.numeric {
            numeric.block.push(number);
        }
        self.numbers.add(&number.to_bits(), 16);
    }

    fn add_text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.texts.add(text, text.len()),
            None => self.missing += 1,
        }
    }

    fn column_type(&self) -> ColumnType {
        if let Some(declared) = self.declared {
            return declared;
        }
        let is_boolean = || {
            self.may_be_boolean
                && !self.texts.is_overflown()
                && self.texts.values().all(|text| parse_boolean(text).is_some())
        };
        match self.numeric {
            Some(_) => ColumnType::Numeric,
            None if is_boolean() => ColumnType::Boolean,
            None => ColumnType::Categorical,
        }
    }

    fn finish(self) -> (ColumnSummary, Vec<TopCategory>) {
        let column_type = self.column_type();
        let distinct_exact = !(self.texts.is_overflown() || self.numbers.is_overflown());
        let counts = merged(column_type, self.texts, self.numbers);
        let distinct = self.given_up.unwrap_or(0).max(counts.len() as u64);
        let frequent = most_frequent(counts);
        let listed = column_type != ColumnType::Numeric || (distinct_exact && distinct <= MAX_TOP as u64);
        let top = frequent.iter().take(if listed { MAX_TOP } else { 0 }).map(TopCategory::cut).collect();
        let numeric = self.numeric.and_then(NumericProfile::finish);
        let summary = ColumnSummary {
            image: None,
            name: self.name,
            column_type,
            missing: self.missing,
            distinct,
            distinct_exact,
            numeric,
            top,
        };
        (summary, frequent)
    }
}

impl Sink for ColumnProfile {
    fn take(&mut self, cells: &Cells, row_numbers: &[u64], markers: &MissingMarkers) {
        if let Cells::Empty(rows) = cells {
            self.missing += *rows as u64;
            return;
        }
        let has_nul = cells.has_nul();
        cells.visit(markers, |row, cell| {
            let added = if has_nul { without_nul(cell).and_then(|cell| self.add(cell)) } else { self.add(cell) };
            if let Err(detail) = added {
                self.problems.push(row_numbers.get(row).copied().unwrap_or(0), Some(&self.name), detail);
            }
        });
        if let Some(numeric) = &mut self.numeric {
            numeric.end_block();
        }
    }

    fn problems(&mut self) -> &mut Problems {
        &mut self.problems
    }
}

/// NUL is part of no text: a file that has it is most likely in another encoding, and not every database can keep
/// it in the name of a class.
fn without_nul(cell: Cell<'_>) -> Result<Cell<'_>, String> {
    match cell {
        Cell::Field(text) | Cell::Text(text) if text.contains('\0') => {
            Err(format!("expected text, found a NUL character in {}", shown(text)))
        }
        other => Ok(other),
    }
}

impl NumericProfile {
    fn new(columns: usize) -> Self {
        let moments = RunningMoments::default();
        Self { moments, sample: Sample::new(columns), min: f64::INFINITY, max: f64::NEG_INFINITY, block: Vec::new() }
    }

    fn end_block(&mut self) {
        self.moments.add(&self.block);
        self.sample.add(&self.block);
        self.min = self.block.iter().copied().fold(self.min, f64::min);
        self.max = self.block.iter().copied().fold(self.max, f64::max);
        self.block.clear();
    }

    fn finish(self) -> Option<NumericSummary> {
        let ([q25, median, q75], quartiles_exact) = self.sample.quartiles()?;
        let (mean, std) = (self.moments.mean(), self.moments.std());
        Some(NumericSummary { min: self.min, max: self.max, mean, std, q25, median, q75, quartiles_exact })
    }
}

impl TopCategory {
    /// The same with a value that is short enough to be shown.
    pub(super) fn cut(&self) -> Self {
        Self { value: self.value.chars().take(MAX_SHOWN_CHARS).collect(), count: self.count }
    }
}

/// Counts by label: texts that are one value of the type are one label.
fn merged(column_type: ColumnType, texts: Tally<String>, numbers: Tally<u64>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (text, count) in texts.into_counts() {
        let label = match column_type {
            ColumnType::Numeric => parse_number(&text).map_or(text, |number| number.to_string()),
            ColumnType::Boolean => parse_boolean(&text).map_or(text, |flag| flag.to_string()),
            ColumnType::Categorical | ColumnType::Image => text,
        };
        *counts.entry(label).or_default() += count;
    }
    for (bits, count) in numbers.into_counts() {
        *counts.entry(f64::from_bits(bits).to_string()).or_default() += count;
    }
    counts
}

/// The most frequent labels, most frequent first, ties by label.
fn most_frequent(counts: BTreeMap<String, u64>) -> Vec<TopCategory> {
    let mut all: Vec<TopCategory> = counts.into_iter().map(|(value, count)| TopCategory { value, count }).collect();
    all.sort_by_key(|value| std::cmp::Reverse(value.count));
    all.truncate(MAX_FREQUENT);
    all
}
