//! How much memory and work a job will need, before it is queued.

use serde::Serialize;

use super::embedding;
use super::side_by_side::MOST_AT_ONCE;
use crate::ml::config::{
    Bagging, CnnConfig, CrossValidation, DatasetFacts, MlpConfig, ModelConfig, ResampleStep, Split, Strength,
    TrainConfig,
};
use crate::ml::nn::picture::{GROUPS, Plan};
use crate::ml::nn::{Design, MAX_CHECKPOINT_BYTES};
use crate::ml::picture::PictureShape;
use crate::ml::table::ColumnType;

/// What is read of an archive ahead of time, and what threads decode at a time of pictures of some megapixels.
const DECODING_BYTES: u64 = 64 << 20;

/// An upper estimate from the sizes of the data and the configuration. Saturates instead of overflowing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// At the highest point of the run.
    pub memory_bytes: u64,
    /// Rows trained on, after resampling.
    pub train_rows: u64,
    /// Columns after preprocessing.
    pub features: u64,
    /// Weights and biases of the model.
    pub parameters: u64,
    /// Multiplications and additions of the whole training, if no epoch is saved by early stopping.
    pub multiply_adds: u64,
}

/// Estimates a job on a dataset with these facts.
pub fn estimate(config: &TrainConfig, facts: &DatasetFacts) -> Estimate {
    let rows = facts.rows as u64;
    let features = features(config, facts);
    let draws = config.bagging.as_ref().map_or(1, |bagging| bagging.members as u64);
    let train_rows = resampled_rows(config, facts).saturating_mul(draws);
    let (epochs, batch) = config.training.as_ref().map_or((1, 1), |training| (training.epochs, training.batch_size));
    let pixels = config.preprocess.image.as_ref().map(|image| image.spec().shape);
    let ModelSize { parameters, row_bytes, row_multiply_adds, sums, passes } =
        ModelSize::of(&config.model, features, pixels, epochs as u64);
    let cells = |rows: u64, columns: u64, bytes: u64| rows.saturating_mul(columns).saturating_mul(bytes);
    // Pixels are there once, however rows are divided and repeated, and once more while they are read.
    let pictures = pixels.map_or(0, |shape| cells(rows, shape.values() as u64, 2).saturating_add(DECODING_BYTES));
    let table = cells(rows, facts.columns.len() as u64, 8).saturating_add(pictures);
    // The table once more while it is divided, the parts as f64 matrices, the resampled rows beside the rows they
    // came from, and the f32 copy that networks train on.
    let matrices = cells(rows, features, 8)
        .saturating_add(cells(train_rows, features, 8 + 4))
        .saturating_add(cells(rows, features, 4));
    // Weights, those before the last step, their average and those of the best epoch, gradients and two moments, the
    // members that are trained; all this once more in a checkpoint; activations and their gradients per batch.
    let others = members(&config.model).saturating_add(draws - 1);
    // Small members may be trained side by side, each with all of this.
    let together = if parameters.saturating_mul(batch as u64) < 1 << 22 { 7 } else { 0 };
    let state = cells(parameters, 7 + (1 + together) * others, 4);
    let step = cells(batch as u64, row_bytes, 1).saturating_add(cells(parameters, sums, 4));
    let network = [state, state.min(MAX_CHECKPOINT_BYTES), step];
    let network = network.into_iter().fold(0, u64::saturating_add);
    // The Hessian, its factor, and a part of the sum for each of some threads.
    let hessian = match config.model {
        ModelConfig::Logistic { .. } if features <= 2_000 => cells(features, features, 64),
        _ => 0,
    };
    // A method that reads pictures has their pixels as numbers, before and after the step; or what is embedded of them.
    let embedding = Embedded::of(config, facts, pixels);
    let pixels = compared_pixels(config).max(embedding.width);
    let search = match config.resample.is_empty() {
        true => 0,
        false => resampling(train_rows, features.max(pixels)).saturating_add(cells(train_rows, pixels, 16)),
    };
    // A hash with its label for each row, the sample that the baselines learn from in three forms.
    let diagnosis = cells(rows, 1, 40).saturating_add(cells(rows, features, 8).min(128 << 20).saturating_mul(3));
    // The training rows once more, and those of a fold as they were and resampled.
    let folds = match config.regularization.strength {
        Some(Strength::Auto) => cells(rows, features, 16).saturating_add(cells(train_rows, features, 8)),
        None => 0,
    };
    // Each run of cross-validation has its rows, matrices and network; no more than some of them are there at a time.
    let (runs, at_once) = config.evaluation.cross_validation.as_ref().map_or((0, 0), runs);
    let run = [table, matrices, search, network.max(embedding.bytes), hessian, folds]
        .into_iter()
        .fold(0, u64::saturating_add);
    let whole = run.saturating_add(table).saturating_add(16 << 20);
    Estimate {
        memory_bytes: [whole, run.saturating_mul(at_once), diagnosis, pixels].into_iter().fold(0, u64::saturating_add),
        train_rows,
        features,
        parameters,
        multiply_adds: row_multiply_adds
            .saturating_mul(3)
            .saturating_mul(train_rows)
            .saturating_mul(passes)
            .saturating_add(embedding.multiply_adds)
            .saturating_mul(1 + runs),
    }
}

