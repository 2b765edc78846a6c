//! Tests of `bagging`: its defaults, its ranges and what it does not go together with.

use serde_json::json;

use super::tests::{check, pointers};
use crate::ml::config::{NamedStrategy, ResampleMethod, SamplingStrategy};

#[test]
fn an_ensemble_has_ten_members_of_balanced_draws_unless_told() {
    assert_eq!(check(&json!({})).unwrap().bagging, None);
    assert_eq!(check(&json!({"bagging": null})).unwrap().bagging, None);
    let bagging = check(&json!({"bagging": {}})).unwrap().bagging.unwrap();
    let balanced = ResampleMethod::RandomUnderSampler { replacement: false };
    assert_eq!((bagging.members, bagging.resample.len(), &bagging.resample[0].method), (10, 1, &balanced));
    assert_eq!(bagging.resample[0].sampling_strategy, SamplingStrategy::Named(NamedStrategy::Auto));
    let request = json!({"bagging": {"members": 3, "resample": [{"method": "smote"}, {"method": "tomek_links"}]}});
    let config = check(&request).unwrap();
    assert_eq!(config.bagging.as_ref().map(|bagging| (bagging.members, bagging.resample.len())), Some((3, 2)));
    assert_eq!(check(&serde_json::to_value(&config).unwrap()).unwrap(), config, "what is shown can be posted again");
}

#[test]
fn what_is_out_of_range_or_unknown_is_named() {
    let ensemble = |bagging| json!({ "bagging": bagging });
    for members in [2, 50] {
        assert!(check(&ensemble(json!({ "members": members }))).is_ok());
    }
    for members in [1, 51] {
        assert_eq!(pointers(&ensemble(json!({ "members": members }))), ["/bagging/members"]);
    }
    assert_eq!(pointers(&json!({"bagging": 3})), ["/bagging"]);
    let wrong = json!({"member": 3, "resample": [{"method": "smote", "k_neighbors": 0}, {"method": "smot"}]});
    let places = ["/bagging/member", "/bagging/resample/0/k_neighbors", "/bagging/resample/1/method"];
    assert_eq!(pointers(&ensemble(wrong)), places);
    // There are not thirteen rare training rows.
    let too_many = json!({"resample": [{"method": "smote", "k_neighbors": 12}]});
    assert_eq!(pointers(&ensemble(too_many)), ["/bagging/resample/0/k_neighbors"]);
}

#[test]
fn members_learn_from_different_rows_or_are_refused() {
    for (steps, pointer, word) in [
        (json!([]), "/bagging/resample", "draws at random"),
        (json!([{"method": "tomek_links"}, {"method": "near_miss"}]), "/bagging/resample", "draws at random"),
        (json!([{"method": "random_under_sampler", "seed": 1}]), "/bagging/resample/0", "a seed of its own"),
        (json!([{"method": "smote"}, {"method": "tomek_links", "seed": 1}]), "/bagging/resample/1", "seed of its own"),
        (json!([{"method": "smote", "seed": 1, "rng": "numpy"}]), "/bagging/resample/0", "numpy"),
    ] {
        let errors = check(&json!({"bagging": {"resample": steps}})).unwrap_err();
        assert_eq!((errors.len(), errors[0].pointer.as_str()), (1, pointer), "{errors:?}");
        assert!(errors[0].detail.contains(word), "{}", errors[0].detail);
    }
}

#[test]
fn what_does_not_combine_is_refused_with_its_reason() {
    for (request, word) in [
        (json!({"model": {"members": 2}}), "bagging.members"),
        (json!({"sample_weight": "a"}), "weighted"),
        (json!({"model": {"type": "logistic"}, "regularization": {"strength": "auto"}}), "strength"),
    ] {
        assert!(check(&request).is_ok(), "{request}");
        let mut both = request.clone();
        both["bagging"] = json!({});
        let errors = check(&both).unwrap_err();
        assert_eq!((errors.len(), errors[0].pointer.as_str()), (1, "/bagging"), "{errors:?}");
        assert!(errors[0].detail.contains(word), "{}", errors[0].detail);
    }
    assert!(check(&json!({"bagging": {}, "resample": [{"method": "tomek_links"}]})).is_ok());
    assert!(check(&json!({"bagging": {}, "model": {"type": "logistic"}})).is_ok());
}
