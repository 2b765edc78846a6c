//! Ways to fail that look alike from outside, told apart by the diagnosis alone.

use evenkeel::ml::diagnose::{Code, Diagnosis};
use evenkeel::ml::metrics::Verdict;
use evenkeel::ml::seed::Seed;
use evenkeel::ml::table::Values;
use rand::seq::SliceRandom;
use serde_json::{Value, json};

use super::support::{Made, found, told, troubles};
use crate::support::Data;

/// 10,000 rows, 3 % of them positive, for a network of 32 units, Adam, and 15 epochs.
fn made() -> Made {
    Made::apart(10_000, 33, 1.5, 7)
}

fn run(data: &Data, change: Value) -> (Diagnosis, Option<Verdict>) {
    let base = json!({
        "model": {"hidden_layers": [32], "activation": "relu"},
        "optimizer": {"type": "adam"},
        "training": {"epochs": 15, "batch_size": 128, "early_stopping": null},
        "evaluation": {"bootstrap": 100}
    });
    let examined = data.examine(&super::support::merged(&base, &change));
    (examined.diagnosis, examined.outcome.ok().map(|trained| trained.verdict))
}

/// The scenario's own finding is there, and none of the others'.
fn assert_told_apart(scenario: &str, diagnosis: &Diagnosis, own: &[Code]) {
    const TELLING: [Code; 8] = [
        Code::LearningRateTooHigh,
        Code::LearningRateTooLow,
        Code::OverRegularized,
        Code::UnscaledFeatures,
        Code::PositiveIsMajority,
        Code::InvertedRanking,
        Code::NoSignal,
        Code::SortedByClass,
    ];
    for &code in own {
        found(diagnosis, code);
    }
    let others = TELLING.iter().filter(|code| !own.contains(code));
    let wrong: Vec<&str> =
        others.filter(|&&code| diagnosis.finding(code).is_some()).map(|code| code.as_str()).collect();
    assert!(wrong.is_empty(), "{scenario}: {wrong:?} of {}", told(diagnosis));
}

#[test]
fn a_healthy_run_is_told_so() {
    let (diagnosis, verdict) = run(&made().data(), json!({}));
    assert_told_apart("healthy", &diagnosis, &[]);
    assert_eq!(troubles(&diagnosis), Vec::<&str>::new(), "{}", told(&diagnosis));
    assert_eq!(verdict, Some(Verdict::Ok));
}

#[test]
fn steps_that_are_too_large_or_too_small_are_told_apart() {
    let data = made().data();
    let (diagnosis, _) = run(&data, json!({"optimizer": {"learning_rate": 1.0}}));
    assert_told_apart("learning rate 1.0", &diagnosis, &[Code::LearningRateTooHigh]);
    let (diagnosis, verdict) = run(&data, json!({"optimizer": {"learning_rate": 1e-6}}));
    assert_told_apart("learning rate 1e-6", &diagnosis, &[Code::LearningRateTooLow, Code::StuckAtBaseRate]);
    assert_ne!(verdict, Some(Verdict::Degenerate));
}

#[test]
fn a_penalty_that_leaves_nothing_is_told() {
    let (diagnosis, _) = run(&made().data(), json!({"regularization": {"l2": 0.5}}));
    assert_told_apart("weight decay 1.0", &diagnosis, &[Code::OverRegularized]);
}

#[test]
fn unscaled_columns_are_told() {
    let mut unscaled = made();
    for column in 0..6 {
        unscaled.numbers_mut(column).iter_mut().for_each(|value| *value = *value * 1e4 + 500.0);
    }
    let (diagnosis, _) = run(&unscaled.data(), json!({"preprocess": {"numeric": {"scale": "none"}}}));
    assert_told_apart("unscaled", &diagnosis, &[Code::UnscaledFeatures]);
}

#[test]
fn dead_units_are_told() {
    // Steps so large that they leave units below zero for all rows.
    let dying = json!({
        "model": {"hidden_layers": [32, 32, 32]}, "optimizer": {"type": "adam", "learning_rate": 1.0}
    });
    let (diagnosis, _) = run(&made().data(), dying);
    // That the rate was too high may be told beside it.
    let own = [Code::DeadUnits, Code::LearningRateTooHigh];
    let told: Vec<Code> = own.into_iter().filter(|code| diagnosis.finding(*code).is_some()).collect();
    assert!(told.contains(&Code::DeadUnits), "{}", super::support::told(&diagnosis));
    assert_told_apart("dead units", &diagnosis, &told);
}

#[test]
fn labels_that_are_turned_over_are_told() {
    // Everywhere: the positive class is the majority.
    let (diagnosis, _) = run(&made().data(), json!({"positive_label": "0"}));
    assert_told_apart("flipped", &diagnosis, &[Code::PositiveIsMajority]);
    // In the training part only: what was taught is the opposite of what is judged by.
    let mut flipped = made();
    let part = |row: usize| [0, 0, 0, 1, 2][row % 5];
    flipped.labels.iter_mut().enumerate().filter(|(row, _)| part(*row) == 0).for_each(|(_, label)| *label = !*label);
    let mut flipped = flipped.with_codes("part", |row, _| Some(part(row)));
    if let Values::Categorical { levels, .. } = &mut flipped.columns[6].values {
        *levels = ["train", "validation", "test"].map(str::to_owned).to_vec();
    }
    let (diagnosis, verdict) = run(&flipped.data(), json!({"split": {"strategy": "column", "column": "part"}}));
    found(&diagnosis, Code::InvertedRanking);
    found(&diagnosis, Code::PriorShift);
    assert_ne!(verdict, Some(Verdict::Ok));
}

#[test]
fn labels_without_any_signal_are_told() {
    let mut permuted = made();
    permuted.labels.shuffle(&mut Seed(3).stream("permuted"));
    let (diagnosis, verdict) = run(&permuted.data(), json!({}));
    assert_told_apart("permuted", &diagnosis, &[Code::NoSignal]);
    assert_ne!(verdict, Some(Verdict::Ok));
}

#[test]
fn rows_in_the_order_of_their_labels_are_told_and_do_no_harm() {
    let made = made();
    let mut rows: Vec<usize> = (0..made.labels.len()).collect();
    rows.sort_by_key(|&row| made.labels[row]);
    let (diagnosis, verdict) = run(&made.rows(&rows).data(), json!({}));
    assert_told_apart("sorted", &diagnosis, &[Code::SortedByClass]);
    assert_eq!(troubles(&diagnosis), Vec::<&str>::new(), "{}", told(&diagnosis));
    assert_eq!(verdict, Some(Verdict::Ok));
}
