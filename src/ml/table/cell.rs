//! One value on its way into a column: the only place that decides what a text or a number means.
//!
//! Uploads, the same bytes at training time and the rows of a prediction all come through here, so that one row
//! gives the same bits whichever way it arrives.
//!
//! - Text loses its surrounding whitespace. The empty text and the missing markers are missing.
//! - A number is whatever `f64::from_str` reads and is finite: `1e5`, `-3`, `+4`, `.5`. `inf` and `1e999` are no
//!   numbers, so a column that has them is categorical unless it is declared numeric, which makes them mistakes.
//! - A boolean is `true` or `false` in any case; in a column declared boolean also `1` and `0`.
//! - Numbers and booleans in a column of categories become their text: `1.0` is `1`.

use std::borrow::Cow;

/// The longest piece of a user's value that an error repeats.
const SHOWN_CHARS: usize = 60;

/// A value as its format has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell<'a> {
    Missing,
    /// Text of a format without types (CSV): may turn out to be a number or a boolean. Trimmed, not empty.
    Field(&'a str),
    /// Text of a format with types: a category unless the column is declared otherwise. Trimmed, not empty.
    Text(&'a str),
    /// May be infinite or NaN, where the format allows it.
    Number(f64),
    Boolean(bool),
}

/// The texts that mean "no value"; the empty text always does.
#[derive(Debug, Clone)]
pub(super) struct MissingMarkers {
    markers: Vec<String>,
    /// Whether some marker begins with this byte: most fields are told apart by it alone.
    first_bytes: [bool; 256],
}

impl MissingMarkers {
    pub(super) fn new(markers: &[String]) -> Self {
        let markers: Vec<String> = markers.iter().map(|marker| marker.trim().to_owned()).collect();
        let mut first_bytes = [false; 256];
        for byte in markers.iter().filter_map(|marker| marker.bytes().next()) {
            first_bytes[usize::from(byte)] = true;
        }
        Self { markers, first_bytes }
    }

    /// The cell of an untyped field.
    pub(super) fn field<'a>(&self, text: &'a str) -> Cell<'a> {
        let text = text.trim();
        if self.is_missing(text) { Cell::Missing } else { Cell::Field(text) }
    }

    /// The cell of a typed text.
    pub(super) fn text<'a>(&self, text: &'a str) -> Cell<'a> {
        let text = text.trim();
        if self.is_missing(text) { Cell::Missing } else { Cell::Text(text) }
    }

    /// Whether a number may be a marker.
    pub(super) fn may_be_numbers(&self) -> bool {
        self.first_bytes
            .iter()
            .zip(0..=u8::MAX)
            .any(|(is_first, byte)| *is_first && matches!(byte, b'0'..=b'9' | b'-' | b'.'))
    }

    fn is_missing(&self, trimmed: &str) -> bool {
        match trimmed.bytes().next() {
            None => true,
            Some(byte) => self.first_bytes[usize::from(byte)] && self.markers.iter().any(|marker| marker == trimmed),
        }
    }
}

/// The number that a text says, if it is a finite one. `-0` is `0`, so that both are one label.
pub(super) fn parse_number(text: &str) -> Option<f64> {
    // `from_str` also reads "inf" and "nan"; looking at the first byte turns words away cheaply.
    let first = text.bytes().next()?;
    if !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.')) {
        return None;
    }
    let number = short_decimal(text).or_else(|| text.parse::<f64>().ok().filter(|number| number.is_finite()))?;
    Some(number + 0.0)
}

/// Powers of ten that are `f64`s without rounding.
pub(super) const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// What `from_str` gives, faster, of decimals of up to fifteen digits without an exponent, as most are in tables:
/// digits and power of ten are exact as `f64`s, so that their quotient is the number rounded once.
fn short_decimal(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let (mut digits, mut count, mut point) = (0_u64, 0_usize, None);
    for &byte in unsigned {
        match byte {
            b'0'..=b'9' if count < 15 => {
                digits = digits * 10 + u64::from(byte - b'0');
                count += 1;
            }
            b'.' if point.is_none() => point = Some(count),
            _ => return None,
        }
    }
    let decimals = point.map_or(0, |point| count - point);
    let number = digits as f64 / POWERS_OF_TEN.get(decimals).filter(|_| count > 0)?;
    Some(if unsigned.len() < text.len() { -number } else { number })
}

/// `true` and `false` in any case.
pub(super) fn parse_boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

