//! Examples per second of training a network on a prepared matrix; see docs/benchmarks.md.
//!
//! `cargo bench --bench training -- FILE --hidden 128 --batch 32 [--epochs 10] [--threads 2] [--repeat 3]`
//!
//! With `--quality 10` it trains from seeds 0 to 9 and prints, instead of the speed, the mean and the standard error
//! of the validation loss and average precision after the last epoch; benches/peers/quality_torch.py prints the same
//! of PyTorch.
//!
//! FILE has the features row by row as little-endian f32, FILE.json says `{"rows": n, "columns": m}` and FILE.labels
//! has one byte per row; benches/peers/prepare.py writes all three. The last fifth of the rows validates, as it does
//! for the peers.

use std::collections::BTreeMap;
use std::error::Error;
use std::ops::ControlFlow;
use std::time::Instant;

use evenkeel::ml::calibrate::Correction;
use evenkeel::ml::config::{
    Activation, BatchKind, Initializer, Loss, MlpConfig, Normalization, Optimizer, Regularization, Schedule, Training,
};
use evenkeel::ml::labels::ClassWeights;
use evenkeel::ml::nn::{Design, NetworkError, NetworkTask, train};
use evenkeel::ml::observe::{EpochLog, Phase, Stop, TrainObserver, Unobserved};
use evenkeel::ml::seed::Seed;
use evenkeel::ml::sets::{EvalSet, TrainSet};
use ndarray::{Array2, s};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let Some(file) = arguments.first().filter(|argument| !argument.starts_with("--")) else {
        println!("give the file of a prepared matrix; see the head of benches/training.rs");
        return Ok(());
    };
    let options = options(&arguments[1..])?;
    let number = |name: &str, default: usize| options.get(name).map_or(default, |values| values[0]);
    let (epochs, batch_size) = (number("epochs", 10), number("batch", 32));
    let hidden = options.get("hidden").cloned().unwrap_or_else(|| vec![128]);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(number("threads", 2)).build()?;
    let (features, labels) = read(file)?;
    let rows = labels.len() - labels.len() / 5;
    let train_set = TrainSet::new(features.slice(s![..rows, ..]).to_owned(), labels[..rows].to_vec());
    let validation = EvalSet::new(features.slice(s![rows.., ..]).to_owned(), labels[rows..].to_vec());
    let bench = Bench { train_set, validation, hidden: hidden.clone(), epochs, batch_size };
    if let Some(seeds) = options.get("quality") {
        let mut lasts = Vec::new();
        for seed in 0..seeds[0] {
            let mut last = LastEpoch::default();
            pool.install(|| bench.train(seed, &mut last))?;
            lasts.push([last.loss.ok_or("no validation loss")?, last.precision.ok_or("no average precision")?]);
        }
        let [loss, precision] = [0, 1].map(|which| Spread::of(lasts.iter().map(|values| values[which]).collect()));
        println!("{file} {} seeds: validation loss {loss}, average precision {precision}", lasts.len());
        return Ok(());
    }
    let mut seconds = (0..number("repeat", 3))
        .map(|seed| {
            let begun = Instant::now();
            pool.install(|| bench.train(seed, &mut Unobserved))?;
            Ok(begun.elapsed().as_secs_f64())
        })
        .collect::<Result<Vec<f64>, NetworkError>>()?;
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    let (inputs, mut multiplications) = (features.ncols(), 0);
    let widths: Vec<usize> = std::iter::once(inputs).chain(hidden.iter().copied()).chain([1]).collect();
    for (layer, pair) in widths.windows(2).enumerate() {
        // Forward and the gradient of the weights; the gradient of the input but for the first layer.
        multiplications += pair[0] * pair[1] * if layer == 0 { 2 } else { 3 };
    }
    let examples = (rows * epochs) as f64 / median;
    println!(
        "{file} {widths:?} batch {batch_size}: {examples:.0} examples/s, {:.3} s, {:.0} GFLOP/s",
        median,
        examples * 2.0 * multiplications as f64 / 1e9
    );
    Ok(())
}

/// What is trained, besides the seed.
struct Bench {
    train_set: TrainSet,
    validation: EvalSet,
    hidden: Vec<usize>,
    epochs: usize,
    batch_size: usize,
}

impl Bench {
    fn train(&self, seed: usize, observer: &mut dyn TrainObserver) -> Result<(), NetworkError> {
        let model = MlpConfig {
            hidden_layers: self.hidden.clone(),
            activation: Activation::Relu,
            dropout: 0.2,
            normalization: Normalization::None,
            residual: false,
            initializer: Initializer::HeNormal,
            prior_bias: true,
            members: 1,
        };
        let training = Training {
            epochs: self.epochs,
            batch_size: self.batch_size,
            batches: BatchKind::Shuffled,
            schedule: Schedule::Constant { warm_up_epochs: 0 },
            gradient_clipping: None,
            weight_averaging: None,
            early_stopping: None,
        };
        let design = Design::of_mlp(&model, self.train_set.features.ncols());
        let task = NetworkTask {
            train: &self.train_set,
            validation: &self.validation,
            design: &design,
            loss: &Loss::Bce { class_weight: None, label_smoothing: 0.0 },
            class_weights: ClassWeights::EQUAL,
            regularization: &Regularization { l1: 0.0, l2: 0.01 },
            optimizer: &Optimizer::Adam { learning_rate: 1e-3, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8 },
            training: &training,
            augment: &[],
            noise_scale: &[],
            minority_is_positive: true,
            correction: Correction::None,
            seed: Seed(seed as u64),
        };
        train(&task, observer).map(|_| ())
    }
}

/// What the last epoch's log said of the validation rows.
#[derive(Default)]
struct LastEpoch {
    loss: Option<f64>,
    precision: Option<f64>,
}

impl TrainObserver for LastEpoch {
    fn phase(&mut self, _: Phase) -> ControlFlow<Stop> {
        ControlFlow::Continue(())
    }

    fn step(&mut self, _: f64) -> ControlFlow<Stop> {
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, log: &EpochLog) -> ControlFlow<Stop> {
        (self.loss, self.precision) = (log.validation_loss, log.validation_average_precision);
        ControlFlow::Continue(())
    }
}

/// A mean and its standard error.
struct Spread {
    mean: f64,
    error: f64,
}

impl Spread {
    fn of(values: Vec<f64>) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
        Self { mean, error: (variance / count).sqrt() }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:.5} ± {:.5}", self.mean, self.error)
    }
}

/// `--name value value` pairs.
fn options(arguments: &[String]) -> Result<BTreeMap<String, Vec<usize>>, Box<dyn Error>> {
    let mut options: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut name = String::new();
    for argument in arguments {
        match argument.strip_prefix("--") {
            Some(option) => name = option.to_owned(),
            None => options.entry(name.clone()).or_default().push(argument.parse()?),
        }
    }
    Ok(options)
}

fn read(file: &str) -> Result<(Array2<f64>, Vec<bool>), Box<dyn Error>> {
    let shape: BTreeMap<String, usize> = serde_json::from_slice(&std::fs::read(format!("{file}.json"))?)?;
    let bytes = std::fs::read(file)?;
    let (words, _) = bytes.as_chunks::<4>();
    let values = words.iter().map(|word| f64::from(f32::from_le_bytes(*word))).collect();
    let features = Array2::from_shape_vec((shape["rows"], shape["columns"]), values)?;
    let labels = std::fs::read(format!("{file}.labels"))?.iter().map(|&byte| byte == 1).collect();
    Ok((features, labels))
}
