//! Runs that have nothing wrong with them: no warning may be false.

use evenkeel::ml::diagnose::Code;
use evenkeel::ml::metrics::Verdict;
use serde_json::{Value, json};

use super::support::{Made, quick, told, troubles};
use crate::support::{Data, read_csv};

const MAMMOGRAPHY: &[u8] = include_bytes!("../../../examples/data/mammography.csv");
const GERMAN_CREDIT: &[u8] = include_bytes!("../../data/datasets/german-credit.csv");
const HORSE_COLIC: &[u8] = include_bytes!("../../data/datasets/horse-colic.csv");
const BREAST_CANCER: &[u8] = include_bytes!("../../data/datasets/breast-cancer.csv");
const HABERMAN: &[u8] = include_bytes!("../../data/datasets/haberman.csv");
const PIMA: &[u8] = include_bytes!("../../data/datasets/pima-diabetes.csv");

/// Warnings that are true of the small datasets: they have few positives, and fewer still to judge by.
const SMALL: [&str; 2] = [Code::TooFewPositives.as_str(), Code::SmallTestSet.as_str()];

fn assert_healthy(name: &str, data: &Data, request: &Value, true_of_it: &[&str]) {
    let examined = data.examine(request);
    let trained = examined.outcome.unwrap();
    let false_ones: Vec<&str> =
        troubles(&examined.diagnosis).into_iter().filter(|code| !true_of_it.contains(code)).collect();
    assert!(false_ones.is_empty(), "{name}: {false_ones:?} of {}", told(&examined.diagnosis));
    assert_ne!(trained.verdict, Verdict::Degenerate, "{name}");
    assert_eq!(examined.diagnosis.baselines.len(), 3, "{name}");
}

#[test]
fn real_data_with_default_networks() {
    assert_healthy("mammography", &read_csv(MAMMOGRAPHY), &json!({"evaluation": {"bootstrap": 100}}), &[]);
    assert_healthy("german-credit", &read_csv(GERMAN_CREDIT), &json!({}), &[]);
    assert_healthy("pima", &read_csv(PIMA), &json!({}), &[]);
    for (name, bytes) in [("horse-colic", HORSE_COLIC), ("breast-cancer", BREAST_CANCER), ("haberman", HABERMAN)] {
        assert_healthy(name, &read_csv(bytes), &json!({}), &SMALL);
    }
}

#[test]
fn real_data_with_logistic_regressions() {
    let request = json!({"model": {"type": "logistic"}, "evaluation": {"bootstrap": 100}});
    assert_healthy("mammography", &read_csv(MAMMOGRAPHY), &request, &[]);
    assert_healthy("pima", &read_csv(PIMA), &request, &[]);
    assert_healthy("haberman", &read_csv(HABERMAN), &request, &SMALL);
    // Some fifty columns on some hundred rows need more of a penalty than the default has.
    let mut searched = request;
    searched["regularization"] = json!({"strength": "auto"});
    assert_healthy("german-credit", &read_csv(GERMAN_CREDIT), &searched, &[]);
    for (name, bytes) in [("horse-colic", HORSE_COLIC), ("breast-cancer", BREAST_CANCER)] {
        assert_healthy(name, &read_csv(bytes), &searched, &SMALL);
    }
}

#[test]
fn made_data_in_many_settings() {
    let weighted = json!({"loss": {"class_weight": "balanced"}});
    let over = json!({"resample": [{"method": "random_over_sampler"}]});
    let smote = json!({"resample": [{"method": "smote"}, {"method": "tomek_links"}]});
    let ensemble = json!({"model": {"members": 3, "dropout": 0.2}});
    let batch = json!({"model": {"normalization": "batch", "activation": "relu"}});
    let rate = json!({"optimizer": {"type": "sgd", "learning_rate": 0.05}});
    let one_cycle = json!({"training": {"schedule": {"type": "one_cycle"}, "batch_size": 64}});
    for (name, request) in [
        ("plain", json!({})),
        ("weights", weighted),
        ("over-sampling", over),
        ("smote", smote),
        ("ensemble", ensemble),
        ("batch normalization", batch),
        ("sgd", rate),
        ("one cycle", one_cycle),
    ] {
        assert_healthy(name, &Made::new(4_000, 10, 1).data(), &quick(request), &[]);
    }
    for (name, made) in [
        ("rare", Made::apart(12_000, 40, 1.5, 2)),
        ("even", Made::new(3_000, 2, 3)),
        ("hard", Made::apart(6_000, 5, 0.4, 4)),
        ("easy", Made::apart(4_000, 10, 2.0, 5)),
    ] {
        assert_healthy(name, &made.clone().data(), &json!({"evaluation": {"bootstrap": 100}}), &[]);
        let logistic = json!({"model": {"type": "logistic"}, "evaluation": {"bootstrap": 100}});
        assert_healthy(name, &made.data(), &logistic, &[]);
    }
}
