//! Elementary functions in f32 that the compiler can vectorize: polynomials and bit patterns, no table, no branch
//! that depends on the value. Each is within a few units of the last place; NaN stays NaN.

/// Adding it rounds to a whole number, which then sits in the low bits of the sum: 1.5 · 2^23.
const ROUND: f32 = 12_582_912.0;
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// `value` kept within the bounds; unlike `max` and `min`, NaN comes out as NaN.
#[inline(always)]
fn within(value: f32, low: f32, high: f32) -> f32 {
    let raised = if value < low { low } else { value };
    if raised > high { high } else { raised }
}

/// A polynomial, highest coefficient first.
#[inline(always)]
fn horner<const N: usize>(coefficients: [f32; N], x: f32) -> f32 {
    let mut sum = 0.0;
    let mut index = 0;
    while index < N {
        sum = x.mul_add(sum, coefficients[index]);
        index += 1;
    }
    sum
}

/// e^x, from e^-87 up to e^88; beyond, the value at the end of that range. The reduction and the polynomial are
/// those of Cephes (`expf`).
#[inline(always)]
pub(super) fn exp(value: f32) -> f32 {
    let x = within(value, -87.0, 88.0);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let whole = shifted - ROUND;
    let rest = whole.mul_add(-LN_2_LOW, whole.mul_add(-LN_2_HIGH, x));
    let series = horner([1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5], rest);
    let mantissa = (rest * rest).mul_add(series, rest + 1.0);
    // The low bits of `shifted` count from those of `ROUND`; moved to the exponent they are 2^whole.
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    mantissa * f32::from_bits(exponent)
}

/// e^x - 1 for x ≤ 0: near zero a series of its own, where the difference would cancel.
#[inline(always)]
pub(super) fn exp_m1(value: f32) -> f32 {
    // Taylor up to x^7: the next term is below 2^-26 of the result for |x| ≤ 0.5.
    let series = horner([1.984_127e-4, 1.388_888_9e-3, 8.333_334e-3, 4.166_666_8e-2, 0.166_666_67, 0.5, 1.0], value);
    if value > -0.5 { value * series } else { exp(value) - 1.0 }
}

/// ln(1 + x) for x in 0..=1. Polynomial of Cephes (`logf`).
#[inline(always)]
pub(super) fn ln_1p_unit(value: f32) -> f32 {
    let sum = 1.0 + value;
    // What rounding took from the sum.
    let lost = value - (sum - 1.0);
    let above = sum > std::f32::consts::SQRT_2;
    let x = if above { 0.5f32.mul_add(sum, -1.0) } else { sum - 1.0 };
    let square = x * x;
    let series = horner(
        [
            7.037_683_6e-2,
            -0.115_146_1,
            0.116_769_98,
            -0.124_201_41,
            0.142_493_23,
            -0.166_680_57,
            0.200_007_14,
            -0.249_999_94,
            0.333_333_3,
        ],
        x,
    );
    let log = (x * square).mul_add(series, square.mul_add(-0.5, x));
    (if above { log + std::f32::consts::LN_2 } else { log }) + lost / sum
}

/// tanh: the rational minimax approximation that Eigen and XLA use; beyond ±7.9 it is ±1 in f32.
#[inline(always)]
pub(super) fn tanh(value: f32) -> f32 {
    let x = within(value, -7.905_311, 7.905_311);
    let square = x * x;
    let numerator = horner(
        [-2.760_768_5e-16, 2.000_188e-13, -8.604_672e-11, 5.122_297_1e-8, 1.485_722_4e-5, 6.372_619e-4, 4.893_525e-3],
        square,
    );
    let denominator = horner([1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3], square);
    x * numerator / denominator
}

