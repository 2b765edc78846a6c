//! Networks trained step by step beside PyTorch, from the same weights: the weights, running statistics, averages and
//! predictions are the same. tests/data/make_network_cases.py has the other side.

use std::collections::BTreeMap;

use evenkeel::ml::config::{
    Activation, ClassWeight, GradientClipping, Loss, Normalization, Optimizer, Regularization, WeightAveraging,
};
use evenkeel::ml::labels::{ClassCounts, ClassWeights};
use evenkeel::ml::nn::averaging::Averager;
use evenkeel::ml::nn::loss::LossFunction;
use evenkeel::ml::nn::optimizer::OptimizerState;
use evenkeel::ml::nn::pass::{Batch, Pass};
use evenkeel::ml::nn::rows::Rows;
use evenkeel::ml::nn::{Network, NetworkShape};
use evenkeel::ml::seed::Seed;
use ndarray::{Array2, s};
use serde::Deserialize;

/// PyTorch computes in double precision there; six steps in single precision stay this near.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
struct Reference {
    batch: usize,
    /// Factors of the learning rate, one a step.
    rates: Vec<f64>,
    features: Vec<[f64; 3]>,
    labels: Vec<u8>,
    weights: Vec<f32>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    hidden_layers: Vec<usize>,
    activation: Activation,
    normalization: Normalization,
    residual: bool,
    optimizer: Optimizer,
    loss: Loss,
    clipping: Option<GradientClipping>,
    regularization: Regularization,
    averaging: Option<WeightAveraging>,
    row_weights: bool,
    start: BTreeMap<String, Vec<f32>>,
    end: BTreeMap<String, Vec<f64>>,
    logits: Vec<f64>,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("../data/network-cases.json")).unwrap()
}

impl Reference {
    fn features(&self) -> Array2<f64> {
        Array2::from_shape_fn((self.features.len(), 3), |(row, column)| self.features[row][column])
    }

    fn labels(&self) -> Vec<bool> {
        self.labels.iter().map(|&label| label == 1).collect()
    }
}

impl Case {
    fn name(&self) -> String {
        let Case { activation, normalization, residual, optimizer, loss, .. } = self;
        let Case { clipping, averaging, row_weights, .. } = self;
        format!(
            "{activation:?} {normalization:?} residual {residual} {optimizer:?} {loss:?} {clipping:?} {averaging:?} \
             row weights {row_weights}"
        )
    }

    /// The network with PyTorch's start weights.
    fn network(&self) -> Network {
        let shape = NetworkShape {
            inputs: 3,
            hidden_layers: self.hidden_layers.clone(),
            activation: self.activation,
            normalization: self.normalization,
            residual: self.residual,
        };
        let shapes: BTreeMap<String, Vec<usize>> =
            Network::zeros(&shape).tensors().into_iter().map(|(name, shape, _)| (name, shape)).collect();
        assert_eq!(shapes.keys().collect::<Vec<_>>(), self.start.keys().collect::<Vec<_>>());
        let tensor = |name: &str| Some((shapes.get(name)?.clone(), self.start.get(name)?.clone()));
        Network::from_tensors(&shape, &tensor).unwrap()
    }

    fn class_weights(&self, counts: ClassCounts) -> ClassWeights {
        match &self.loss {
            Loss::Bce { class_weight: Some(ClassWeight::Balanced(_)), .. } => ClassWeights::balanced(counts),
            Loss::ClassBalanced { beta } => ClassWeights::class_balanced(counts, *beta),
            _ => ClassWeights::EQUAL,
        }
    }