/// What it costs to know where pictures lie for methods that go by an embedding.
#[derive(Default)]
struct Embedded {
    /// Numbers of a picture.
    width: u64,
    /// Of the network in training.
    bytes: u64,
    multiply_adds: u64,
}

impl Embedded {
    fn of(config: &TrainConfig, facts: &DatasetFacts, pixels: Option<PictureShape>) -> Self {
        let cnn = CnnConfig::embedding();
        let wanted = pixels.filter(|_| embedding::is_wanted(config));
        let design = wanted.and_then(|shape| Design::of_cnn(&cnn, shape).ok());
        let Some(plan) = design.as_ref().and_then(|design| design.layout().plan.as_ref()) else {
            return Self::default();
        };
        let rows = training_rows(config, facts) as usize;
        let size = ModelSize::of(&ModelConfig::Cnn(cnn), 0, pixels, embedding::epochs(rows) as u64);
        let embedding = |steps: &[ResampleStep]| steps.iter().filter(|step| step.embeds()).count();
        let of_members = |bagging: &Bagging| embedding(&bagging.resample).saturating_mul(bagging.members);
        let embeddings = embedding(&config.resample) + config.bagging.as_ref().map_or(0, of_members);
        let step = size.row_bytes.saturating_mul(embedding::batch_size() as u64);
        let state = size.parameters.saturating_mul(4 * (7 + size.sums));
        // There and back in every epoch, and there for each step that asks.
        let passes = (3 * size.passes).saturating_add(embeddings as u64);
        Self {
            width: plan.maps.get(plan.features).map_or(0, |map| map.channels as u64),
            bytes: step.saturating_add(state),
            multiply_adds: size.row_multiply_adds.saturating_mul(rows as u64).saturating_mul(passes),
        }
    }
}

/// Besides the rows before and after a step: a search for neighbours has them once more in f32, and while it prepares
/// them where each lies along sixteen axes; what is found and why a row is gone takes some numbers per row, and so does
/// where each row comes from.
fn resampling(rows: u64, features: u64) -> u64 {
    const PREPARED: u64 = 64 + 8;
    const FOUND: u64 = 160;
    const ORIGIN: u64 = 33;
    rows.saturating_mul(features.saturating_mul(4).saturating_add(PREPARED + FOUND + 2 * ORIGIN))
}

/// Values of a picture, where resampling compares pictures that a network reads as such.
fn compared_pixels(config: &TrainConfig) -> u64 {
    let bagged = config.bagging.iter().flat_map(|bagging| &bagging.resample);
    let mut steps = config.resample.iter().chain(bagged);
    let compares = steps.any(|step| step.method.reads_rows() && !step.embeds());
    let read = config.preprocess.image.as_ref().filter(|image| compares && !image.flatten);
    read.map_or(0, |image| image.spec().shape.values() as u64)
}

/// How many runs cross-validation makes, those of the learning curve together as much work as two of each fold, and how
/// many of them are in memory at one time.
fn runs(plan: &CrossValidation) -> (u64, u64) {
    let folds = plan.folds as u64;
    let curve = if plan.learning_curve { folds.saturating_mul(2) } else { 0 };
    let runs = folds.saturating_mul(plan.repeats as u64).saturating_add(curve);
    (runs, runs.min(MOST_AT_ONCE as u64))
}

