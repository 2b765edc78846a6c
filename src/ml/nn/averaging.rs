//! Averages of the weights over steps: validation, early stopping and the model use the average in their place.

use super::network::Network;
use crate::ml::config::WeightAveraging;
use crate::ml::kernel::interpolate;

/// An average under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Averager {
    kind: WeightAveraging,
    average: Network,
    /// Steps or epochs that the average is of.
    count: u64,
}

impl Averager {
    pub fn new(kind: WeightAveraging, network: &Network) -> Self {
        Self { kind, average: network.clone(), count: 0 }
    }

    /// After a step of the optimizer.
    pub fn step(&mut self, network: &Network) {
        let WeightAveraging::Ema { decay } = self.kind else { return };
        let steps = self.count as f64;
        self.mix(network, decay.min((1.0 + steps) / (10.0 + steps)));
    }

    /// After an epoch, counted from 1.
    pub fn end_epoch(&mut self, epoch: usize, network: &Network) {
        let WeightAveraging::Swa { start_epoch } = self.kind else { return };
        if epoch >= start_epoch {
            let count = self.count as f64;
            self.mix(network, count / (count + 1.0));
        }
    }

    /// What is to be used instead of the weights of the last step; `None` before anything was averaged.
    pub fn average(&self) -> Option<&Network> {
        (self.count > 0).then_some(&self.average)
    }

    /// The weights averaged so far, and of how many steps or epochs they are the average.
    pub(super) fn state(&self) -> (&Network, u64) {
        (&self.average, self.count)
    }

    /// Goes on from where an interrupted run was.
    pub(super) fn resume(&mut self, average: Network, count: u64) {
        (self.average, self.count) = (average, count);
    }

    fn mix(&mut self, network: &Network, keep: f64) {
        self.count += 1;
        interpolate(&mut self.average.parameters, &network.parameters, keep as f32);
        interpolate(&mut self.average.statistics, &network.statistics, keep as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::config::{Activation, Normalization};
    use crate::ml::nn::NetworkShape;

    fn network(value: f32) -> Network {
        let shape = NetworkShape {
            inputs: 2,
            hidden_layers: vec![],
            activation: Activation::Relu,
            normalization: Normalization::None,
            residual: false,
        };
        let mut network = Network::zeros(&shape);
        network.parameters_mut()[0] = value;
        network
    }

    #[test]
    fn swa_is_the_mean_of_the_epochs_from_its_start() {
        let mut averager = Averager::new(WeightAveraging::Swa { start_epoch: 2 }, &network(9.0));
        averager.step(&network(100.0));
        averager.end_epoch(1, &network(50.0));
        assert_eq!(averager.average(), None);
        for (epoch, value) in [(2, 1.0), (3, 2.0), (4, 6.0)] {
            averager.end_epoch(epoch, &network(value));
        }
        assert!((averager.average().unwrap().parameters()[0] - 3.0).abs() < 1e-6);
    }

    /// a = 9; a = .1 a + .9 · 1 = 1.8; a = 2/11 a + 9/11 · 2 = 1.9636; a = .2 a + .8 · 4 = 3.5927
    #[test]
    fn ema_forgets_its_start_and_then_keeps_its_decay() {
        let mut averager = Averager::new(WeightAveraging::Ema { decay: 0.2 }, &network(9.0));
        for value in [1.0, 2.0, 4.0] {
            averager.step(&network(value));
        }
        assert!((averager.average().unwrap().parameters()[0] - 3.592_727).abs() < 1e-5);
    }
}
