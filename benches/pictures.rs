//! Examples per second of training a convolutional network on made-up pictures; see docs/benchmarks.md.
//!
//! `cargo bench --bench pictures -- [--size small|medium] [--side 32] [--batch 64] [--rows 2048] [--threads 2]
//! [--repeat 5]`
//!
//! benches/peers/pictures_torch.py trains the same network on as many pictures with PyTorch.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use evenkeel::ml::calibrate::Correction;
use evenkeel::ml::config::{
    Activation, BatchKind, CnnConfig, CnnSize, Initializer, Loss, Optimizer, Regularization, Schedule, Training,
};
use evenkeel::ml::labels::ClassWeights;
use evenkeel::ml::nn::{Design, NetworkTask, train};
use evenkeel::ml::observe::Unobserved;
use evenkeel::ml::picture::{PictureScaling, PictureSet, PictureShape, Pictures};
use evenkeel::ml::seed::Seed;
use evenkeel::ml::sets::{EvalSet, TrainSet};
use ndarray::Array2;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.is_empty() {
        println!("say what to train; see the head of benches/pictures.rs");
        return Ok(());
    }
    let pairs = arguments.chunks(2).filter_map(|pair| Some((pair.first()?.as_str(), pair.get(1)?.as_str())));
    let options: BTreeMap<&str, &str> = pairs.collect();
    let number = |name: &str, default: usize| -> Result<usize, Box<dyn Error>> {
        Ok(options.get(name).map(|text| text.parse()).transpose()?.unwrap_or(default))
    };
    let size = if options.get("--size") == Some(&"medium") { CnnSize::Medium } else { CnnSize::Small };
    let (side, batch_size, rows) = (number("--side", 32)?, number("--batch", 64)?, number("--rows", 2_048)?);
    let shape = PictureShape { height: side, width: side, channels: 3 };
    let pixels = (0..rows * shape.values()).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let pictures = Pictures::new(shape, pixels)?;
    let labels: Vec<bool> = (0..rows).map(|row| row % 10 == 0).collect();
    let mut train_set = TrainSet::new(Array2::zeros((rows, 0)), labels);
    train_set.pictures = Some(PictureSet { scaling: PictureScaling::of(&pictures), pictures });
    let model = CnnConfig {
        size: Some(size),
        layers: None,
        activation: Activation::Relu,
        dropout: 0.0,
        initializer: Initializer::HeNormal,
        prior_bias: true,
        members: 1,
    };
    let design = Design::of_cnn(&model, shape).map_err(|errors| format!("{errors:?}"))?;
    let training = Training {
        epochs: 1,
        batch_size,
        batches: BatchKind::Shuffled,
        schedule: Schedule::Constant { warm_up_epochs: 0 },
        gradient_clipping: None,
        weight_averaging: None,
        early_stopping: None,
    };
    let task = NetworkTask {
        train: &train_set,
        validation: &EvalSet::new(Array2::zeros((0, 0)), Vec::new()),
        design: &design,
        loss: &Loss::Bce { class_weight: None, label_smoothing: 0.0 },
        class_weights: ClassWeights::EQUAL,
        regularization: &Regularization { l1: 0.0, l2: 0.0 },
        optimizer: &Optimizer::Adamw {
            learning_rate: 1e-3,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 1e-4,
        },
        training: &training,
        augment: &[],
        noise_scale: &[],
        minority_is_positive: true,
        correction: Correction::None,
        seed: Seed(1),
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(number("--threads", 2)?).build()?;
    let mut speeds = Vec::new();
    for _ in 0..number("--repeat", 5)? {
        let begun = Instant::now();
        pool.install(|| train(&task, &mut Unobserved))?;
        speeds.push(rows as f64 / begun.elapsed().as_secs_f64());
    }
    speeds.sort_by(f64::total_cmp);
    let (median, best) = (speeds[speeds.len() / 2], speeds[speeds.len() - 1]);
    println!("{size:?} {side} × {side} × 3, batch {batch_size}: {median:.0} examples/s (median), {best:.0} (best)");
    Ok(())
}
