//! A finding's own patch makes the finding go away and does not lower the average precision.

use evenkeel::ml::diagnose::Code;
use evenkeel::ml::pipeline::Trained;
use evenkeel::ml::seed::Seed;
use rand::Rng as _;
use serde_json::{Value, json};

use super::support::{Made, assert_not_found, found, normal, quick, told};
use crate::support::{Data, metric};

fn average_precision(trained: &Trained) -> f64 {
    metric(trained, "average_precision")
}

/// Trains, finds, patches, trains again: the finding is gone and the ranking no worse.
fn assert_mended(code: Code, data: &Data, request: &Value) {
    assert_mended_within(0.0, code, data, request);
}

/// As [`assert_mended`], of patches that take nothing away and give nothing either: the average precision stays where
/// it was but for the chance of other initial weights.
fn assert_kept(code: Code, data: &Data, request: &Value) {
    assert_mended_within(0.02, code, data, request);
}

fn assert_mended_within(margin: f64, code: Code, data: &Data, request: &Value) {
    let before = data.examine(request);
    let finding = found(&before.diagnosis, code);
    let patch = finding.patch.unwrap_or_else(|| panic!("{} has no patch", code.as_str()));
    let after = data.examine(&data.patched(request, &patch));
    assert_not_found(&after.diagnosis, code);
    let reached = average_precision(&after.outcome.unwrap());
    // A run that failed had none.
    let had = before.outcome.as_ref().map_or(0.0, average_precision);
    let name = code.as_str();
    assert!(reached >= had - margin, "{name}: {had} became {reached} by {patch}; {}", told(&after.diagnosis));
}

fn plain() -> Data {
    Made::new(4_000, 12, 1).data()
}

/// Columns of names that no row to be judged shares, or hardly any.
fn naming(made: &Made) -> (Data, Data) {
    let named = made.clone().with_codes("patient", |row, _| Some((row as u32 * 7) % 3_001)).data();
    let rare = made.clone().with_codes("town", |row, _| Some(row as u32 * 31 % 1_500)).data();
    (named, rare)
}

/// A column for each name. The penalty is there for a reason: these columns say nothing of rows that were not learnt from,
/// and yet a network without a penalty ranks those rows better with them (average precision 0.500 and 0.489 with names
/// and towns, 0.481 without; eight datasets and seeds like this one). It is no information: rows that are learnt by
/// heart by their names leave no loss to learn from, so that training ends after 14 to 20 epochs, not after 45 to 60, and
/// the network overfits the other columns less. With a penalty against that it reaches 0.536 with the columns
/// and without them, the differences being 0.000 +- 0.005.
fn each_a_column() -> Value {
    quick(json!({
        "preprocess": {"categorical": {"min_frequency": 0, "max_categories": 2_000}}, "regularization": {"l2": 0.01}
    }))
}

#[test]
fn of_columns() {
    let made = Made::new(3_000, 12, 2);
    let first = made.clone().numbers_mut(0).clone();
    let constant = made.clone().with_numbers("nearly", |row, _| f64::from(u8::from(row == 5)) * 1e3);
    assert_kept(Code::ConstantColumns, &constant.data(), &quick(json!({})));
    let copied = made.clone().with_numbers("copy", |row, _| first[row]);
    assert_kept(Code::DuplicateColumns, &copied.data(), &quick(json!({})));
    let (named, rare) = naming(&made);
    assert_kept(Code::IdentifierColumns, &named, &each_a_column());
    assert_kept(Code::RareCategories, &rare, &each_a_column());
    let mut large = made.clone();
    large.numbers_mut(0).iter_mut().for_each(|value| *value = *value * 1e4 + 500.0);
    assert_mended(Code::UnscaledFeatures, &large.data(), &quick(json!({"preprocess": {"numeric": {"scale": "none"}}})));
    let mut far = made;
    far.numbers_mut(0).iter_mut().step_by(97).enumerate().for_each(|(k, value)| *value = 1e4 * (k as f64 + 1.0));
    assert_mended(Code::Outliers, &far.data(), &quick(json!({})));
}

#[test]
fn of_the_loss() {
    let inverted = quick(json!({"loss": {"class_weight": {"0": 100.0, "1": 1.0}}}));
    assert_kept(Code::InvertedWeights, &plain(), &inverted);
    let both = quick(json!({
        "resample": [{"method": "random_over_sampler"}], "loss": {"class_weight": {"0": 1.0, "1": 50.0}}
    }));
    assert_mended(Code::DoubleCorrection, &plain(), &both);
    assert_mended(Code::StrongLabelSmoothing, &plain(), &quick(json!({"loss": {"label_smoothing": 0.9}})));
}

