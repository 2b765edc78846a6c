//! Tests of the checks on what a network is and how it is trained: defaults, ranges, combinations.

use serde_json::json;

use super::tests::{check, facts, pointers};
use super::*;
use crate::ml::config::*;

/// `{"a": {"b": value}}` for the pointer `/a/b`.
fn at(pointer: &str, value: Value) -> Value {
    pointer.rsplit('/').filter(|name| !name.is_empty()).fold(value, |inner, name| json!({ name: inner }))
}

/// The request with `members` beside the member that a pointer leads to.
fn beside(pointer: &str, value: &Value, members: &Value) -> Value {
    let mut request = at(pointer, value.clone());
    let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    for (name, member) in members.as_object().into_iter().flatten() {
        request.pointer_mut(parent).unwrap()[name] = member.clone();
    }
    request
}

#[test]
fn every_default_is_the_documented_one() {
    let shown = |request: Value| serde_json::to_value(check(&request).unwrap()).unwrap();
    let config = shown(json!({}));
    let expected = json!({
        "type": "mlp", "hidden_layers": [64, 64], "activation": "tanh", "dropout": 0.0, "normalization": "none",
        "residual": false, "initializer": "he_normal", "prior_bias": true, "members": 1
    });
    assert_eq!(config["model"], expected);
    let expected = json!({
        "type": "adamw", "learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8, "weight_decay": 1e-4
    });
    assert_eq!(config["optimizer"], expected);
    let expected = json!({
        "epochs": 200, "batch_size": 256, "batches": "shuffled", "schedule": {"type": "constant", "warm_up_epochs": 0},
        "gradient_clipping": null, "weight_averaging": null,
        "early_stopping": {"monitor": "validation_loss", "patience": 20, "min_delta": 0.0, "restore_best": true,
            "start_from_epoch": 1}
    });
    assert_eq!(config["training"], expected);
    assert_eq!(config["loss"], json!({"type": "bce", "class_weight": null, "label_smoothing": 0.0}));
    assert_eq!((&config["sample_weight"], &config["calibration"]["method"]), (&Value::Null, &json!("prior")));

    for (pointer, kind, expected) in [
        ("/optimizer", "adam", json!({"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8})),
        ("/optimizer", "sgd", json!({"learning_rate": 0.01, "momentum": 0.9, "nesterov": false})),
        ("/optimizer", "rmsprop", json!({"learning_rate": 0.001, "rho": 0.99, "momentum": 0.0, "epsilon": 1e-8})),
        ("/loss", "focal", json!({"gamma": 2.0, "alpha": 0.25})),
        ("/loss", "asymmetric", json!({"gamma_positive": 1.0, "gamma_negative": 4.0, "margin": 0.05})),
        ("/loss", "logit_adjusted", json!({"tau": 1.0})),
        ("/loss", "ldam", json!({"max_margin": 0.5, "scale": 30.0})),
        ("/loss", "class_balanced", json!({"beta": 0.999})),
        ("/training/schedule", "step", json!({"every": 30, "factor": 0.1, "warm_up_epochs": 0})),
        ("/training/schedule", "exponential", json!({"factor": 0.95, "warm_up_epochs": 0})),
        ("/training/schedule", "cosine", json!({"final_factor": 0.0, "warm_up_epochs": 0})),
        ("/training/schedule", "one_cycle", json!({"rise": 0.3, "initial_divisor": 25.0, "final_divisor": 10000.0})),
        (
            "/training/schedule",
            "reduce_on_plateau",
            json!({"factor": 0.1, "patience": 10, "min_factor": 0.001, "warm_up_epochs": 0}),
        ),
        ("/training/gradient_clipping", "norm", json!({"max": 1.0})),
        ("/training/gradient_clipping", "value", json!({"max": 1.0})),
        ("/training/weight_averaging", "ema", json!({"decay": 0.999})),
        ("/training/weight_averaging", "swa", json!({"start_epoch": 150})),
    ] {
        let mut expected = expected;
        expected["type"] = json!(kind);
        let found = shown(at(pointer, json!({ "type": kind })));
        assert_eq!(found.pointer(pointer), Some(&expected), "{kind}");
        assert_eq!(shown(found.clone()), found, "what is shown of {kind} can be posted again");
    }
    assert_eq!(shown(at("/model/activation", json!("selu")))["model"]["initializer"], "lecun_normal");
    for kind in ["asymmetric", "ldam"] {
        let config = shown(json!({"loss": {"type": kind}}));
        assert_eq!(config["calibration"]["method"], "platt");
        assert_eq!(config["training"]["early_stopping"]["monitor"], "validation_average_precision");
    }
}

#[test]
fn every_number_has_the_documented_range() {
    let none = json!({});
    let kind = |name: &str| json!({ "type": name });
    // A member, what stands beside it, values within its range and values without.
    for (pointer, members, good, bad) in [
        ("/model/dropout", &none, [0.0, 0.99], [-0.1, 1.0]),
        ("/model/members", &none, [1.0, 50.0], [0.0, 51.0]),
        ("/loss/label_smoothing", &none, [0.0, 0.99], [-0.1, 1.0]),
        ("/loss/gamma", &kind("focal"), [0.0, 10.0], [-0.1, 10.1]),
        ("/loss/alpha", &kind("focal"), [0.01, 0.99], [0.0, 1.0]),
        ("/loss/gamma_positive", &kind("asymmetric"), [0.0, 10.0], [-0.1, 10.1]),
        ("/loss/gamma_negative", &kind("asymmetric"), [0.0, 10.0], [-0.1, 10.1]),
        ("/loss/margin", &kind("asymmetric"), [0.0, 0.49], [-0.1, 0.5]),
        ("/loss/tau", &kind("logit_adjusted"), [0.0, 10.0], [-0.1, 10.1]),
        ("/loss/max_margin", &kind("ldam"), [0.1, 10.0], [0.0, 10.1]),
        ("/loss/scale", &kind("ldam"), [0.1, 1000.0], [0.0, 1000.1]),
        ("/loss/beta", &kind("class_balanced"), [0.0, 0.9999], [-0.1, 1.0]),
        ("/regularization/l1", &none, [0.0, 1e6], [-0.1, 1e7]),
        ("/regularization/l2", &none, [0.0, 1e6], [-0.1, 1e7]),
        ("/optimizer/learning_rate", &none, [1e-9, 100.0], [0.0, 100.1]),
        ("/optimizer/beta_1", &none, [0.0, 0.99], [-0.1, 1.0]),
        ("/optimizer/beta_2", &kind("adam"), [0.0, 0.99], [-0.1, 1.0]),
        ("/optimizer/epsilon", &none, [1e-12, 1.0], [0.0, 1.1]),
        ("/optimizer/weight_decay", &none, [0.0, 100.0], [-0.1, 100.1]),
        ("/optimizer/momentum", &kind("sgd"), [0.0, 0.99], [-0.1, 1.0]),
        ("/optimizer/rho", &kind("rmsprop"), [0.0, 0.99], [-0.1, 1.0]),
        ("/optimizer/momentum", &kind("rmsprop"), [0.0, 0.99], [-0.1, 1.0]),
        ("/optimizer/epsilon", &kind("rmsprop"), [1e-12, 1.0], [0.0, 1.1]),
        ("/training/schedule/every", &kind("step"), [1.0, 1e6], [0.0, 1.5]),
        ("/training/schedule/factor", &kind("step"), [0.01, 1.0], [0.0, 1.1]),
        ("/training/schedule/factor", &kind("exponential"), [0.01, 1.0], [0.0, 1.1]),
        ("/training/schedule/final_factor", &kind("cosine"), [0.0, 1.0], [-0.1, 1.1]),
        ("/training/schedule/rise", &kind("one_cycle"), [0.01, 0.99], [0.0, 1.0]),
        ("/training/schedule/initial_divisor", &kind("one_cycle"), [1.0, 1e6], [0.9, 1e7]),
        ("/training/schedule/final_divisor", &kind("one_cycle"), [1.0, 1e9], [0.9, 1e10]),
        ("/training/schedule/factor", &kind("reduce_on_plateau"), [0.01, 0.99], [0.0, 1.0]),
        ("/training/schedule/patience", &kind("reduce_on_plateau"), [1.0, 1e6], [0.0, 1.5]),
        ("/training/schedule/min_factor", &kind("reduce_on_plateau"), [0.0, 1.0], [-0.1, 1.1]),
        ("/training/schedule/warm_up_epochs", &kind("cosine"), [0.0, 199.0], [-1.0, 200.0]),
        ("/training/gradient_clipping/max", &none, [1e-6, 1e6], [0.0, 1e7]),
        ("/training/weight_averaging/decay", &none, [0.0, 0.9999], [-0.1, 1.0]),
        ("/training/weight_averaging/start_epoch", &kind("swa"), [1.0, 200.0], [0.0, 201.0]),
        ("/training/early_stopping/patience", &none, [1.0, 10_000.0], [0.0, 10_001.0]),
        ("/training/early_stopping/min_delta", &none, [0.0, 1.0], [-0.1, 1.1]),
        ("/training/early_stopping/start_from_epoch", &none, [1.0, 200.0], [0.0, 201.0]),
    ] {
        for value in good {
            let request = beside(pointer, &json!(value), members);
            assert!(check(&request).is_ok(), "{request}: {:?}", check(&request));
        }
        for value in bad.map(|value| json!(value)).into_iter().chain([json!("1"), json!([])]) {
            let request = beside(pointer, &value, members);
            assert_eq!(pointers(&request), [pointer], "{request}");
        }
    }
}

#[test]
fn every_name_is_taken_and_no_other() {
    for (pointer, names) in [
        ("/model/activation", &Activation::ALL.map(Activation::name)[..]),
        ("/model/normalization", &["none", "batch", "layer"]),
        (
            "/model/initializer",
            &["he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "lecun_normal", "lecun_uniform"],
        ),
        ("/training/batches", &["shuffled", "stratified", "balanced"]),
        ("/training/early_stopping/monitor", &Monitor::ALL.map(Monitor::name)[..]),
        ("/calibration/method", &["none", "prior", "platt"]),
    ] {
        for name in names {
            let config = check(&at(pointer, json!(name))).unwrap();
            assert_eq!(serde_json::to_value(config).unwrap().pointer(pointer), Some(&json!(name)));
        }
        let errors = check(&at(pointer, json!("sideways"))).unwrap_err();
        assert!(names.iter().all(|name| errors[0].detail.contains(name)), "{}", errors[0].detail);
        assert_eq!(pointers(&at(pointer, json!("sideways"))), [pointer]);
    }
}

#[test]
fn a_member_of_another_variant_is_unknown() {
    for (parent, kind, member) in [
        ("/optimizer", "adam", "weight_decay"),
        ("/optimizer", "adamw", "momentum"),
        ("/optimizer", "sgd", "beta_1"),
        ("/optimizer", "rmsprop", "nesterov"),
        ("/loss", "bce", "gamma"),
        ("/loss", "focal", "class_weight"),
        ("/loss", "asymmetric", "alpha"),
        ("/loss", "logit_adjusted", "label_smoothing"),
        ("/loss", "ldam", "tau"),
        ("/loss", "class_balanced", "class_weight"),
        ("/training/schedule", "constant", "factor"),
        ("/training/schedule", "step", "final_factor"),
        ("/training/schedule", "exponential", "every"),
        ("/training/schedule", "cosine", "factor"),
        ("/training/schedule", "one_cycle", "warm_up_epochs"),
        ("/training/schedule", "reduce_on_plateau", "every"),
        ("/training/gradient_clipping", "norm", "min"),
        ("/training/weight_averaging", "ema", "start_epoch"),
        ("/training/weight_averaging", "swa", "decay"),
    ] {
        let request = at(parent, json!({"type": kind, member: null}));
        assert_eq!(pointers(&request), [format!("{parent}/{member}")], "{request}");
    }
    for parent in ["/optimizer", "/loss", "/training/schedule", "/training/gradient_clipping"] {
        assert_eq!(pointers(&at(parent, json!({"type": "nothing"}))), [format!("{parent}/type")]);
    }
}

#[test]
fn what_would_do_nothing_is_refused() {
    for (request, pointer, word) in [
        (json!({"model": {"hidden_layers": [], "dropout": 0.1}}), "/model/dropout", "hidden layers"),
        (json!({"model": {"hidden_layers": [], "normalization": "layer"}}), "/model/normalization", "normalize"),
        (json!({"model": {"hidden_layers": [32, 16], "residual": true}}), "/model/residual", "equally wide"),
        (json!({"optimizer": {"type": "sgd", "momentum": 0, "nesterov": true}}), "/optimizer/nesterov", "momentum"),
        (json!({"training": {"batch_size": 1, "batches": "balanced"}}), "/training/batches", "both classes"),
        (json!({"training": {"batch_size": 1, "batches": "stratified"}}), "/training/batches", "both classes"),
        (json!({"training": {"batch_size": 1}, "model": {"normalization": "batch"}}), "/training/batch_size", "2 rows"),
        (
            json!({"training": {"epochs": 5, "weight_averaging": {"type": "swa", "start_epoch": 6}}}),
            "/training/weight_averaging/start_epoch",
            "from 1 to 5",
        ),
        (
            json!({"training": {"epochs": 5, "schedule": {"warm_up_epochs": 5}}}),
            "/training/schedule/warm_up_epochs",
            "from 0 to 4",
        ),
        (
            json!({"training": {"epochs": 5, "early_stopping": {"start_from_epoch": 6}}}),
            "/training/early_stopping/start_from_epoch",
            "from 1 to 5",
        ),
        (json!({"exclude": ["a"], "augment": [{"method": "gaussian_noise"}]}), "/augment/0", "no feature is either"),
        (
            json!({"sample_weight": "a", "augment": [{"method": "gaussian_noise"}]}),
            "/augment/0",
            "no feature is either",
        ),
        (json!({"loss": {"type": "ldam"}, "calibration": {"method": "prior"}}), "/calibration/method", "platt"),
        (json!({"loss": {"type": "asymmetric"}, "calibration": {"method": "prior"}}), "/calibration/method", "platt"),
    ] {
        let errors = check(&request).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].pointer, pointer);
        assert!(errors[0].detail.contains(word), "{}", errors[0].detail);
    }
    assert!(check(&json!({"model": {"hidden_layers": [32, 16, 16], "residual": true}})).is_ok());
    assert!(check(&json!({"loss": {"type": "ldam"}, "calibration": {"method": "none"}})).is_ok());
}

#[test]
fn rows_are_weighed_by_a_numeric_column_that_is_nothing_else() {
    assert_eq!(check(&json!({"sample_weight": "a"})).unwrap().sample_weight.as_deref(), Some("a"));
    // The column is no feature anyway: excluding it too changes nothing.
    assert!(check(&json!({"sample_weight": "a", "exclude": ["a"]})).is_ok());
    assert!(check(&json!({"sample_weight": "a", "resample": []})).is_ok());
    for (request, word) in [
        (json!({"sample_weight": "c"}), "no such column"),
        (json!({"sample_weight": "b"}), "categorical"),
        (json!({"sample_weight": "y"}), "target"),
        (json!({"sample_weight": "a", "resample": [{"method": "smote"}]}), "resampled"),
        (json!({"sample_weight": "a", "split": {"strategy": "time", "column": "a"}}), "steers the split"),
        (json!({"sample_weight": 3}), "expected a string"),
    ] {
        let errors = check(&request).unwrap_err();
        assert_eq!((errors.len(), errors[0].pointer.as_str()), (1, "/sample_weight"), "{errors:?}");
        assert!(errors[0].detail.contains(word), "{}", errors[0].detail);
    }
    let columns = facts().columns.into_iter().map(|column| column.name);
    let others: Vec<String> = columns.filter(|name| !["a", "y"].contains(&name.as_str())).collect();
    assert_eq!(pointers(&json!({"sample_weight": "a", "exclude": others})), ["/exclude"], "nothing is left");
}
