//! Stochastic gradient descent with momentum (Sutskever et al. 2013), as PyTorch has it:
//!
//! ```text
//! b = μ b + g
//! w = w - λ b            or, with Nesterov's look-ahead,  w = w - λ (g + μ b)
//! ```

use super::{flush, zeros_like};
use crate::ml::nn::network::Network;

/// The velocity of every parameter.
#[derive(Debug, Clone)]
pub struct Sgd {
    learning_rate: f64,
    momentum: f64,
    nesterov: bool,
    velocity: Vec<Vec<f32>>,
}

impl Sgd {
    pub(super) fn new(learning_rate: f64, momentum: f64, nesterov: bool, network: &Network) -> Self {
        Self { learning_rate, momentum, nesterov, velocity: zeros_like(network) }
    }

    pub(super) fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    pub(super) fn step(&mut self, network: &mut Network, gradient: &Network) {
        let (rate, momentum) = (self.learning_rate as f32, self.momentum as f32);
        // Both forms are `w -= λ (a g + c b)`.
        let (of_slope, of_velocity) = if self.nesterov { (1.0, momentum) } else { (0.0, 1.0) };
        let pairs = network.parameters_mut().into_iter().zip(gradient.parameters());
        for (((_, weights), (_, slopes)), velocity) in pairs.zip(&mut self.velocity) {
            for ((weight, &slope), velocity) in weights.iter_mut().zip(slopes).zip(velocity) {
                *velocity = flush(momentum * *velocity + slope);
                *weight = flush(*weight - rate * (of_slope * slope + of_velocity * *velocity));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{close, walk};
    use crate::ml::config::Optimizer;

    /// ```python
    /// def sgd(w, gs, nesterov, lr=.1, mu=.9):
    ///     b = 0
    ///     for g in gs:
    ///         b = mu*b + g; w -= lr*(g + mu*b if nesterov else b); print(w)
    /// for n in 0, 1: sgd(.5, [.3, -.1, .2], n); sgd(-.25, [-.6, .2, -.4], n)
    /// ```
    #[test]
    fn the_first_steps_are_those_of_the_formula() {
        close(
            &walk(&Optimizer::Sgd { learning_rate: 0.1, momentum: 0.9, nesterov: false }),
            &[[0.47, -0.19], [0.453, -0.156], [0.417_7, -0.085_4]],
        );
        close(
            &walk(&Optimizer::Sgd { learning_rate: 0.1, momentum: 0.9, nesterov: true }),
            &[[0.443, -0.136], [0.437_7, -0.125_4], [0.385_93, -0.021_86]],
        );
        let plain = walk(&Optimizer::Sgd { learning_rate: 0.1, momentum: 0.0, nesterov: false });
        close(&plain, &[[0.47, -0.19], [0.48, -0.21], [0.46, -0.17]]);
    }
}
