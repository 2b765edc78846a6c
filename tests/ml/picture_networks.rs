//! Convolutional networks in training: derivatives against finite differences, the same bits for any number of threads,
//! and that they learn what a linear model cannot.

use evenkeel::ml::calibrate::Correction;
use evenkeel::ml::config::{
    Activation, BatchKind, CnnConfig, CnnLayer, CnnSize, Initializer, Loss, Optimizer, Regularization, Schedule,
    Training,
};
use evenkeel::ml::labels::{ClassCounts, ClassWeights};
use evenkeel::ml::nn::layout::TensorPlace;
use evenkeel::ml::nn::loss::LossFunction;
use evenkeel::ml::nn::pass::{Batch, Pass};
use evenkeel::ml::nn::rows::Rows;
use evenkeel::ml::nn::{Design, Network, NetworkTask, TrainedNetwork, train};
use evenkeel::ml::observe::Unobserved;
use evenkeel::ml::picture::{PictureScaling, PictureSet, PictureShape, Pictures};
use evenkeel::ml::seed::Seed;
use evenkeel::ml::sets::{EvalSet, TrainSet};
use ndarray::Array2;

const STEP: f32 = 1e-3;
const BCE: Loss = Loss::Bce { class_weight: None, label_smoothing: 0.0 };

fn config(layers: Vec<CnnLayer>) -> CnnConfig {
    CnnConfig {
        size: None,
        layers: Some(layers),
        activation: Activation::Relu,
        dropout: 0.0,
        initializer: Initializer::HeNormal,
        prior_bias: true,
        members: 1,
    }
}

fn conv(filters: usize, kernel: usize, stride: usize, padding: usize, bias: bool) -> CnnLayer {
    CnnLayer::Conv { filters, kernel, stride, padding, bias }
}

fn activation(function: Activation) -> CnnLayer {
    CnnLayer::Activation { function }
}

/// A network on a fixed batch.
struct Problem {
    network: Network,
    pictures: Array2<f64>,
    labels: Vec<bool>,
}

impl Problem {
    fn new(layers: Vec<CnnLayer>, input: PictureShape) -> Self {
        let design = Design::of_cnn(&config(layers), input).unwrap();
        let mut network = Network::of_design(&design, None, Seed(20));
        // Away from scale 1, shift 0 and slopes that are all alike.
        let places: Vec<TensorPlace> = network.layout().tensors().to_vec();
        for place in places.iter().filter(|place| place.rows == 1 && !place.name.ends_with("weight")) {
            for column in 0..place.columns {
                let base = if place.name.ends_with("shift") || place.name.ends_with("bias") { -0.2 } else { 0.6 };
                network.parameters_mut()[place.range.start + column] = base + 0.15 * column as f32;
            }
        }
        let pictures = Array2::from_shape_fn((6, input.values()), |(row, value)| {
            ((row * 131 + value * 7) as f64 * 0.37).sin() + ((row + value * value) as f64 * 0.11).cos()
        });
        Self { network, pictures, labels: (0..6).map(|row| row % 3 == 0).collect() }
    }

    /// The loss at `network` and its gradient. Dropout draws the same values every time.
    fn evaluate(&self, network: &Network) -> (f64, Vec<f32>) {
        let mut network = network.clone();
        let mut gradient = vec![0.0; network.parameters().len()];
        let rows = Rows::of(&self.pictures);
        let batch = Batch { values: rows.slice(0..rows.len()), stride: rows.stride(), rows: rows.len() };
        let mut pass = Pass::new(&network, rows.len() + 1, 0.0);
        pass.forward(&mut network, batch, &mut Seed(8).stream("dropout"));
        let (logits, slopes) = pass.logits_and_slopes(rows.len());
        let counts = ClassCounts { positive: 30, negative: 270 };
        let mut function = LossFunction::new(&BCE, counts, ClassWeights { positive: 4.0, negative: 0.5 });
        let loss = function.evaluate(logits, &self.labels, &[], slopes).weighted_mean;
        pass.backward(&network, batch, &mut gradient);
        (loss, gradient)
    }

