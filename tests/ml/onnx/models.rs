//! Exported graphs, run by a small evaluator, beside the models that they were made of.

use std::collections::{HashMap, HashSet};

use evenkeel::ml::calibrate::{CalibrationMap, Calibrator, Correction, Knots, LossInverse};
use evenkeel::ml::config::{Activation, Normalization};
use evenkeel::ml::model::{Model, Predictor};
use evenkeel::ml::nn::{Ensemble, Network, NetworkShape};
use evenkeel::ml::onnx::proto::{DataType, ModelProto};
use evenkeel::ml::onnx::{ExportError, OPSET, Provenance, export};
use evenkeel::ml::seed::Seed;
use evenkeel::ml::table::{Column, ColumnType, Table, Values};
use prost::Message;
use rand::Rng as _;
use serde_json::{Value as Json, json};

use super::evaluate::{Value, evaluate};
use crate::support::{Data, read_csv};

const GERMAN_CREDIT: &[u8] = include_bytes!("../../data/datasets/german-credit.csv");
const HORSE_COLIC: &[u8] = include_bytes!("../../data/datasets/horse-colic.csv");
const BREAST_CANCER: &[u8] = include_bytes!("../../data/datasets/breast-cancer.csv");
/// Names that the graph itself would like to have, booleans with gaps, a column of which only the gaps matter.
const ODD: &[u8] = b"probability,label,gather_1,seldom,kind,y\n\
    1,true,3,7,NA,no\n2,false,4,,a,no\n3,,5,7,b,yes\n4,true,,7,a,yes\n5,true,6,,b,no\n6,false,7,7,,yes\n\
    1,true,3,7,NA,no\n2,false,4,,a,no\n3,,5,7,b,yes\n4,true,,7,a,yes\n5,true,6,,b,no\n6,false,7,7,,yes\n\
    1,true,3,7,NA,no\n2,false,4,,a,no\n3,,5,7,b,yes\n4,true,,7,a,yes\n5,true,6,,b,no\n6,false,7,7,,yes\n\
    1,true,3,7,NA,no\n2,false,4,,a,no\n3,,5,7,b,yes\n4,true,,7,a,yes\n5,true,6,,b,no\n6,false,7,7,,yes\n";

fn provenance() -> Provenance {
    let program_version = "1.2.3".to_owned();
    Provenance { name: Some("fraud".to_owned()), version: Some(7), sha256: "ab".repeat(32), program_version }
}

pub(super) fn exported(model: &Model) -> ModelProto {
    ModelProto::decode(export(model, &provenance()).unwrap().as_slice()).unwrap()
}

fn trained(data: &Data, parts: Json) -> Model {
    let mut request = json!({"model": {"type": "logistic"}, "evaluation": {"bootstrap": 0}});
    let (Json::Object(members), Json::Object(more)) = (&mut request, parts) else { panic!("two objects") };
    members.extend(more);
    data.train(&request).unwrap().model
}

/// The columns as the graph's inputs.
fn inputs(model: &Model, table: &Table) -> HashMap<String, Value> {
    let raw = |name: &str| match &table.column(name).unwrap().values {
        Values::Numeric(values) => Value::column(values.clone()),
        Values::Boolean(flags) => {
            Value::column(flags.iter().map(|flag| flag.map_or(f64::NAN, |flag| f64::from(u8::from(flag)))).collect())
        }
        Values::Categorical { codes, levels } => {
            let text = |&code: &u32| levels.get(code as usize).cloned().unwrap_or_default();
            Value::Texts(codes.iter().map(text).collect())
        }
        Values::Pictures(_) => panic!("tables without pictures"),
    };
    model.inputs().iter().map(|input| (input.name.clone(), raw(&input.name))).collect()
}

/// Rows that no training row is like: what is missing, was never seen, or lies far out.
fn strange_rows(model: &Model) -> Table {
    let column = |name: String, column_type: ColumnType| {
        let values = match column_type {
            ColumnType::Numeric => Values::Numeric(vec![f64::NAN, 1e300, -1e300, 0.0, 1e-300]),
            ColumnType::Boolean => Values::Boolean(vec![None, Some(true), Some(false), None, Some(true)]),
            ColumnType::Image => panic!("tables without pictures"),
            ColumnType::Categorical => Values::Categorical {
                codes: vec![u32::MAX, 0, 1, u32::MAX, 0],
                levels: vec!["never seen".to_owned(), "Ω".to_owned()],
            },
        };
        Column { name, values }
    };
    Table::new(model.inputs().into_iter().map(|input| column(input.name, input.column_type)).collect()).unwrap()
}

