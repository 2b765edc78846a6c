//! The tokens of JSON, for readers that give up at whatever is not plainly right.

use std::borrow::Cow;

use crate::ml::table::cell::POWERS_OF_TEN;

/// A place in a text. Every method answers `None` or `false` where the text does not go on as asked; the place is then
/// of no further use.
pub(super) struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// The next byte that is not white space.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = self.byte(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Passes a punctuation mark, and white space before it.
    #[inline]
    pub(super) fn eat(&mut self, mark: u8) -> bool {
        let found = self.peek() == Some(mark);
        self.at += usize::from(found);
        found
    }

    /// Passes `true`, `false` or `null`.
    pub(super) fn word(&mut self, word: &str) -> Option<()> {
        let end = self.at + word.len();
        (self.text.as_bytes().get(self.at..end)? == word.as_bytes()).then(|| self.at = end)
    }

    /// Whether nothing but white space is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Passes a string; the place is at its first quote.
    #[inline]
    pub(super) fn string(&mut self) -> Option<Cow<'a, str>> {
        let start = self.at;
        if self.byte(start)? != b'"' {
            return None;
        }
        let (mut at, mut escaped) = (start + 1, false);
        loop {
            match self.byte(at)? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    at += 2;
                }
                // Control characters have to be escaped.
                0..0x20 => return None,
                _ => at += 1,
            }
        }
        self.at = at + 1;
        if escaped {
            return serde_json::from_str(self.text.get(start..=at)?).ok().map(Cow::Owned);
        }
        self.text.get(start + 1..at).map(Cow::Borrowed)
    }

    /// Passes a number; the place is at its first character. It is rounded once, as every reader here does it.
    #[inline]
    pub(super) fn number(&mut self) -> Option<f64> {
        let start = self.at;
        let is_negative = self.byte(start) == Some(b'-');
        let first = start + usize::from(is_negative);
        let mut digits = 0;
        let point = self.digits(first, &mut digits);
        let whole = point - first;
        if whole == 0 || (whole > 1 && self.byte(first) == Some(b'0')) {
            return None;
        }
        let (mut end, mut decimals) = (point, 0);
        if self.byte(point) == Some(b'.') {
            end = self.digits(point + 1, &mut digits);
            decimals = end - point - 1;
            if decimals == 0 {
                return None;
            }
        }
        let has_exponent = matches!(self.byte(end), Some(b'e' | b'E'));
        // Up to fifteen digits and their power of ten are exact, so that the quotient is the number rounded once.
        if !has_exponent && whole + decimals <= 15 {
            self.at = end;
            let number = digits as f64 / POWERS_OF_TEN.get(decimals)?;
            return Some(if is_negative { -number } else { number });
        }
        if has_exponent {
            let sign = usize::from(matches!(self.byte(end + 1), Some(b'+' | b'-')));
            let exponent = end + 1 + sign;
            end = self.digits(exponent, &mut 0);
            if end == exponent {
                return None;
            }
        }
        self.at = end;
        self.text.get(start..end)?.parse::<f64>().ok().filter(|number| number.is_finite())
    }

    /// The end of the digits that begin at `at`, which are appended to `number`.
    #[inline]
    fn digits(&self, mut at: usize, number: &mut u64) -> usize {
        while let Some(byte @ b'0'..=b'9') = self.byte(at) {
            // It may overflow where there are too many digits for it to be looked at.
            *number = number.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            at += 1;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng as _;
    use rand::seq::IndexedRandom as _;

    use super::*;
    use crate::ml::seed::Seed;

    fn number(text: &str) -> Option<f64> {
        let mut scan = Scan::new(text);
        scan.number().filter(|_| scan.is_at_end())
    }

    #[test]
    fn numbers_are_those_of_the_usual_reader() {
        let mut rng = Seed(7).stream("numbers");
        let mut found = 0;
        for _ in 0..200_000 {
            let length = rng.random_range(1..=22);
            let text: String = (0..length)
                .map(|_| *b"01234567890123456789012345678901234567890123456789.-eE+".choose(&mut rng).unwrap() as char)
                .collect();
            let expected = serde_json::from_str::<serde_json::Value>(&text).ok().and_then(|value| value.as_f64());
            assert_eq!(number(&text).map(f64::to_bits), expected.map(f64::to_bits), "{text}");
            found += usize::from(expected.is_some());
        }
        assert!(found > 20_000, "{found}");
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in ["", "-", "01", "-01", "1.", ".5", "1e", "1e+", "+1", "1e400", "NaN", "Infinity", "1_0", "0x1"] {
            assert_eq!(number(text), None, "{text}");
        }
        for (text, expected) in [("0", 0.0), ("-0.5", -0.5), ("1e-400", 0.0), ("18446744073709551617", 2f64.powi(64))] {
            assert_eq!(number(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn strings_are_those_of_the_usual_reader() {
        for text in [
            r#""""#,
            r#""a b""#,
            r#""tr\u00fcb""#,
            r#""\"\\""#,
            "\"\u{fc}\"",
            r#""\ud83d\ude00""#,
            r#""\ud83d""#,
            r#""\x""#,
            "\"\t\"",
            r#"""#,
            r#""\"#,
            r#""\u00""#,
            "a",
        ] {
            let expected = serde_json::from_str::<String>(text).ok();
            assert_eq!(Scan::new(text).string().map(Cow::into_owned), expected, "{text}");
        }
    }
}
