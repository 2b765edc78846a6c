//! Elementary functions in f32 that the compiler can vectorize: polynomials and bit patterns, no table, no branch
//! that depends on the value. Each is within a few units of the last place; NaN stays NaN.

use super::coefficients::{
    ERF_DENOMINATOR, ERF_END, ERF_NUMERATOR, EXP, EXP_ENDS, EXP_M1, EXP_M1_END, LN_1P, LN_2_HIGH, LN_2_LOW, ROUND,
    TANH_DENOMINATOR, TANH_END, TANH_NUMERATOR,
};

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
    let x = within(value, EXP_ENDS[0], EXP_ENDS[1]);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let whole = shifted - ROUND;
    let rest = whole.mul_add(-LN_2_LOW, whole.mul_add(-LN_2_HIGH, x));
    let series = horner(EXP, rest);
    let mantissa = (rest * rest).mul_add(series, rest + 1.0);
    // The low bits of `shifted` count from those of `ROUND`; moved to the exponent they are 2^whole.
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    mantissa * f32::from_bits(exponent)
}

/// e^x - 1 for x ≤ 0: near zero a series of its own, where the difference would cancel.
#[inline(always)]
pub(super) fn exp_m1(value: f32) -> f32 {
    let series = horner(EXP_M1, value);
    if value > EXP_M1_END { value * series } else { exp(value) - 1.0 }
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
    let series = horner(LN_1P, x);
    let log = (x * square).mul_add(series, square.mul_add(-0.5, x));
    (if above { log + std::f32::consts::LN_2 } else { log }) + lost / sum
}

/// tanh: the rational minimax approximation that Eigen and XLA use; beyond ±7.9 it is ±1 in f32.
#[inline(always)]
pub(super) fn tanh(value: f32) -> f32 {
    let x = within(value, -TANH_END, TANH_END);
    let square = x * x;
    let numerator = horner(TANH_NUMERATOR, square);
    let denominator = horner(TANH_DENOMINATOR, square);
    x * numerator / denominator
}

/// The error function: the rational minimax approximation on -4..=4 that Eigen and XLA use; beyond it is ±1 in f32.
#[inline(always)]
pub(super) fn erf(value: f32) -> f32 {
    let x = within(value, -ERF_END, ERF_END);
    let square = x * x;
    let numerator = horner(ERF_NUMERATOR, square);
    let denominator = horner(ERF_DENOMINATOR, square);
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
