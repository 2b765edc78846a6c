//! Activations and dropout over whole buffers.
//!
//! Training writes the slope beside the value, so that the backward pass is one product and never evaluates the
//! function again. ReLU keeps no slopes: its output says where they are zero.

use super::math::{erf, exp, exp_m1, ln_1p_unit, sigmoid, tanh};
use super::vectorized;
use crate::ml::config::Activation;

/// The slope of leaky ReLU below zero.
pub const LEAK: f32 = 0.01;
/// Klambauer et al. 2017, "Self-Normalizing Neural Networks", equation 14.
pub const SELU_SCALE: f32 = 1.050_701;
/// The other constant of that equation.
pub const SELU_ALPHA: f32 = 1.673_263_2;

/// Inverted dropout of one layer in one step: a unit is left out by a hash of its place and two keys, so that the
/// draw depends neither on the order in which units are visited nor on who visits them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    pub keys: [u32; 2],
    /// A unit is left out if its hash is below this.
    pub threshold: u32,
    /// What the others are multiplied by: `1 / (1 - probability)`.
    pub scale: f32,
    /// The place of the first value of a slice among the units of the step.
    pub first: u32,
}

impl Dropout {
    /// The same draw for values that begin at the place `first`.
    pub fn from(self, first: usize) -> Self {
        Self { first: first as u32, ..self }
    }

    /// The factor of the unit at `place` of a slice.
    #[inline(always)]
    fn factor(self, place: u32) -> f32 {
        // A 32-bit finalizer ("lowbias32", Wellons 2018), with a second key after its first round.
        let mut hash = self.first.wrapping_add(place) ^ self.keys[0];
        hash ^= hash >> 16;
        hash = hash.wrapping_mul(0x7feb_352d);
        hash = (hash ^ (hash >> 15)).wrapping_add(self.keys[1]);
        hash = hash.wrapping_mul(0x846c_a68b);
        hash ^= hash >> 16;
        hash = hash.wrapping_mul(0x7feb_352d);
        hash ^= hash >> 15;
        if hash < self.threshold { 0.0 } else { self.scale }
    }
}

/// Each function gives value and slope; where only the value is used, the compiler drops the other half.
#[inline(always)]
fn relu_at(value: f32) -> (f32, f32) {
    // A comparison that keeps NaN: hiding one here would let a diverged network pass for a trained one.
    if value <= 0.0 { (0.0, 0.0) } else { (value, 1.0) }
}

#[inline(always)]
fn leaky_relu_at(value: f32) -> (f32, f32) {
    if value <= 0.0 { (LEAK * value, LEAK) } else { (value, 1.0) }
}

#[inline(always)]
fn elu_at(value: f32) -> (f32, f32) {
    let below = exp_m1(if value <= 0.0 { value } else { 0.0 });
    if value <= 0.0 { (below, below + 1.0) } else { (value, 1.0) }
}

#[inline(always)]
fn selu_at(value: f32) -> (f32, f32) {
    let (output, slope) = elu_at(value);
    if value <= 0.0 {
        (SELU_SCALE * SELU_ALPHA * output, SELU_SCALE * SELU_ALPHA * slope)
    } else {
        (SELU_SCALE * value, SELU_SCALE)
    }
}

/// The exact form `x Φ(x)` (Hendrycks and Gimpel 2016), the default of PyTorch and Keras, not its tanh
/// approximation.
#[inline(always)]
fn gelu_at(value: f32) -> (f32, f32) {
    const DENSITY: f32 = 0.398_942_3;
    let cumulative = 0.5f32.mul_add(erf(value * std::f32::consts::FRAC_1_SQRT_2), 0.5);
    let density = DENSITY * exp(-0.5 * value * value);
    (value * cumulative, value.mul_add(density, cumulative))
}

/// `x σ(x)`, also called swish (Ramachandran et al. 2017).
#[inline(always)]
fn silu_at(value: f32) -> (f32, f32) {
    let share = sigmoid(value);
    (value * share, share * value.mul_add(1.0 - share, 1.0))
}

