//! Every derivative against finite differences: layer × activation × weighted loss × penalty.
//!
//! The network computes in f32, so a central difference of step `h` is off by about `1e-7 / h` from rounding and
//! `h²` from curvature. The tolerances are far below half of a typical derivative: a factor of 2, a missing
//! term or a wrong sign fails.

use evenkeel::ml::config::{Activation, Initializer, Loss, Normalization, Regularization};
use evenkeel::ml::kernel::{Penalty, penalty_gradient};
use evenkeel::ml::labels::{ClassCounts, ClassWeights};
use evenkeel::ml::nn::layout::ParameterKind;
use evenkeel::ml::nn::loss::LossFunction;
use evenkeel::ml::nn::pass::{Batch, Pass};
use evenkeel::ml::nn::rows::Rows;
use evenkeel::ml::nn::{Network, NetworkShape};
use evenkeel::ml::seed::Seed;
use ndarray::Array2;

const STEP: f32 = 1e-3;
const ROWS: usize = 12;
const UNEQUAL: ClassWeights = ClassWeights { positive: 4.0, negative: 0.5 };
const NONE: Regularization = Regularization { l1: 0.0, l2: 0.0 };
const BCE: Loss = Loss::Bce { class_weight: None, label_smoothing: 0.0 };

/// A network on a fixed batch, whose objective is a function of its parameters alone.
struct Problem {
    network: Network,
    input: Array2<f64>,
    labels: Vec<bool>,
    loss: Loss,
    weights: ClassWeights,
    row_weights: Vec<f32>,
    regularization: Regularization,
    dropout: f64,
}

impl Problem {
    fn new(activation: Activation, hidden_layers: &[usize], normalization: Normalization) -> Self {
        Self::with(NetworkShape {
            inputs: 3,
            hidden_layers: hidden_layers.to_vec(),
            activation,
            normalization,
            residual: false,
        })
    }

    fn with(shape: NetworkShape) -> Self {
        let network = Network::initialized(&shape, Initializer::HeNormal, None, Seed(20));
        let input = Array2::from_shape_fn((ROWS, 3), |(row, column)| ((row * 13 + column * 5) as f64 * 0.7).sin());
        let labels = (0..ROWS).map(|row| row % 3 == 0).collect();
        let (loss, weights, row_weights) = (BCE, UNEQUAL, Vec::new());
        Self { network, input, labels, loss, weights, row_weights, regularization: NONE, dropout: 0.0 }
    }

    /// The objective at `network`, and its gradient. Dropout draws the same units every time.
    fn evaluate(&self, network: &Network) -> (f64, Vec<f32>) {
        let mut network = network.clone();
        let mut gradient = vec![0.0; network.parameters().len()];
        let rows = Rows::of(&self.input);
        let batch = Batch { values: rows.slice(0..rows.len()), stride: rows.stride(), rows: rows.len() };
        // The buffers have room for more rows than the batch has.
        let mut pass = Pass::new(&network, ROWS + 3, self.dropout);
        pass.forward(&mut network, batch, &mut Seed(8).stream("dropout"));
        let (logits, slopes) = pass.logits_and_slopes(rows.len());
        let counts = ClassCounts { positive: 30, negative: 270 };
        let mut function = LossFunction::new(&self.loss, counts, self.weights);
        let loss = function.evaluate(logits, &self.labels, &self.row_weights, slopes).weighted_mean;
        pass.backward(&network, batch, &mut gradient);
        let Regularization { l1, l2 } = self.regularization;
        let penalty = Penalty { l1: l1 as f32, l2_slope: 2.0 * l2 as f32 };
        let weights = network.layout().weights_end;
        penalty_gradient(&network.parameters()[..weights], &mut gradient[..weights], penalty);
        (loss + network.penalty(&self.regularization), gradient)
    }

    fn objective_with(&self, place: usize, change: f32) -> f64 {
        let mut moved = self.network.clone();
        moved.parameters_mut()[place] += change;
        self.evaluate(&moved).0
    }