/// The error function: the rational minimax approximation on -4..=4 that Eigen and XLA use; beyond it is ±1 in f32.
#[inline(always)]
pub(super) fn erf(value: f32) -> f32 {
    let x = within(value, -4.0, 4.0);
    let square = x * x;
    let numerator = horner(
        [-2.726_142_3e-10, 2.770_681_5e-8, -2.101_024e-6, -5.692_506e-5, -7.349_906_4e-4, -2.954_6e-3, -1.609_603_3e-2],
        square,
    );
    let denominator =
        horner([-1.456_607_15e-5, -2.133_740_5e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2], square);
    x * numerator / denominator
}

/// `1 / (1 + e^-z)`, without overflow and with all digits of small probabilities.
#[inline(always)]
pub fn sigmoid(logit: f32) -> f32 {
    let small = exp(-logit.abs());
    (if logit > 0.0 { 1.0 } else { small }) / (1.0 + small)
}

super::vectorized! {
    /// Per row the binary cross-entropy `ln(1 + e^(-s z))` with `s` = ±1, and its derivative by the logit,
    /// `-s / (1 + e^(s z))`. `signs` is +1 for a positive row and -1 for a negative one; all slices are equally
    /// long.
    pub fn cross_entropy(logits: &[f32], signs: &[f32], losses: &mut [f32], slopes: &mut [f32]) {
        let rows = logits.len();
        let (signs, losses, slopes) = (&signs[..rows], &mut losses[..rows], &mut slopes[..rows]);
        for row in 0..rows {
            let margin = signs[row] * logits[row];
            let small = exp(-margin.abs());
            let wrong = margin <= 0.0;
            // NaN is not wrong; the comparison leaves it in `small`, and so in the loss.
            losses[row] = ln_1p_unit(small) - if wrong { margin } else { 0.0 };
            slopes[row] = -signs[row] * (if wrong { 1.0 } else { small }) / (1.0 + small);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error over a fine grid, in units of f32's relative precision, against f64.
    fn worst(range: (f32, f32), found: impl Fn(f32) -> f32, expected: impl Fn(f64) -> f64) -> f64 {
        let at = |step: i32| range.0 + (range.1 - range.0) * step as f32 / 40_000.0;
        let error = |x: f32| {
            let right = expected(f64::from(x));
            (f64::from(found(x)) - right).abs() / right.abs().max(1e-30) / f64::from(f32::EPSILON)
        };
        (0..=40_000).map(|step| error(at(step))).fold(0.0, f64::max)
    }

    #[test]
    fn functions_are_within_a_few_units_of_the_last_place() {
        assert!(worst((-87.0, 88.0), exp, f64::exp) < 2.0);
        assert!(worst((-20.0, -1e-6), exp_m1, f64::exp_m1) < 3.0);
        assert!(worst((1e-6, 1.0), ln_1p_unit, f64::ln_1p) < 2.0);
        assert!(worst((1e-6, 12.0), tanh, f64::tanh) < 4.0);
        assert!(worst((-12.0, -1e-6), tanh, f64::tanh) < 4.0);
        assert!(worst((-80.0, 20.0), sigmoid, |z| 1.0 / (1.0 + (-z).exp())) < 3.0);
    }

    #[test]
    fn ends_and_nan() {
        assert_eq!((tanh(50.0), tanh(-50.0), sigmoid(200.0)), (tanh(8.0), tanh(-8.0), 1.0));
        assert!((tanh(50.0) - 1.0).abs() < 1e-6 && sigmoid(-200.0) < 1e-37 && exp(-1e9) > 0.0);
        for function in [exp, exp_m1, ln_1p_unit, tanh, erf, sigmoid] {
            assert!(function(f32::NAN).is_nan());
        }
        let (mut losses, mut slopes) = ([0.0; 3], [0.0; 3]);
        cross_entropy(&[f32::NAN, 100.0, -100.0], &[1.0, -1.0, -1.0], &mut losses, &mut slopes);
        assert!(losses[0].is_nan() && losses[1] == 100.0 && losses[2] >= 0.0 && losses[2] < 1e-30);
        assert!(slopes[1] == 1.0 && slopes[2] > 0.0);
    }
}
