//! One step of an optimizer over flat parameters, penalties included, in one pass. Formulas are PyTorch's.

use super::vectorized;

/// The derivative of a penalty, `l1 · sign(w) + l2_slope · w`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Penalty {
    pub l1: f32,
    /// Twice the factor of the sum of squares.
    pub l2_slope: f32,
}

impl Penalty {
    pub const NONE: Penalty = Penalty { l1: 0.0, l2_slope: 0.0 };

    #[inline(always)]
    fn slope(self, weight: f32) -> f32 {
        // `signum` of 0 is 1 in Rust; a weight at 0 is at the minimum of its penalty.
        let sign = if weight > 0.0 {
            self.l1
        } else if weight < 0.0 {
            -self.l1
        } else {
            0.0
        };
        self.l2_slope.mul_add(weight, sign)
    }
}

/// The factors of one step of Adam.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamFactors {
    pub beta_1: f32,
    /// `1 - β₁` and `1 - β₂`, taken in f64: in f32, 1 - 0.999 has an error of 1 in 100 000.
    pub share_1: f32,
    pub beta_2: f32,
    pub share_2: f32,
    pub epsilon: f32,
    /// `λ / (1 - β₁ᵗ)`.
    pub rate: f32,
    /// `1 / √(1 - β₂ᵗ)`.
    pub correction: f32,
    /// `1 - λ·decay`.
    pub keep: f32,
}

/// The factors of one step of stochastic gradient descent with momentum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SgdFactors {
    pub rate: f32,
    pub momentum: f32,
    /// How much of a step is the gradient itself: 1 with Nesterov's look-ahead, else 0.
    pub of_slope: f32,
    /// How much of it is the velocity.
    pub of_velocity: f32,
}

/// The factors of one step of RMSprop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RmsPropFactors {
    pub rate: f32,
    pub rho: f32,
    /// `1 - ρ`, taken in f64.
    pub share: f32,
    pub epsilon: f32,
    pub momentum: f32,
}

/// Zero for what is too small to matter. Numbers that decay for ever end in f32's denormal range, where
/// arithmetic is many times slower.
#[inline(always)]
fn flush(value: f32) -> f32 {
    const SMALLEST: f32 = 1e-30;
    if value.abs() < SMALLEST { 0.0 } else { value }
}

vectorized! {
    /// Adam and AdamW; all slices are equally long.
    pub fn adam(
        weights: &mut [f32],
        slopes: &[f32],
        first: &mut [f32],
        second: &mut [f32],
        factors: AdamFactors,
        penalty: Penalty,
    ) {
        let moments = first.iter_mut().zip(second);
        for ((weight, &slope), (first, second)) in weights.iter_mut().zip(slopes).zip(moments) {
            let slope = slope + penalty.slope(*weight);
            *first = flush(factors.beta_1.mul_add(*first, factors.share_1 * slope));
            *second = flush(factors.beta_2.mul_add(*second, factors.share_2 * slope * slope));
            let deviation = second.sqrt().mul_add(factors.correction, factors.epsilon);
            *weight = flush(factors.keep.mul_add(*weight, -(factors.rate * *first / deviation)));
        }
    }
}

vectorized! {
    /// Stochastic gradient descent with momentum, `w -= λ (of_slope · g + of_velocity · b)` after `b = μ b + g`.
    pub fn sgd(
        weights: &mut [f32],
        slopes: &[f32],
        velocity: &mut [f32],
        factors: SgdFactors,
        penalty: Penalty,
    ) {
        for ((weight, &slope), velocity) in weights.iter_mut().zip(slopes).zip(velocity) {
            let slope = slope + penalty.slope(*weight);
            *velocity = flush(factors.momentum.mul_add(*velocity, slope));
            let step = factors.of_slope.mul_add(slope, factors.of_velocity * *velocity);
            *weight = flush(factors.rate.mul_add(-step, *weight));
        }
    }
}

vectorized! {
    /// RMSprop, `v = ρ v + (1 - ρ) g²`, `b = μ b + g / (√v + ε)`, `w -= λ b`.
    pub fn rms_prop(
        weights: &mut [f32],
        slopes: &[f32],
        squares: &mut [f32],
        velocity: &mut [f32],
        factors: RmsPropFactors,
        penalty: Penalty,
    ) {
        let moments = squares.iter_mut().zip(velocity);
        for ((weight, &slope), (square, velocity)) in weights.iter_mut().zip(slopes).zip(moments) {
            let slope = slope + penalty.slope(*weight);
            *square = flush(factors.rho.mul_add(*square, factors.share * slope * slope));
            *velocity = flush(factors.momentum.mul_add(*velocity, slope / (square.sqrt() + factors.epsilon)));
            *weight = flush(factors.rate.mul_add(-*velocity, *weight));
        }
    }
}

vectorized! {
    /// Adds the derivative of the penalty to `slopes`.
    pub fn penalty_gradient(weights: &[f32], slopes: &mut [f32], penalty: Penalty) {
        for (slope, &weight) in slopes.iter_mut().zip(weights) {
            *slope += penalty.slope(weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_penalty_pulls_towards_zero_and_not_across() {
        let penalty = Penalty { l1: 0.25, l2_slope: 2.0 };
        let mut slopes = [1.0; 3];
        penalty_gradient(&[0.5, -0.5, 0.0], &mut slopes, penalty);
        assert_eq!(slopes, [2.25, -0.25, 1.0]);
    }

    #[test]
    fn moments_and_weights_never_become_denormal() {
        let factors = AdamFactors {
            beta_1: 0.9,
            share_1: 0.1,
            beta_2: 0.5,
            share_2: 0.5,
            epsilon: 1.0,
            rate: 0.01,
            correction: 1.0,
            keep: 0.9,
        };
        let (mut weights, mut first, mut second) = ([1e-20_f32; 4], [1e-20_f32; 4], [1e-20_f32; 4]);
        let (mut squares, mut velocity) = ([1e-20_f32; 4], [1e-20_f32; 4]);
        for _ in 0..2_000 {
            adam(&mut weights, &[0.0; 4], &mut first, &mut second, factors, Penalty::NONE);
            let factors = RmsPropFactors { rate: 0.1, rho: 0.5, share: 0.5, epsilon: 1.0, momentum: 0.5 };
            let penalty = Penalty { l1: 0.0, l2_slope: 1e-3 };
            rms_prop(&mut weights, &[0.0; 4], &mut squares, &mut velocity, factors, penalty);
            let all = weights.iter().chain(&first).chain(&second).chain(&squares).chain(&velocity);
            assert!(all.into_iter().all(|value| *value == 0.0 || value.is_normal()));
        }
        assert_eq!((first, second), ([0.0; 4], [0.0; 4]));
    }
}
