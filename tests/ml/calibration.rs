//! Calibration against scikit-learn, and against truth that is known.

use evenkeel::ml::calibrate::{CalibrationMap, Calibrator, Correction, Knots, LossInverse, Unfitted, fit_map};
use evenkeel::ml::config::CalibrationMethod;
use evenkeel::ml::metrics::Metric;
use evenkeel::ml::model::Model;
use evenkeel::ml::pipeline::Trained;
use serde::Deserialize;
use serde_json::{Value, json};

use super::support::{Data, Truth, metric, read_csv};

const GERMAN_CREDIT: &[u8] = include_bytes!("../data/datasets/german-credit.csv");
/// How far a probability may be from the reference.
const TOLERANCE: f64 = 1e-9;
/// How far scikit-learn's own solver stays from its minimum: the largest distance that `make_calibration_cases.py` prints.
const SCIKIT_LEARN_STOPS_SHORT: f64 = 1e-8;

/// One entry of `calibration-cases.json`; made by `make_calibration_cases.py` beside it.
#[derive(Deserialize)]
struct Case {
    name: String,
    log_odds: Vec<f64>,
    labels: String,
    at: Vec<f64>,
    platt: Vec<f64>,
    platt_scikit_learn: Vec<f64>,
    /// `None` where the best factor is negative.
    temperature: Option<Vec<f64>>,
    temperature_scikit_learn: Option<Vec<f64>>,
    beta: Vec<f64>,
    isotonic: Vec<f64>,
}

#[test]
fn every_map_is_that_of_scikit_learn() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../data/calibration-cases.json")).unwrap();
    for case in cases {
        let labels: Vec<bool> = case.labels.chars().map(|label| label == '1').collect();
        for (method, expected, tolerance) in [
            (CalibrationMethod::Platt, Some(&case.platt), TOLERANCE),
            (CalibrationMethod::Platt, Some(&case.platt_scikit_learn), SCIKIT_LEARN_STOPS_SHORT),
            (CalibrationMethod::Temperature, case.temperature.as_ref(), TOLERANCE),
            (CalibrationMethod::Temperature, case.temperature_scikit_learn.as_ref(), SCIKIT_LEARN_STOPS_SHORT),
            (CalibrationMethod::Beta, Some(&case.beta), TOLERANCE),
            (CalibrationMethod::Isotonic, Some(&case.isotonic), TOLERANCE),
        ] {
            let fitted = fit_map(method, &case.log_odds, &labels);
            let Some(expected) = expected else {
                assert!(matches!(fitted, Err(Unfitted::NotRising { .. })), "{}: {fitted:?}", case.name);
                continue;
            };
            let map = fitted.unwrap();
            for (&at, &expected) in case.at.iter().zip(expected) {
                let found = map.probability(at);
                assert!((found - expected).abs() < tolerance, "{}: {method:?} at {at}: {found}, {expected}", case.name);
            }
        }
    }
}

/// A run on rows of a known logistic model, without early stopping by any rule.
fn run(truth: &Truth, rows: usize, request: &Value) -> (Data, Trained) {
    let data = truth.draw(rows, 7);
    let mut whole = json!({
        "model": {"type": "logistic"}, "evaluation": {"bootstrap": 0}, "regularization": {"l2": 1e-6}
    });
    let (Value::Object(members), Value::Object(more)) = (&mut whole, request.clone()) else { panic!("objects") };
    members.extend(more);
    let trained = data.train(&whole).unwrap();
    (data, trained)
}

#[test]
fn prior_recovers_known_probabilities_after_weights_and_resampling() {
    let truth = Truth { prevalence: 0.05, distance: 1.5 };
    for remedy in [
        json!({}),
        json!({"loss": {"class_weight": "balanced"}}),
        json!({"loss": {"class_weight": {"0": 0.3, "1": 7.0}}}),
        json!({"resample": [{"method": "random_over_sampler"}]}),
        json!({"resample": [{"method": "random_under_sampler"}]}),
        json!({"resample": [{"method": "random_under_sampler", "sampling_strategy": 0.3}],
               "loss": {"class_weight": "balanced"}}),
    ] {
        let (data, trained) = run(&truth, 20_000, &remedy);
        let found = trained.model.predict(&data.table).unwrap();
        let truths = truth.probabilities(&data);
        let error = found.iter().zip(&truths).map(|(p, q)| (p - q).abs()).sum::<f64>() / found.len() as f64;
        assert!(error < 0.006, "{remedy}: mean distance from the true probability {error}");
        let mut raw = remedy.clone();
        raw["calibration"] = json!({"method": "none"});
        let (_, raw) = run(&truth, 20_000, &raw);
        let raw = raw.model.predict(&data.table).unwrap();
        let raw_error = raw.iter().zip(&truths).map(|(p, q)| (p - q).abs()).sum::<f64>() / truths.len() as f64;
        assert!(remedy == json!({}) || raw_error > 10.0 * error, "{remedy}: without a correction {raw_error}");
    }
}