/// `x tanh(ln(1 + e^x))` (Misra 2019).
#[inline(always)]
fn mish_at(value: f32) -> (f32, f32) {
    let small = exp(-value.abs());
    let softplus = ln_1p_unit(small) + if value <= 0.0 { 0.0 } else { value };
    let gate = tanh(softplus);
    (value * gate, (value * sigmoid(value)).mul_add(1.0 - gate * gate, gate))
}

#[inline(always)]
fn tanh_at(value: f32) -> (f32, f32) {
    let output = tanh(value);
    (output, 1.0 - output * output)
}

#[inline(always)]
fn sigmoid_at(value: f32) -> (f32, f32) {
    let output = sigmoid(value);
    (output, output * (1.0 - output))
}

#[inline(always)]
fn map(values: &mut [f32], function: impl Fn(f32) -> (f32, f32)) {
    for value in values {
        *value = function(*value).0;
    }
}

#[inline(always)]
fn map_with_slopes(values: &mut [f32], slopes: &mut [f32], function: impl Fn(f32) -> (f32, f32)) {
    for (value, slope) in values.iter_mut().zip(slopes) {
        (*value, *slope) = function(*value);
    }
}

vectorized! {
    /// Replaces each value by its activation. Parametric ReLU, which needs its parameters, is
    /// [`parametric_relu`]; here it is the identity.
    pub fn activate(activation: Activation, values: &mut [f32]) {
        match activation {
            Activation::Relu => map(values, relu_at),
            Activation::LeakyRelu => map(values, leaky_relu_at),
            Activation::Prelu => {}
            Activation::Elu => map(values, elu_at),
            Activation::Selu => map(values, selu_at),
            Activation::Gelu => map(values, gelu_at),
            Activation::Silu => map(values, silu_at),
            Activation::Mish => map(values, mish_at),
            Activation::Tanh => map(values, tanh_at),
            Activation::Sigmoid => map(values, sigmoid_at),
        }
    }
}

vectorized! {
    /// Replaces each value by its activation and writes the derivative there to `slopes`.
    pub fn activate_with_slopes(activation: Activation, values: &mut [f32], slopes: &mut [f32]) {
        match activation {
            Activation::Relu => map_with_slopes(values, slopes, relu_at),
            Activation::LeakyRelu => map_with_slopes(values, slopes, leaky_relu_at),
            Activation::Prelu => {}
            Activation::Elu => map_with_slopes(values, slopes, elu_at),
            Activation::Selu => map_with_slopes(values, slopes, selu_at),
            Activation::Gelu => map_with_slopes(values, slopes, gelu_at),
            Activation::Silu => map_with_slopes(values, slopes, silu_at),
            Activation::Mish => map_with_slopes(values, slopes, mish_at),
            Activation::Tanh => map_with_slopes(values, slopes, tanh_at),
            Activation::Sigmoid => map_with_slopes(values, slopes, sigmoid_at),
        }
    }
}

vectorized! {
    /// Parametric ReLU (He et al. 2015): below zero each unit has a slope of its own. One row.
    pub fn parametric_relu(values: &mut [f32], below: &[f32]) {
        for (value, &below) in values.iter_mut().zip(below) {
            *value = if *value <= 0.0 { below * *value } else { *value };
        }
    }
}

vectorized! {
    /// The derivatives of [`parametric_relu`] by its input, `before`, to `slopes`. One row.
    pub fn parametric_relu_slopes(before: &[f32], below: &[f32], slopes: &mut [f32]) {
        for ((slope, &below), &before) in slopes.iter_mut().zip(below).zip(before) {
            *slope = if before <= 0.0 { below } else { 1.0 };
        }
    }
}

vectorized! {
    /// Adds the derivatives by the slopes of [`parametric_relu`] to `sum`; rows are as long as it.
    /// `before` holds its inputs, times the factors of dropout.
    pub fn parametric_relu_gradient(d_output: &[f32], before: &[f32], sum: &mut [f32]) {
        let stride = sum.len().max(1);
        for (row, before) in d_output.chunks_exact(stride).zip(before.chunks_exact(stride)) {
            for ((sum, &d), &before) in sum.iter_mut().zip(row).zip(before) {
                *sum = d.mul_add(if before <= 0.0 { before } else { 0.0 }, *sum);
            }
        }
    }
}

