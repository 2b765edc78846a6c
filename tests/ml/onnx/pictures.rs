//! Exported graphs of models that read pictures, beside those models.

use std::collections::HashMap;

use evenkeel::ml::calibrate::{CalibrationMap, Calibrator, Correction, Knots};
use evenkeel::ml::config::{Activation, ModelConfig};
use evenkeel::ml::model::{Model, Predictor};
use evenkeel::ml::nn::layout::Architecture;
use evenkeel::ml::nn::{Design, Ensemble, Network};
use evenkeel::ml::onnx::proto::DataType;
use evenkeel::ml::picture::{PictureShape, Pictures};
use evenkeel::ml::seed::Seed;
use evenkeel::ml::table::{Column, ColumnType, Table, Values};
use rand::Rng as _;
use serde_json::{Value as Json, json};

use super::evaluate::Value;
use super::maps::Maps;
use super::models::{assert_predicts, exported};
use crate::images::crosses;
use crate::support::Data;
use evenkeel::ml::config::FeatureFacts;

fn pictures(table: &Table) -> &Pictures {
    let Values::Pictures(pictures) = &table.column("image").unwrap().values else { panic!("pictures are expected") };
    pictures
}

/// The same pictures in three channels that are not alike.
fn colored(rows: usize) -> Data {
    let Data { table, mut facts } = crosses(rows);
    let grey = pictures(&table);
    let shape = PictureShape { channels: 3, ..grey.shape() };
    let pixels = (0..rows).flat_map(|row| grey.get(row).iter().flat_map(|&value| [value, 255 - value, value / 2]));
    let image =
        Column { name: "image".to_owned(), values: Values::Pictures(Pictures::new(shape, pixels.collect()).unwrap()) };
    let label = table.column("label").unwrap().clone();
    facts.pictures = facts.pictures.map(|_| evenkeel::ml::config::PictureFacts { usual: shape });
    Data { table: Table::new(vec![image, label]).unwrap(), facts }
}

/// Pictures beside a number with gaps and a category.
fn with_columns(rows: usize) -> Data {
    let Data { table, mut facts } = crosses(rows);
    let ages = (0..rows).map(|row| if row % 7 == 0 { f64::NAN } else { (row * 37 % 90) as f64 });
    let age = Column { name: "age".to_owned(), values: Values::Numeric(ages.collect()) };
    let codes = (0..rows).map(|row| (row % 3) as u32).collect();
    let levels = ["a", "b", "c"].map(str::to_owned).to_vec();
    let site = Column { name: "site".to_owned(), values: Values::Categorical { codes, levels } };
    let fact = |column: &Column, distinct: usize| FeatureFacts {
        name: column.name.clone(),
        column_type: column.values.column_type(),
        distinct,
        values: None,
    };
    facts.columns.insert(0, fact(&age, 90));
    facts.columns.push(fact(&site, 3));
    let mut columns = table.columns().to_vec();
    columns.insert(0, age);
    columns.push(site);
    Data { table: Table::new(columns).unwrap(), facts }
}

fn inputs(model: &Model, table: &Table) -> HashMap<String, Value> {
    let raw = |name: &str| match &table.column(name).unwrap().values {
        Values::Numeric(values) => Value::column(values.clone()),
        Values::Categorical { codes, levels } => {
            Value::Texts(codes.iter().map(|&code| levels[code as usize].clone()).collect())
        }
        Values::Pictures(pictures) => {
            let PictureShape { height, width, channels } = pictures.shape();
            let pixels = (0..pictures.len()).flat_map(|row| pictures.get(row).iter().map(|&value| f64::from(value)));
            Value::Maps(Maps::new([pictures.len(), height, width, channels], DataType::Uint8, pixels.collect()))
        }
        Values::Boolean(_) => panic!("there are none"),
    };
    model.inputs().iter().map(|input| (input.name.clone(), raw(&input.name))).collect()
}

