//! How much memory and work a job will need, before it is queued.

use serde::Serialize;

use crate::ml::config::{
    DatasetFacts, MlpConfig, ModelConfig, NamedStrategy, SamplingStrategy, Split, Strength, TrainConfig,
};
use crate::ml::nn::MAX_CHECKPOINT_BYTES;
use crate::ml::table::ColumnType;

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
    let train_rows = resampled_rows(config, facts);
    let (epochs, batch) = config.training.as_ref().map_or((1, 1), |training| (training.epochs, training.batch_size));
    let (parameters, widest, passes) = model_size(&config.model, features, epochs as u64);
    let cells = |rows: u64, columns: u64, bytes: u64| rows.saturating_mul(columns).saturating_mul(bytes);
    let table = cells(rows, facts.columns.len() as u64, 8);
    // The table once more while it is divided, the parts as f64 matrices, the resampled rows beside the rows they
    // came from, and the f32 copy that networks train on.
    let matrices = cells(rows, features, 8)
        .saturating_add(cells(train_rows, features, 8 + 4))
        .saturating_add(cells(rows, features, 4));
    // Weights, those before the last step, their average and those of the best epoch, gradients and two moments, the
    // members that are trained; all this once more in a checkpoint; activations and their gradients per batch.
    let state = cells(parameters, 7 + members(&config.model), 4);
    let network = [state, state.min(MAX_CHECKPOINT_BYTES), cells(batch as u64, widest, 16)];
    let network = network.into_iter().fold(0, u64::saturating_add);
    // The Hessian, its factor, and a part of the sum for each of some threads.
    let hessian = match config.model {
        ModelConfig::Logistic { .. } if features <= 2_000 => cells(features, features, 64),
        _ => 0,
    };
    // The training rows once more, and those of a fold as they were and resampled.
    let folds = match config.regularization.strength {
        Some(Strength::Auto) => cells(rows, features, 16).saturating_add(cells(train_rows, features, 8)),
        None => 0,
    };
    Estimate {
        memory_bytes: [table, table, matrices, network, hessian, folds].into_iter().fold(16 << 20, u64::saturating_add),
        train_rows,
        features,
        parameters,
        multiply_adds: parameters.saturating_mul(3).saturating_mul(train_rows).saturating_mul(passes),
    }
}

fn features(config: &TrainConfig, facts: &DatasetFacts) -> u64 {
    let is_feature = |name: &str| {
        name != config.target
            && config.split.column() != Some(name)
            && config.sample_weight.as_deref() != Some(name)
            && !config.exclude.iter().any(|e| e == name)
    };
    let width = |column_type: ColumnType, distinct: usize| match column_type {
        ColumnType::Numeric | ColumnType::Boolean => 2,
        // One column a category, one for the rare ones, one for missing values.
        ColumnType::Categorical => distinct.min(config.preprocess.categorical.max_categories) as u64 + 2,
    };
    let columns = facts.columns.iter().filter(|column| is_feature(&column.name));
    columns.map(|column| width(column.column_type, column.distinct)).sum()
}

fn resampled_rows(config: &TrainConfig, facts: &DatasetFacts) -> u64 {
    let share = match &config.split {
        Split::Stratified { test_fraction, validation_fraction }
        | Split::Group { test_fraction, validation_fraction, .. }
        | Split::Time { test_fraction, validation_fraction, .. } => 1.0 - test_fraction - validation_fraction,
        Split::Column { .. } => 1.0,
    };
    let train = facts.rows as f64 * share;
    let minority = facts.class_counts.values().min().copied().unwrap_or(0) as f64 * share;
    let majority = train - minority;
    let grown = config.resample.iter().map(|step| match step.method.adds_rows() {
        true => majority + majority * ratio(step.sampling_strategy),
        false => train,
    });
    grown.fold(train, f64::max) as u64
}

/// The ratio minority/majority that an over-sampler reaches.
fn ratio(strategy: SamplingStrategy) -> f64 {
    match strategy {
        SamplingStrategy::Ratio(ratio) => ratio,
        SamplingStrategy::Named(
            NamedStrategy::Auto
            | NamedStrategy::Minority
            | NamedStrategy::NotMajority
            | NamedStrategy::All
            | NamedStrategy::NotMinority
            | NamedStrategy::Majority,
        ) => 1.0,
    }
}

fn members(model: &ModelConfig) -> u64 {
    match model {
        ModelConfig::Logistic { .. } => 0,
        ModelConfig::Mlp(MlpConfig { members, .. }) => (*members as u64).saturating_sub(1),
    }
}

/// Parameters, the sum of all layers' widths, and passes over the data.
fn model_size(model: &ModelConfig, features: u64, epochs: u64) -> (u64, u64, u64) {
    match model {
        // Newton's method takes tens of iterations, each about as much work per row as a row has features.
        ModelConfig::Logistic { max_iterations, .. } => (features + 1, features, (*max_iterations as u64).min(100)),
        ModelConfig::Mlp(MlpConfig { hidden_layers, members, .. }) => {
            let mut inputs = features;
            let (mut parameters, mut widths) = (0_u64, features);
            for &units in hidden_layers.iter().chain(std::iter::once(&1)) {
                let units = units as u64;
                parameters = parameters.saturating_add((inputs + 1).saturating_mul(units));
                widths = widths.saturating_add(units);
                inputs = units;
            }
            (parameters, widths, epochs.saturating_mul(*members as u64))
        }
    }
}
