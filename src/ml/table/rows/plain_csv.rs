//! Rows of CSV that have numbers and nothing else, in the order of the inputs.
//!
//! Where fields end is found for all of them first, many bytes at a time. To know where a number ends by reading it would make
//! each number wait for the one before it.

use memchr::memchr;

use super::csv::longer_number;
use super::eight::Eight;
use crate::ml::kernel::places_of;
use crate::ml::table::TableLimits;
use crate::ml::table::cell::{MissingMarkers, POWERS_OF_TEN};

/// How such rows are written.
pub(super) struct PlainCsv<'a> {
    pub(super) delimiter: u8,
    /// Of a row.
    pub(super) fields: usize,
    /// None of which may be a number.
    pub(super) markers: &'a MissingMarkers,
    pub(super) limits: &'a TableLimits,
}

impl PlainCsv<'_> {
    /// Appends the numbers of all rows to `numbers`, and gives the number of rows. `None` for whatever is not plainly right;
    /// then some may have been appended.
    pub(super) fn read(&self, text: &[u8], numbers: &mut Vec<f64>) -> Option<usize> {
        if self.fields == 0 || memchr(b'"', text).is_some() {
            return None;
        }
        let mut ends = places_of(text, [self.delimiter, b'\n', b'\r']);
        if !matches!(text.last(), None | Some(b'\n' | b'\r')) {
            ends.push(u32::try_from(text.len()).ok()?);
        }
        numbers.reserve(ends.len());
        let (mut ends, mut start, mut rows) = (ends.as_slice(), 0, 0);
        while start < text.len() {
            if is_line_end(text.get(start)) {
                // A blank line, or the other half of an end.
                (ends, start) = (ends.get(1..)?, start + 1);
                continue;
            }
            let (row, later) = ends.split_at_checked(self.fields)?;
            let end = self.read_row(text, start, row, numbers)?;
            rows += 1;
            (end - start <= self.limits.max_row_bytes && rows as u64 <= self.limits.max_rows).then_some(())?;
            (ends, start) = (later, end + 1);
        }
        Some(rows)
    }

    /// The end of a row whose fields end there.
    #[inline(always)]
    fn read_row(&self, text: &[u8], start: usize, ends: &[u32], numbers: &mut Vec<f64>) -> Option<usize> {
        let (last, others) = ends.split_last()?;
        let mut start = start;
        for &end in others {
            let end = end as usize;
            (text.get(end) == Some(&self.delimiter)).then_some(())?;
            numbers.push(self.number(text, start, end)?);
            start = end + 1;
        }
        let end = *last as usize;
        (end == text.len() || is_line_end(text.get(end))).then_some(())?;
        numbers.push(self.number(text, start, end)?);
        Some(end)
    }

    #[inline(always)]
    fn number(&self, text: &[u8], start: usize, end: usize) -> Option<f64> {
        let number = match short_number(text, start, end) {
            Some(number) => number,
            None => longer_number(text.get(start..end)?, self.markers, self.limits)?,
        };
        // Minus nought is nought.
        Some(number + 0.0)
    }
}

fn is_line_end(byte: Option<&u8>) -> bool {
    matches!(byte, Some(b'\n' | b'\r'))
}

/// A field of at most eight digits with a point, or seven digits, and a sign. Its digits and power of ten are exact, so that the
/// quotient is the number rounded once. `None` also near the beginning of the text.
#[inline(always)]
fn short_number(text: &[u8], start: usize, end: usize) -> Option<f64> {
    let is_negative = text.get(start) == Some(&b'-');
    let first = start + usize::from(is_negative);
    let bytes = text.get(end.checked_sub(8)?..end)?;
    let (digits, decimals) = Eight::at(bytes, 0)?.ending_decimal(end.checked_sub(first)?)?;
    let number = f64::from(digits) / POWERS_OF_TEN.get(decimals)?;
    // The sign is put in without a branch, which no processor could foretell.
    Some(f64::from_bits(number.to_bits() | (u64::from(is_negative) << 63)))
}