    /// The places of the parameters, without padding, and the names of their tensors.
    fn places(&self) -> Vec<(usize, String, ParameterKind)> {
        let tensors = self.network.layout().tensors().iter();
        let of_tensor = |tensor: &evenkeel::ml::nn::layout::TensorPlace| {
            let stride = tensor.range.len() / tensor.rows;
            let cells = (0..tensor.rows).flat_map(|row| (0..tensor.columns).map(move |column| (row, column)));
            cells
                .map(|(row, column)| (tensor.range.start + row * stride + column, tensor.name.clone(), tensor.kind))
                .collect::<Vec<_>>()
        };
        tensors.flat_map(of_tensor).collect()
    }

    /// A central difference, and how far the two one-sided ones are apart: large where a kink of the activation
    /// or of |w| lies within the step, where no derivative exists to compare with.
    fn difference(&self, place: usize) -> (f64, f64) {
        let step = f64::from(STEP);
        let here = self.evaluate(&self.network).0;
        let up = (self.objective_with(place, STEP) - here) / step;
        let down = (here - self.objective_with(place, -STEP)) / step;
        (0.5 * (up + down), (up - down).abs())
    }

    /// Compares all parameters; at most one in five may sit on a kink or bend sharply.
    fn check(&self, name: &str) {
        let (_, gradient) = self.evaluate(&self.network);
        let (mut compared, mut skipped, mut largest) = (0, 0, 0.0_f64);
        let places = self.places();
        for (place, tensor, _) in &places {
            let (difference, bend) = self.difference(*place);
            if bend > 3e-3 + 0.02 * difference.abs() {
                skipped += 1;
                continue;
            }
            compared += 1;
            largest = largest.max(difference.abs());
            let slope = gradient[*place];
            let error = (f64::from(slope) - difference).abs();
            assert!(
                error < 1.5e-3 + 0.01 * difference.abs(),
                "{name}: parameter {place} of {tensor}: derivative {slope}, difference {difference}"
            );
        }
        let padding = (0..gradient.len()).filter(|place| !places.iter().any(|(known, ..)| known == place));
        assert!(padding.into_iter().all(|place| gradient[place] == 0.0), "{name}: padding has a derivative");
        assert!(4 * skipped <= compared, "{name}: {skipped} of {compared} parameters on a kink");
        assert!(largest > 0.05, "{name}: all derivatives are near zero, so that nothing was compared");
    }
}

#[test]
fn a_network_without_hidden_layers() {
    Problem::new(Activation::Relu, &[], Normalization::None).check("no hidden layer");
}

#[test]
fn every_activation_in_one_and_two_layers() {
    for activation in Activation::ALL {
        Problem::new(activation, &[6], Normalization::None).check(&format!("{activation:?}, one layer"));
        Problem::new(activation, &[5, 4], Normalization::None).check(&format!("{activation:?}, two layers"));
    }
}

#[test]
fn every_activation_with_a_normalization() {
    for activation in Activation::ALL {
        for normalization in [Normalization::Batch, Normalization::Layer] {
            let mut problem = Problem::new(activation, &[5, 4], normalization);
            off_the_identity(&mut problem.network);
            problem.check(&format!("{activation:?}, {normalization:?}"));
        }
    }
}

/// Away from scale 1 and shift 0, where a term forgotten in their place would not show.
fn off_the_identity(network: &mut Network) {
    let layout = std::sync::Arc::clone(network.layout());
    for layer in &layout.hidden {
        let [scale, shift] = layer.norm.clone().unwrap();
        for unit in 0..layer.units {
            network.parameters_mut()[scale.start + unit] = 0.6 + 0.2 * unit as f32;
            network.parameters_mut()[shift.start + unit] = 0.3 - 0.17 * unit as f32;
        }
    }
}

#[test]
fn residual_layers_of_every_kind() {
    for activation in [Activation::Relu, Activation::Silu, Activation::Prelu] {
        for normalization in [Normalization::None, Normalization::Batch, Normalization::Layer] {
            let mut problem = Problem::with(NetworkShape {
                inputs: 3,
                hidden_layers: vec![3, 5, 5, 5],
                activation,
                normalization,
                residual: true,
            });
            problem.dropout = 0.2;
            problem.check(&format!("residual, {activation:?}, {normalization:?}"));
        }
    }
}

