//! How a network is built and trained: `model` of type `mlp`, `optimizer` and `training`.

use serde_json::Value;

use crate::ml::config::reader::{FieldError, ObjectReader, Range, kind};
use crate::ml::config::*;

pub(super) fn check_mlp(
    model: &mut ObjectReader<'_>,
    limits: &ConfigLimits,
    errors: &mut Vec<FieldError>,
) -> MlpConfig {
    let activations = Activation::ALL.map(|activation| (activation.name(), activation));
    // Over the seven datasets that defaults were chosen on, tanh had the best mean log loss of all activations, an
    // average precision within noise of the best, and it alone kept its ranking when SMOTE made the training rows.
    let activation = model.choice("activation", Activation::Tanh, &activations, errors);
    let config = MlpConfig {
        hidden_layers: check_hidden_layers(model, limits, errors),
        activation,
        dropout: model.number("dropout", 0.0, Range::Below(0.0, 1.0), errors),
        normalization: model.choice(
            "normalization",
            Normalization::None,
            &[("none", Normalization::None), ("batch", Normalization::Batch), ("layer", Normalization::Layer)],
            errors,
        ),
        residual: model.boolean("residual", false, errors),
        initializer: check_initializer(model, activation, errors),
        prior_bias: model.boolean("prior_bias", true, errors),
        members: model.integer("members", 1, 1, limits.max_members as u64, errors) as usize,
    };
    check_layers_apply(model, &config, errors);
    config
}

pub(super) fn check_initializer(
    model: &mut ObjectReader<'_>,
    activation: Activation,
    errors: &mut Vec<FieldError>,
) -> Initializer {
    // Self-normalizing networks keep their variance only with this one (Klambauer et al. 2017).
    let default = if activation == Activation::Selu { Initializer::LecunNormal } else { Initializer::HeNormal };
    let choices = [
        ("he_normal", Initializer::HeNormal),
        ("he_uniform", Initializer::HeUniform),
        ("glorot_normal", Initializer::GlorotNormal),
        ("glorot_uniform", Initializer::GlorotUniform),
        ("lecun_normal", Initializer::LecunNormal),
        ("lecun_uniform", Initializer::LecunUniform),
    ];
    model.choice("initializer", default, &choices, errors)
}

/// Refuses what would do nothing with these hidden layers.
fn check_layers_apply(model: &ObjectReader<'_>, config: &MlpConfig, errors: &mut Vec<FieldError>) {
    let layers = &config.hidden_layers;
    let empty = layers.is_empty();
    if empty && config.dropout > 0.0 {
        model.error("dropout", "without hidden layers there is no unit to leave out", errors);
    }
    if empty && config.normalization != Normalization::None {
        model.error("normalization", "without hidden layers there is nothing to normalize", errors);
    }
    if config.residual && !layers.windows(2).any(|pair| pair.first() == pair.last()) {
        let detail = "no two hidden layers in a row are equally wide, so that none could add its input to its output";
        model.error("residual", detail, errors);
    }
}

fn check_hidden_layers(
    model: &mut ObjectReader<'_>,
    limits: &ConfigLimits,
    errors: &mut Vec<FieldError>,
) -> Vec<usize> {
    if model.present("hidden_layers").is_none() {
        return vec![64, 64];
    }
    let mut layers = Vec::new();
    for (pointer, value) in model.array("hidden_layers", limits.max_layers, errors) {
        match value.as_u64() {
            Some(units) if (1..=limits.max_units_per_layer as u64).contains(&units) => layers.push(units as usize),
            _ => errors.push(FieldError {
                pointer,
                detail: format!(
                    "expected a whole number of units from 1 to {}, found {}",
                    limits.max_units_per_layer,
                    value.as_number().map_or_else(|| kind(value).to_owned(), ToString::to_string)
                ),
            }),
        }
    }
    layers
}

