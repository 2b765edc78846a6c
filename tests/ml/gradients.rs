//! Every derivative against finite differences: layer × activation × weighted loss × penalty.
//!
//! The network computes in f32, so a central difference of step `h` is off by about `1e-7 / h` from rounding and
//! `h²` from curvature. The tolerances are far below half of a typical derivative: a factor of 2, a missing
//! term or a wrong sign fails.

use evenkeel::ml::config::{Activation, Initializer, Regularization};
use evenkeel::ml::labels::ClassWeights;
use evenkeel::ml::nn::loss::batch_loss;
use evenkeel::ml::nn::network::ParameterKind;
use evenkeel::ml::nn::pass::Pass;
use evenkeel::ml::nn::{Network, NetworkShape, penalty};
use evenkeel::ml::seed::Seed;
use ndarray::Array2;

const STEP: f32 = 4e-3;
const ROWS: usize = 12;
const ACTIVATIONS: [Activation; 5] =
    [Activation::Relu, Activation::LeakyRelu, Activation::Gelu, Activation::Selu, Activation::Tanh];
const UNEQUAL: ClassWeights = ClassWeights { positive: 4.0, negative: 0.5 };
const NONE: Regularization = Regularization { l1: 0.0, l2: 0.0 };

/// A network on a fixed batch, whose objective is a function of its parameters alone.
struct Problem {
    network: Network,
    input: Array2<f32>,
    labels: Vec<bool>,
    weights: ClassWeights,
    regularization: Regularization,
    dropout: f64,
}

impl Problem {
    fn new(activation: Activation, hidden_layers: &[usize], batch_normalization: bool) -> Self {
        let shape = NetworkShape { inputs: 3, hidden_layers: hidden_layers.to_vec(), activation, batch_normalization };
        let network = Network::initialized(&shape, Initializer::HeNormal, None, Seed(20));
        let input = Array2::from_shape_fn((ROWS, 3), |(row, column)| ((row * 13 + column * 5) as f32 * 0.7).sin());
        let labels = (0..ROWS).map(|row| row % 3 == 0).collect();
        Self { network, input, labels, weights: UNEQUAL, regularization: NONE, dropout: 0.0 }
    }

    /// The objective at `network`, and its gradient. Dropout draws the same units every time.
    fn evaluate(&self, network: &Network) -> (f64, Network) {
        let (mut network, mut gradient) = (network.clone(), Network::zeros(&network.shape()));
        let mut pass = Pass::new(&network, ROWS + 3, self.dropout);
        pass.forward(&mut network, self.input.view(), &mut Seed(8).stream("dropout"));
        let (logits, slopes) = pass.logits_and_slopes(ROWS);
        let loss = batch_loss(logits, &self.labels, self.weights, slopes).weighted_mean;
        pass.backward(&network, self.input.view(), &mut gradient);
        penalty::add_gradient(&self.regularization, &network, &mut gradient);
        (loss + penalty::value(&self.regularization, &network), gradient)
    }

    fn objective_with(&self, tensor: usize, index: usize, change: f32) -> f64 {
        let mut moved = self.network.clone();
        moved.parameters_mut()[tensor].1[index] += change;
        self.evaluate(&moved).0
    }

    /// A central difference, and how far the two one-sided ones are apart: large where a kink of the activation
    /// or of |w| lies within the step, where no derivative exists to compare with.
    fn difference(&self, tensor: usize, index: usize) -> (f64, f64) {
        let step = f64::from(STEP);
        let here = self.evaluate(&self.network).0;
        let up = (self.objective_with(tensor, index, STEP) - here) / step;
        let down = (here - self.objective_with(tensor, index, -STEP)) / step;
        (0.5 * (up + down), (up - down).abs())
    }

    /// Compares all parameters; at most one in eight may sit on a kink.
    fn check(&self, name: &str) {
        let (_, gradient) = self.evaluate(&self.network);
        let (mut compared, mut skipped, mut largest) = (0, 0, 0.0_f64);
        for (tensor, (_, slopes)) in gradient.parameters().iter().enumerate() {
            for (index, &slope) in slopes.iter().enumerate() {
                let (difference, bend) = self.difference(tensor, index);
                if bend > 0.03 {
                    skipped += 1;
                    continue;
                }
                compared += 1;
                largest = largest.max(difference.abs());
                let error = (f64::from(slope) - difference).abs();
                assert!(
                    error < 1.5e-3 + 0.01 * difference.abs(),
                    "{name}: parameter {index} of tensor {tensor}: derivative {slope}, difference {difference}"
                );
            }
        }
        assert!(8 * skipped <= compared, "{name}: {skipped} of {compared} parameters on a kink");
        assert!(largest > 0.05, "{name}: all derivatives are near zero, so that nothing was compared");
    }
}

#[test]
fn a_network_without_hidden_layers() {
    Problem::new(Activation::Relu, &[], false).check("no hidden layer");
}

#[test]
fn every_activation_in_one_and_two_layers() {
    for activation in ACTIVATIONS {
        Problem::new(activation, &[6], false).check(&format!("{activation:?}, one layer"));
        Problem::new(activation, &[5, 4], false).check(&format!("{activation:?}, two layers"));
    }
}