/// As [`assert_predicts`], of the pictures of a table.
fn assert_equal(model: &Model, table: &Table, tolerance: f64, what: &str) -> Vec<f64> {
    assert_predicts(model, table, inputs(model, table), tolerance, what)
}

fn trained(data: &Data, model: Json) -> Model {
    let is_network = model["type"] != "logistic";
    let mut request = json!({"model": model, "evaluation": {"bootstrap": 0}});
    if is_network {
        request["training"] = json!({"epochs": 1});
    }
    data.train(&request).unwrap().model
}

/// A network of random weights and statistics, so that nothing is as a training begins, of values that stay of a size.
fn network(design: &Design, seed: u64) -> Network {
    let Architecture::Cnn(shape) = design.architecture() else { panic!("a network of pictures") };
    let mut chance = Seed(seed).stream("weights");
    let mut tensors = HashMap::new();
    for (name, sides, values) in Network::blank(design).tensors() {
        let reach = match sides.as_slice() {
            [_, inputs] => (6.0 / *inputs as f32).sqrt(),
            _ => 0.6,
        };
        let mut draw = |_: &f32| {
            let value: f32 = chance.random_range(-reach..reach);
            match () {
                () if name.ends_with("variance") => value.abs() + 0.3,
                () if name.ends_with("scale") => value + 1.0,
                () => value,
            }
        };
        let values: Vec<f32> = values.iter().map(&mut draw).collect();
        tensors.insert(name, (sides, values));
    }
    Network::from_picture_tensors(shape, &|name| tensors.get(name).cloned()).unwrap()
}

/// A model with a random network of these layers.
fn with_layers(data: &Data, model: &Model, cnn: Json, members: u64) -> Model {
    let config = data.config(&json!({"model": cnn}));
    let ModelConfig::Cnn(cnn) = &config.model else { panic!("a cnn was asked for") };
    let design = Design::of_cnn(cnn, pictures(&data.table).shape()).unwrap();
    let others = (1..members).map(|member| network(&design, 7 + member)).collect();
    Model { predictor: Predictor::Cnn(Ensemble::new(network(&design, 7), others)), ..model.clone() }
}

fn spread(probabilities: &[f64]) -> f64 {
    let least = probabilities.iter().copied().fold(f64::INFINITY, f64::min);
    probabilities.iter().copied().fold(f64::NEG_INFINITY, f64::max) - least
}

#[test]
fn every_layer_gives_its_values() {
    for data in [crosses(60), colored(60)] {
        let any = trained(&data, json!({"type": "cnn", "layers": [{"type": "conv", "filters": 2}]}));
        let conv = json!({"type": "conv", "filters": 5});
        let one = |layer: Json| json!([conv, layer]);
        let lists = [
            json!([{"type": "conv", "filters": 3, "kernel": 2, "stride": 2, "padding": 1}]),
            json!([{"type": "conv", "filters": 18, "kernel": 1, "bias": false}]),
            one(json!({"type": "depthwise_conv", "stride": 2})),
            one(json!({"type": "depthwise_conv", "kernel": 2, "padding": 0, "bias": false})),
            json!([{"type": "depthwise_conv"}, {"type": "batch_norm"}]),
            one(json!({"type": "max_pool", "size": 3, "stride": 1, "padding": 1})),
            one(json!({"type": "avg_pool", "size": 3, "stride": 2, "padding": 1})),
            one(json!({"type": "max_pool"})),
            one(json!({"type": "batch_norm"})),
            one(json!({"type": "global_max_pool"})),
            one(json!({"type": "global_avg_pool"})),
            one(json!({"type": "dropout"})),
            one(json!({"type": "dense", "units": 6})),
            json!([{"type": "dense", "units": 4, "bias": false}, {"type": "batch_norm"}, {"type": "activation"}]),
            one(json!({"type": "residual", "layers": [{"type": "conv", "filters": 5}]})),
            one(
                json!({"type": "residual", "layers": [{"type": "conv", "filters": 7, "stride": 2}, {"type": "batch_norm"}]}),
            ),
            one(json!({"type": "residual", "layers": [
                {"type": "depthwise_conv"}, {"type": "residual", "projection": false, "layers": [
                    {"type": "activation"}, {"type": "conv", "filters": 5, "kernel": 1}]}]})),
            json!([{"type": "batch_norm"}, {"type": "activation"}, conv]),
            json!([{"type": "global_max_pool"}]),
        ];
        for layers in lists {
            let model = with_layers(&data, &any, json!({"type": "cnn", "layers": layers}), 1);
            let found = assert_equal(&model, &data.table, 2e-6, &layers.to_string());
            assert!(spread(&found) > 1e-3, "{layers} tells no two pictures apart");
        }
    }
}