#[test]
fn of_batches_and_stopping() {
    let tiny = quick(
        json!({"training": {"batch_size": 4, "epochs": 4, "early_stopping": null}, "optimizer": {"learning_rate": 0.02}}),
    );
    assert_mended(Code::BatchesWithoutPositives, &Made::new(2_000, 20, 3).data(), &tiny);
    let normalized = quick(json!({
        "model": {"normalization": "batch"}, "training": {"batch_size": 3, "epochs": 15}
    }));
    assert_mended(Code::SmallNormalizedBatches, &plain(), &normalized);
    let impatient = quick(json!({"training": {"early_stopping": {"patience": 1, "min_delta": 0.1}}}));
    assert_mended(Code::ImpatientStopping, &plain(), &impatient);
    let monitor = quick(json!({
        "loss": {"type": "ldam"}, "training": {"early_stopping": {"monitor": "validation_loss", "patience": 3}}
    }));
    assert_mended(Code::MisleadingMonitor, &plain(), &monitor);
    let short = quick(json!({"training": {"epochs": 2}, "optimizer": {"learning_rate": 2e-4}}));
    assert_mended(Code::StoppedTooEarly, &plain(), &short);
    let vanished = quick(json!({
        "training": {"schedule": {"type": "exponential", "factor": 0.3}}, "optimizer": {"learning_rate": 1e-3}
    }));
    assert_mended(Code::LearningRateVanished, &plain(), &vanished);
}

#[test]
fn of_steps() {
    let high =
        quick(json!({"optimizer": {"type": "adam", "learning_rate": 1.0}, "training": {"early_stopping": null}}));
    assert_mended(Code::LearningRateTooHigh, &plain(), &high);
    let low = quick(json!({"optimizer": {"type": "adam", "learning_rate": 1e-6}}));
    assert_mended(Code::LearningRateTooLow, &plain(), &low);
    let deep = quick(json!({
        "model": {"hidden_layers": [16, 16, 16, 16, 16, 16, 16, 16], "activation": "sigmoid", "initializer": "glorot_normal"},
        "optimizer": {"type": "sgd", "learning_rate": 0.01}
    }));
    assert_mended(Code::VanishingGradient, &plain(), &deep);
    let dying = quick(json!({
        "model": {"hidden_layers": [32, 32, 32], "activation": "relu"},
        "optimizer": {"type": "adam", "learning_rate": 1.0}
    }));
    assert_mended(Code::DeadUnits, &plain(), &dying);
    let diverging = quick(json!({
        "model": {"activation": "relu"}, "preprocess": {"numeric": {"scale": "none"}},
        "optimizer": {"type": "sgd", "learning_rate": 100.0, "momentum": 0.99}
    }));
    let mut large = Made::new(3_000, 12, 2);
    (0..6).for_each(|column| large.numbers_mut(column).iter_mut().for_each(|value| *value *= 1e3));
    assert_mended(Code::Diverged, &large.data(), &diverging);
}

#[test]
fn of_the_fit() {
    assert_mended(Code::OverRegularized, &plain(), &quick(json!({"regularization": {"l2": 0.5}})));
    // Positive in the middle of a column, which no line can tell.
    let mut rng = Seed(1).stream("middle");
    let middle: Vec<f64> = (0..3_000).map(|_| normal(&mut rng)).collect();
    let mut made = Made::apart(3_000, 12, 0.0, 2).with_numbers("m", |row, _| middle[row]);
    made.labels = middle.iter().map(|value| value.abs() < 0.3 && rng.random_bool(0.8)).collect();
    let logistic = json!({"model": {"type": "logistic"}, "evaluation": {"bootstrap": 50}});
    assert_mended(Code::UnderFitting, &made.data(), &logistic);
    let by_heart = json!({
        "model": {"hidden_layers": [128, 128], "activation": "relu"},
        "training": {"epochs": 60, "batch_size": 32, "early_stopping": null}, "evaluation": {"bootstrap": 50}
    });
    let noisy = Made::apart(1_500, 6, 0.7, 5).data();
    assert_mended(Code::OverFitting, &noisy, &by_heart);
    assert_mended(Code::Miscalibrated, &noisy, &by_heart);
}

#[test]
fn of_the_judgement() {
    let fixed = quick(json!({"threshold": {"rule": "fixed", "value": 0.9}}));
    assert_mended(Code::UnsuitableThreshold, &plain(), &fixed);
    assert_mended(Code::AccuracyParadox, &plain(), &quick(json!({"threshold": {"rule": "fixed", "value": 1.0}})));
    let weighted = quick(json!({"loss": {"class_weight": "balanced"}, "calibration": {"method": "none"}}));
    assert_mended(Code::ShiftedProbabilities, &plain(), &weighted);
    // How many positives a split by time leaves is not known before the rows are read.
    let neighbours = quick(json!({
        "resample": [{"method": "smote", "k_neighbors": 60}], "split": {"strategy": "time", "column": "day"}
    }));
    let dated = Made::new(600, 10, 1).with_numbers("day", |row, _| row as f64).data();
    assert_mended(Code::TooFewNeighbours, &dated, &neighbours);
}
