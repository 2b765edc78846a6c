//! Causes that the configuration has, seen without any training.

use evenkeel::ml::config::TrainConfig;
use evenkeel::ml::diagnose::{Code, Diagnosis, Finding, Setting, Severity, check_config};
use evenkeel::ml::labels::{ClassCounts, ClassNames};
use serde_json::{Value, json};

use super::support::{Made, assert_not_found, found, number, told, troubles};
use crate::support::Data;

const CLASSES: [&str; 2] = ["1", "0"];

fn data() -> Data {
    Made::new(1_000, 5, 1).data()
}

/// What a configuration is told for these training rows.
fn checked(request: &Value, positive: usize, negative: usize) -> Diagnosis {
    let config: TrainConfig = data().config(request);
    let [positive_label, negative_label] = if config.positive_label == "1" { CLASSES } else { ["0", "1"] };
    let classes = ClassNames { positive: positive_label.to_owned(), negative: negative_label.to_owned() };
    let train = ClassCounts { positive, negative };
    Diagnosis::new(check_config(&Setting { config: &config, classes: &classes, train, learnt: None }), Vec::new())
}

/// The finding; that of the patched configuration must be gone.
fn mended(request: Value, code: Code, positive: usize, negative: usize) -> Finding {
    let finding = found(&checked(&request, positive, negative), code);
    let patch = finding.patch.clone().unwrap_or_else(|| panic!("{finding:?} has no patch"));
    let patched = data().patched(&request, &patch);
    assert_not_found(&checked(&patched, positive, negative), code);
    finding
}

#[test]
fn defaults_have_no_trouble_at_usual_sizes() {
    for (positive, negative) in [(60, 140), (100, 1_900), (3_000, 97_000), (500, 500)] {
        let diagnosis = checked(&json!({}), positive, negative);
        assert_eq!(troubles(&diagnosis), Vec::<&str>::new(), "{}", told(&diagnosis));
    }
    assert!(checked(&json!({"model": {"type": "logistic"}}), 100, 1_900).checks.iter().all(|check| check.passed));
}

#[test]
fn too_few_neighbours_for_smote_are_an_error() {
    let request = json!({"resample": [{"method": "smote", "k_neighbors": 5}, {"method": "tomek_links"}]});
    assert_not_found(&checked(&request, 6, 500), Code::TooFewNeighbours);
    let finding = mended(request.clone(), Code::TooFewNeighbours, 5, 500);
    assert_eq!((finding.severity, number(&finding, "minority_training_rows")), (Severity::Error, 5.0));
    mended(request, Code::TooFewNeighbours, 1, 500);
}

#[test]
fn the_majority_as_the_positive_class_is_a_warning() {
    let finding = found(&checked(&json!({"positive_label": "0"}), 950, 50), Code::PositiveIsMajority);
    assert_eq!((finding.patch, finding.severity), (Some(json!({"positive_label": "1"})), Severity::Warning));
}

#[test]
fn weights_the_wrong_way_round_are_found() {
    let finding = mended(json!({"loss": {"class_weight": {"0": 9.0, "1": 1.0}}}), Code::InvertedWeights, 100, 900);
    assert_eq!((finding.severity, number(&finding, "imbalance_ratio")), (Severity::Warning, 9.0));
    let finding = mended(json!({"loss": {"type": "focal"}}), Code::InvertedWeights, 100, 900);
    assert_eq!(finding.severity, Severity::Info);
    assert_not_found(&checked(&json!({"loss": {"class_weight": "balanced"}}), 100, 900), Code::InvertedWeights);
}

