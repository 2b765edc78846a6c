//! Optimizers: from a gradient to a step of the weights. Formulas are PyTorch's:
//!
//! ```text
//! Adam      m = β₁ m + (1 - β₁) g      v = β₂ v + (1 - β₂) g²          (Kingma and Ba 2015, algorithm 1)
//!           w = w - λ · (m / (1 - β₁ᵗ)) / (√(v / (1 - β₂ᵗ)) + ε)
//! AdamW     w = w - λ·decay·w before that, for weights                  (Loshchilov and Hutter 2019, algorithm 2)
//! SGD       b = μ b + g,  w = w - λ b;  Nesterov  w = w - λ (g + μ b)   (Sutskever et al. 2013)
//! RMSprop   v = ρ v + (1 - ρ) g²,  b = μ b + g / (√v + ε),  w = w - λ b (Hinton 2012)
//! ```

use crate::ml::config::{GradientClipping, Optimizer, Regularization};
use crate::ml::kernel::{
    AdamFactors, Buffer, LANES, Penalty, RmsPropFactors, SgdFactors, adam, l1_and_squares, penalty_gradient, rms_prop,
    scale, sgd, threads,
};
use crate::ml::nn::layout::ParameterKind;
use crate::ml::nn::network::Network;

/// Parameters that one thread moves sooner than two would share them.
const WORTH_SHARING: usize = 1 << 14;

/// An optimizer with what it remembers of earlier gradients, allocated once.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimizerState {
    config: Optimizer,
    penalty: Penalty,
    clipping: Option<GradientClipping>,
    steps: i32,
    /// Momentum or first moments.
    first: Buffer,
    /// Second moments; empty for SGD.
    second: Buffer,
}

impl OptimizerState {
    /// The state before the first step.
    pub fn new(
        config: &Optimizer,
        regularization: &Regularization,
        clipping: Option<GradientClipping>,
        network: &Network,
    ) -> Self {
        let length = network.parameters().len();
        let seconds = if config.has_second_moments() { length } else { 0 };
        Self {
            config: config.clone(),
            penalty: Penalty { l1: regularization.l1 as f32, l2_slope: (2.0 * regularization.l2) as f32 },
            clipping,
            steps: 0,
            first: Buffer::zeros(length),
            second: Buffer::zeros(seconds),
        }
    }

    /// What it remembers of earlier gradients: first moments or momentum, then second moments.
    pub(super) fn moments(&self) -> [&[f32]; 2] {
        [&self.first, &self.second]
    }

    /// Goes on after so many steps of an interrupted run.
    pub(super) fn resume(&mut self, [first, second]: [Buffer; 2], steps: usize) {
        (self.first, self.second) = (first, second);
        self.steps = i32::try_from(steps).unwrap_or(i32::MAX);
    }

    /// Moves `network` once. `gradient` has the derivatives of the loss without penalties, which are added here;
    /// afterwards it holds what was applied, if gradients are clipped. `rate` multiplies the learning rate.
    pub fn step(&mut self, network: &mut Network, gradient: &mut [f32], rate: f64) {
        self.steps = self.steps.saturating_add(1);
        let mut penalty = self.penalty;
        if let Some(clipping) = self.clipping {
            // What is bounded is the gradient of the whole objective, as PyTorch sees it.
            let weights = network.layout().weights_end;
            penalty_gradient(&network.parameters[..weights], &mut gradient[..weights], penalty);
            clip(gradient, clipping);
            penalty = Penalty::NONE;
        }
        for (kind, run) in network.runs() {
            let is_weight = kind == ParameterKind::Weight;
            let rule = Rule::of(&self.config, rate, self.steps, is_weight);
            let seconds = if self.second.is_empty() { 0..0 } else { run.clone() };
            let slices = Slices {
                weights: &mut network.parameters[run.clone()],
                slopes: &gradient[run.clone()],
                first: &mut self.first[run],
                second: &mut self.second[seconds],
            };
            slices.step(&rule, if is_weight { penalty } else { Penalty::NONE });
        }
    }
}

/// What one step does to each parameter.
#[derive(Debug, Clone, Copy)]
enum Rule {
    Adam(AdamFactors),
    Sgd(SgdFactors),
    RmsProp(RmsPropFactors),
}

impl Rule {
    /// `rate` multiplies the learning rate; weight decay is for weights alone.
    fn of(config: &Optimizer, rate: f64, steps: i32, is_weight: bool) -> Self {
        match *config {
            Optimizer::Adam { .. } | Optimizer::Adamw { .. } => {
                let factors = adam_factors(config, rate, steps);
                Rule::Adam(AdamFactors { keep: if is_weight { factors.keep } else { 1.0 }, ..factors })
            }
            Optimizer::Sgd { learning_rate, momentum, nesterov } => {
                let momentum = momentum as f32;
                // Both forms are `w -= λ (a g + c b)`.
                let (of_slope, of_velocity) = if nesterov { (1.0, momentum) } else { (0.0, 1.0) };
                Rule::Sgd(SgdFactors { rate: (rate * learning_rate) as f32, momentum, of_slope, of_velocity })
            }
            Optimizer::Rmsprop { learning_rate, rho, momentum, epsilon } => Rule::RmsProp(RmsPropFactors {
                rate: (rate * learning_rate) as f32,
                rho: rho as f32,
                share: (1.0 - rho) as f32,
                epsilon: no_zero(epsilon),
                momentum: momentum as f32,
            }),
        }
    }
}