#[test]
fn another_prevalence_gives_the_probabilities_of_a_world_that_has_it() {
    let (here, there) = (Truth { prevalence: 0.3, distance: 1.5 }, Truth { prevalence: 0.02, distance: 1.5 });
    let (_, trained) = run(&here, 20_000, &json!({}));
    let new = there.draw(5_000, 9);
    let distance = |calibrator: &Calibrator| {
        let found = trained.model.predict_with(&new.table, calibrator).unwrap();
        let truths = there.probabilities(&new);
        found.iter().zip(&truths).map(|(p, q)| (p - q).abs()).sum::<f64>() / truths.len() as f64
    };
    let moved = distance(&trained.model.calibrator.at_prevalence(0.02).unwrap());
    assert!(moved < 0.004 && distance(&trained.model.calibrator) > 0.1, "{moved}");

    // A job that knows it beforehand gives the same probabilities, chooses its threshold for it, and reports at home.
    let costs = json!({"rule": "min_cost", "false_positive": 1.0, "false_negative": 4.0});
    let request = json!({"calibration": {"method": "prior", "prevalence": 0.02}, "threshold": costs.clone()});
    let (_, deployed) = run(&here, 20_000, &request);
    let (_, at_home) = run(&here, 20_000, &json!({ "threshold": costs }));
    let same = deployed.model.predict(&new.table).unwrap();
    let asked = trained.model.predict_with(&new.table, &deployed.model.calibrator).unwrap();
    assert_eq!(same, asked);
    assert_eq!(metric(&deployed, "log_loss"), metric(&at_home, "log_loss"));
    // Costs alone make 1/5 the best threshold on right probabilities, at any prevalence.
    for trained in [&deployed, &at_home] {
        assert!((trained.model.threshold - 0.2).abs() < 0.06, "{}", trained.model.threshold);
    }
    assert!(deployed.report.threshold > 0.75, "at home the same rule is far stricter: {}", deployed.report.threshold);
}

#[test]
fn a_map_is_kept_if_it_helps_and_the_report_says_what_became_of_it() {
    // A penalty far too strong makes probabilities far too timid. The classes are of one size, so that one factor mends it.
    let truth = Truth { prevalence: 0.5, distance: 2.0 };
    let timid = |method: &str| {
        let request = json!({"regularization": {"l2": 0.5}, "calibration": {"method": method}});
        run(&truth, 6_000, &request).1
    };
    let base = timid("prior");
    for method in ["platt", "temperature", "beta", "isotonic", "auto"] {
        let trained = timid(method);
        let outcome = trained.report.calibration.clone().unwrap();
        let expected = match method {
            "auto" => "isotonic",
            method => method,
        };
        assert_eq!((outcome.method.as_str(), outcome.used.as_str()), (method, expected), "{outcome:?}");
        assert_eq!((outcome.on.as_deref(), outcome.rows), (Some("validation"), Some(1_200)));
        assert!(outcome.cross_fitted_log_loss < outcome.base_log_loss && outcome.reason.is_none());
        assert!(metric(&trained, "log_loss") < metric(&base, "log_loss"), "{method}");
        assert!((trained.report.metrics["roc_auc"].value.unwrap() - metric(&base, "roc_auc")).abs() < 0.01);
    }
    let slope = |trained: &Trained| metric(trained, "calibration_slope");
    assert!(slope(&base) > 1.8 && (slope(&timid("platt")) - 1.0).abs() < 0.2, "{}", slope(&base));

    let (_, right) = run(&truth, 1_000, &json!({"calibration": {"method": "isotonic"}}));
    let outcome = right.report.calibration.unwrap();
    assert_eq!(outcome.used, "prior");
    assert!(outcome.reason.unwrap().contains("cross-fitted log loss"));
}

#[test]
fn no_map_turns_a_ranking_over() {
    // Nothing to learn: on validation rows the scores rank the classes one way or the other by chance.
    let truth = Truth { prevalence: 0.3, distance: 0.0 };
    for seed in 0..4 {
        for method in ["platt", "temperature", "beta", "isotonic"] {
            let request = json!({"seed": seed, "calibration": {"method": method}});
            let (data, trained) = run(&truth, 400, &request);
            let outcome = trained.report.calibration.clone().unwrap();
            assert!(outcome.used == method || outcome.reason.is_some(), "{outcome:?}");
            let plain = Model { calibrator: Calibrator::of(Correction::None), ..trained.model.clone() };
            let (found, logits) = (trained.model.predict(&data.table).unwrap(), plain.predict(&data.table).unwrap());
            let mut order: Vec<usize> = (0..found.len()).collect();
            order.sort_by(|&a, &b| logits[a].total_cmp(&logits[b]));
            assert!(order.windows(2).all(|pair| found[pair[0]] <= found[pair[1]]), "{method}");
        }
    }
}

