//! The loss of a row without branches and without calls, so that a compiler can do many rows at once.

/// `1 / ln 2`, and `ln 2` in two parts whose sum is exact enough and whose first has room for a product.
const INVERSE_LN_2: f64 = std::f64::consts::LOG2_E;
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// Adding it rounds a small number to a whole one and leaves that in the low bits.
const ROUNDER: f64 = 6_755_399_441_055_744.0;
/// Beyond it `e^-a` is below the smallest normal number.
const MOST: f64 = 708.0;

/// Of `ln(1 + e^-m)`: the value, its derivative and its second derivative, for the margin `m` towards the right
/// class. An infinite or undefined margin gives an undefined loss.
#[inline(always)]
pub(super) fn row_loss(margin: f64) -> (f64, f64, f64) {
    let size = margin.abs();
    let e = exp_of_negative(size);
    let inverse = 1.0 / (1.0 + e);
    let against = if margin > 0.0 { e * inverse } else { inverse };
    let linear = if margin > 0.0 { 0.0 } else { size };
    (linear + ln_1p(e) + size * 0.0, -against, e * inverse * inverse)
}

/// `e^-a` for `a >= 0`, to about one unit in the last place.
#[inline(always)]
fn exp_of_negative(a: f64) -> f64 {
    let x = if a < MOST { -a } else { -MOST };
    let shifted = x * INVERSE_LN_2 + ROUNDER;
    let whole = shifted - ROUNDER;
    let r = (x - whole * LN_2_HIGH) - whole * LN_2_LOW;
    // Taylor's series; |r| <= ln(2) / 2, so the term of degree 14 would be below 1e-17.
    let mut sum = 1.0 / 6_227_020_800.0;
    sum = sum * r + 1.0 / 479_001_600.0;
    sum = sum * r + 1.0 / 39_916_800.0;
    sum = sum * r + 1.0 / 3_628_800.0;
    sum = sum * r + 1.0 / 362_880.0;
    sum = sum * r + 1.0 / 40_320.0;
    sum = sum * r + 1.0 / 5_040.0;
    sum = sum * r + 1.0 / 720.0;
    sum = sum * r + 1.0 / 120.0;
    sum = sum * r + 1.0 / 24.0;
    sum = sum * r + 1.0 / 6.0;
    sum = sum * r + 0.5;
    sum = sum * r + 1.0;
    sum = sum * r + 1.0;
    let power = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    sum * power
}

/// `ln(1 + e)` for `0 <= e <= 1`: `2 artanh(s)` with `s = e / (2 + e) <= 1/3`.
#[inline(always)]
fn ln_1p(e: f64) -> f64 {
    let s = e / (2.0 + e);
    let q = s * s;
    let mut sum = 1.0 / 35.0;
    sum = sum * q + 1.0 / 33.0;
    sum = sum * q + 1.0 / 31.0;
    sum = sum * q + 1.0 / 29.0;
    sum = sum * q + 1.0 / 27.0;
    sum = sum * q + 1.0 / 25.0;
    sum = sum * q + 1.0 / 23.0;
    sum = sum * q + 1.0 / 21.0;
    sum = sum * q + 1.0 / 19.0;
    sum = sum * q + 1.0 / 17.0;
    sum = sum * q + 1.0 / 15.0;
    sum = sum * q + 1.0 / 13.0;
    sum = sum * q + 1.0 / 11.0;
    sum = sum * q + 1.0 / 9.0;
    sum = sum * q + 1.0 / 7.0;
    sum = sum * q + 1.0 / 5.0;
    sum = sum * q + 1.0 / 3.0;
    2.0 * s + 2.0 * s * (q * sum)
}

#[cfg(test)]
mod tests {
    use super::row_loss;

    /// The same by the standard library.
    fn plain(margin: f64) -> (f64, f64, f64) {
        let e = (-margin.abs()).exp();
        let against = if margin > 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) };
        ((-margin).max(0.0) + e.ln_1p(), -against, e / ((1.0 + e) * (1.0 + e)))
    }

    #[test]
    fn the_loss_and_its_derivatives_are_those_of_the_standard_library() {
        let margins = (-200_000..=200_000).map(|step| f64::from(step) * 0.003_511);
        for margin in margins.chain([0.0, -0.0, 1e-300, -1e-300, 1e-9, 699.0, -699.0]) {
            let (found, expected) = (row_loss(margin), plain(margin));
            for (found, expected) in [(found.0, expected.0), (found.1, expected.1), (found.2, expected.2)] {
                // Below 1e-300 the standard library goes on into numbers that have lost their precision.
                let off = (found - expected).abs();
                assert!(off <= 1e-15 * expected.abs() + 1e-300, "margin {margin}: {found} for {expected}");
            }
        }
    }

    #[test]
    fn an_overflow_is_not_hidden() {
        for margin in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(!row_loss(margin).0.is_finite());
        }
        assert_eq!(row_loss(-1e300).0, 1e300);
        assert!(row_loss(1e300).0 < 1e-300);
    }
}
