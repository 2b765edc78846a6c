//! How a convolutional network is built: `model` of type `cnn`.

use serde_json::Value;

use super::network::check_initializer;
use crate::ml::config::picture_network::MAX_WINDOW;
use crate::ml::config::reader::{FieldError, ObjectReader, Range, kind};
use crate::ml::config::*;

/// Lists of layers within lists.
const MAX_DEPTH: usize = 8;
/// Layers, those within others too.
const MAX_LAYERS: usize = 256;

pub(super) fn check_cnn(
    model: &mut ObjectReader<'_>,
    limits: &ConfigLimits,
    errors: &mut Vec<FieldError>,
) -> CnnConfig {
    let activations = Activation::ALL.map(|activation| (activation.name(), activation));
    let activation = model.choice("activation", Activation::Relu, &activations, errors);
    let sizes = [("small", Some(CnnSize::Small)), ("medium", Some(CnnSize::Medium))];
    let has_layers = model.present("layers").is_some();
    let default = if has_layers { None } else { Some(CnnSize::Small) };
    let size = model.choice("size", default, &sizes, errors);
    if has_layers && size.is_some() {
        model.error("size", "a ready network has layers of its own: give a size or layers", errors);
    }
    let layers = has_layers.then(|| {
        let mut reading = Reading { limits, activation, layers: 0 };
        let list = model.pointer("layers");
        let value = model.value("layers").unwrap_or(&Value::Null);
        reading.list(value, &list, 0, errors)
    });
    CnnConfig {
        size,
        layers,
        activation,
        dropout: model.number("dropout", 0.0, Range::Below(0.0, 1.0), errors),
        initializer: check_initializer(model, activation, errors),
        prior_bias: model.boolean("prior_bias", true, errors),
        members: model.integer("members", 1, 1, limits.max_members as u64, errors) as usize,
    }
}

/// Refuses a network that does not fit pictures, and one on a dataset without any.
pub(super) fn check_fits(model: &ModelConfig, image: Option<&ImagePreprocess>, errors: &mut Vec<FieldError>) {
    let ModelConfig::Cnn(cnn) = model else { return };
    let Some(image) = image else {
        let detail = "a cnn reads pictures, and the dataset has no column of them";
        return errors.push(FieldError { pointer: "/model/type".to_owned(), detail: detail.to_owned() });
    };
    // Layers that were told to be wrong have other values in their place.
    if errors.iter().any(|error| error.pointer.starts_with("/model") || error.pointer.starts_with("/preprocess/image"))
    {
        return;
    }
    for LayerError { path, member, detail } in
        check_layers(&cnn.all_layers(), image.spec().shape.into()).err().unwrap_or_default()
    {
        let place: String = path.iter().map(|index| format!("/layers/{index}")).collect();
        let member = if member.is_empty() { String::new() } else { format!("/{member}") };
        errors.push(FieldError { pointer: format!("/model{place}{member}"), detail });
    }
}

struct Reading<'a> {
    limits: &'a ConfigLimits,
    activation: Activation,
    /// So many were read.
    layers: usize,
}