vectorized! {
    /// Replaces each value by the larger of itself and 0.
    pub fn relu(values: &mut [f32]) {
        map(values, relu_at);
    }
}

vectorized! {
    /// [`relu`], then dropout.
    pub fn relu_with_dropout(values: &mut [f32], dropout: Dropout) {
        for (place, value) in values.iter_mut().enumerate() {
            *value = relu_at(*value).0 * dropout.factor(place as u32);
        }
    }
}

vectorized! {
    /// The derivatives by the input of [`relu`] from those by its output, in place.
    pub fn relu_backward(d_output: &mut [f32], output: &[f32]) {
        for (d, &output) in d_output.iter_mut().zip(output) {
            *d = if output > 0.0 { *d } else { 0.0 };
        }
    }
}

vectorized! {
    /// As [`relu_backward`], through dropout: a unit that was left out has the output 0 too.
    pub fn relu_with_dropout_backward(d_output: &mut [f32], output: &[f32], scale: f32) {
        for (d, &output) in d_output.iter_mut().zip(output) {
            *d = if output > 0.0 { *d * scale } else { 0.0 };
        }
    }
}

vectorized! {
    /// Drops or scales each value, and its slope alike, so that the backward pass needs no mask.
    pub fn drop_units(values: &mut [f32], slopes: &mut [f32], dropout: Dropout) {
        for (place, (value, slope)) in values.iter_mut().zip(slopes).enumerate() {
            let factor = dropout.factor(place as u32);
            *value *= factor;
            *slope *= factor;
        }
    }
}

vectorized! {
    /// As [`drop_units`], for values whose slopes nobody asks for.
    pub fn drop_values(values: &mut [f32], dropout: Dropout) {
        for (place, value) in values.iter_mut().enumerate() {
            *value *= dropout.factor(place as u32);
        }
    }
}

