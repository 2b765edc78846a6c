//! CSV straight into columns, where it is plainly right.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::memchr;

use super::eight::Eight;
use super::exact_csv::from_csv;
use super::grid::{GridBuilder, Slot};
use super::plain_csv::PlainCsv;
use super::{CellError, CsvRows, InputRows, Inputs};
use crate::ml::table::TableLimits;
use crate::ml::table::cell::{MissingMarkers, POWERS_OF_TEN};

/// A sign, eight digits with a point, what ends them, and as many bytes more as it takes to look at eight at a time.
const WINDOW: usize = 24;

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
    let plain_numbers = !markers.may_be_numbers();
    let mut grid = GridBuilder::new(inputs, limits, rows_about(&block.rows, plan.places.len()));
    if let Some(numbers) = grid.only_numbers().filter(|_| plain_numbers && plan.is_straight) {
        let plain = PlainCsv { delimiter, fields: plan.places.len(), markers, limits };
        if let Some(rows) = plain.read(&block.rows, numbers) {
            return Some(InputRows { columns: grid.finish(), rows, ignored_columns: plan.ignored });
        }
        numbers.clear();
    }
    let text = std::str::from_utf8(&block.rows).ok()?;
    let mut fields = Fields { text, at: 0, delimiter };
    let mut rows = 0;
    while fields.begin_row() {
        let start = fields.at;
        grid.begin_row();
        fields.cells(&plan, plain_numbers, markers, limits, &mut grid)?;
        (fields.at - start <= limits.max_row_bytes).then_some(())?;
        rows += 1;
        (rows as u64 <= limits.max_rows).then_some(())?;
    }
    Some(InputRows { columns: grid.finish(), rows, ignored_columns: plan.ignored })
}

/// Where the fields of a row go.
struct Plan {
    places: Vec<Option<usize>>,
    ignored: Vec<String>,
    /// Whether the fields are the inputs in their order.
    is_straight: bool,
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
        let is_straight = places.iter().enumerate().all(|(index, place)| *place == Some(index));
        (is_whole && places.len() <= limits.max_columns).then_some(Self { places, ignored, is_straight })
    }
}

/// About how many rows of so many fields there are, if all are as long as the first; never more than there can be.
fn rows_about(text: &[u8], fields: usize) -> usize {
    let first = memchr(b'\n', text).map_or(text.len(), |end| end + 1);
    // A few more, so that seldom more room is needed. A field takes a byte at least, with what ends it.
    text.len() * 17 / 16 / first.max(fields).max(1) + 1
}

/// The number that a whole field is, where it is more than a few digits; a missing one is NaN. `None` for anything else.
#[inline(never)]
pub(super) fn longer_number(field: &[u8], markers: &MissingMarkers, limits: &TableLimits) -> Option<f64> {
    // Nothing parts a field from the next where there is none.
    let mut fields = Fields { text: std::str::from_utf8(field).ok()?, at: 0, delimiter: b'\n' };
    let number = fields.longer_number(markers, limits)?;
    (fields.at == field.len()).then_some(number)
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

    /// Passes a row of whatever columns.
    fn cells(
        &mut self,
        plan: &Plan,
        plain_numbers: bool,
        markers: &MissingMarkers,
        limits: &TableLimits,
        grid: &mut GridBuilder,
    ) -> Option<()> {
        for (index, place) in plan.places.iter().enumerate() {
            let slot = match place {
                Some(place) => Some(grid.slot(*place)?),
                None => None,
            };
            match slot {
                Some(Slot::Number(number)) if plain_numbers => *number = self.numeric(markers, limits)?,
                Some(slot) => slot.put(markers.field(&self.field(limits)?))?,
                None => _ = self.field(limits)?,
            }
            (self.end_field()? == (index + 1 == plan.places.len())).then_some(())?;
        }
        Some(())
    }

    /// Passes a field of numbers, where no marker may be one.
    #[inline(always)]
    fn numeric(&mut self, markers: &MissingMarkers, limits: &TableLimits) -> Option<f64> {
        match self.short_number() {
            // Minus nought is nought.
            Some(number) => Some(number + 0.0),
            None => self.longer_number(markers, limits),
        }
    }

    #[inline(never)]
    fn longer_number(&mut self, markers: &MissingMarkers, limits: &TableLimits) -> Option<f64> {
        match self.number() {
            Some(number) => Some(number + 0.0),
            None => markers.field(&self.field(limits)?).numeric().ok(),
        }
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

    /// As [`Fields::number`], of up to eight digits with up to seven on either side of the point, which are looked at
    /// eight at a time. `None` also near the end of the text.
    #[inline(always)]
    fn short_number(&mut self) -> Option<f64> {
        let window = self.text.as_bytes().get(self.at..)?.first_chunk::<WINDOW>()?;
        let is_negative = window.first() == Some(&b'-');
        let start = usize::from(is_negative);
        let front = Eight::at(window, start)?;
        let whole = front.digits();
        let point = usize::from(window.get(start + whole) == Some(&b'.'));
        let back = Eight::at(window, start + whole + 1)?;
        let decimals = back.digits() * point;
        let (count, end) = (whole + decimals, start + whole + point + decimals);
        if !(1..=8).contains(&count) || whole == 8 || decimals == 8 || !self.is_end(window.get(end).copied()) {
            return None;
        }
        self.at += end;
        let number = f64::from(front.followed_by(whole, back, decimals)) / POWERS_OF_TEN.get(decimals)?;
        // The sign is put in without a branch, which no processor could foretell.
        Some(f64::from_bits(number.to_bits() | (u64::from(is_negative) << 63)))
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