    /// The network, or the average, after all steps.
    fn trained(&self, reference: &Reference) -> Network {
        let mut network = self.network();
        let (features, labels) = (reference.features(), reference.labels());
        let counts = ClassCounts::of(&labels);
        let mut function = LossFunction::new(&self.loss, counts, self.class_weights(counts));
        let mut state = OptimizerState::new(&self.optimizer, &self.regularization, self.clipping, &network);
        let mut averager = self.averaging.map(|kind| Averager::new(kind, &network));
        let mut pass = Pass::new(&network, reference.batch, 0.0);
        let mut gradient = vec![0.0; network.parameters().len()];
        for (step, &rate) in reference.rates.iter().enumerate() {
            let start = reference.batch * (step % 2);
            let range = start..start + reference.batch;
            let rows = Rows::of(&features.slice(s![range.clone(), ..]).to_owned());
            let batch = Batch { values: rows.slice(0..rows.len()), stride: rows.stride(), rows: rows.len() };
            pass.forward(&mut network, batch, &mut Seed(1).stream("no dropout"));
            let (logits, slopes) = pass.logits_and_slopes(rows.len());
            let weights = if self.row_weights { &reference.weights[range.clone()] } else { &[] };
            function.evaluate(logits, &labels[range], weights, slopes);
            pass.backward(&network, batch, &mut gradient);
            state.step(&mut network, &mut gradient, rate);
            if let Some(averager) = &mut averager {
                averager.step(&network);
                averager.end_epoch(step + 1, &network);
            }
        }
        averager.map_or(network, |averager| averager.average().unwrap().clone())
    }
}

#[test]
fn networks_take_the_steps_of_pytorch() {
    let reference = reference();
    for case in &reference.cases {
        let trained = case.trained(&reference);
        let tensors = trained.tensors();
        assert_eq!(tensors.len(), case.end.len());
        for (name, _, values) in tensors {
            let moved = case.end[&name].iter().zip(&case.start[&name]).any(|(a, b)| (a - f64::from(*b)).abs() > 1e-4);
            let normalized = case.normalization == Normalization::Batch && name.ends_with("bias");
            assert!(moved || normalized, "{}: {name} stands still, which tests nothing", case.name());
            for (found, expected) in values.iter().zip(&case.end[&name]) {
                let error = (f64::from(*found) - expected).abs();
                assert!(error < TOLERANCE, "{}: {name} has {found} for {expected}", case.name());
            }
        }
        for (found, expected) in trained.logits(&reference.features()).iter().zip(&case.logits) {
            assert!((found - expected).abs() < 4.0 * TOLERANCE, "{}: {found} for {expected}", case.name());
        }
    }
}

#[test]
fn every_option_is_among_the_cases() {
    let cases = reference().cases;
    let any = |holds: &dyn Fn(&Case) -> bool| cases.iter().any(holds);
    for activation in Activation::ALL {
        assert!(any(&|case| case.activation == activation), "{activation:?}");
    }
    for normalization in [Normalization::None, Normalization::Batch, Normalization::Layer] {
        for residual in [false, true] {
            let here = |case: &&Case| case.normalization == normalization && case.residual == residual;
            let names: std::collections::BTreeSet<String> = cases
                .iter()
                .filter(here)
                .map(|case| match case.optimizer {
                    Optimizer::Adam { .. } => "adam".to_owned(),
                    Optimizer::Adamw { .. } => "adamw".to_owned(),
                    Optimizer::Sgd { nesterov, .. } => format!("sgd {nesterov}"),
                    Optimizer::Rmsprop { .. } => "rmsprop".to_owned(),
                })
                .collect();
            assert_eq!(names.len(), 5, "{normalization:?} {residual} {names:?}");
        }
    }
    for loss in ["bce", "focal", "asymmetric", "logit_adjusted", "ldam", "class_balanced"] {
        assert!(any(&|case| case.loss.name() == loss), "{loss}");
    }
    assert!(any(&|case| matches!(case.clipping, Some(GradientClipping::Norm { .. }))));
    assert!(any(&|case| matches!(case.clipping, Some(GradientClipping::Value { .. }))));
    assert!(any(&|case| matches!(case.averaging, Some(WeightAveraging::Ema { .. }))));
    assert!(any(&|case| matches!(case.averaging, Some(WeightAveraging::Swa { .. }))));
    assert!(any(&|case| case.row_weights) && any(&|case| case.regularization.l1 > 0.0));
}