    fn moved(&self, place: usize, change: f32) -> f64 {
        let mut moved = self.network.clone();
        moved.parameters_mut()[place] += change;
        self.evaluate(&moved).0
    }

    /// Compares all parameters; those where the two one-sided differences are apart sit on a kink.
    fn check(&self, name: &str) {
        let (here, gradient) = self.evaluate(&self.network);
        let (mut compared, mut skipped, mut largest) = (0, 0, 0.0_f64);
        let mut known = vec![false; gradient.len()];
        for place in self.network.layout().tensors() {
            let stride = place.range.len() / place.rows;
            for at in (0..place.rows).flat_map(|row| (0..place.columns).map(move |column| row * stride + column)) {
                let at = place.range.start + at;
                known[at] = true;
                let up = (self.moved(at, STEP) - here) / f64::from(STEP);
                let down = (here - self.moved(at, -STEP)) / f64::from(STEP);
                let (difference, slope) = (0.5 * (up + down), f64::from(gradient[at]));
                if (up - down).abs() > 3e-3 + 0.02 * difference.abs() {
                    skipped += 1;
                    continue;
                }
                compared += 1;
                largest = largest.max(difference.abs());
                assert!(
                    (slope - difference).abs() < 2e-3 + 0.01 * difference.abs(),
                    "{name}: {} at {at}: derivative {slope}, difference {difference}",
                    place.name
                );
            }
        }
        assert!(gradient.iter().zip(&known).all(|(slope, known)| *known || *slope == 0.0), "{name}: padding moves");
        assert!(3 * skipped <= compared, "{name}: {skipped} of {compared} parameters on a kink");
        assert!(largest > 0.02, "{name}: all derivatives are near zero, so that nothing was compared");
    }
}

#[test]
fn derivatives_of_every_layer_are_those_of_differences() {
    let input = PictureShape { height: 5, width: 6, channels: 3 };
    let smooth = || activation(Activation::Tanh);
    let cases = [
        vec![conv(3, 3, 1, 1, true), smooth(), conv(2, 3, 2, 1, true)],
        vec![
            conv(3, 2, 1, 0, false),
            CnnLayer::BatchNorm {},
            smooth(),
            CnnLayer::DepthwiseConv { kernel: 3, stride: 1, padding: 1, bias: true },
        ],
        vec![conv(2, 3, 1, 1, true), CnnLayer::MaxPool { size: 2, stride: 2, padding: 0 }, smooth()],
        vec![conv(2, 3, 1, 1, true), CnnLayer::AvgPool { size: 3, stride: 2, padding: 1 }, smooth()],
        vec![conv(2, 3, 1, 1, true), smooth(), CnnLayer::Dense { units: 3, bias: true }, smooth()],
        vec![conv(3, 3, 1, 1, true), smooth(), CnnLayer::GlobalMaxPool {}, CnnLayer::Dense { units: 2, bias: true }],
        vec![
            conv(2, 3, 1, 1, true),
            CnnLayer::Residual { layers: vec![conv(4, 3, 2, 1, false), CnnLayer::BatchNorm {}], projection: true },
            activation(Activation::Silu),
            CnnLayer::Residual { layers: vec![conv(4, 1, 1, 0, true)], projection: false },
        ],
    ];
    for layers in cases {
        let name = format!("{layers:?}");
        Problem::new(layers, input).check(&name);
    }
}

#[test]
fn derivatives_of_dropout_and_every_activation_are_those_of_differences() {
    let input = PictureShape { height: 3, width: 4, channels: 1 };
    for function in Activation::ALL {
        let dropout = || CnnLayer::Dropout { probability: 0.3 };
        let layers = vec![
            conv(3, 3, 1, 1, true),
            CnnLayer::BatchNorm {},
            activation(function),
            dropout(),
            CnnLayer::Dense { units: 3, bias: true },
            dropout(),
        ];
        Problem::new(layers, input).check(&format!("{function:?}"));
    }
}

