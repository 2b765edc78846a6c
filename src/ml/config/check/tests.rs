//! Tests of the checks.

use serde_json::json;

use super::*;
use crate::ml::config::*;

pub(super) fn facts() -> DatasetFacts {
    let column =
        |name: &str, column_type| FeatureFacts { name: name.to_owned(), column_type, distinct: 50, values: None };
    DatasetFacts {
        rows: 1_000,
        target: "y".to_owned(),
        positive_label: "1".to_owned(),
        columns: vec![
            column("a", ColumnType::Numeric),
            column("b", ColumnType::Categorical),
            FeatureFacts { distinct: 2, ..column("y", ColumnType::Numeric) },
        ],
        origin_columns: Vec::new(),
        pictures: None,
        class_counts: BTreeMap::from([("0".to_owned(), 980), ("1".to_owned(), 20)]),
    }
}

pub(super) fn check(request: &Value) -> Result<TrainConfig, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut reader = ObjectReader::new(request, "", &mut errors);
    let config = TrainConfig::check(&mut reader, &facts(), &ConfigLimits::STANDARD, &mut errors);
    reader.finish(&mut errors);
    if errors.is_empty() { Ok(config) } else { Err(errors) }
}

pub(super) fn pointers(request: &Value) -> Vec<String> {
    let mut pointers: Vec<String> = check(request).unwrap_err().into_iter().map(|error| error.pointer).collect();
    pointers.sort();
    pointers
}

#[test]
fn an_empty_request_gets_every_default_and_reads_back_as_itself() {
    let config = check(&json!({})).unwrap();
    assert_eq!((config.target.as_str(), config.positive_label.as_str(), config.seed), ("y", "1", 42));
    assert_eq!(config.calibration.method, CalibrationMethod::Prior);
    assert_eq!(config.threshold.rule, ThresholdRule::MaxFBeta { beta: 1.0 });
    assert_eq!((config.threshold.on, config.calibration.on), (DecidedOn::Validation, DecidedOn::Validation));
    let written = serde_json::to_value(&config).unwrap();
    assert_eq!(serde_json::from_value::<TrainConfig>(written.clone()).unwrap(), config);
    assert_eq!(check(&written).unwrap(), config, "what is shown can be posted again");
}

#[test]
fn all_mistakes_are_reported_at_once_with_their_pointers() {
    let request = json!({
        "seed": -1,
        "exclude": ["nope", "y"],
        "resample": [{"method": "smote", "k_neighbors": 0}, {"method": "smot"}, {"k": 1}],
        "model": {"type": "mlp", "hidden_layers": [0, 8, "x"], "dropout": 1.0},
        "loss": {"class_weight": [0.2, 0.8]},
        "optimizer": {"type": "adam", "learning_rate": 0},
        "training": {"epochs": 0, "early_stopping": {"monitor": "accuracy"}},
        "threshold": {"rule": "min_cost", "false_positive": 1},
        "thresold": {}
    });
    assert_eq!(
        pointers(&request),
        [
            "/exclude/0",
            "/exclude/1",
            "/loss/class_weight",
            "/model/dropout",
            "/model/hidden_layers/0",
            "/model/hidden_layers/2",
            "/optimizer/learning_rate",
            "/resample/0/k_neighbors",
            "/resample/1/method",
            "/resample/2/method",
            "/seed",
            "/threshold/false_negative",
            "/thresold",
            "/training/early_stopping/monitor",
            "/training/epochs",
        ]
    );
}

#[test]
fn a_resampling_step_that_the_minority_is_too_small_for_is_refused_before_it_is_queued() {
    // 20 positives, 60 % of them in training: 12 rows.
    let errors = check(&json!({"resample": [{"method": "smote", "k_neighbors": 12}]})).unwrap_err();
    assert_eq!(errors[0].pointer, "/resample/0/k_neighbors");
    assert!(errors[0].detail.contains("at most 11"), "{}", errors[0].detail);
    let errors = check(&json!({"resample": [{"method": "smote", "sampling_strategy": 0.01}]})).unwrap_err();
    assert!(errors[0].detail.contains("0.0204"), "{}", errors[0].detail);
}

#[test]
fn class_weights_weigh_both_labels_and_nothing_else() {
    assert!(check(&json!({"loss": {"class_weight": {"0": 1, "1": 10}}})).is_ok());
    assert_eq!(pointers(&json!({"loss": {"class_weight": {"1": 10}}})), ["/loss/class_weight"]);
    assert_eq!(pointers(&json!({"loss": {"class_weight": {"0": 1, "1": 10, "2": 3}}})), ["/loss/class_weight/2"]);
}

#[test]
fn early_stopping_is_on_by_default_and_null_turns_it_off() {
    let stopping = |request: Value| check(&request).unwrap().training.unwrap().early_stopping;
    assert!(stopping(json!({"training": {}})).is_some());
    assert!(stopping(json!({"training": {"early_stopping": null}})).is_none());
}

#[test]
fn every_limit_is_reached_and_named() {
    let limits = ConfigLimits::STANDARD;
    let too_deep = vec![1; limits.max_layers + 1];
    assert_eq!(pointers(&json!({"model": {"hidden_layers": too_deep}})), ["/model/hidden_layers"]);
    let too_wide = limits.max_units_per_layer + 1;
    assert_eq!(pointers(&json!({"model": {"hidden_layers": [too_wide]}})), ["/model/hidden_layers/0"]);
    let steps = vec![json!({"method": "tomek_links"}); limits.max_resample_steps + 1];
    assert_eq!(pointers(&json!({"resample": steps})), ["/resample"]);
    let (epochs, batch, bootstrap) = (limits.max_epochs, limits.max_batch_size, limits.max_bootstrap);
    let request = json!({
        "training": {"epochs": epochs + 1, "batch_size": batch + 1},
        "evaluation": {"bootstrap": bootstrap + 1}
    });
    assert_eq!(pointers(&request), ["/evaluation/bootstrap", "/training/batch_size", "/training/epochs"]);
}