pub(super) fn check_optimizer(
    reader: &mut ObjectReader<'_>,
    model: &ModelConfig,
    errors: &mut Vec<FieldError>,
) -> Option<Optimizer> {
    const KINDS: [(&str, &str); 4] = [("adam", "adam"), ("adamw", "adamw"), ("sgd", "sgd"), ("rmsprop", "rmsprop")];
    if let ModelConfig::Logistic { .. } = model {
        if reader.present("optimizer").is_some() {
            let detail = "a logistic model is solved exactly and takes no optimizer; see model.tolerance";
            reader.error("optimizer", detail, errors);
        }
        return None;
    }
    let mut optimizer = reader.object("optimizer", errors);
    let kind = optimizer.choice("type", "adamw", &KINDS, errors);
    let default_rate = if kind == "sgd" { 0.01 } else { 0.001 };
    let learning_rate = optimizer.number("learning_rate", default_rate, Range::Above(0.0, 100.0), errors);
    let below_one = Range::Below(0.0, 1.0);
    let config = match kind {
        "sgd" => {
            let momentum = optimizer.number("momentum", 0.9, below_one, errors);
            let nesterov = optimizer.boolean("nesterov", false, errors);
            if nesterov && momentum == 0.0 {
                optimizer.error("nesterov", "Nesterov's form needs a momentum above 0", errors);
            }
            Optimizer::Sgd { learning_rate, momentum, nesterov }
        }
        "rmsprop" => Optimizer::Rmsprop {
            learning_rate,
            rho: optimizer.number("rho", 0.99, below_one, errors),
            momentum: optimizer.number("momentum", 0.0, below_one, errors),
            epsilon: optimizer.number("epsilon", 1e-8, Range::Above(0.0, 1.0), errors),
        },
        kind => {
            let beta_1 = optimizer.number("beta_1", 0.9, below_one, errors);
            let beta_2 = optimizer.number("beta_2", 0.999, below_one, errors);
            let epsilon = optimizer.number("epsilon", 1e-8, Range::Above(0.0, 1.0), errors);
            if kind == "adam" {
                Optimizer::Adam { learning_rate, beta_1, beta_2, epsilon }
            } else {
                let weight_decay = optimizer.number("weight_decay", 1e-4, Range::Closed(0.0, 100.0), errors);
                Optimizer::Adamw { learning_rate, beta_1, beta_2, epsilon, weight_decay }
            }
        }
    };
    optimizer.finish(errors);
    Some(config)
}

pub(super) fn check_training(
    reader: &mut ObjectReader<'_>,
    model: &ModelConfig,
    loss: &Loss,
    limits: &ConfigLimits,
    errors: &mut Vec<FieldError>,
) -> Option<Training> {
    // Whether it normalizes over the batch; rows of a batch that serve most pictures well.
    let (looks_at_the_batch, batch_size) = match model {
        ModelConfig::Logistic { .. } => (None, 0),
        ModelConfig::Mlp(mlp) => (Some(mlp.normalization == Normalization::Batch), 256),
        ModelConfig::Cnn(cnn) => (Some(cnn.looks_at_the_batch()), 64),
    };
    let Some(looks_at_the_batch) = looks_at_the_batch else {
        if reader.present("training").is_some() {
            let detail = "a logistic model is solved exactly, without epochs or batches; see model.max_iterations";
            reader.error("training", detail, errors);
        }
        return None;
    };
    let mut training = reader.object("training", errors);
    let epochs = training.integer("epochs", 200, 1, limits.max_epochs as u64, errors) as usize;
    let config = Training {
        epochs,
        batch_size: training.integer("batch_size", batch_size, 1, limits.max_batch_size as u64, errors) as usize,
        batches: training.choice(
            "batches",
            BatchKind::Shuffled,
            &[
                ("shuffled", BatchKind::Shuffled),
                ("stratified", BatchKind::Stratified),
                ("balanced", BatchKind::Balanced),
            ],
            errors,
        ),
        schedule: check_schedule(&mut training, epochs, errors),
        gradient_clipping: check_clipping(&mut training, errors),
        weight_averaging: check_averaging(&mut training, epochs, errors),
        early_stopping: check_stopping(&mut training, loss, epochs, limits, errors),
    };
    if config.batch_size == 1 && config.batches != BatchKind::Shuffled {
        training.error("batches", "a batch of a single row cannot have rows of both classes", errors);
    }
    if config.batch_size == 1 && looks_at_the_batch {
        training.error("batch_size", "batch normalization needs at least 2 rows in a batch", errors);
    }
    training.finish(errors);
    Some(config)
}