#[test]
fn batch_normalization_of_a_single_row_uses_running_statistics() {
    let mut problem = Problem::new(Activation::Tanh, &[5], Normalization::Batch);
    problem.input = Array2::from_shape_fn((1, 3), |(_, column)| 0.4 * column as f64 - 0.5);
    problem.labels = vec![true];
    let rows = Rows::of(&problem.input);
    let batch = Batch { values: rows.slice(0..1), stride: rows.stride(), rows: 1 };
    let mut pass = Pass::new(&problem.network, 1, 0.0);
    let logit = pass.forward(&mut problem.network, batch, &mut Seed(1).stream("dropout"))[0];
    let evaluated = problem.network.logits(&problem.input)[0];
    assert!((f64::from(logit) - evaluated).abs() < 1e-5, "{logit} {evaluated}");
    Problem { weights: ClassWeights::EQUAL, ..problem }.check("a single row");
}

#[test]
fn dropout_with_fixed_draws() {
    for activation in [Activation::Relu, Activation::Gelu, Activation::Prelu] {
        for normalization in [Normalization::None, Normalization::Batch] {
            let mut problem = Problem::new(activation, &[6, 6], normalization);
            problem.dropout = 0.3;
            problem.check("dropout");
        }
    }
}

#[test]
fn every_loss_and_weighting() {
    for loss in [
        BCE,
        Loss::Bce { class_weight: None, label_smoothing: 0.1 },
        Loss::Focal { gamma: 2.0, alpha: 0.25 },
        Loss::Asymmetric { gamma_positive: 1.0, gamma_negative: 4.0, margin: 0.05 },
        Loss::LogitAdjusted { tau: 1.0 },
        Loss::Ldam { max_margin: 0.5, scale: 3.0 },
        Loss::ClassBalanced { beta: 0.99 },
    ] {
        for weights in [ClassWeights::EQUAL, UNEQUAL, ClassWeights { positive: 100.0, negative: 100.0 }] {
            let mut problem = Problem::new(Activation::Tanh, &[5], Normalization::None);
            (problem.loss, problem.weights) = (loss.clone(), weights);
            problem.row_weights = (0..ROWS).map(|row| 0.25 * (row % 4) as f32).collect();
            problem.check(&format!("{loss:?}, {weights:?}"));
        }
    }
}

#[test]
fn every_penalty() {
    for (l1, l2) in [(0.1, 0.0), (0.0, 0.1), (0.05, 0.2)] {
        for normalization in [Normalization::None, Normalization::Batch] {
            let mut problem = Problem::new(Activation::Tanh, &[5, 4], normalization);
            problem.regularization = Regularization { l1, l2 };
            problem.check(&format!("l1 {l1}, l2 {l2}"));
        }
    }
}

#[test]
fn the_penalty_leaves_everything_but_weights_alone() {
    let mut problem = Problem::new(Activation::Tanh, &[5], Normalization::Batch);
    for (place, ..) in problem.places() {
        problem.network.parameters_mut()[place] = 0.5;
    }
    let (_, plain) = problem.evaluate(&problem.network);
    problem.regularization = Regularization { l1: 0.25, l2: 0.5 };
    let (_, penalized) = problem.evaluate(&problem.network);
    for (place, tensor, kind) in problem.places() {
        // 0.25 sign(0.5) + 2 * 0.5 * 0.5.
        let expected = if kind == ParameterKind::Weight { 0.75 } else { 0.0 };
        assert!((penalized[place] - plain[place] - expected).abs() < 1e-6, "{tensor}");
    }
}

#[test]
fn doubling_all_class_weights_changes_nothing() {
    let problem = Problem::new(Activation::Tanh, &[5], Normalization::None);
    let doubled = Problem {
        weights: ClassWeights { positive: 8.0, negative: 1.0 },
        ..Problem::new(Activation::Tanh, &[5], Normalization::None)
    };
    let (once, twice) = (problem.evaluate(&problem.network), doubled.evaluate(&problem.network));
    assert!((once.0 - twice.0).abs() < 1e-12);
    assert_eq!(once.1, twice.1);
}