/// Fails where a probability differs by more than `tolerance` or a label is not the model's.
fn assert_equal(model: &Model, table: &Table, tolerance: f64, what: &str) {
    for table in [table, &strange_rows(model)] {
        assert_predicts(model, table, inputs(model, table), tolerance, what);
    }
}

/// Fails where the graph gives a probability that differs by more than `tolerance`, or a label that is not the model's, of rows
/// that are `inputs` to it; gives the model's probabilities.
pub(super) fn assert_predicts(
    model: &Model,
    table: &Table,
    inputs: HashMap<String, Value>,
    tolerance: f64,
    what: &str,
) -> Vec<f64> {
    let file = exported(model);
    let graph = file.graph.as_ref().unwrap();
    let outputs = evaluate(graph, inputs);
    let name = |place: usize| graph.output[place].name.clone().unwrap();
    let (found, labels) = (outputs[&name(0)].numbers().values(), outputs[&name(1)].texts());
    let expected = model.predict(table).unwrap();
    assert_eq!((found.len(), labels.len()), (expected.len(), expected.len()));
    for (row, ((&found, &expected), label)) in found.iter().zip(&expected).zip(labels).enumerate() {
        assert!((found - expected).abs() <= tolerance, "{what}, row {row}: {found} where {expected} is expected");
        let near = (expected - model.threshold).abs() <= tolerance;
        assert!(near || label == model.classes.name(expected >= model.threshold), "{what}, row {row}: {label}");
    }
    expected
}

/// A network of random weights and statistics, so that nothing is as a training begins.
fn network(shape: &NetworkShape, seed: u64) -> Network {
    let mut chance = Seed(seed).stream("weights");
    let mut tensors = HashMap::new();
    for (name, sides, values) in Network::zeros(shape).tensors() {
        let positive = name.ends_with("variance");
        let draw = |_: &f32| {
            let value: f32 = chance.random_range(-0.6..0.6);
            if positive { value.abs() + 0.1 } else { value }
        };
        let values: Vec<f32> = values.iter().map(draw).collect();
        tensors.insert(name, (sides, values));
    }
    Network::from_tensors(shape, &|name| tensors.get(name).cloned()).unwrap()
}

#[test]
fn columns_of_every_kind_become_the_same_features() {
    for bytes in [GERMAN_CREDIT, HORSE_COLIC, BREAST_CANCER, ODD] {
        let data = read_csv(bytes);
        for parts in [
            json!({}),
            json!({"preprocess": {"numeric": {"impute": "mean", "scale": "min_max"},
                                  "categorical": {"impute": "most_frequent", "max_categories": 2}}}),
            json!({"preprocess": {"numeric": {"impute": "constant", "fill_value": -2.5, "scale": "robust",
                                              "missing_indicator": false},
                                  "categorical": {"impute": "constant", "fill_value": "none", "min_frequency": 1}}}),
            json!({"preprocess": {"numeric": {"impute": "most_frequent", "scale": "none"},
                                  "categorical": {"min_frequency": 40}}}),
        ] {
            let model = trained(&data, parts.clone());
            assert_equal(&model, &data.table, 1e-12, &parts.to_string());
        }
    }
}

/// Each row's logit is a knot, and between any two lies a step, so that the last bit of a logit shows.
#[test]
fn under_an_isotonic_map_every_network_is_exact_to_the_last_bit() {
    let data = read_csv(BREAST_CANCER);
    let mut model = trained(&data, json!({}));
    let features = model.preprocessor.transform(&data.table).unwrap();
    for activation in Activation::ALL {
        for (normalization, hidden_layers) in [
            (Normalization::None, vec![20, 20]),
            (Normalization::Batch, vec![7]),
            (Normalization::Layer, vec![33, 5, 5]),
        ] {
            let inputs = features.ncols();
            let shape = NetworkShape { inputs, hidden_layers, activation, normalization, residual: true };
            model.predictor = Predictor::Mlp(Ensemble::new(network(&shape, 5), vec![network(&shape, 6)]));
            let mut positions = model.predictor.logits(&features);
            positions.sort_unstable_by(f64::total_cmp);
            positions.dedup();
            assert!(positions.len() > 100, "{shape:?}: rows are told apart");
            // The steps lie within an ulp of f32 of the logits.
            let near: Vec<f64> = positions.iter().flat_map(|&knot| [knot, knot + knot.abs() * 1e-8 + 1e-12]).collect();
            let rising: Vec<f64> = near
                .iter()
                .scan(f64::MIN, |last, &knot| Some((*last).max(knot)).inspect(|knot| *last = *knot))
                .collect();
            let mut knots = rising;
            knots.dedup();
            let shares = (0..knots.len()).map(|knot| knot as f64 / knots.len() as f64).collect();
            let map = CalibrationMap::Isotonic { knots: Knots::from_parts(knots, shares) };
            model.calibrator = Calibrator { map, ..Calibrator::of(Correction::None) };
            assert!(model.calibrator.is_valid());
            assert_equal(&model, &data.table, 1e-9, &format!("{shape:?}"));
        }
    }
    let linear = NetworkShape {
        inputs: features.ncols(),
        hidden_layers: vec![],
        activation: Activation::Tanh,
        normalization: Normalization::None,
        residual: false,
    };
    model.predictor = Predictor::Mlp(Ensemble::new(network(&linear, 4), vec![]));
    assert_equal(&model, &data.table, 1e-9, "no hidden layers");
}