#[test]
fn every_activation_gives_its_values_in_a_network_of_pictures() {
    let data = colored(50);
    let any = trained(&data, json!({"type": "cnn", "layers": [{"type": "conv", "filters": 2}]}));
    for activation in Activation::ALL {
        let layers = json!([
            {"type": "conv", "filters": 6}, {"type": "batch_norm"}, {"type": "activation"},
            {"type": "residual", "layers": [{"type": "depthwise_conv"}, {"type": "conv", "filters": 8, "kernel": 1}]},
            {"type": "activation"}, {"type": "global_avg_pool"}, {"type": "dense", "units": 5}, {"type": "activation"},
        ]);
        let cnn = json!({"type": "cnn", "activation": activation.name(), "layers": layers});
        let model = with_layers(&data, &any, cnn, 2);
        assert!(spread(&assert_equal(&model, &data.table, 5e-6, activation.name())) > 1e-3);
    }
}

#[test]
fn ready_networks_give_their_probabilities_as_they_are_trained() {
    let data = crosses(160);
    for model in [
        json!({"type": "cnn"}),
        json!({"type": "cnn", "activation": "silu", "dropout": 0.2, "members": 2}),
        json!({"type": "mlp", "hidden_layers": [12], "normalization": "batch"}),
        json!({"type": "mlp", "hidden_layers": []}),
    ] {
        assert_equal(&trained(&data, model.clone()), &data.table, 1e-5, &model.to_string());
    }
}

/// As of tables: between any two logits lies a step.
#[test]
fn under_an_isotonic_map_a_perceptron_of_pixels_is_exact_to_the_last_bit() {
    let data = colored(60);
    let mut model = trained(&data, json!({"type": "mlp", "hidden_layers": [9, 5]}));
    let set = model.preprocessor.pictures(&data.table).unwrap().unwrap();
    let nothing = ndarray::Array2::zeros((set.len(), 0));
    let mut knots = model.predictor.logits(evenkeel::ml::sets::Examples { features: &nothing, pictures: Some(&set) });
    knots.sort_unstable_by(f64::total_cmp);
    knots.dedup();
    let shares = (0..knots.len()).map(|knot| knot as f64 / knots.len() as f64).collect();
    let map = CalibrationMap::Isotonic { knots: Knots::from_parts(knots, shares) };
    model.calibrator = Calibrator { map, ..Calibrator::of(Correction::None) };
    assert_equal(&model, &data.table, 1e-9, "isotonic");
}

#[test]
fn pixels_that_are_features_give_the_same_scores() {
    for (data, what) in [(crosses(240), "grey"), (colored(240), "colored"), (with_columns(240), "beside columns")] {
        let model = trained(&data, json!({"type": "logistic"}));
        assert!(model.inputs().iter().any(|input| input.column_type == ColumnType::Image));
        assert_equal(&model, &data.table, 1e-12, what);
        let file = exported(&model);
        let input = file.graph.unwrap().input.into_iter().find(|input| input.name() == "image").unwrap();
        assert_eq!(input.r#type.unwrap().tensor_type.unwrap().elem_type(), DataType::Uint8);
    }
}
