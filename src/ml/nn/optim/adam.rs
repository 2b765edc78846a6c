//! Adam (Kingma and Ba 2015, algorithm 1) and AdamW (Loshchilov and Hutter 2019, algorithm 2):
//!
//! ```text
//! m = β₁ m + (1 - β₁) g      v = β₂ v + (1 - β₂) g²
//! w = w - λ·decay·w          (weights only, AdamW)
//! w = w - λ · (m / (1 - β₁ᵗ)) / (√(v / (1 - β₂ᵗ)) + ε)
//! ```

use super::{flush, zeros_like};
use crate::ml::nn::network::{Network, ParameterKind};

/// Both moments of every parameter.
#[derive(Debug, Clone)]
pub struct Adam {
    learning_rate: f64,
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
    weight_decay: f64,
    steps: i32,
    first: Vec<Vec<f32>>,
    second: Vec<Vec<f32>>,
}

/// The factors of one step.
#[derive(Clone, Copy)]
struct Factors {
    beta_1: f32,
    /// `1 - β₁` and `1 - β₂`, taken in f64: in f32, 1 - 0.999 has an error of 1 in 100 000.
    share_1: f32,
    beta_2: f32,
    share_2: f32,
    epsilon: f32,
    /// `λ / (1 - β₁ᵗ)`.
    rate: f32,
    /// `1 / √(1 - β₂ᵗ)`.
    correction: f32,
    /// `1 - λ·decay`.
    keep: f32,
}

impl Adam {
    pub(super) fn new(rates: [f64; 4], weight_decay: f64, network: &Network) -> Self {
        let [learning_rate, beta_1, beta_2, epsilon] = rates;
        let (first, second) = (zeros_like(network), zeros_like(network));
        Self { learning_rate, beta_1, beta_2, epsilon, weight_decay, steps: 0, first, second }
    }

    pub(super) fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    pub(super) fn step(&mut self, network: &mut Network, gradient: &Network) {
        self.steps = self.steps.saturating_add(1);
        let [decayed, free] = [true, false].map(|decays| factors(self.rates(), self.steps, decays));
        let moments = self.first.iter_mut().zip(&mut self.second);
        let pairs = network.parameters_mut().into_iter().zip(gradient.parameters());
        for (((kind, weights), (_, slopes)), (first, second)) in pairs.zip(moments) {
            let factors = if kind == ParameterKind::Weight { decayed } else { free };
            update(factors, weights, slopes, first, second);
        }
    }

    fn rates(&self) -> [f64; 5] {
        [self.learning_rate, self.beta_1, self.beta_2, self.epsilon, self.weight_decay]
    }
}

fn factors([learning_rate, beta_1, beta_2, epsilon, weight_decay]: [f64; 5], steps: i32, decays: bool) -> Factors {
    Factors {
        beta_1: beta_1 as f32,
        share_1: (1.0 - beta_1) as f32,
        beta_2: beta_2 as f32,
        share_2: (1.0 - beta_2) as f32,
        // An ε that rounds to 0 would divide 0 by 0 where a gradient has always been 0.
        epsilon: (epsilon as f32).max(f32::MIN_POSITIVE),
        rate: (learning_rate / (1.0 - beta_1.powi(steps))) as f32,
        correction: (1.0 / (1.0 - beta_2.powi(steps)).sqrt()) as f32,
        keep: if decays { (1.0 - learning_rate * weight_decay) as f32 } else { 1.0 },
    }
}

/// One pass over a parameter and its moments.
fn update(factors: Factors, weights: &mut [f32], slopes: &[f32], first: &mut [f32], second: &mut [f32]) {
    let moments = first.iter_mut().zip(second);
    for ((weight, &slope), (first, second)) in weights.iter_mut().zip(slopes).zip(moments) {
        *first = flush(factors.beta_1 * *first + factors.share_1 * slope);
        *second = flush(factors.beta_2 * *second + factors.share_2 * slope * slope);
        let deviation = second.sqrt() * factors.correction + factors.epsilon;
        *weight = flush(factors.keep * *weight - factors.rate * *first / deviation);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{close, walk};
    use crate::ml::config::Optimizer;

    const ADAM: Optimizer = Optimizer::Adam { learning_rate: 0.1, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8 };

    /// ```python
    /// import numpy as np
    /// def adam(w, gs, decay, lr=.1, b1=.9, b2=.999, eps=1e-8):
    ///     m = v = 0
    ///     for t, g in enumerate(gs, 1):
    ///         m, v = b1*m + (1 - b1)*g, b2*v + (1 - b2)*g*g
    ///         w = w*(1 - lr*decay) - lr*(m/(1 - b1**t))/(np.sqrt(v/(1 - b2**t)) + eps); print(w)
    /// gs = np.array([.3, -.1, .2])
    /// adam(.5, gs, 0); adam(-.25, -2*gs, 0); adam(.5, gs, .2)
    /// ```
    #[test]
    fn the_first_steps_are_those_of_the_formula() {
        close(&walk(&ADAM), &[[0.4, -0.15], [0.359_978_15, -0.109_978_15], [0.299_669_5, -0.049_669_5]]);
    }

    /// The snippet above with `decay=.2`, for the weight only: the bias goes the way of Adam.
    #[test]
    fn weight_decay_shrinks_weights_and_leaves_biases() {
        let config =
            Optimizer::Adamw { learning_rate: 0.1, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, weight_decay: 0.2 };
        close(&walk(&config), &[[0.39, -0.15], [0.342_178_15, -0.109_978_15], [0.275_025_94, -0.049_669_5]]);
    }

    #[test]
    fn moments_and_weights_never_become_denormal() {
        let (mut weights, mut first, mut second) = ([1e-20_f32; 4], [1e-20_f32; 4], [1e-20_f32; 4]);
        let factors = super::factors([1e-3, 0.9, 0.5, 1.0, 100.0], 1, true);
        for _ in 0..2_000 {
            super::update(factors, &mut weights, &[0.0; 4], &mut first, &mut second);
            assert!(weights.iter().chain(&first).chain(&second).all(|value| *value == 0.0 || value.is_normal()));
        }
        assert_eq!((first, second), ([0.0; 4], [0.0; 4]));
    }
}