fn check_schedule(training: &mut ObjectReader<'_>, epochs: usize, errors: &mut Vec<FieldError>) -> Schedule {
    const KINDS: [(&str, &str); 6] = [
        ("constant", "constant"),
        ("step", "step"),
        ("exponential", "exponential"),
        ("cosine", "cosine"),
        ("one_cycle", "one_cycle"),
        ("reduce_on_plateau", "reduce_on_plateau"),
    ];
    let mut schedule = training.object("schedule", errors);
    let kind = schedule.choice("type", "constant", &KINDS, errors);
    let warm_up_epochs = if kind == "one_cycle" {
        0
    } else {
        schedule.integer("warm_up_epochs", 0, 0, epochs.saturating_sub(1) as u64, errors) as usize
    };
    let share = Range::Above(0.0, 1.0);
    let config = match kind {
        "step" => Schedule::Step {
            every: schedule.integer("every", 30, 1, 1_000_000, errors) as usize,
            factor: schedule.number("factor", 0.1, share, errors),
            warm_up_epochs,
        },
        "exponential" => {
            Schedule::Exponential { factor: schedule.number("factor", 0.95, share, errors), warm_up_epochs }
        }
        "cosine" => Schedule::Cosine {
            final_factor: schedule.number("final_factor", 0.0, Range::Closed(0.0, 1.0), errors),
            warm_up_epochs,
        },
        "one_cycle" => Schedule::OneCycle {
            rise: schedule.number("rise", 0.3, Range::Open(0.0, 1.0), errors),
            initial_divisor: schedule.number("initial_divisor", 25.0, Range::Closed(1.0, 1e6), errors),
            final_divisor: schedule.number("final_divisor", 1e4, Range::Closed(1.0, 1e9), errors),
        },
        "reduce_on_plateau" => Schedule::ReduceOnPlateau {
            factor: schedule.number("factor", 0.1, Range::Open(0.0, 1.0), errors),
            patience: schedule.integer("patience", 10, 1, 1_000_000, errors) as usize,
            min_factor: schedule.number("min_factor", 1e-3, Range::Closed(0.0, 1.0), errors),
            warm_up_epochs,
        },
        _ => Schedule::Constant { warm_up_epochs },
    };
    schedule.finish(errors);
    config
}

fn check_clipping(training: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> Option<GradientClipping> {
    training.present("gradient_clipping")?;
    let mut clipping = training.object("gradient_clipping", errors);
    let by_norm = clipping.choice("type", true, &[("norm", true), ("value", false)], errors);
    let max = clipping.number("max", 1.0, Range::Above(0.0, 1e6), errors);
    clipping.finish(errors);
    Some(if by_norm { GradientClipping::Norm { max } } else { GradientClipping::Value { max } })
}

fn check_averaging(
    training: &mut ObjectReader<'_>,
    epochs: usize,
    errors: &mut Vec<FieldError>,
) -> Option<WeightAveraging> {
    training.present("weight_averaging")?;
    let mut averaging = training.object("weight_averaging", errors);
    let exponential = averaging.choice("type", true, &[("ema", true), ("swa", false)], errors);
    let config = if exponential {
        WeightAveraging::Ema { decay: averaging.number("decay", 0.999, Range::Below(0.0, 1.0), errors) }
    } else {
        let default = (epochs as u64 * 3 / 4).max(1);
        WeightAveraging::Swa {
            start_epoch: averaging.integer("start_epoch", default, 1, epochs as u64, errors) as usize,
        }
    };
    averaging.finish(errors);
    Some(config)
}

fn check_stopping(
    training: &mut ObjectReader<'_>,
    loss: &Loss,
    epochs: usize,
    limits: &ConfigLimits,
    errors: &mut Vec<FieldError>,
) -> Option<EarlyStopping> {
    // `null` turns early stopping off; leaving it out asks for the default.
    let off = training.value("early_stopping").is_some_and(Value::is_null);
    let mut stopping = training.object("early_stopping", errors);
    let monitors = Monitor::ALL.map(|monitor| (monitor.name(), monitor));
    // Logits without an inverse have no cross-entropy at the natural prevalence; their order still is right.
    let default = if loss.has_inverse() { Monitor::ValidationLoss } else { Monitor::ValidationAveragePrecision };
    let config = EarlyStopping {
        monitor: stopping.choice("monitor", default, &monitors, errors),
        patience: stopping.integer("patience", 20, 1, limits.max_epochs as u64, errors) as usize,
        min_delta: stopping.number("min_delta", 0.0, Range::Closed(0.0, 1.0), errors),
        restore_best: stopping.boolean("restore_best", true, errors),
        start_from_epoch: stopping.integer("start_from_epoch", 1, 1, epochs as u64, errors) as usize,
    };
    stopping.finish(errors);
    (!off).then_some(config)
}