#[test]
fn every_network_gives_its_logits() {
    let data = read_csv(GERMAN_CREDIT);
    let mut model = trained(&data, json!({}));
    let width = model.preprocessor.width();
    for activation in Activation::ALL {
        for normalization in [Normalization::None, Normalization::Batch, Normalization::Layer] {
            let shape = NetworkShape {
                inputs: width,
                hidden_layers: vec![9, 9, 5],
                activation,
                normalization,
                residual: normalization != Normalization::Batch,
            };
            let others = vec![network(&shape, 2), network(&shape, 3)];
            model.predictor = Predictor::Mlp(Ensemble::new(network(&shape, 1), others));
            assert_equal(&model, &data.table, 1e-6, &format!("{shape:?}"));
        }
    }
    let linear = NetworkShape {
        inputs: width,
        hidden_layers: vec![],
        activation: Activation::Relu,
        normalization: Normalization::None,
        residual: false,
    };
    model.predictor = Predictor::Mlp(Ensemble::new(network(&linear, 4), vec![]));
    assert_equal(&model, &data.table, 1e-6, "no hidden layers");
}

#[test]
fn every_calibration_gives_its_probabilities() {
    let data = read_csv(BREAST_CANCER);
    let mut model = trained(&data, json!({}));
    let bases = [
        Correction::None,
        Correction::Prior { inverse: LossInverse::Identity, log_odds: 0.7 },
        Correction::Prior { inverse: LossInverse::Shift { log_odds: -1.25 }, log_odds: 0.7 },
        Correction::Prior { inverse: LossInverse::Smoothing { smoothing: 0.3 }, log_odds: -0.2 },
        Correction::Prior { inverse: LossInverse::Focal { gamma: 2.0, alpha: 0.25 }, log_odds: 0.1 },
        Correction::Prior { inverse: LossInverse::Focal { gamma: 0.5, alpha: 0.9 }, log_odds: 0.0 },
    ];
    let knots = |positions: &[f64], shares: &[f64]| CalibrationMap::Isotonic {
        knots: Knots::from_parts(positions.to_vec(), shares.to_vec()),
    };
    let maps = [
        CalibrationMap::Identity,
        CalibrationMap::Platt { slope: 0.4, intercept: -1.5 },
        CalibrationMap::Temperature { temperature: 2.5 },
        CalibrationMap::Beta { a: 0.3, b: 1.7, c: 0.4 },
        knots(&[0.0], &[0.4]),
        knots(&[-1.0, 0.5], &[0.0, 1.0]),
        knots(&[-2.0, -1.5, -1.0, -0.5, 0.0, 0.1, 2.0], &[0.0, 0.1, 0.1, 0.3, 0.5, 0.8, 0.9]),
    ];
    for base in bases {
        for map in &maps {
            for deployment_prevalence in [None, Some(0.02)] {
                model.calibrator = Calibrator { base, map: map.clone(), prevalence: Some(0.3), deployment_prevalence };
                assert_equal(&model, &data.table, 1e-12, &format!("{:?}", model.calibrator));
            }
        }
    }
}

#[test]
fn logits_far_out_and_on_the_knots_are_no_exception() {
    let data = read_csv(BREAST_CANCER);
    let mut model = trained(&data, json!({}));
    let Predictor::Logistic(logistic) = &mut model.predictor else { panic!("logistic") };
    logistic.weights.iter_mut().for_each(|weight| *weight *= 200.0);
    let logits = model.predictor.logits(&model.preprocessor.transform(&data.table).unwrap());
    assert!(logits.iter().any(|logit| logit.abs() > 100.0), "they are not far out");
    let mut positions = logits;
    positions.sort_unstable_by(f64::total_cmp);
    positions.dedup();
    let shares = (0..positions.len()).map(|knot| knot as f64 / positions.len() as f64).collect();
    let every_row_is_a_knot = CalibrationMap::Isotonic { knots: Knots::from_parts(positions, shares) };
    for (base, map) in [
        (Correction::Prior { inverse: LossInverse::Focal { gamma: 2.0, alpha: 0.25 }, log_odds: 0.1 }, None),
        (Correction::Prior { inverse: LossInverse::Smoothing { smoothing: 0.1 }, log_odds: 0.1 }, None),
        (Correction::None, Some(CalibrationMap::Beta { a: 0.01, b: 0.02, c: 0.4 })),
        (Correction::None, Some(every_row_is_a_knot)),
    ] {
        let map = map.unwrap_or(CalibrationMap::Temperature { temperature: 50.0 });
        model.calibrator = Calibrator { base, map, ..Calibrator::of(Correction::None) };
        assert_equal(&model, &data.table, 1e-9, &format!("{base:?}"));
    }
}