fn features(config: &TrainConfig, facts: &DatasetFacts) -> u64 {
    let is_feature = |name: &str| {
        name != config.target
            && config.split.column() != Some(name)
            && config.sample_weight.as_deref() != Some(name)
            && !config.exclude.iter().any(|e| e == name)
    };
    let pixels = config.preprocess.image.as_ref().map_or(0, |image| match image.flatten {
        true => image.spec().shape.values() as u64,
        false => 0,
    });
    let width = |column_type: ColumnType, distinct: usize| match column_type {
        ColumnType::Image => pixels,
        ColumnType::Numeric | ColumnType::Boolean => 2,
        // One column a category, one for the rare ones, one for missing values.
        ColumnType::Categorical => distinct.min(config.preprocess.categorical.max_categories) as u64 + 2,
    };
    let columns = facts.columns.iter().filter(|column| is_feature(&column.name));
    columns.map(|column| width(column.column_type, column.distinct)).sum()
}

fn resampled_rows(config: &TrainConfig, facts: &DatasetFacts) -> u64 {
    let minority = facts.class_counts.values().min().copied().unwrap_or(0) as f64;
    let share = training_share(config);
    rows_after(&config.resample, facts.rows as f64 * share, minority * share)
}

/// Rows of the training part, before any step.
fn training_rows(config: &TrainConfig, facts: &DatasetFacts) -> u64 {
    (facts.rows as f64 * training_share(config)) as u64
}

fn training_share(config: &TrainConfig) -> f64 {
    match &config.split {
        Split::Stratified { test_fraction, validation_fraction }
        | Split::Group { test_fraction, validation_fraction, .. }
        | Split::Time { test_fraction, validation_fraction, .. } => 1.0 - test_fraction - validation_fraction,
        Split::Column { .. } => 1.0,
    }
}

/// The most rows that there are while these steps are done on so many, of which so many are of the rarer class.
pub fn rows_after(steps: &[ResampleStep], rows: f64, minority: f64) -> u64 {
    let majority = rows - minority;
    let grown = steps.iter().map(|step| match step.method.adds_rows() {
        true => step.sampling_strategy.rows_after(majority),
        false => rows,
    });
    grown.fold(rows, f64::max) as u64
}

fn members(model: &ModelConfig) -> u64 {
    match model {
        ModelConfig::Logistic { .. } => 0,
        ModelConfig::Mlp(MlpConfig { members, .. }) | ModelConfig::Cnn(CnnConfig { members, .. }) => {
            (*members as u64).saturating_sub(1)
        }
    }
}

/// What a model costs.
struct ModelSize {
    parameters: u64,
    /// What a step keeps of each row.
    row_bytes: u64,
    /// Of the way there.
    row_multiply_adds: u64,
    /// Derivatives by all parameters that a step keeps apart.
    sums: u64,
    /// Over the data.
    passes: u64,
}

impl ModelSize {
    fn of(model: &ModelConfig, features: u64, pixels: Option<PictureShape>, epochs: u64) -> Self {
        match model {
            // Newton's method takes tens of iterations, each about as much work per row as a row has features.
            ModelConfig::Logistic { max_iterations, .. } => Self {
                parameters: features + 1,
                row_bytes: features.saturating_mul(16),
                row_multiply_adds: features + 1,
                sums: 0,
                passes: (*max_iterations as u64).min(100),
            },
            ModelConfig::Mlp(MlpConfig { hidden_layers, members, .. }) => {
                let mut inputs = pixels.map_or(features, |shape| shape.values() as u64);
                let (mut parameters, mut widths) = (0_u64, inputs);
                for &units in hidden_layers.iter().chain(std::iter::once(&1)) {
                    let units = units as u64;
                    parameters = parameters.saturating_add((inputs + 1).saturating_mul(units));
                    widths = widths.saturating_add(units);
                    inputs = units;
                }
                let passes = epochs.saturating_mul(*members as u64);
                let row_bytes = widths.saturating_mul(16);
                Self { parameters, row_bytes, row_multiply_adds: parameters, sums: 0, passes }
            }
            ModelConfig::Cnn(cnn) => {
                // Without pictures, or layers that fit them, the configuration is refused.
                let design = pixels.and_then(|shape| Design::of_cnn(cnn, shape).ok());
                let layout = design.as_ref().map(|design| design.layout());
                let plan = layout.and_then(|layout| layout.plan.as_ref());
                Self {
                    parameters: layout.map_or(0, |layout| (layout.parameters + layout.statistics) as u64),
                    row_bytes: plan.map_or(0, |plan| plan.trained_values().saturating_mul(4)),
                    row_multiply_adds: plan.map_or(0, Plan::multiply_adds),
                    sums: GROUPS as u64,
                    passes: epochs.saturating_mul(cnn.members as u64),
                }
            }
        }
    }
}
