//! CSV straight into columns, where it is plainly right.

use std::borrow::Cow;

use bytes::Bytes;

use super::exact_csv::from_csv;
use super::sink::Sink;
use super::{CellError, CsvRows, InputRows, Inputs};
use crate::ml::table::TableLimits;
use crate::ml::table::cell::{MissingMarkers, POWERS_OF_TEN};

/// Rows of CSV with the header that they came under.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CsvBlock {
    /// The line with the names, with or without its end.
    pub header: Bytes,
    /// Whole rows.
    pub rows: Bytes,
}

/// From CSV with a header.
///
/// # Errors
/// Every mistake, up to `limits.max_errors` and one more that says so. That there are no rows is none.
pub fn read_csv(
    block: &CsvBlock,
    csv: &CsvRows<'_>,
    inputs: &Inputs,
    limits: &TableLimits,
) -> Result<InputRows, Vec<CellError>> {
    let markers = MissingMarkers::new(csv.missing_markers);
    if let Some(rows) = quick_csv(block, csv.delimiter, &markers, inputs, limits) {
        return Ok(rows);
    }
    // A byte order mark counts at the very beginning only, which the header is.
    let whole = [&block.header, b"\n".as_slice(), &block.rows].concat();
    from_csv(&whole, csv, inputs, limits).map(InputRows::from)
}

/// `None` for whatever is not plainly right.
fn quick_csv(
    block: &CsvBlock,
    delimiter: char,
    markers: &MissingMarkers,
    inputs: &Inputs,
    limits: &TableLimits,
) -> Option<InputRows> {
    // What may be part of a number, or has a meaning of its own, parts no fields here.
    let delimiter = u8::try_from(delimiter).ok().filter(|byte| matches!(byte, b',' | b';' | b'|' | b'\t' | b' '))?;
    let plan = Plan::of(&block.header, delimiter, inputs, limits)?;
    let text = std::str::from_utf8(&block.rows).ok()?;
    let mut fields = Fields { text, at: 0, delimiter };
    let mut sinks = Sink::all(inputs, limits);
    let plain_numbers = !markers.may_be_numbers();
    let mut rows = 0;
    while fields.begin_row() {
        let start = fields.at;
        for (index, place) in plan.places.iter().enumerate() {
            let sink = match place {
                Some(place) => Some(sinks.get_mut(*place)?),
                None => None,
            };
            match sink {
                Some(Sink::Numbers(numbers)) if plain_numbers => match fields.number() {
                    Some(number) => numbers.push(number + 0.0),
                    None => numbers.push(markers.field(&fields.field(limits)?).numeric().ok()?),
                },
                Some(sink) => sink.push(markers.field(&fields.field(limits)?))?,
                None => _ = fields.field(limits)?,
            }
            let is_last = index + 1 == plan.places.len();
            (fields.end_field()? == is_last).then_some(())?;
        }
        (fields.at - start <= limits.max_row_bytes).then_some(())?;
        rows += 1;
        (rows as u64 <= limits.max_rows).then_some(())?;
    }
    Some(InputRows { columns: sinks.into_iter().map(Sink::finish).collect(), rows, ignored_columns: plan.ignored })
}

/// Where the fields of a row go.
struct Plan {
    places: Vec<Option<usize>>,
    ignored: Vec<String>,
}

impl Plan {
    fn of(header: &[u8], delimiter: u8, inputs: &Inputs, limits: &TableLimits) -> Option<Self> {
        let mut reader = ::csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).from_reader(header);
        let mut record = ::csv::StringRecord::new();
        reader.read_record(&mut record).ok()?.then_some(())?;
        let (mut places, mut ignored) = (Vec::with_capacity(record.len()), Vec::new());
        let mut seen = vec![false; inputs.len()];
        for (guess, name) in record.iter().enumerate() {
            let name = name.trim();
            let is_fine = !name.is_empty() && !name.contains('\0') && name.len() <= limits.max_name_chars;
            is_fine.then_some(())?;
            let place = inputs.position(name, guess);
            match place {
                Some(place) => (!std::mem::replace(seen.get_mut(place)?, true)).then_some(())?,
                None => ignored.push(name.to_owned()),
            }
            places.push(place);
        }
        ignored.sort_unstable();
        let is_whole = seen.iter().all(|seen| *seen) && ignored.is_sorted_by(|a, b| a < b);
        (is_whole && places.len() <= limits.max_columns).then_some(Self { places, ignored })
    }
}

/// A place in rows of CSV.
struct Fields<'a> {
    text: &'a str,
    at: usize,
    delimiter: u8,
}

impl<'a> Fields<'a> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// Passes blank lines; whether a row begins here.
    fn begin_row(&mut self) -> bool {
        while matches!(self.byte(self.at), Some(b'\n' | b'\r')) {
            self.at += 1;
        }
        self.at < self.text.len()
    }

    #[inline]
    fn is_end(&self, byte: Option<u8>) -> bool {
        match byte {
            None | Some(b'\n' | b'\r') => true,
            Some(byte) => byte == self.delimiter,
        }
    }

    /// Passes what follows a field; whether the row has ended. `None` where the field has not.
    #[inline]
    fn end_field(&mut self) -> Option<bool> {
        match self.byte(self.at) {
            None => Some(true),
            Some(b'\n' | b'\r') => {
                self.at += 1;
                Some(true)
            }
            Some(byte) if byte == self.delimiter => {
                self.at += 1;
                Some(false)
            }
            Some(_) => None,
        }
    }

    /// Passes a field that is a short decimal, whose digits and power of ten are exact, so that the quotient is the
    /// number rounded once. Stays where it is if the field is anything else.
    #[inline]
    fn number(&mut self) -> Option<f64> {
        let is_negative = self.byte(self.at) == Some(b'-');
        let first = self.at + usize::from(is_negative);
        let (mut at, mut digits, mut point) = (first, 0_u64, None);
        loop {
            match self.byte(at) {
                Some(byte @ b'0'..=b'9') => digits = digits.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')),
                Some(b'.') if point.is_none() => point = Some(at),
                end if self.is_end(end) => break,
                _ => return None,
            }
            at += 1;
        }
        let decimals = point.map_or(0, |point| at - point - 1);
        let count = at - first - usize::from(point.is_some());
        if !(1..=15).contains(&count) {
            return None;
        }
        self.at = at;
        let number = digits as f64 / POWERS_OF_TEN.get(decimals)?;
        Some(if is_negative { -number } else { number })
    }

    /// Passes any field.
    fn field(&mut self, limits: &TableLimits) -> Option<Cow<'a, str>> {
        let field = match self.byte(self.at) {
            Some(b'"') => self.quoted()?,
            _ => {
                let start = self.at;
                let rest = self.text.as_bytes().get(start..)?;
                let length = rest.iter().position(|byte| self.is_end(Some(*byte))).unwrap_or(rest.len());
                self.at = start + length;
                Cow::Borrowed(self.text.get(start..self.at)?)
            }
        };
        (field.len() <= limits.max_field_bytes).then_some(field)
    }

    fn quoted(&mut self) -> Option<Cow<'a, str>> {
        let start = self.at + 1;
        let (mut at, mut is_doubled) = (start, false);
        loop {
            at += self.text.as_bytes().get(at..)?.iter().position(|byte| *byte == b'"')?;
            if self.byte(at + 1) != Some(b'"') {
                break;
            }
            is_doubled = true;
            at += 2;
        }
        self.at = at + 1;
        let field = self.text.get(start..at)?;
        Some(if is_doubled { Cow::Owned(field.replace("\"\"", "\"")) } else { Cow::Borrowed(field) })
    }
}