impl Reading<'_> {
    fn list(&mut self, value: &Value, pointer: &str, depth: usize, errors: &mut Vec<FieldError>) -> Vec<CnnLayer> {
        let mut wrong = |detail: String| errors.push(FieldError { pointer: pointer.to_owned(), detail });
        let Some(items) = value.as_array() else {
            wrong(format!("expected an array of layers, found {}", kind(value)));
            return Vec::new();
        };
        if depth > MAX_DEPTH {
            wrong(format!("lists of layers are within each other more than {MAX_DEPTH} times"));
            return Vec::new();
        }
        self.layers = self.layers.saturating_add(items.len());
        if self.layers > MAX_LAYERS {
            wrong(format!("expected at most {MAX_LAYERS} layers, found more"));
            return Vec::new();
        }
        let read = |(index, item)| self.layer(item, format!("{pointer}/{index}"), depth, errors);
        items.iter().enumerate().map(read).collect()
    }

    fn layer(&mut self, value: &Value, pointer: String, depth: usize, errors: &mut Vec<FieldError>) -> CnnLayer {
        const KINDS: [&str; 11] = [
            "conv",
            "depthwise_conv",
            "max_pool",
            "avg_pool",
            "batch_norm",
            "activation",
            "residual",
            "global_avg_pool",
            "global_max_pool",
            "dropout",
            "dense",
        ];
        let mut layer = ObjectReader::new(value, pointer, errors);
        if value.is_object() && layer.present("type").is_none() {
            layer.error("type", format!("expected one of {}", KINDS.join(", ")), errors);
        }
        let choices = KINDS.map(|name| (name, name));
        let read = match layer.choice("type", "batch_norm", &choices, errors) {
            "conv" => {
                let filters = self.units(&mut layer, "filters", errors);
                let [kernel, stride, padding] = window(&mut layer, "kernel", errors);
                CnnLayer::Conv { filters, kernel, stride, padding, bias: layer.boolean("bias", true, errors) }
            }
            "depthwise_conv" => {
                let [kernel, stride, padding] = window(&mut layer, "kernel", errors);
                CnnLayer::DepthwiseConv { kernel, stride, padding, bias: layer.boolean("bias", true, errors) }
            }
            "max_pool" => {
                let [size, stride, padding] = window(&mut layer, "size", errors);
                CnnLayer::MaxPool { size, stride, padding }
            }
            "avg_pool" => {
                let [size, stride, padding] = window(&mut layer, "size", errors);
                CnnLayer::AvgPool { size, stride, padding }
            }
            "activation" => {
                let activations = Activation::ALL.map(|activation| (activation.name(), activation));
                CnnLayer::Activation { function: layer.choice("function", self.activation, &activations, errors) }
            }
            "residual" => {
                let pointer = layer.pointer("layers");
                let inner = layer.present("layers");
                if inner.is_none() {
                    layer.error("layers", "a residual block needs layers", errors);
                }
                let layers = inner.map(|inner| self.list(inner, &pointer, depth + 1, errors)).unwrap_or_default();
                CnnLayer::Residual { layers, projection: layer.boolean("projection", true, errors) }
            }
            "global_avg_pool" => CnnLayer::GlobalAvgPool {},
            "global_max_pool" => CnnLayer::GlobalMaxPool {},
            "dropout" => {
                CnnLayer::Dropout { probability: layer.number("probability", 0.5, Range::Below(0.0, 1.0), errors) }
            }
            "dense" => {
                let units = self.units(&mut layer, "units", errors);
                CnnLayer::Dense { units, bias: layer.boolean("bias", true, errors) }
            }
            _ => CnnLayer::BatchNorm {},
        };
        layer.finish(errors);
        read
    }

    /// How many channels a layer gives, which has no default.
    fn units(&self, layer: &mut ObjectReader<'_>, name: &'static str, errors: &mut Vec<FieldError>) -> usize {
        let most = self.limits.max_units_per_layer as u64;
        if layer.present(name).is_none() {
            layer.error(name, format!("expected a whole number from 1 to {most}, found nothing"), errors);
        }
        layer.integer(name, 1, 1, most, errors) as usize
    }
}

