//! Eight bytes of text as one word: as many digits are read in the time of one.

/// The bytes, the first the lowest, each less what the digit 0 is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Eight(u64);

impl Eight {
    /// The bytes from `at` on, if there are as many.
    #[inline]
    pub(super) fn at(text: &[u8], at: usize) -> Option<Self> {
        let bytes = text.get(at..)?.first_chunk::<8>()?;
        Some(Self(u64::from_le_bytes(*bytes) ^ 0x3030_3030_3030_3030))
    }

    /// How many digits it begins with.
    #[inline]
    pub(super) fn digits(self) -> usize {
        // Sets the highest bit of each byte above 9. A carry out of such a byte spoils only those after it.
        let others = (self.0.wrapping_add(0x7676_7676_7676_7676) | self.0) & 0x8080_8080_8080_8080;
        others.trailing_zeros() as usize / 8
    }

    /// The number that the first `whole` digits of this and then the first `more` of another are; eight at most.
    #[inline]
    pub(super) fn followed_by(self, whole: usize, other: Self, more: usize) -> u32 {
        let front = self.0 & !u64::MAX.unbounded_shl(8 * whole as u32);
        let front = front.unbounded_shl(8 * 8_u32.saturating_sub((whole + more) as u32));
        let back = other.0.unbounded_shl(8 * 8_u32.saturating_sub(more as u32));
        number(front | back)
    }

    /// The decimal that the last `length` bytes are: all of its digits as one number, and how many of them follow the point.
    /// `None` for anything else, and for more bytes than there are.
    #[inline(always)]
    pub(super) fn ending_decimal(self, length: usize) -> Option<(u32, usize)> {
        if !(1..=8).contains(&length) {
            return None;
        }
        // What is before them becomes noughts.
        let bytes = self.0 & (u64::MAX << (64 - 8 * length as u32));
        // As in `digits`: a carry makes a digit look like none at worst.
        let others = (bytes.wrapping_add(0x7676_7676_7676_7676) | bytes) & 0x8080_8080_8080_8080;
        if others == 0 {
            return Some((number(bytes), 0));
        }
        let point = others.trailing_zeros() & !7;
        let is_point = (bytes >> point) as u8 == b'.' ^ b'0';
        if !is_point || !others.is_power_of_two() || length == 1 {
            return None;
        }
        let before = bytes & !(u64::MAX << point);
        let behind = bytes & u64::MAX.unbounded_shl(point + 8);
        Some((number(behind | before << 8), 7 - point as usize / 8))
    }
}

/// The number of eight digits, the first the lowest byte: pairs, then fours, then all.
#[inline]
fn number(digits: u64) -> u32 {
    let pairs = digits.wrapping_mul(10 * 256 + 1) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(100 * 65_536 + 1) >> 16;
    let all = (fours & 0x0000_ffff_0000_ffff).wrapping_mul((10_000 << 32) + 1) >> 32;
    all as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eight(text: &str) -> Eight {
        Eight::at(text.as_bytes(), 0).unwrap()
    }

    #[test]
    fn digits_are_counted_up_to_the_first_other_byte() {
        for byte in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
            for count in 0..8 {
                let mut bytes = *b"90817263";
                bytes[count] = byte;
                assert_eq!(Eight::at(&bytes, 0).unwrap().digits(), count, "{bytes:?}");
                bytes[7] = 0xff;
                assert_eq!(Eight::at(&bytes, 0).unwrap().digits(), count, "{bytes:?}");
            }
        }
        assert_eq!(eight("00000000").digits(), 8);
        assert!(Eight::at(b"1234567", 0).is_none());
    }

    #[test]
    fn bytes_at_the_end_are_a_decimal_or_nothing() {
        let decimal = |text: &str, length| eight(text).ending_decimal(length);
        assert_eq!(decimal("12345678", 8), Some((12_345_678, 0)));
        assert_eq!(decimal("x,-12.50", 5), Some((1250, 2)));
        assert_eq!(decimal("x,-12.50", 6), None, "a sign is no digit");
        assert_eq!(decimal("1234.567", 8), Some((1_234_567, 3)));
        assert_eq!(decimal(".1234567", 8), Some((1_234_567, 7)));
        assert_eq!(decimal("1234567.", 8), Some((1_234_567, 0)));
        assert_eq!(decimal("xxxxxxx.", 1), None, "a point alone");
        assert_eq!(decimal("xxxxxx..", 2), None);
        assert_eq!(decimal("xxx1.2.3", 5), None);
        assert_eq!(decimal("12345678", 0), None);
        assert_eq!(decimal("12345678", 9), None);
        for byte in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit() && *byte != b'.') {
            for place in 0..8 {
                for plain in [*b"90817263", *b"90.17263", *b"908172.3"] {
                    let mut bytes = plain;
                    bytes[place] = byte;
                    let found = Eight::at(&bytes, 0).unwrap();
                    assert_eq!(found.ending_decimal(8), None, "{bytes:?}");
                    // In front of the decimal anything may stand.
                    assert!(place == 7 || found.ending_decimal(7 - place).is_some(), "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn two_runs_of_digits_are_one_number() {
        let (front, back) = (eight("12345678"), eight("90817263"));
        for whole in 0..=8 {
            for more in 0..=8 - whole {
                let text = format!("0{}{}", &"12345678"[..whole], &"90817263"[..more]);
                assert_eq!(front.followed_by(whole, back, more), text.parse::<u32>().unwrap(), "{text}");
            }
        }
    }
}
