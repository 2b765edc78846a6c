//! Every method by its name: defaults, ranges, and the way through storage.

use serde_json::{Value, json};

use super::{KnownClasses, check_resample, check_resample_steps, methods};
use crate::ml::config::{ConfigLimits, FieldError, ObjectReader, ResampleStep};
use crate::ml::labels::{ClassCounts, ClassNames};

fn check(step: Value) -> Result<ResampleStep, Vec<FieldError>> {
    check_resample_steps(&json!([step]), &ConfigLimits::STANDARD, None).map(|mut steps| steps.remove(0))
}

#[test]
fn every_method_has_defaults_and_comes_back_from_storage_as_it_was() {
    for entry in methods() {
        let step = check(json!({ "method": entry.name })).unwrap();
        assert_eq!(step.method.name(), entry.name);
        let stored = serde_json::to_value(&step).unwrap();
        assert_eq!(stored["method"], entry.name);
        assert_eq!(stored["sampling_strategy"], "auto");
        assert_eq!(serde_json::from_value::<ResampleStep>(stored.clone()).unwrap(), step);
        // What is shown can be posted again.
        assert_eq!(check(stored).unwrap(), step);
    }
}

#[test]
fn steps_stored_before_there_was_rounding_are_read() {
    let stored = json!({"method": "smote", "sampling_strategy": 0.5, "k_neighbors": 5, "seed": null, "rng": "default"});
    assert!(!serde_json::from_value::<ResampleStep>(stored).unwrap().keep_integers);
}

#[test]
fn parameters_out_of_range_are_refused_by_their_names() {
    for (step, pointer) in [
        (json!({"method": "borderline_smote", "kind": "borderline-3"}), "/resample/0/kind"),
        (json!({"method": "svm_smote", "out_step": 1.5}), "/resample/0/out_step"),
        (json!({"method": "kmeans_smote", "kmeans_estimator": 0}), "/resample/0/kmeans_estimator"),
        (json!({"method": "kmeans_smote", "density_exponent": "all"}), "/resample/0/density_exponent"),
        (json!({"method": "kmeans_smote", "cluster_balance_threshold": 2}), "/resample/0/cluster_balance_threshold"),
        (json!({"method": "near_miss", "version": 4}), "/resample/0/version"),
        (json!({"method": "instance_hardness_threshold", "estimator": "forest"}), "/resample/0/estimator"),
        (json!({"method": "instance_hardness_threshold", "cv": 1}), "/resample/0/cv"),
        (json!({"method": "condensed_nearest_neighbour", "n_seeds_S": 0}), "/resample/0/n_seeds_S"),
        (json!({"method": "all_knn", "kind_sel": "most"}), "/resample/0/kind_sel"),
        (json!({"method": "neighbourhood_cleaning_rule", "threshold_cleaning": 0}), "/resample/0/threshold_cleaning"),
        (json!({"method": "tomek_links", "sampling_strategy": 0.5}), "/resample/0/sampling_strategy"),
        (json!({"method": "tomek_links", "keep_integers": true}), "/resample/0/keep_integers"),
        (json!({"method": "polynom_fit_smote", "topology": "ring"}), "/resample/0/topology"),
        (json!({"method": "geometric_smote", "truncation_factor": 1.1}), "/resample/0/truncation_factor"),
        (json!({"method": "mixup", "alpha": 0}), "/resample/0/alpha"),
        (json!({"method": "mixup", "rng": "numpy", "seed": 1}), "/resample/0/rng"),
        (json!({"method": "smote", "rng": "numpy"}), "/resample/0/seed"),
        (json!({"method": "smote", "sampling_strategy": "majority"}), "/resample/0/sampling_strategy"),
        (json!({"method": "cluster_centroids", "voting": "loud"}), "/resample/0/voting"),
    ] {
        let errors = check(step.clone()).unwrap_err();
        let found: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(found, [pointer], "{step}");
    }
}

#[test]
fn classes_are_named_by_their_labels() {
    for (method, strategy) in [
        ("smote", json!({"1": 500})),
        ("random_over_sampler", json!({"0": 900, "1": 500})),
        ("near_miss", json!({"0": 40})),
        ("tomek_links", json!(["0", "1"])),
    ] {
        let step = check(json!({"method": method, "sampling_strategy": strategy})).unwrap();
        let stored = serde_json::to_value(&step).unwrap();
        assert_eq!(stored["sampling_strategy"], strategy);
        assert_eq!(check(stored).unwrap(), step, "what is shown can be posted again");
    }
    let names = ClassNames { positive: "1".to_owned(), negative: "0".to_owned() };
    let counts = Some(ClassCounts { positive: 30, negative: 70 });
    let wrong = |method: &str, strategy: Value| {
        let request = json!({"resample": [{"method": method, "sampling_strategy": strategy}]});
        let mut errors = Vec::new();
        let mut reader = ObjectReader::new(&request, "", &mut errors);
        let classes = KnownClasses { names: Some(&names), counts };
        check_resample(&mut reader, &ConfigLimits::STANDARD, classes, &mut errors);
        errors.into_iter().map(|error| error.pointer.replace("/resample/0/sampling_strategy", "")).collect::<Vec<_>>()
    };
    assert!(wrong("smote", json!({"1": 31})).is_empty());
    assert_eq!(wrong("smote", json!({"1": 29, "2": 5, "0": "all"})), ["/1", "/2", "/0"]);
    assert_eq!(wrong("smote", json!({"1": 31, "0": 71})), [""]);
    assert_eq!(wrong("near_miss", json!({"0": 71})), ["/0"]);
    assert_eq!(wrong("near_miss", json!({"0": 0})), ["/0"]);
    assert_eq!(wrong("smote", json!({})), [""]);
    assert_eq!(wrong("smote", json!(["1"])), [""]);
    assert_eq!(wrong("tomek_links", json!({"0": 5})), [""]);
    assert_eq!(wrong("tomek_links", json!([])), [""]);
    assert_eq!(wrong("tomek_links", json!(["1", "1", 2, "x/y"])), ["/1", "/2", "/3"]);
}

#[test]
fn more_neighbours_than_the_class_has_rows_are_refused_where_that_is_certain() {
    let counts = Some(ClassCounts { positive: 6, negative: 90 });
    let check = |k: usize| {
        let steps = json!([{"method": "adasyn", "n_neighbors": k}, {"method": "smote", "k_neighbors": k}]);
        check_resample_steps(&steps, &ConfigLimits::STANDARD, counts)
    };
    assert!(check(5).is_ok());
    // Only the first step sees the rows as they were counted.
    assert_eq!(check(6).unwrap_err().len(), 1);
    assert_eq!(check(6).unwrap_err()[0].pointer, "/resample/0/n_neighbors");
}