/// Pictures of a bright bar that lies or stands, anywhere, under noise: no pixel tells which.
fn bars(rows: usize, side: usize, channels: usize) -> (PictureSet, Vec<bool>) {
    let shape = PictureShape { height: side, width: side, channels };
    let mut pixels = Vec::new();
    let mut state = 1_u32;
    let mut next = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % below
    };
    let labels: Vec<bool> = (0..rows).map(|row| row % 3 == 0).collect();
    for &stands in &labels {
        let (line, from) = (next(side as u32) as usize, next(side as u32 / 2) as usize);
        for y in 0..side {
            for x in 0..side {
                let (across, along) = if stands { (x, y) } else { (y, x) };
                let is_bar = across == line && (from..from + side / 2).contains(&along);
                let value = next(60) + if is_bar { 150 } else { 0 };
                pixels.extend((0..channels).map(|_| value as u8));
            }
        }
    }
    let pictures = Pictures::new(shape, pixels).unwrap();
    (PictureSet { scaling: PictureScaling::of(&pictures), pictures }, labels)
}

fn learnt(config: &CnnConfig, epochs: usize, batch_size: usize, side: usize, threads: usize) -> TrainedNetwork {
    let (pictures, labels) = bars(240, side, 1);
    let design = Design::of_cnn(config, pictures.shape()).unwrap();
    let mut train_set = TrainSet::new(Array2::zeros((labels.len(), 0)), labels.clone());
    train_set.pictures = Some(pictures.clone());
    let validation = EvalSet::new(Array2::zeros((labels.len(), 0)), labels).with_pictures(Some(pictures));
    let training = Training {
        epochs,
        batch_size,
        batches: BatchKind::Shuffled,
        schedule: Schedule::Constant { warm_up_epochs: 0 },
        gradient_clipping: None,
        weight_averaging: None,
        early_stopping: None,
    };
    let task = NetworkTask {
        train: &train_set,
        validation: &validation,
        design: &design,
        loss: &BCE,
        class_weights: ClassWeights::EQUAL,
        regularization: &Regularization { l1: 0.0, l2: 0.0 },
        optimizer: &Optimizer::Adam { learning_rate: 0.01, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8 },
        training: &training,
        augment: &[],
        noise_scale: &[],
        minority_is_positive: true,
        correction: Correction::None,
        seed: Seed(5),
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| train(&task, &mut Unobserved)).unwrap()
}

#[test]
fn a_small_network_learns_what_no_pixel_tells() {
    let config = config(vec![
        conv(8, 3, 1, 1, false),
        CnnLayer::BatchNorm {},
        activation(Activation::Relu),
        CnnLayer::Residual { layers: vec![conv(8, 3, 1, 1, false), CnnLayer::BatchNorm {}], projection: false },
        activation(Activation::Relu),
        CnnLayer::GlobalAvgPool {},
    ]);
    let trained = learnt(&config, 12, 32, 10, 1);
    let (pictures, labels) = bars(240, 10, 1);
    let mut room = Array2::zeros((240, 100));
    for (row, mut to) in room.outer_iter_mut().enumerate() {
        let mut values = vec![0.0; 100];
        pictures.normalized(row, &mut values);
        to.iter_mut().zip(&values).for_each(|(to, &value)| *to = f64::from(value));
    }
    let logits = trained.network.logits(&room);
    let right = logits.iter().zip(&labels).filter(|(logit, label)| (**logit > 0.0) == **label).count();
    assert!(right >= 235, "{right} of 240");
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let ready = CnnConfig { size: Some(CnnSize::Small), layers: None, dropout: 0.2, ..config(Vec::new()) };
    let layers = config(vec![
        conv(5, 3, 1, 1, true),
        activation(Activation::Prelu),
        CnnLayer::MaxPool { size: 3, stride: 2, padding: 1 },
        CnnLayer::DepthwiseConv { kernel: 3, stride: 1, padding: 1, bias: true },
        activation(Activation::Gelu),
        CnnLayer::AvgPool { size: 2, stride: 2, padding: 0 },
        CnnLayer::Dense { units: 40, bias: true },
        CnnLayer::Dropout { probability: 0.2 },
    ]);
    for config in [ready, layers] {
        let alone = learnt(&config, 1, 100, 16, 1);
        for threads in [2, 5] {
            assert_eq!(learnt(&config, 1, 100, 16, threads).network, alone.network);
        }
    }
}