impl<'a> Cell<'a> {
    /// The value in a numeric column; NaN is missing.
    pub(super) fn numeric(self) -> Result<f64, String> {
        match self {
            Cell::Missing => Ok(f64::NAN),
            Cell::Number(number) if number.is_nan() => Ok(f64::NAN),
            Cell::Number(number) if number.is_finite() => Ok(number + 0.0),
            Cell::Number(_) => Err("expected a finite number, found an infinite one".to_owned()),
            Cell::Field(text) | Cell::Text(text) => {
                parse_number(text).ok_or_else(|| format!("expected a finite number, found {}", shown(text)))
            }
            Cell::Boolean(flag) => Err(format!("expected a number, found {flag}")),
        }
    }

    /// The value in a boolean column.
    pub(super) fn boolean(self) -> Result<Option<bool>, String> {
        let mistake = |found: &str| format!("expected true or false (or 1 or 0), found {found}");
        match self {
            Cell::Missing => Ok(None),
            Cell::Boolean(flag) => Ok(Some(flag)),
            Cell::Number(number) if number.is_nan() => Ok(None),
            Cell::Number(number) if number == 0.0 || number == 1.0 => Ok(Some(number == 1.0)),
            Cell::Number(number) => Err(mistake(&number.to_string())),
            Cell::Field("1") | Cell::Text("1") => Ok(Some(true)),
            Cell::Field("0") | Cell::Text("0") => Ok(Some(false)),
            Cell::Field(text) | Cell::Text(text) => parse_boolean(text).map(Some).ok_or_else(|| mistake(&shown(text))),
        }
    }

    /// The value in a column of categories.
    pub(super) fn category(self) -> Option<Cow<'a, str>> {
        match self {
            Cell::Missing => None,
            Cell::Number(number) if number.is_nan() => None,
            Cell::Number(number) => Some(Cow::Owned((number + 0.0).to_string())),
            Cell::Boolean(flag) => Some(Cow::Borrowed(if flag { "true" } else { "false" })),
            Cell::Field(text) | Cell::Text(text) => Some(Cow::Borrowed(text)),
        }
    }
}

/// A user's text in quotes, cut short: an error is no place for a user's data.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng as _;
    use rand::seq::IndexedRandom as _;

    use super::{Cell, MissingMarkers, parse_number, short_decimal, shown};
    use crate::ml::seed::Seed;

    #[test]
    fn numbers_are_what_the_rule_says() {
        for (text, expected) in [("1e5", 1e5), ("-3", -3.0), ("+4", 4.0), (".5", 0.5), ("5.", 5.0), ("007", 7.0)] {
            assert_eq!(parse_number(text), Some(expected), "{text}");
        }
        for text in ["inf", "-inf", "nan", "1e999", "-", "1,5", "0x10", "1 2", "abc", "-infinity"] {
            assert_eq!(parse_number(text), None, "{text}");
        }
        assert_eq!(parse_number("-0").unwrap().to_string(), "0");
    }

    #[test]
    fn short_decimals_are_what_the_standard_reader_gives() {
        let mut rng = Seed(1).stream("decimals");
        let mut found = 0;
        for _ in 0..200_000 {
            let length = rng.random_range(1..=18);
            let text: String = (0..length)
                .map(|_| *b"0123456789012345678901234567890123456789.-".choose(&mut rng).unwrap() as char)
                .collect();
            if let Some(number) = short_decimal(&text) {
                assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(number.to_bits()), "{text}");
                found += 1;
            }
        }
        assert!(found > 50_000, "{found}");
        for text in ["", "-", ".", "-.", "--1", "1-", "1e5", "+1", " 1", "1_0", "1.2.3", "1234567890123456"] {
            assert_eq!(short_decimal(text), None, "{text}");
        }
        for (text, number) in [("5.", 5.0), (".5", 0.5), ("-0.001", -0.001), ("000000000000001", 1.0)] {
            assert_eq!(short_decimal(text), Some(number), "{text}");
        }
    }

    #[test]
    fn markers_hold_after_trimming_and_only_whole() {
        let markers = MissingMarkers::new(&["NA".to_owned(), "?".to_owned()]);
        assert_eq!(markers.field(" ? "), Cell::Missing);
        assert_eq!(markers.field("  "), Cell::Missing);
        assert_eq!(markers.field("NAN"), Cell::Field("NAN"));
    }

    #[test]
    fn booleans_and_categories() {
        assert_eq!(Cell::Field("TRUE").boolean(), Ok(Some(true)));
        assert_eq!(Cell::Field("0").boolean(), Ok(Some(false)));
        assert!(Cell::Number(2.0).boolean().is_err());
        assert_eq!(Cell::Number(1.0).category().unwrap(), "1");
        assert_eq!(Cell::Number(f64::NAN).category(), None);
    }

    #[test]
    fn errors_repeat_little_of_a_value() {
        assert!(Cell::Field(&"x".repeat(10_000)).numeric().unwrap_err().len() < 120);
        assert_eq!(shown("é\n"), "\"é\\n\"");
    }
}