#[test]
fn the_graph_is_well_formed_and_says_where_it_comes_from() {
    let data = read_csv(ODD);
    let model = trained(&data, json!({"threshold": {"rule": "fixed", "value": 0.4}}));
    let file = exported(&model);
    let imports: Vec<(&str, i64)> = file.opset_import.iter().map(|set| (set.domain(), set.version())).collect();
    assert_eq!(imports, [("", OPSET), ("ai.onnx.ml", 2)]);
    assert_eq!((file.producer_name(), file.producer_version(), file.model_version()), ("evenkeel", "1.2.3", 7));
    let told = |key: &str| {
        let entry = file.metadata_props.iter().find(|entry| entry.key() == format!("evenkeel.{key}"));
        entry.map(|entry| entry.value().to_owned())
    };
    for (key, expected) in [
        ("model_name", "fraud"),
        ("model_version", "7"),
        ("positive_label", &model.classes.positive),
        ("negative_label", &model.classes.negative),
        ("threshold", "0.4"),
        ("artifact_sha256", &"ab".repeat(32)),
        ("version", "1.2.3"),
    ] {
        assert_eq!(told(key).as_deref(), Some(expected), "{key}");
    }
    let graph = file.graph.as_ref().unwrap();
    let kind = |value: &evenkeel::ml::onnx::proto::ValueInfoProto| {
        value.r#type.as_ref().unwrap().tensor_type.as_ref().unwrap().elem_type()
    };
    let inputs: Vec<(&str, DataType)> = graph.input.iter().map(|input| (input.name(), kind(input))).collect();
    let (number, text) = (DataType::Double, DataType::String);
    let expected =
        [("probability", number), ("label", number), ("gather_1", number), ("seldom", number), ("kind", text)];
    assert_eq!(inputs, expected);
    // Columns keep their names; the outputs make way and say so.
    let outputs: Vec<&str> = graph.output.iter().map(|output| output.name()).collect();
    assert_eq!([told("output.probability").unwrap(), told("output.label").unwrap()], outputs[..]);
    assert!(outputs[0].starts_with("probability_") && outputs[1].starts_with("label_"), "{outputs:?}");
    let mut known: HashSet<&str> = inputs.iter().map(|(name, _)| *name).collect();
    for tensor in &graph.initializer {
        assert!(known.insert(tensor.name()), "{} is there twice", tensor.name());
    }
    for node in &graph.node {
        assert!(node.input.iter().all(|input| known.contains(input.as_str())), "{node:?} comes too early");
        assert!(known.insert(&node.output[0]), "{} is there twice", node.output[0]);
    }
    assert!(outputs.iter().all(|output| known.contains(output)));
}

#[test]
fn the_same_model_gives_the_same_bytes_also_after_it_was_stored() {
    let data = read_csv(HORSE_COLIC);
    let model = trained(&data, json!({}));
    let bytes = export(&model, &provenance()).unwrap();
    let stored = Model::from_bytes(&model.to_bytes().unwrap()).unwrap();
    assert_eq!(export(&stored, &provenance()).unwrap(), bytes);
    let file = exported(&model);
    let names: Vec<&str> = file.graph.as_ref().unwrap().output.iter().map(|output| output.name()).collect();
    assert_eq!(names, ["probability", "label"]);
}

#[test]
fn names_that_no_graph_can_have_are_refused() {
    let mut data = read_csv(ODD);
    let renamed = |data: &mut Data, name: &str| {
        let mut columns = data.table.columns().to_vec();
        columns[0].name = name.to_owned();
        data.facts.columns[0].name = name.to_owned();
        data.table = Table::new(columns).unwrap();
    };
    renamed(&mut data, "");
    let nameless = trained(&data, json!({}));
    assert_eq!(export(&nameless, &provenance()), Err(ExportError::NamelessColumn { index: 0 }));
    renamed(&mut data, "a\0b");
    let broken = trained(&data, json!({}));
    assert_eq!(export(&broken, &provenance()), Err(ExportError::NulInName { column: "a\0b".to_owned() }));
}