/// Side, stride and padding of a kernel or a pool.
fn window(layer: &mut ObjectReader<'_>, side: &'static str, errors: &mut Vec<FieldError>) -> [usize; 3] {
    let is_pool = side == "size";
    let kernel = layer.integer(side, if is_pool { 2 } else { 3 }, 1, MAX_WINDOW as u64, errors) as usize;
    let stride =
        layer.integer("stride", if is_pool { kernel as u64 } else { 1 }, 1, MAX_WINDOW as u64, errors) as usize;
    // Within a padding alone a pool would have no value.
    let most = if is_pool { kernel / 2 } else { kernel - 1 };
    let is_word = layer.present("padding").is_some_and(|value| value == "same");
    let same = (kernel - 1) / 2;
    let padding = match (is_word, is_pool) {
        (true, _) if kernel.is_multiple_of(2) => {
            layer.error("padding", "\"same\" needs an odd number of pixels", errors);
            0
        }
        (true, _) => same,
        (false, true) => layer.integer("padding", 0, 0, most as u64, errors) as usize,
        (false, false) => layer.integer("padding", same as u64, 0, most as u64, errors) as usize,
    };
    [kernel, stride, padding]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::picture::PictureShape;
    use serde_json::json;

    fn check(model: &Value) -> Result<CnnConfig, Vec<(String, String)>> {
        let usual = PictureShape { height: 12, width: 10, channels: 3 };
        let pictures = Some(super::super::PictureFacts { usual });
        let facts = DatasetFacts { pictures, ..super::super::tests::facts() };
        let request = json!({"model": model});
        let mut errors = Vec::new();
        let mut reader = ObjectReader::new(&request, "", &mut errors);
        let config = TrainConfig::check(&mut reader, &facts, &ConfigLimits::STANDARD, &mut errors);
        reader.finish(&mut errors);
        match config.model {
            ModelConfig::Cnn(cnn) if errors.is_empty() => Ok(cnn),
            _ => Err(errors.into_iter().map(|error| (error.pointer, error.detail)).collect()),
        }
    }

    #[test]
    fn a_ready_network_and_all_defaults() {
        let config = check(&json!({"type": "cnn"})).unwrap();
        let shown = json!({
            "size": "small", "activation": "relu", "dropout": 0.0, "initializer": "he_normal", "prior_bias": true,
            "members": 1,
        });
        assert_eq!(serde_json::to_value(&config).unwrap(), shown);
    }

    #[test]
    fn every_layer_is_read_with_its_defaults_and_comes_back_whole() {
        let layers = json!([
            {"type": "conv", "filters": 4}, {"type": "batch_norm"}, {"type": "activation"},
            {"type": "depthwise_conv", "kernel": 5, "padding": "same", "bias": false},
            {"type": "max_pool"}, {"type": "avg_pool", "size": 3, "stride": 1, "padding": 1},
            {"type": "residual", "layers": [{"type": "conv", "filters": 6, "kernel": 1}]},
            {"type": "global_max_pool"}, {"type": "dropout"}, {"type": "dense", "units": 8},
            {"type": "activation", "function": "gelu"}, {"type": "global_avg_pool"},
        ]);
        let config = check(&json!({"type": "cnn", "activation": "silu", "layers": layers})).unwrap();
        let full = json!([
            {"type": "conv", "filters": 4, "kernel": 3, "stride": 1, "padding": 1, "bias": true},
            {"type": "batch_norm"}, {"type": "activation", "function": "silu"},
            {"type": "depthwise_conv", "kernel": 5, "stride": 1, "padding": 2, "bias": false},
            {"type": "max_pool", "size": 2, "stride": 2, "padding": 0},
            {"type": "avg_pool", "size": 3, "stride": 1, "padding": 1},
            {"type": "residual", "layers": [
                {"type": "conv", "filters": 6, "kernel": 1, "stride": 1, "padding": 0, "bias": true}], "projection": true},
            {"type": "global_max_pool"}, {"type": "dropout", "probability": 0.5},
            {"type": "dense", "units": 8, "bias": true}, {"type": "activation", "function": "gelu"},
            {"type": "global_avg_pool"},
        ]);
        assert_eq!(serde_json::to_value(&config).unwrap()["layers"], full);
        let mut again = serde_json::to_value(&config).unwrap();
        again["type"] = json!("cnn");
        assert_eq!(check(&again), Ok(config));
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let layers = json!([
            {"type": "conv"}, {"type": "conv", "filters": 0, "kernel": 65, "stride": 0, "padding": -1, "bias": 1},
            {"type": "pool"}, 7, {"kernel": 3}, {"type": "max_pool", "size": 4, "padding": 3},
            {"type": "depthwise_conv", "kernel": 4, "padding": "same"}, {"type": "residual"},
            {"type": "residual", "layers": [{"type": "dense", "units": 1, "filters": 2}], "projection": 3},
            {"type": "activation", "function": "step"}, {"type": "dropout", "probability": 1.0},
        ]);
        let told = check(&json!({"type": "cnn", "size": "huge", "layers": layers, "hidden_layers": [3]})).unwrap_err();
        let places: Vec<&str> = told.iter().map(|(pointer, _)| pointer.trim_start_matches("/model/")).collect();
        let expected = [
            "size",
            "layers/0/filters",
            "layers/1/filters",
            "layers/1/kernel",
            "layers/1/stride",
            "layers/1/padding",
            "layers/1/bias",
            "layers/2/type",
            "layers/3",
            "layers/4/type",
            "layers/4/kernel",
            "layers/5/padding",
            "layers/6/padding",
            "layers/7/layers",
            "layers/8/layers/0/filters",
            "layers/8/projection",
            "layers/9/function",
            "layers/10/probability",
            "hidden_layers",
        ];
        assert_eq!(places, expected, "{told:#?}");
        let told = check(&json!({"type": "cnn", "size": "small", "layers": []})).unwrap_err();
        assert_eq!(told[0].0, "/model/size");
    }

    #[test]
    fn layers_have_to_fit_the_pictures() {
        let conv = |kernel: usize| json!({"type": "conv", "filters": 2, "kernel": kernel, "padding": 0});
        let layers = json!([conv(3), {"type": "residual", "layers": [conv(1), conv(11)]}]);
        let told = check(&json!({"type": "cnn", "layers": layers})).unwrap_err();
        let detail = "a window of 11 pixels is larger than 10 × 8".to_owned();
        assert_eq!(told, [("/model/layers/1/layers/1/kernel".to_owned(), detail)]);
        let nested = (0..12).fold(conv(1), |inner, _| json!({"type": "residual", "layers": [inner]}));
        let told = check(&json!({"type": "cnn", "layers": [nested]})).unwrap_err();
        assert!(told[0].1.contains("within each other"), "{told:?}");
        let many = vec![json!({"type": "batch_norm"}); 257];
        assert!(check(&json!({"type": "cnn", "layers": many})).unwrap_err()[0].1.contains("at most 256"));
    }

    #[test]
    fn tables_have_no_pictures_for_it() {
        let request = json!({"model": {"type": "cnn"}});
        let mut errors = Vec::new();
        let mut reader = ObjectReader::new(&request, "", &mut errors);
        TrainConfig::check(&mut reader, &super::super::tests::facts(), &ConfigLimits::STANDARD, &mut errors);
        assert_eq!(errors.iter().map(|error| error.pointer.as_str()).collect::<Vec<_>>(), ["/model/type"]);
    }
}
