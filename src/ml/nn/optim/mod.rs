//! Optimizers: from a gradient to a step of the weights. Formulas are PyTorch's.

mod adam;
mod sgd;

use crate::ml::config::Optimizer;
use crate::ml::nn::network::Network;

use adam::Adam;
use sgd::Sgd;

/// An optimizer with what it remembers of earlier gradients, allocated once.
#[derive(Debug, Clone)]
pub enum OptimizerState {
    Adam(Adam),
    Sgd(Sgd),
}

impl OptimizerState {
    /// The state before the first step.
    pub fn new(config: &Optimizer, network: &Network) -> Self {
        match *config {
            Optimizer::Adam { learning_rate, beta_1, beta_2, epsilon } => {
                Self::Adam(Adam::new([learning_rate, beta_1, beta_2, epsilon], 0.0, network))
            }
            Optimizer::Adamw { learning_rate, beta_1, beta_2, epsilon, weight_decay } => {
                Self::Adam(Adam::new([learning_rate, beta_1, beta_2, epsilon], weight_decay, network))
            }
            Optimizer::Sgd { learning_rate, momentum, nesterov } => {
                Self::Sgd(Sgd::new(learning_rate, momentum, nesterov, network))
            }
        }
    }

    /// Moves `network` once; `gradient` is the derivative of the whole objective, penalty included.
    pub fn step(&mut self, network: &mut Network, gradient: &Network) {
        match self {
            Self::Adam(adam) => adam.step(network, gradient),
            Self::Sgd(sgd) => sgd.step(network, gradient),
        }
    }

    pub fn learning_rate(&self) -> f64 {
        match self {
            Self::Adam(adam) => adam.learning_rate(),
            Self::Sgd(sgd) => sgd.learning_rate(),
        }
    }
}

/// Zeros for each parameter of a network, in the order of [`Network::parameters`].
fn zeros_like(network: &Network) -> Vec<Vec<f32>> {
    network.parameters().iter().map(|(_, values)| vec![0.0; values.len()]).collect()
}

/// Zero for what is too small to matter. Numbers that decay for ever end in f32's denormal range, where
/// arithmetic is many times slower.
#[inline(always)]
fn flush(value: f32) -> f32 {
    const SMALLEST: f32 = 1e-30;
    if value.abs() < SMALLEST { 0.0 } else { value }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ml::config::Activation;
    use crate::ml::nn::NetworkShape;

    /// One weight and one bias, 0.5 and -0.25, after each of three steps along fixed gradients.
    pub(super) fn walk(config: &Optimizer) -> Vec<[f32; 2]> {
        let shape =
            NetworkShape { inputs: 1, hidden_layers: vec![], activation: Activation::Relu, batch_normalization: false };
        let (mut network, mut gradient) = (Network::zeros(&shape), Network::zeros(&shape));
        network.output.weight.fill(0.5);
        network.output.bias.fill(-0.25);
        let mut state = OptimizerState::new(config, &network);
        let mut path = Vec::new();
        for slope in [0.3_f32, -0.1, 0.2] {
            gradient.output.weight.fill(slope);
            gradient.output.bias.fill(-2.0 * slope);
            state.step(&mut network, &gradient);
            path.push([network.output.weight[[0, 0]], network.output.bias[0]]);
        }
        path
    }

    pub(super) fn close(found: &[[f32; 2]], expected: &[[f32; 2]]) {
        let near = found.iter().flatten().zip(expected.iter().flatten()).all(|(a, b)| (a - b).abs() < 2e-7);
        assert!(near && found.len() == expected.len(), "{found:?} for {expected:?}");
    }
}
