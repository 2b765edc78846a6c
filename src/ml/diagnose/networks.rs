//! What checks ask of a network of either kind, and what patches change in it.

use serde_json::{Value, json};

use crate::ml::config::{Activation, CnnConfig, CnnLayer, MlpConfig, ModelConfig, Normalization};

/// The largest chance by which a layer leaves values out of a step.
pub(super) fn dropout(model: &ModelConfig) -> f64 {
    match model {
        ModelConfig::Logistic { .. } => 0.0,
        ModelConfig::Mlp(mlp) => mlp.dropout,
        ModelConfig::Cnn(cnn) => largest_dropout(&cnn.all_layers()),
    }
}

fn largest_dropout(layers: &[CnnLayer]) -> f64 {
    let of_layer = |layer: &CnnLayer| match layer {
        CnnLayer::Dropout { probability } => *probability,
        CnnLayer::Residual { layers, .. } => largest_dropout(layers),
        _ => 0.0,
    };
    layers.iter().map(of_layer).fold(0.0, f64::max)
}

/// Whether any layer goes by the statistics of the batch.
pub(super) fn normalizes_over_the_batch(model: &ModelConfig) -> bool {
    match model {
        ModelConfig::Logistic { .. } => false,
        ModelConfig::Mlp(mlp) => mlp.normalization == Normalization::Batch,
        ModelConfig::Cnn(cnn) => cnn.looks_at_the_batch(),
    }
}

/// Layers with weights before the last.
pub(super) fn hidden_layers(model: &ModelConfig) -> usize {
    match model {
        ModelConfig::Logistic { .. } => 0,
        ModelConfig::Mlp(mlp) => mlp.hidden_layers.len(),
        ModelConfig::Cnn(cnn) => weighted(&cnn.all_layers()),
    }
}

fn weighted(layers: &[CnnLayer]) -> usize {
    let of_layer = |layer: &CnnLayer| match layer {
        CnnLayer::Conv { .. } | CnnLayer::DepthwiseConv { .. } | CnnLayer::Dense { .. } => 1,
        CnnLayer::Residual { layers, .. } => weighted(layers),
        _ => 0,
    };
    layers.iter().map(of_layer).sum()
}

/// A patch of `model` with no more than a little dropout anywhere.
pub(super) fn with_little_dropout(model: &ModelConfig) -> Value {
    const LITTLE: f64 = 0.2;
    match model {
        ModelConfig::Cnn(cnn) => {
            let mut patch = json!({"dropout": cnn.dropout.min(LITTLE)});
            change(cnn, &mut patch, &|layer| {
                if let CnnLayer::Dropout { probability } = layer {
                    *probability = probability.min(LITTLE);
                }
            });
            patch
        }
        ModelConfig::Mlp(_) | ModelConfig::Logistic { .. } => json!({"dropout": LITTLE}),
    }
}

/// A patch of `model` whose units have a slope everywhere.
pub(super) fn with_slopes(model: &ModelConfig) -> Value {
    let has_tanh = matches!(model, ModelConfig::Mlp(MlpConfig { activation: Activation::Tanh, .. }));
    let function = if has_tanh { Activation::Tanh } else { Activation::LeakyRelu };
    let mut patch = json!({"activation": function.name(), "initializer": "he_normal"});
    if let ModelConfig::Cnn(cnn) = model {
        change(cnn, &mut patch, &|layer| {
            if let CnnLayer::Activation { function } = layer {
                *function = Activation::LeakyRelu;
            }
        });
    }
    patch
}

/// A patch of `model` through which gradients come: of pictures a ready network, whose layers are normalized and skipped.
pub(super) fn open(model: &ModelConfig) -> Value {
    match model {
        ModelConfig::Cnn(CnnConfig { layers: Some(_), .. }) => {
            json!({"size": "small", "layers": null, "activation": "relu", "initializer": "he_normal"})
        }
        ModelConfig::Mlp(mlp) => json!({
            "activation": "leaky_relu",
            "initializer": "he_normal",
            "hidden_layers": mlp.hidden_layers.iter().take(2).collect::<Vec<_>>(),
            "residual": false,
        }),
        ModelConfig::Cnn(_) | ModelConfig::Logistic { .. } => with_slopes(model),
    }
}

/// Adds layers of one's own, each changed, to a patch of the network that has them.
fn change(cnn: &CnnConfig, patch: &mut Value, each: &dyn Fn(&mut CnnLayer)) {
    let Some(layers) = &cnn.layers else { return };
    let mut layers = layers.clone();
    walk(&mut layers, each);
    // Layers are numbers and names.
    if let Ok(layers) = serde_json::to_value(layers) {
        patch["layers"] = layers;
    }
}

fn walk(layers: &mut [CnnLayer], each: &dyn Fn(&mut CnnLayer)) {
    for layer in layers {
        each(layer);
        if let CnnLayer::Residual { layers, .. } = layer {
            walk(layers, each);
        }
    }
}