#[test]
fn resampling_and_weights_together_are_found() {
    let over = json!([{"method": "random_over_sampler"}]);
    let both = json!({"resample": over, "loss": {"class_weight": {"0": 1.0, "1": 9.0}}});
    let finding = mended(both, Code::DoubleCorrection, 100, 900);
    assert_eq!((finding.severity, number(&finding, "effective_odds").round()), (Severity::Warning, 9.0));
    // Weights that are computed from the resampled rows do not count twice.
    let balanced = json!({"resample": over, "loss": {"class_weight": "balanced"}});
    assert_not_found(&checked(&balanced, 100, 900), Code::DoubleCorrection);
    let balanced_batches = json!({"training": {"batches": "balanced"}, "loss": {"class_weight": {"0": 1.0, "1": 9.0}}});
    mended(balanced_batches, Code::DoubleCorrection, 100, 900);
    // Half of the way by each.
    let halves = json!({
        "resample": [{"method": "random_under_sampler", "sampling_strategy": 0.33}],
        "loss": {"class_weight": {"0": 1.0, "1": 3.0}}
    });
    assert_eq!(found(&checked(&halves, 100, 900), Code::DoubleCorrection).severity, Severity::Info);
}

#[test]
fn label_smoothing_beyond_the_prevalence_is_found() {
    let finding = mended(json!({"loss": {"label_smoothing": 0.1}}), Code::StrongLabelSmoothing, 20, 1_980);
    assert!(number(&finding, "least_possible_loss") > number(&finding, "least_possible_loss_expected"));
    mended(json!({"loss": {"label_smoothing": 0.3}}), Code::StrongLabelSmoothing, 900, 1_000);
    assert_not_found(&checked(&json!({"loss": {"label_smoothing": 0.1}}), 900, 1_000), Code::StrongLabelSmoothing);
}

#[test]
fn batches_without_positives_are_found() {
    let small = json!({"training": {"batch_size": 32}});
    let finding = mended(small, Code::BatchesWithoutPositives, 200, 9_800);
    assert!((number(&finding, "batches_without") - 0.98_f64.powi(32)).abs() < 1e-9);
    assert_eq!(number(&finding, "batch_size_expected"), 150.0);
    assert_eq!(finding.patch, Some(json!({"training": {"batch_size": 256}})));
    // No batch of a few rows could have its share of one in ten thousand.
    mended(json!({"training": {"batch_size": 32}}), Code::BatchesWithoutPositives, 1, 9_999);
    mended(
        json!({"training": {"batch_size": 32, "batches": "stratified"}}),
        Code::BatchesWithoutPositives,
        200,
        19_800,
    );
    let over = json!({"training": {"batch_size": 32}, "resample": [{"method": "smote"}]});
    assert_not_found(&checked(&over, 200, 9_800), Code::BatchesWithoutPositives);
}

#[test]
fn batch_normalization_over_a_handful_of_rows_is_found() {
    let request = json!({"model": {"normalization": "batch"}, "training": {"batch_size": 4}});
    let finding = mended(request, Code::SmallNormalizedBatches, 500, 500);
    assert_eq!(number(&finding, "batch_size"), 4.0);
}

#[test]
fn early_stopping_that_gives_up_or_looks_the_wrong_way_is_found() {
    let impatient = json!({"training": {"early_stopping": {"patience": 1}}});
    mended(impatient, Code::ImpatientStopping, 100, 900);
    // 0.01 nats are a fifth of all there is to learn at 1 %.
    let delta = json!({"training": {"early_stopping": {"min_delta": 0.01}}});
    let finding = mended(delta.clone(), Code::ImpatientStopping, 100, 9_900);
    assert!((number(&finding, "min_delta_over_the_loss_of_a_constant") - 0.178_6).abs() < 1e-3);
    assert_not_found(&checked(&delta, 500, 500), Code::ImpatientStopping);
    let monitor = json!({
        "loss": {"type": "ldam"}, "training": {"early_stopping": {"monitor": "validation_loss"}}
    });
    mended(monitor, Code::MisleadingMonitor, 100, 900);
    assert_not_found(&checked(&json!({"loss": {"type": "ldam"}}), 100, 900), Code::MisleadingMonitor);
}