/// Parameters with what belongs to them; `second` may be empty.
struct Slices<'a> {
    weights: &'a mut [f32],
    slopes: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl Slices<'_> {
    /// Each parameter by itself, so that the threads of a pool can share many of them.
    fn step(self, rule: &Rule, penalty: Penalty) {
        let Slices { weights, slopes, first, second } = self;
        if weights.len() > WORTH_SHARING && threads() > 1 {
            let middle = (weights.len() / 2).next_multiple_of(LANES);
            let (weights, more_weights) = weights.split_at_mut(middle);
            let (slopes, more_slopes) = slopes.split_at(middle);
            let (first, more_first) = first.split_at_mut(middle);
            let (second, more_second) = second.split_at_mut(middle.min(second.len()));
            let upper = Slices { weights, slopes, first, second };
            let lower = Slices { weights: more_weights, slopes: more_slopes, first: more_first, second: more_second };
            rayon::join(|| upper.step(rule, penalty), || lower.step(rule, penalty));
            return;
        }
        match *rule {
            Rule::Adam(factors) => adam(weights, slopes, first, second, factors, penalty),
            Rule::Sgd(factors) => sgd(weights, slopes, first, factors, penalty),
            Rule::RmsProp(factors) => rms_prop(weights, slopes, second, first, factors, penalty),
        }
    }
}

/// The factors of a step of Adam or AdamW; of no meaning for others.
fn adam_factors(config: &Optimizer, rate: f64, steps: i32) -> AdamFactors {
    let (learning_rate, beta_1, beta_2, epsilon, weight_decay) = match *config {
        Optimizer::Adam { learning_rate, beta_1, beta_2, epsilon } => (learning_rate, beta_1, beta_2, epsilon, 0.0),
        Optimizer::Adamw { learning_rate, beta_1, beta_2, epsilon, weight_decay } => {
            (learning_rate, beta_1, beta_2, epsilon, weight_decay)
        }
        Optimizer::Sgd { .. } | Optimizer::Rmsprop { .. } => (0.0, 0.0, 0.0, 0.0, 0.0),
    };
    let learning_rate = rate * learning_rate;
    AdamFactors {
        beta_1: beta_1 as f32,
        share_1: (1.0 - beta_1) as f32,
        beta_2: beta_2 as f32,
        share_2: (1.0 - beta_2) as f32,
        epsilon: no_zero(epsilon),
        rate: (learning_rate / (1.0 - beta_1.powi(steps))) as f32,
        correction: (1.0 / (1.0 - beta_2.powi(steps)).sqrt()) as f32,
        keep: (1.0 - learning_rate * weight_decay) as f32,
    }
}

/// An ε that rounds to 0 would divide 0 by 0 where a gradient has always been 0.
fn no_zero(epsilon: f64) -> f32 {
    (epsilon as f32).max(f32::MIN_POSITIVE)
}