#[test]
fn a_calibrated_model_answers_the_same_after_it_was_stored() {
    let data = read_csv(GERMAN_CREDIT);
    let trained = data.train(&json!({"model": {"type": "logistic"}, "evaluation": {"bootstrap": 0}})).unwrap();
    let knots = Knots::from_parts(vec![-2.0, -0.5, 0.1, 3.0], vec![0.0, 0.125, 0.25, 0.9]);
    for map in [
        CalibrationMap::Platt { slope: 0.7, intercept: -0.1 },
        CalibrationMap::Temperature { temperature: 1.7 },
        CalibrationMap::Beta { a: 0.9, b: 1.1, c: -0.2 },
        CalibrationMap::Isotonic { knots: knots.clone() },
    ] {
        let calibrator = Calibrator { map, deployment_prevalence: Some(0.07), ..trained.model.calibrator.clone() };
        let model = Model { calibrator, ..trained.model.clone() };
        let bytes = model.to_bytes().unwrap();
        let read = Model::from_bytes(&bytes).unwrap();
        assert_eq!(read.calibrator, model.calibrator);
        let (before, after) = (model.predict(&data.table).unwrap(), read.predict(&data.table).unwrap());
        assert!(before.iter().zip(&after).all(|(a, b)| a.to_bits() == b.to_bits()));
        assert_eq!(read.to_bytes().unwrap(), bytes);
    }
    let forged = Knots::from_parts(vec![0.0, 1.0], vec![0.9, 0.1]);
    let calibrator = Calibrator { map: CalibrationMap::Isotonic { knots: forged }, ..trained.model.calibrator.clone() };
    let bytes = Model { calibrator, ..trained.model }.to_bytes().unwrap();
    assert!(Model::from_bytes(&bytes).unwrap_err().to_string().contains("calibrator"));
}

#[test]
fn a_report_without_intervals_has_none_anywhere() {
    let (_, trained) = run(&Truth { prevalence: 0.3, distance: 1.0 }, 400, &json!({}));
    let none = |metric: &Metric| metric.ci.is_none();
    assert!(trained.report.metrics.values().all(none));
    assert!(trained.report.curves.reliability.iter().all(|bin| bin.ci.is_none()));
}

/// The bytes with another manifest.
fn with_manifest(bytes: &[u8], change: impl Fn(&mut Value)) -> Vec<u8> {
    let tensors = safetensors::SafeTensors::deserialize(bytes).unwrap();
    let (_, metadata) = safetensors::SafeTensors::read_metadata(bytes).unwrap();
    let mut manifest: Value = serde_json::from_str(&metadata.metadata().as_ref().unwrap()["evenkeel"]).unwrap();
    change(&mut manifest);
    let metadata = [("evenkeel".to_owned(), manifest.to_string())].into_iter().collect();
    safetensors::serialize(tensors.tensors(), Some(metadata)).unwrap()
}

#[test]
fn models_of_the_first_format_are_still_read() {
    let data = read_csv(GERMAN_CREDIT);
    let trained = data.train(&json!({"model": {"type": "logistic"}, "evaluation": {"bootstrap": 0}})).unwrap();
    let bytes = trained.model.to_bytes().unwrap();
    for (calibrator, expected) in [
        (json!({"method": "none"}), Calibrator::of(Correction::None)),
        (
            json!({"method": "prior", "inverse": {"loss": "identity"}, "log_odds": 1.25}),
            Calibrator::of(Correction::Prior { inverse: LossInverse::Identity, log_odds: 1.25 }),
        ),
        (
            json!({"method": "platt", "slope": 0.5, "intercept": -1.0}),
            Calibrator {
                map: CalibrationMap::Platt { slope: 0.5, intercept: -1.0 },
                ..Calibrator::of(Correction::None)
            },
        ),
    ] {
        let old = with_manifest(&bytes, |manifest| {
            manifest["format_version"] = json!(1);
            manifest["calibrator"] = calibrator.clone();
        });
        let read = Model::from_bytes(&old).unwrap();
        assert_eq!(read.calibrator, expected);
        assert_eq!(read.calibrator.at_prevalence(0.1), None, "its own prevalence is not known");
    }
    let newer = with_manifest(&bytes, |manifest| manifest["format_version"] = json!(3));
    assert!(Model::from_bytes(&newer).unwrap_err().to_string().contains("version 3"));
    let forged = with_manifest(&bytes, |manifest| manifest["calibrator"]["prevalence"] = json!(1.5));
    assert!(Model::from_bytes(&forged).is_err());
    let unknown = with_manifest(&bytes, |manifest| manifest["calibrator"]["map"]["method"] = json!("magic"));
    assert!(Model::from_bytes(&unknown).is_err());
}
