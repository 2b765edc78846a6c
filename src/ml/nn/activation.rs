//! Activations, elementwise and in place, with their slopes.
//!
//! The forward pass of training writes the slope beside the value, so that the backward pass is one product and
//! never evaluates the function again.

use ndarray::{ArrayViewMut2, Zip};

use crate::ml::config::Activation;

/// The slope of leaky ReLU below zero.
const LEAK: f32 = 0.01;
/// Klambauer et al. 2017, "Self-Normalizing Neural Networks", equation 14.
const SELU_SCALE: f32 = 1.050_701;
const SELU_ALPHA: f32 = 1.673_263_2;

/// Replaces each value by its activation.
pub fn activate(activation: Activation, values: ArrayViewMut2<'_, f32>) {
    match activation {
        Activation::Relu => map(values, relu),
        Activation::LeakyRelu => map(values, leaky_relu),
        Activation::Gelu => map(values, gelu),
        Activation::Selu => map(values, selu),
        Activation::Tanh => map(values, tanh),
    }
}

/// Replaces each value by its activation and writes the derivative there to `slopes`.
pub fn activate_with_slopes(activation: Activation, values: ArrayViewMut2<'_, f32>, slopes: ArrayViewMut2<'_, f32>) {
    match activation {
        Activation::Relu => map_with_slopes(values, slopes, relu),
        Activation::LeakyRelu => map_with_slopes(values, slopes, leaky_relu),
        Activation::Gelu => map_with_slopes(values, slopes, gelu),
        Activation::Selu => map_with_slopes(values, slopes, selu),
        Activation::Tanh => map_with_slopes(values, slopes, tanh),
    }
}

// Each function gives value and slope; where only the value is used, the compiler drops the other half.

fn map(mut values: ArrayViewMut2<'_, f32>, function: impl Fn(f32) -> (f32, f32)) {
    values.mapv_inplace(|value| function(value).0);
}

fn map_with_slopes(
    values: ArrayViewMut2<'_, f32>,
    slopes: ArrayViewMut2<'_, f32>,
    function: impl Fn(f32) -> (f32, f32),
) {
    Zip::from(values).and(slopes).for_each(|value, slope| (*value, *slope) = function(*value));
}

// A comparison that keeps NaN a NaN: hiding one here would let a diverged network pass for a trained one.
#[inline(always)]
fn relu(value: f32) -> (f32, f32) {
    if value <= 0.0 { (0.0, 0.0) } else { (value, 1.0) }
}

#[inline(always)]
fn leaky_relu(value: f32) -> (f32, f32) {
    if value <= 0.0 { (LEAK * value, LEAK) } else { (value, 1.0) }
}

/// The exact form `x Φ(x)` (Hendrycks and Gimpel 2016), the default of PyTorch and Keras, not its tanh
/// approximation.
#[inline(always)]
fn gelu(value: f32) -> (f32, f32) {
    let cumulative = 0.5 * (1.0 + erf(value * std::f32::consts::FRAC_1_SQRT_2));
    let density =
        (-0.5 * value * value).exp() * (0.5 * std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::FRAC_1_SQRT_2);
    (value * cumulative, cumulative + value * density)
}

#[inline(always)]
fn selu(value: f32) -> (f32, f32) {
    if value <= 0.0 {
        let output = SELU_SCALE * SELU_ALPHA * value.exp_m1();
        (output, output + SELU_SCALE * SELU_ALPHA)
    } else {
        (SELU_SCALE * value, SELU_SCALE)
    }
}

#[inline(always)]
fn tanh(value: f32) -> (f32, f32) {
    let output = value.tanh();
    (output, 1.0 - output * output)
}

/// The error function to within a few units of the last place of f32: the rational minimax approximation on
/// [-4, 4] that Eigen and XLA use; beyond, erf is ±1 in f32.
#[inline(always)]
fn erf(value: f32) -> f32 {
    let x = value.clamp(-4.0, 4.0);
    let square = x * x;
    let numerator =
        [-2.726_142_3e-10, 2.770_681_5e-8, -2.101_024e-6, -5.692_506e-5, -7.349_906_4e-4, -2.954_6e-3, -1.609_603_3e-2];
    let denominator = [-1.456_607_15e-5, -2.133_740_5e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];
    x * horner(&numerator, square) / horner(&denominator, square)
}

/// A polynomial, highest coefficient first.
#[inline(always)]
fn horner(coefficients: &[f32], x: f32) -> f32 {
    coefficients.iter().fold(0.0, |sum, &coefficient| sum * x + coefficient)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    fn evaluate(activation: Activation) -> (Array2<f32>, Array2<f32>) {
        let mut values = array![[-3.0_f32, -0.5, 0.25, 2.0]];
        let mut slopes = Array2::zeros(values.dim());
        activate_with_slopes(activation, values.view_mut(), slopes.view_mut());
        (values, slopes)
    }

    /// ```python
    /// import numpy as np; from scipy.stats import norm
    /// x = np.array([-3., -.5, .25, 2.]); l, a = 1.0507009873554805, 1.6732632423543772
    /// print(x*norm.cdf(x), norm.cdf(x) + x*norm.pdf(x))
    /// print(np.where(x > 0, l*x, l*a*np.expm1(x)), np.where(x > 0, l, l*a*np.exp(x)))
    /// print(np.tanh(x), 1 - np.tanh(x)**2)
    /// ```
    #[test]
    fn values_and_slopes_are_those_of_the_definitions() {
        let expected = [
            (Activation::Relu, [0.0, 0.0, 0.25, 2.0], [0.0, 0.0, 1.0, 1.0]),
            (Activation::LeakyRelu, [-0.03, -0.005, 0.25, 2.0], [0.01, 0.01, 1.0, 1.0]),
            (
                Activation::Gelu,
                [-0.004_049_694, -0.154_268_8, 0.149_676_6, 1.9545],
                [-0.011_945_65, 0.132_504_9, 0.695_373_4, 1.085_232],
            ),
            (
                Activation::Selu,
                [-1.670_569, -0.691_758_2, 0.262_675_2, 2.101_402],
                [0.087_530_61, 1.066_341, 1.050_701, 1.050_701],
            ),
            (
                Activation::Tanh,
                [-0.995_054_8, -0.462_117_2, 0.244_918_7, 0.964_027_6],
                [0.009_866_037, 0.786_447_7, 0.940_014_8, 0.070_650_82],
            ),
        ];
        for (activation, values, slopes) in expected {
            let (found, found_slopes) = evaluate(activation);
            for column in 0..4 {
                assert!((found[[0, column]] - values[column]).abs() < 1e-6, "{activation:?} {found} {values:?}");
                assert!((found_slopes[[0, column]] - slopes[column]).abs() < 1e-6, "{activation:?} {found_slopes}");
            }
        }
    }

    #[test]
    fn inference_and_training_give_the_same_bits_and_nan_stays_nan() {
        for activation in
            [Activation::Relu, Activation::LeakyRelu, Activation::Gelu, Activation::Selu, Activation::Tanh]
        {
            let mut values = array![[-3.0_f32, -0.5, 0.25, 2.0]];
            activate(activation, values.view_mut());
            assert_eq!(values, evaluate(activation).0, "{activation:?}");
            let mut broken = array![[f32::NAN]];
            activate(activation, broken.view_mut());
            assert!(broken[[0, 0]].is_nan(), "{activation:?}");
        }
    }
}