fn clip(gradient: &mut [f32], clipping: GradientClipping) {
    match clipping {
        GradientClipping::Norm { max } => {
            let norm = l1_and_squares(gradient)[1].sqrt();
            if norm > max {
                scale(gradient, (max / norm) as f32);
            }
        }
        GradientClipping::Value { max } => {
            let max = max as f32;
            // `clamp` keeps NaN, which has to be seen.
            gradient.iter_mut().for_each(|slope| *slope = slope.clamp(-max, max));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::config::{Activation, Normalization};
    use crate::ml::nn::NetworkShape;

    const NONE: Regularization = Regularization { l1: 0.0, l2: 0.0 };

    /// One weight and one bias, 0.5 and -0.25, after each of three steps along fixed gradients.
    fn walk_with(
        config: &Optimizer,
        regularization: &Regularization,
        clipping: Option<GradientClipping>,
    ) -> Vec<[f32; 2]> {
        let shape = NetworkShape {
            inputs: 1,
            hidden_layers: vec![],
            activation: Activation::Relu,
            normalization: Normalization::None,
            residual: false,
        };
        let mut network = Network::zeros(&shape);
        let (weight, bias) = (network.layout().output_weight.start, network.layout().output_bias.start);
        network.parameters_mut()[weight] = 0.5;
        network.parameters_mut()[bias] = -0.25;
        let mut state = OptimizerState::new(config, regularization, clipping, &network);
        let mut path = Vec::new();
        for slope in [0.3_f32, -0.1, 0.2] {
            let mut gradient = vec![0.0; network.parameters().len()];
            (gradient[weight], gradient[bias]) = (slope, -2.0 * slope);
            state.step(&mut network, &mut gradient, 1.0);
            path.push([network.parameters()[weight], network.parameters()[bias]]);
        }
        assert_eq!(network.parameters().iter().filter(|&&value| value != 0.0).count(), 2, "padding moved");
        path
    }

    fn walk(config: &Optimizer) -> Vec<[f32; 2]> {
        walk_with(config, &NONE, None)
    }

    fn close(found: &[[f32; 2]], expected: &[[f32; 2]]) {
        let near = found.iter().flatten().zip(expected.iter().flatten()).all(|(a, b)| (a - b).abs() < 3e-7);
        assert!(near && found.len() == expected.len(), "{found:?} for {expected:?}");
    }

    const ADAM: Optimizer = Optimizer::Adam { learning_rate: 0.1, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8 };
    const SGD: Optimizer = Optimizer::Sgd { learning_rate: 0.1, momentum: 0.9, nesterov: false };

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
    fn the_first_steps_of_adam_and_adamw_are_those_of_the_formula() {
        close(&walk(&ADAM), &[[0.4, -0.15], [0.359_978_15, -0.109_978_15], [0.299_669_5, -0.049_669_5]]);
        let decayed =
            Optimizer::Adamw { learning_rate: 0.1, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, weight_decay: 0.2 };
        // The bias goes the way of Adam.
        close(&walk(&decayed), &[[0.39, -0.15], [0.342_178_15, -0.109_978_15], [0.275_025_94, -0.049_669_5]]);
    }

    /// ```python
    /// def sgd(w, gs, nesterov, lr=.1, mu=.9):
    ///     b = 0
    ///     for g in gs:
    ///         b = mu*b + g; w -= lr*(g + mu*b if nesterov else b); print(w)
    /// for n in 0, 1: sgd(.5, [.3, -.1, .2], n); sgd(-.25, [-.6, .2, -.4], n)
    /// ```
    #[test]
    fn the_first_steps_of_sgd_are_those_of_the_formula() {
        close(&walk(&SGD), &[[0.47, -0.19], [0.453, -0.156], [0.417_7, -0.085_4]]);
        let nesterov = Optimizer::Sgd { learning_rate: 0.1, momentum: 0.9, nesterov: true };
        close(&walk(&nesterov), &[[0.443, -0.136], [0.437_7, -0.125_4], [0.385_93, -0.021_86]]);
        let plain = walk(&Optimizer::Sgd { learning_rate: 0.1, momentum: 0.0, nesterov: false });
        close(&plain, &[[0.47, -0.19], [0.48, -0.21], [0.46, -0.17]]);
    }

    /// ```python
    /// import torch
    /// for m in 0, .9:
    ///     w = torch.tensor([.5, -.25], dtype=torch.float64, requires_grad=True)
    ///     o = torch.optim.RMSprop([w], lr=.01, alpha=.99, eps=1e-8, momentum=m)
    ///     for g in .3, -.1, .2:
    ///         w.grad = torch.tensor([g, -2*g], dtype=torch.float64); o.step(); print(w.tolist())
    /// ```
    #[test]
    fn the_first_steps_of_rmsprop_are_those_of_pytorch() {
        let config = |momentum| Optimizer::Rmsprop { learning_rate: 0.01, rho: 0.99, momentum, epsilon: 1e-8 };
        close(&walk(&config(0.0)), &[[0.4, -0.15], [0.431_766_07, -0.181_766_06], [0.377_949_14, -0.127_949_13]]);
        close(&walk(&config(0.9)), &[[0.4, -0.15], [0.341_766_1, -0.091_766_07], [0.235_538_63, 0.014_461_41]]);
    }

    #[test]
    fn penalties_enter_the_gradient_of_weights_with_and_without_clipping() {
        let plain = Optimizer::Sgd { learning_rate: 0.1, momentum: 0.0, nesterov: false };
        let penalties = Regularization { l1: 0.5, l2: 1.0 };
        // 0.5 - 0.1 (0.3 + 0.5 + 2 · 0.5)
        assert!((walk_with(&plain, &penalties, None)[0][0] - 0.32).abs() < 1e-6);
        let loose = walk_with(&plain, &penalties, Some(GradientClipping::Norm { max: 1e6 }));
        close(&loose, &walk_with(&plain, &penalties, None));
        // The gradient (1.8, -0.6) has norm 1.897; at most 1 is left of it.
        let tight = walk_with(&plain, &penalties, Some(GradientClipping::Norm { max: 1.0 }));
        close(&tight[..1], &[[0.5 - 0.094_868_33, -0.25 + 0.031_622_78]]);
        let bounded = walk_with(&plain, &penalties, Some(GradientClipping::Value { max: 0.5 }));
        close(&bounded[..1], &[[0.45, -0.2]]);
    }

    #[test]
    fn a_schedule_multiplies_the_rate() {
        let shape = NetworkShape {
            inputs: 1,
            hidden_layers: vec![],
            activation: Activation::Relu,
            normalization: Normalization::None,
            residual: false,
        };
        let mut network = Network::zeros(&shape);
        let mut gradient = vec![1.0; network.parameters().len()];
        OptimizerState::new(&SGD, &NONE, None, &network).step(&mut network, &mut gradient, 0.25);
        assert!((network.parameters()[0] + 0.025).abs() < 1e-8);
    }
}