#[test]
fn a_logistic_model_takes_nothing_of_a_network_and_what_is_shown_can_be_posted_again() {
    let config = check(&json!({"model": {"type": "logistic"}})).unwrap();
    assert_eq!((&config.optimizer, &config.training), (&None, &None));
    assert_eq!(check(&serde_json::to_value(&config).unwrap()).unwrap(), config);
    for (members, pointer) in [
        (json!({"optimizer": {"type": "adam"}}), "/optimizer"),
        (json!({"training": {"epochs": 10}}), "/training"),
        (json!({"training": {}}), "/training"),
        (json!({"sample_weight": "a"}), "/sample_weight"),
        (json!({"loss": {"type": "focal"}}), "/loss/type"),
        (json!({"loss": {"type": "asymmetric"}}), "/loss/type"),
        (json!({"loss": {"type": "logit_adjusted"}}), "/loss/type"),
        (json!({"loss": {"type": "ldam"}}), "/loss/type"),
        (json!({"loss": {"label_smoothing": 0.1}}), "/loss/label_smoothing"),
    ] {
        let mut request = members.clone();
        request["model"] = json!({"type": "logistic"});
        assert_eq!(pointers(&request), [pointer], "{members}");
        assert!(check(&members).is_ok(), "a network takes {members}");
    }
    for member in ["hidden_layers", "activation", "dropout", "normalization", "residual", "members"] {
        assert_eq!(pointers(&json!({"model": {"type": "logistic", member: null}})), [format!("/model/{member}")]);
    }
    assert!(check(&json!({"model": {"type": "logistic"}, "loss": {"type": "class_balanced"}})).is_ok());
}

#[test]
fn the_strength_of_a_penalty_can_be_searched_for_where_that_makes_sense() {
    let auto = |more: Value| {
        let mut request = json!({"model": {"type": "logistic"}, "regularization": {"strength": "auto"}});
        let (Value::Object(members), Value::Object(more)) = (&mut request, more) else { return Value::Null };
        members.extend(more);
        request
    };
    let config = check(&auto(json!({}))).unwrap();
    assert_eq!(config.regularization.strength, Some(Strength::Auto));
    assert_eq!(config.regularization.penalty, Regularization { l1: 0.0, l2: 0.5 });
    assert_eq!(check(&serde_json::to_value(&config).unwrap()).unwrap(), config, "what is shown can be posted again");
    let lasso = check(&auto(json!({"regularization": {"strength": "auto", "l1": 1}}))).unwrap();
    assert_eq!(lasso.regularization.penalty, Regularization { l1: 1.0, l2: 0.0 });

    let refused = |request: Value, part: &str| {
        let errors = check(&request).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].pointer, "/regularization/strength");
        assert!(errors[0].detail.contains(part), "{}", errors[0].detail);
    };
    refused(auto(json!({"model": {"type": "mlp"}})), "only a logistic model");
    refused(auto(json!({"regularization": {"strength": "auto", "l2": 0}})), "both are 0");
    refused(auto(json!({"regularization": {"strength": 1}})), "one of auto");
    // 20 positives: 4 train where three fifths are set aside, 12 otherwise, of which 9 are left in a fold.
    let split = json!({"strategy": "stratified", "test_fraction": 0.4, "validation_fraction": 0.4});
    refused(auto(json!({"split": split})), "about 4 training rows");
    refused(auto(json!({"resample": [{"method": "smote", "k_neighbors": 9}]})), "needs 10");
    assert!(check(&auto(json!({"resample": [{"method": "smote", "k_neighbors": 8}]}))).is_ok());
}

#[test]
fn a_configuration_from_before_there_was_a_strength_can_be_read() {
    let config = check(&json!({"model": {"type": "logistic"}})).unwrap();
    let mut written = serde_json::to_value(&config).unwrap();
    written["regularization"].as_object_mut().unwrap().remove("strength");
    assert_eq!(serde_json::from_value::<TrainConfig>(written).unwrap(), config);
}

#[test]
fn methods_for_other_features_are_refused_before_they_are_queued() {
    let step = |method: &str| json!({"resample": [{"method": method}]});
    assert!(check(&step("smotenc")).is_ok());
    assert_eq!(pointers(&step("smoten")), ["/resample/0/method"]);
}

#[test]
fn a_rule_on_its_own_is_checked_like_that_of_a_job() {
    let read = |value: Value| check_threshold_rule(&value);
    assert_eq!(read(json!({"value": 0.3})), Ok(ThresholdRule::Fixed { value: 0.3 }));
    assert_eq!(read(json!({"rule": "fixed", "value": 1})), Ok(ThresholdRule::Fixed { value: 1.0 }));
    assert_eq!(read(json!({"rule": "max_f_beta"})), Ok(ThresholdRule::MaxFBeta { beta: 1.0 }));
    let cases = [
        (json!([]), vec![""]),
        (json!({}), vec!["/rule"]),
        (json!({"value": 2}), vec!["/value"]),
        (json!({"rule": "fixed"}), vec!["/value"]),
        (json!({"rule": "best", "beta": 1}), vec!["/rule"]),
        (json!({"rule": "max_mcc", "value": 0.3}), vec!["/value"]),
        (json!({"rule": "min_cost", "false_positive": 0}), vec!["/false_positive", "/false_negative"]),
    ];
    for (value, expected) in cases {
        let errors = read(value.clone()).unwrap_err();
        let pointers: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, expected, "{value}");
    }
}