#[test]
fn every_activation_with_batch_normalization() {
    for activation in ACTIVATIONS {
        let mut problem = Problem::new(activation, &[5, 4], true);
        // Away from scale 1 and shift 0, where a term forgotten in their place would not show.
        for layer in &mut problem.network.hidden {
            let norm = layer.batch_norm.as_mut().unwrap();
            norm.scale.iter_mut().enumerate().for_each(|(unit, scale)| *scale = 0.6 + 0.2 * unit as f32);
            norm.shift.iter_mut().enumerate().for_each(|(unit, shift)| *shift = 0.3 - 0.17 * unit as f32);
        }
        problem.check(&format!("{activation:?}, batch normalization"));
    }
}

#[test]
fn batch_normalization_of_a_single_row_uses_running_statistics() {
    let mut problem = Problem::new(Activation::Tanh, &[5], true);
    problem.input = Array2::from_shape_fn((1, 3), |(_, column)| 0.4 * column as f32 - 0.5);
    problem.labels = vec![true];
    let mut pass = Pass::new(&problem.network, 1, 0.0);
    let logit = pass.forward(&mut problem.network, problem.input.view(), &mut Seed(1).stream("dropout"))[0];
    let evaluated = problem.network.logits(&problem.input.mapv(f64::from))[0];
    assert!((f64::from(logit) - evaluated).abs() < 1e-5, "{logit} {evaluated}");
    // The batch of the problem has one row, the buffers more.
    let single = Problem { weights: ClassWeights::EQUAL, ..problem };
    let (_, gradient) = single_row(&single, &single.network);
    for (tensor, (_, slopes)) in gradient.parameters().iter().enumerate() {
        for (index, &slope) in slopes.iter().enumerate() {
            let moved = |change: f32| {
                let mut network = single.network.clone();
                network.parameters_mut()[tensor].1[index] += change;
                single_row(&single, &network).0
            };
            let difference = (moved(STEP) - moved(-STEP)) / (2.0 * f64::from(STEP));
            assert!((f64::from(slope) - difference).abs() < 1.5e-3, "{tensor} {index}: {slope} {difference}");
        }
    }
}

fn single_row(problem: &Problem, network: &Network) -> (f64, Network) {
    let (mut network, mut gradient) = (network.clone(), Network::zeros(&network.shape()));
    let mut pass = Pass::new(&network, ROWS, 0.0);
    pass.forward(&mut network, problem.input.view(), &mut Seed(8).stream("dropout"));
    let (logits, slopes) = pass.logits_and_slopes(1);
    let loss = batch_loss(logits, &problem.labels, problem.weights, slopes).weighted_mean;
    pass.backward(&network, problem.input.view(), &mut gradient);
    (loss, gradient)
}

#[test]
fn dropout_with_fixed_draws() {
    for batch_normalization in [false, true] {
        let mut problem = Problem::new(Activation::Gelu, &[6, 6], batch_normalization);
        problem.dropout = 0.3;
        problem.check("dropout");
    }
}

#[test]
fn every_weighting_of_the_loss() {
    for weights in [ClassWeights::EQUAL, UNEQUAL, ClassWeights { positive: 100.0, negative: 100.0 }] {
        let problem = Problem { weights, ..Problem::new(Activation::Tanh, &[5], false) };
        problem.check(&format!("{weights:?}"));
    }
}

#[test]
fn every_penalty() {
    for (l1, l2) in [(0.1, 0.0), (0.0, 0.1), (0.05, 0.2)] {
        let regularization = Regularization { l1, l2 };
        for batch_normalization in [false, true] {
            let mut problem = Problem::new(Activation::Tanh, &[5, 4], batch_normalization);
            problem.regularization = regularization.clone();
            problem.check(&format!("l1 {l1}, l2 {l2}"));
        }
    }
}

#[test]
fn the_penalty_leaves_everything_but_weights_alone() {
    let mut problem = Problem::new(Activation::Tanh, &[5], true);
    for (_, values) in problem.network.parameters_mut() {
        values.fill(0.5);
    }
    let (_, plain) = problem.evaluate(&problem.network);
    problem.regularization = Regularization { l1: 0.25, l2: 0.5 };
    let (_, penalized) = problem.evaluate(&problem.network);
    for ((kind, with), (_, without)) in penalized.parameters().iter().zip(plain.parameters()) {
        // 0.25 sign(0.5) + 2 * 0.5 * 0.5.
        let expected = if *kind == ParameterKind::Weight { 0.75 } else { 0.0 };
        assert!(with.iter().zip(without).all(|(with, without)| (with - without - expected).abs() < 1e-6), "{kind:?}");
    }
}

#[test]
fn doubling_all_class_weights_changes_nothing() {
    let problem = Problem::new(Activation::Tanh, &[5], false);
    let doubled = Problem {
        weights: ClassWeights { positive: 8.0, negative: 1.0 },
        ..Problem::new(Activation::Tanh, &[5], false)
    };
    let (once, twice) = (problem.evaluate(&problem.network), doubled.evaluate(&problem.network));
    assert!((once.0 - twice.0).abs() < 1e-12);
    assert_eq!(once.1, twice.1);
}
