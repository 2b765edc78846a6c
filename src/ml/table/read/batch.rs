//! Some rows at a time: the common form of all formats, column by column.

use arrow::array::{Array, BooleanArray, Float64Array, StringArray};
use serde_json::Value;

use super::error::{Problems, ReadError};
use crate::ml::table::cell::{Cell, MissingMarkers};

/// Rows in one batch, at most.
pub(super) const BATCH_ROWS: usize = 8192;
/// Bytes of text in one batch, about: rows may be wide.
pub(super) const BATCH_BYTES: usize = 4 << 20;

/// Gives the rows of a table in order, in bounded memory.
pub(super) trait BatchReader: Send {
    /// The names of the columns seen so far. Only NDJSON finds new ones on the way.
    fn columns(&self) -> &[String];

    /// The next rows, or `None` after the last. Wrong rows go to `problems`; their cells are left out or missing.
    ///
    /// # Errors
    /// If nothing after this can be read.
    fn next_batch(&mut self, problems: &mut Problems) -> Result<Option<Batch>, ReadError>;
}

/// Consecutive rows.
pub(super) struct Batch {
    /// Of each row, counted from 1; rows that were left out are counted.
    pub(super) row_numbers: Vec<u64>,
    /// May be fewer than the reader's columns in a batch before a column was first seen.
    pub(super) columns: Vec<Cells>,
}

impl Batch {
    pub(super) fn rows(&self) -> usize {
        self.row_numbers.len()
    }

    /// The rows that `keep` says to keep.
    pub(super) fn kept(self, keep: &[bool]) -> Self {
        let is_kept = |row: &usize| keep.get(*row).copied().unwrap_or(false);
        let rows: Vec<usize> = (0..self.rows()).filter(is_kept).collect();
        if rows.len() == self.rows() {
            return self;
        }
        let row_numbers = rows.iter().filter_map(|&row| self.row_numbers.get(row).copied()).collect();
        Self { row_numbers, columns: self.columns.into_iter().map(|cells| cells.select(&rows)).collect() }
    }
}

/// One column of a batch.
pub(super) enum Cells {
    Fields(Texts),
    Numbers(Float64Array),
    Booleans(BooleanArray),
    Texts(StringArray),
    /// All missing.
    Empty(usize),
    /// Scalars of JSON.
    Values(Vec<Value>),
}

impl Cells {
    /// Hands each cell to `take`, first to last.
    pub(super) fn visit(&self, markers: &MissingMarkers, mut take: impl FnMut(usize, Cell<'_>)) {
        match self {
            Cells::Fields(texts) => texts.visit(|row, text| take(row, markers.field(text))),
            Cells::Numbers(numbers) => {
                let cells = numbers.iter().map(|number| number.map_or(Cell::Missing, Cell::Number));
                cells.enumerate().for_each(|(row, cell)| take(row, cell));
            }
            Cells::Booleans(flags) => {
                let cells = flags.iter().map(|flag| flag.map_or(Cell::Missing, Cell::Boolean));
                cells.enumerate().for_each(|(row, cell)| take(row, cell));
            }
            Cells::Texts(texts) => {
                let cells = texts.iter().map(|text| text.map_or(Cell::Missing, |text| markers.text(text)));
                cells.enumerate().for_each(|(row, cell)| take(row, cell));
            }
            Cells::Empty(rows) => (0..*rows).for_each(|row| take(row, Cell::Missing)),
            Cells::Values(values) => {
                values.iter().enumerate().for_each(|(row, value)| take(row, json_cell(value, markers)));
            }
        }
    }
}

impl Cells {
    fn select(self, rows: &[usize]) -> Self {
        match self {
            Cells::Fields(texts) => Cells::Fields(texts.select(rows)),
            Cells::Numbers(numbers) => {
                Cells::Numbers(rows.iter().map(|row| numbers.is_valid(*row).then(|| numbers.value(*row))).collect())
            }
            Cells::Booleans(flags) => {
                Cells::Booleans(rows.iter().map(|row| flags.is_valid(*row).then(|| flags.value(*row))).collect())
            }
            Cells::Texts(texts) => {
                Cells::Texts(rows.iter().map(|row| texts.is_valid(*row).then(|| texts.value(*row))).collect())
            }
            Cells::Empty(_) => Cells::Empty(rows.len()),
            Cells::Values(values) => Cells::Values(rows.iter().filter_map(|&row| values.get(row).cloned()).collect()),
        }
    }

    /// Whether a NUL character may be somewhere in the texts: one look at all of them together.
    pub(super) fn has_nul(&self) -> bool {
        match self {
            Cells::Fields(texts) => texts.text.as_bytes().contains(&0),
            Cells::Texts(texts) => texts.value_data().contains(&0),
            Cells::Values(values) => values.iter().filter_map(Value::as_str).any(|text| text.contains('\0')),
            Cells::Numbers(_) | Cells::Booleans(_) | Cells::Empty(_) => false,
        }
    }
}

/// The cell of a JSON scalar; readers have turned other values away before.
fn json_cell<'a>(value: &'a Value, markers: &MissingMarkers) -> Cell<'a> {
    match value {
        Value::String(text) => markers.text(text),
        Value::Number(number) => number.as_f64().map_or(Cell::Missing, Cell::Number),
        Value::Bool(flag) => Cell::Boolean(*flag),
        Value::Null | Value::Array(_) | Value::Object(_) => Cell::Missing,
    }
}

/// The fields of one column end to end: one allocation for thousands of fields.
#[derive(Debug, Default)]
pub(super) struct Texts {
    text: String,
    ends: Vec<usize>,
}

impl Texts {
    fn select(&self, rows: &[usize]) -> Self {
        let mut some = Texts::default();
        for &row in rows {
            let start = row.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
            let field = self.ends.get(row).and_then(|&end| self.text.get(start..end));
            some.text.push_str(field.unwrap_or_default());
            some.ends.push(some.text.len());
        }
        some
    }

    fn visit(&self, mut take: impl FnMut(usize, &str)) {
        let mut start = 0;
        for (row, &end) in self.ends.iter().enumerate() {
            take(row, self.text.get(start..end).unwrap_or_default());
            start = end;
        }
    }
}

/// [`Texts`] before it is known to be UTF-8.
#[derive(Debug, Default)]
pub(super) struct RawTexts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl RawTexts {
    pub(super) fn push(&mut self, field: &[u8]) {
        self.bytes.extend_from_slice(field);
        self.ends.push(self.bytes.len());
    }

    /// Checks all fields; `invalid` is told the rows of those that are not UTF-8, which become empty.
    pub(super) fn check(self, mut invalid: impl FnMut(usize)) -> Texts {
        match String::from_utf8(self.bytes) {
            // A character that a delimiter cuts in two could be whole in the sum of the fields.
            Ok(text) if self.ends.iter().all(|&end| text.is_char_boundary(end)) => Texts { text, ends: self.ends },
            Ok(text) => salvage(text.as_bytes(), &self.ends, &mut invalid),
            Err(error) => salvage(error.as_bytes(), &self.ends, &mut invalid),
        }
    }
}

fn salvage(bytes: &[u8], ends: &[usize], invalid: &mut dyn FnMut(usize)) -> Texts {
    let mut texts = Texts::default();
    let mut start = 0;
    for (row, &end) in ends.iter().enumerate() {
        match std::str::from_utf8(&bytes[start..end]) {
            Ok(field) => texts.text.push_str(field),
            Err(_) => invalid(row),
        }
        texts.ends.push(texts.text.len());
        start = end;
    }
    texts
}
