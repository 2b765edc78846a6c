//! Convolutional networks beside PyTorch, from the same weights: logits and derivatives of the first step, weights and
//! statistics after some, predictions. tests/data/make_picture_network_cases.py has the other side.

use std::collections::BTreeMap;

use evenkeel::ml::config::{CnnLayer, Loss, Optimizer, Regularization};
use evenkeel::ml::labels::{ClassCounts, ClassWeights};
use evenkeel::ml::nn::loss::LossFunction;
use evenkeel::ml::nn::optimizer::OptimizerState;
use evenkeel::ml::nn::pass::{Batch, Pass};
use evenkeel::ml::nn::rows::Rows;
use evenkeel::ml::nn::{Network, PictureNetworkShape};
use evenkeel::ml::picture::PictureShape;
use evenkeel::ml::seed::Seed;
use ndarray::Array2;
use serde::Deserialize;

/// PyTorch computes in double precision there; some steps in single precision stay this near.
const TOLERANCE: f64 = 2e-5;

#[derive(Deserialize)]
struct Reference {
    steps: usize,
    labels: Vec<u8>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    input: PictureShape,
    layers: Vec<CnnLayer>,
    pictures: Vec<Vec<f64>>,
    start: BTreeMap<String, Vec<f32>>,
    first: First,
    end: BTreeMap<String, Vec<f64>>,
    logits: Vec<f64>,
}

#[derive(Deserialize)]
struct First {
    logits: Vec<f64>,
    slopes: BTreeMap<String, Vec<f64>>,
    running: BTreeMap<String, Vec<f64>>,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("../data/picture-network-cases.json")).unwrap()
}

impl Case {
    fn name(&self) -> String {
        format!("{:?} {:?}", self.input, self.layers)
    }

    fn pictures(&self) -> Array2<f64> {
        let sides = (self.pictures.len(), self.input.values());
        Array2::from_shape_fn(sides, |(row, column)| self.pictures[row][column])
    }

    /// The network with PyTorch's start weights; statistics before any step are 0 and 1.
    fn network(&self) -> Network {
        let shape = PictureNetworkShape { input: self.input, layers: self.layers.clone() };
        let lookup = |name: &str| {
            let running = |values: &Vec<f64>| vec![f32::from(u8::from(name.ends_with("variance"))); values.len()];
            let values = self.start.get(name).cloned().or_else(|| self.first.running.get(name).map(running))?;
            // Matrices are told from vectors by their names.
            let bias = self.start.get(&name.replace("weight", "bias"));
            let rows = match (name.ends_with("weight"), name, bias) {
                (true, "output.weight", _) => 1,
                (true, _, Some(bias)) => bias.len(),
                (true, _, None) => self.rows_of(name)?,
                (false, ..) => return Some((vec![values.len()], values)),
            };
            Some((vec![rows, values.len() / rows], values))
        };
        Network::from_picture_tensors(&shape, &lookup).unwrap_or_else(|error| panic!("{}: {error}", self.name()))
    }

    /// Outputs of weights without a bias, by what they are.
    fn rows_of(&self, name: &str) -> Option<usize> {
        let mut layers = &self.layers;
        let places: Vec<&str> = name.split('.').collect();
        let mut channels = None;
        for (at, place) in places.iter().enumerate() {
            if *place == "projection" {
                let scale = name.replace("weight", "scale");
                return self.start.get(&scale).map(Vec::len);
            }
            let Ok(index) = place.parse::<usize>() else { continue };
            match &layers[index] {
                CnnLayer::Residual { layers: inner, .. } if at + 2 < places.len() => layers = inner,
                CnnLayer::Conv { filters, .. } => channels = Some(*filters),
                CnnLayer::Dense { units, .. } => channels = Some(*units),
                CnnLayer::DepthwiseConv { kernel, .. } => {
                    channels = Some(self.start.get(name)?.len() / (kernel * kernel));
                }
                _ => {}
            }
        }
        channels
    }
}

fn close(case: &Case, name: &str, found: impl IntoIterator<Item = f32>, expected: &[f64]) {
    let found: Vec<f32> = found.into_iter().collect();
    assert_eq!(found.len(), expected.len(), "{}: {name}", case.name());
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs();
        assert!(
            error < TOLERANCE * (1.0 + expected.abs()),
            "{}: {name} {at} is {found}, of PyTorch {expected}",
            case.name()
        );
    }
}

#[test]
fn every_layer_there_and_back_is_that_of_pytorch() {
    let Reference { steps, labels, cases } = reference();
    let labels: Vec<bool> = labels.iter().map(|&label| label == 1).collect();
    let loss = Loss::Bce { class_weight: None, label_smoothing: 0.0 };
    let optimizer = Optimizer::Sgd { learning_rate: 0.05, momentum: 0.9, nesterov: false };
    for case in &cases {
        let mut network = case.network();
        let features = case.pictures();
        let rows = Rows::of(&features);
        let batch = Batch { values: rows.slice(0..rows.len()), stride: rows.stride(), rows: rows.len() };
        // The buffers have room for more rows than the batch has.
        let mut pass = Pass::new(&network, rows.len() + 3, 0.0);
        let mut function = LossFunction::new(&loss, ClassCounts::of(&labels), ClassWeights::EQUAL);
        let penalty = Regularization { l1: 0.0, l2: 0.0 };
        let mut state = OptimizerState::new(&optimizer, &penalty, None, &network);
        let mut gradient = vec![1e9; network.parameters().len()];
        for step in 0..steps {
            pass.forward(&mut network, batch, &mut Seed(1).stream("no dropout"));
            let (logits, slopes) = pass.logits_and_slopes(rows.len());
            if step == 0 {
                close(case, "logits", logits.iter().copied(), &case.first.logits);
            }
            function.evaluate(logits, &labels, &[], slopes);
            pass.backward(&network, batch, &mut gradient);
            if step == 0 {
                let mut slopes = network.clone();
                slopes.parameters_mut().copy_from_slice(&gradient);
                for (name, _, values) in slopes.tensors() {
                    let expected = case.first.slopes.get(&name).or_else(|| case.first.running.get(&name));
                    close(case, &format!("slopes of {name}"), values, expected.unwrap());
                }
            }
            state.step(&mut network, &mut gradient, 1.0);
        }
        let tensors = network.tensors();
        assert_eq!(tensors.len(), case.end.len());
        for (name, _, values) in tensors {
            close(case, &name, values, &case.end[&name]);
        }
        let predicted = network.logits(&features).into_iter().map(|logit| logit as f32);
        close(case, "prediction", predicted, &case.logits);
    }
}

#[test]
fn every_layer_is_among_the_cases() {
    fn names(layers: &[CnnLayer]) -> Vec<&'static str> {
        let inner = |layer: &CnnLayer| match layer {
            CnnLayer::Residual { layers, .. } => names(layers),
            _ => Vec::new(),
        };
        layers.iter().flat_map(|layer| [vec![layer.name()], inner(layer)].concat()).collect()
    }
    let cases = reference().cases;
    let found: std::collections::BTreeSet<&str> = cases.iter().flat_map(|case| names(&case.layers)).collect();
    // Dropout, which has chance of its own, is among the finite differences.
    let expected = [
        "activation",
        "avg_pool",
        "batch_norm",
        "conv",
        "dense",
        "depthwise_conv",
        "global_avg_pool",
        "global_max_pool",
        "max_pool",
        "residual",
    ];
    assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
}