vectorized! {
    /// Multiplies each value by its factor.
    pub fn multiply(values: &mut [f32], factors: &[f32]) {
        for (value, &factor) in values.iter_mut().zip(factors) {
            *value *= factor;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTS: [f32; 4] = [-3.0, -0.5, 0.25, 2.0];

    fn evaluate(activation: Activation) -> ([f32; 4], [f32; 4]) {
        let (mut values, mut slopes) = (POINTS, [0.0; 4]);
        activate_with_slopes(activation, &mut values, &mut slopes);
        (values, slopes)
    }

    /// ```python
    /// import torch; from torch import nn
    /// for f in nn.ReLU(), nn.LeakyReLU(), nn.ELU(), nn.SELU(), nn.GELU(), nn.SiLU(), nn.Mish(), nn.Tanh(), nn.Sigmoid():
    ///     x = torch.tensor([-3., -.5, .25, 2.], dtype=torch.float64, requires_grad=True)
    ///     y = f(x); y.sum().backward(); print(f, y.tolist(), x.grad.tolist())
    /// ```
    #[test]
    fn values_and_slopes_are_those_of_pytorch() {
        let expected = [
            (Activation::Relu, [0.0, 0.0, 0.25, 2.0], [0.0, 0.0, 1.0, 1.0]),
            (Activation::LeakyRelu, [-0.03, -0.005, 0.25, 2.0], [0.01, 0.01, 1.0, 1.0]),
            (Activation::Elu, [-0.950_212_9, -0.393_469_34, 0.25, 2.0], [0.049_787_07, 0.606_530_66, 1.0, 1.0]),
            (
                Activation::Selu,
                [-1.670_568_7, -0.691_758_16, 0.262_675_25, 2.101_402],
                [0.087_530_61, 1.066_341, 1.050_701, 1.050_701],
            ),
            (
                Activation::Gelu,
                [-0.004_049_694, -0.154_268_77, 0.149_676_6, 1.954_499_7],
                [-0.011_945_65, 0.132_504_88, 0.695_373_3, 1.085_231_5],
            ),
            (
                Activation::Silu,
                [-0.142_277_62, -0.188_770_34, 0.140_544_13, 1.761_594_2],
                [-0.088_104_1, 0.260_038_8, 0.623_710_04, 1.090_784_2],
            ),
            (
                Activation::Mish,
                [-0.145_647_46, -0.220_743_77, 0.169_572_41, 1.943_959],
                [-0.093_393_11, 0.289_510_7, 0.754_172_7, 1.069_317_9],
            ),
            (
                Activation::Tanh,
                [-0.995_054_8, -0.462_117_16, 0.244_918_66, 0.964_027_6],
                [0.009_866_037, 0.786_447_7, 0.940_014_8, 0.070_650_82],
            ),
            (
                Activation::Sigmoid,
                [0.047_425_87, 0.377_540_67, 0.562_176_5, 0.880_797_1],
                [0.045_176_66, 0.235_003_71, 0.246_134_08, 0.104_993_59],
            ),
        ];
        for (activation, values, slopes) in expected {
            let (found, found_slopes) = evaluate(activation);
            for point in 0..4 {
                assert!((found[point] - values[point]).abs() < 1e-6, "{activation:?} {found:?} {values:?}");
                assert!((found_slopes[point] - slopes[point]).abs() < 1e-6, "{activation:?} {found_slopes:?}");
            }
        }
    }

    #[test]
    fn inference_and_training_give_the_same_bits_and_nan_stays_nan() {
        for activation in Activation::ALL.into_iter().filter(|&activation| activation != Activation::Prelu) {
            let mut values = POINTS;
            activate(activation, &mut values);
            assert_eq!(values, evaluate(activation).0, "{activation:?}");
            let mut broken = [f32::NAN];
            activate(activation, &mut broken);
            assert!(broken[0].is_nan(), "{activation:?}");
        }
        let mut broken = [f32::NAN];
        relu(&mut broken);
        parametric_relu(&mut broken, &[0.2]);
        assert!(broken[0].is_nan());
    }

    #[test]
    fn relu_alone_is_relu_with_slopes() {
        let dropout = Dropout { keys: [3, 4], threshold: u32::MAX / 3, scale: 1.5, first: 0 };
        let values: Vec<f32> = (0..64).map(|i| (i as f32 * 0.7).sin()).collect();
        let (mut plain, mut slopes) = (values.clone(), vec![0.0; 64]);
        activate_with_slopes(Activation::Relu, &mut plain, &mut slopes);
        drop_units(&mut plain, &mut slopes, dropout);
        let mut alone = values.clone();
        relu_with_dropout(&mut alone, dropout);
        assert_eq!(alone, plain);
        let (mut d, mut expected) = (vec![2.0; 64], vec![2.0; 64]);
        relu_with_dropout_backward(&mut d, &alone, dropout.scale);
        multiply(&mut expected, &slopes);
        assert_eq!(d, expected);
        let mut later = values[40..].to_vec();
        relu_with_dropout(&mut later, dropout.from(40));
        assert_eq!(later, alone[40..]);
    }

    #[test]
    fn the_share_left_out_is_as_asked_and_steps_do_not_repeat_each_other() {
        let draw = |keys| {
            let mut values = vec![1.0; 1 << 16];
            let threshold = (0.3 * 4_294_967_296.0) as u32;
            relu_with_dropout(&mut values, Dropout { keys, threshold, scale: 1.0, first: 0 });
            values
        };
        let (one, two, three) = (draw([0x9e37_79b9, 7]), draw([0x85eb_ca6b, 7]), draw([0x9e37_79b9, 0xc2b2_ae35]));
        let share = |values: &[f32]| values.iter().filter(|&&value| value == 0.0).count() as f64 / 65_536.0;
        // Five standard errors of a share of 0.3 in 65 536 draws: 5 * sqrt(0.3 * 0.7 / 65536) = 0.009.
        for values in [&one, &two, &three] {
            assert!((share(values) - 0.3).abs() < 0.009, "{}", share(values));
        }
        // Independent draws agree with a chance of 0.3² + 0.7² = 0.58, also when one is moved along the other.
        for (other, shift) in [(&two, 0), (&three, 0), (&two, 1), (&one, 1), (&one, 128), (&two, 3)] {
            let same = one.iter().skip(shift).zip(other).filter(|(a, b)| a == b).count() as f64;
            let agreement = same / (65_536 - shift) as f64;
            assert!((agreement - 0.58).abs() < 0.01, "{agreement} at {shift}");
        }
    }
}
