//! Whether intervals hold what they promise, on problems whose truth is known.

use std::collections::BTreeMap;

use evenkeel::ml::config::ThresholdRule;
use evenkeel::ml::metrics::{ConfusionMatrix, ScoredRows, Statistic, choose};
use evenkeel::ml::pipeline::Trained;
use evenkeel::ml::sets::EvalSet;
use evenkeel::ml::table::Values;
use ndarray::Array2;
use rayon::prelude::*;
use serde_json::{Value, json};

use super::support::{Data, Truth};

const REPETITIONS: u64 = 500;
/// Rows that stand for all rows there could be: so many that their own error hardly counts beside an interval.
const FRESH_ROWS: usize = 100_000;

fn labels(data: &Data) -> Vec<bool> {
    let Values::Numeric(labels) = &data.table.column("y").unwrap().values else { panic!("numbers") };
    labels.iter().map(|&label| label == 1.0).collect()
}

/// The metrics of a model on fresh rows.
fn truths(trained: &Trained, fresh: &Data) -> BTreeMap<String, f64> {
    let probabilities = trained.model.predict(&fresh.table).unwrap();
    let values = ScoredRows::new(&labels(fresh), &probabilities, trained.model.threshold).unwrap().values();
    let named = Statistic::ALL.iter().zip(values);
    named.filter_map(|(statistic, value)| Some((statistic.name()?.to_owned(), value.ok()?))).collect()
}

fn train(truth: Truth, rows: usize, seed: u64, evaluation: &Value) -> Trained {
    let request = json!({"seed": seed, "model": {"type": "logistic"}, "evaluation": evaluation});
    truth.draw(rows, 1_000 + seed).train(&request).unwrap()
}

/// How often the interval of each metric holds its truth, how often there was one, and how often it was below or above.
fn coverage(truth: Truth, rows: usize) -> BTreeMap<String, [f64; 4]> {
    let fresh = truth.draw(FRESH_ROWS, 1);
    let evaluation = json!({"bootstrap": 500});
    let found: Vec<Vec<(String, [f64; 2], f64)>> = (0..REPETITIONS)
        .into_par_iter()
        .map(|seed| {
            let trained = train(truth, rows, seed, &evaluation);
            let truths = truths(&trained, &fresh);
            let with_interval = trained
                .report
                .metrics
                .iter()
                .filter_map(|(name, metric)| Some((name.clone(), metric.ci?, *truths.get(name)?)));
            with_interval.collect()
        })
        .collect();
    let mut counts: BTreeMap<String, [f64; 4]> = BTreeMap::new();
    for (name, [low, high], truth) in found.into_iter().flatten() {
        let count = counts.entry(name).or_default();
        count[0] += f64::from(low <= truth && truth <= high);
        count[1] += 1.0;
        count[2] += f64::from(truth < low);
        count[3] += f64::from(truth > high);
    }
    counts
}

/// Intervals that are made wider on purpose, since what they estimate cannot be negative and a resample only adds to it.
const CAUTIOUS: [&str; 3] = ["ece", "ece_equal_width", "brier_reliability"];

#[test]
#[ignore = "trains 1,000 models; run by ./scripts/test --full"]
fn intervals_hold_the_truth_about_as_often_as_they_say() {
    for (truth, rows) in
        [(Truth { prevalence: 0.2, distance: 1.5 }, 1_500), (Truth { prevalence: 0.05, distance: 2.0 }, 5_000)]
    {
        let mut misses = Vec::new();
        for (name, [held, all, below, above]) in coverage(truth, rows) {
            let share = held / all;
            println!("{truth:?} {rows} rows: {name} {share:.3} of {all} (below {below}, above {above})");
            let most = if CAUTIOUS.contains(&name.as_str()) { 1.0 } else { 0.98 };
            if !(0.92..=most).contains(&share) || all < 0.98 * REPETITIONS as f64 {
                misses.push(format!("{name}: {share:.3} of {all}"));
            }
        }
        assert!(misses.is_empty(), "{truth:?}, {rows} rows: {misses:?}");
    }
}

#[test]
#[ignore = "trains 300 models, each in five folds; run by ./scripts/test --full"]
fn the_threshold_of_each_fold_is_worth_what_fresh_rows_say() {
    let truth = Truth { prevalence: 0.1, distance: 1.5 };
    let rows = 400;
    let fresh = truth.draw(FRESH_ROWS, 1);
    let evaluation = json!({"bootstrap": 0, "cross_validation": {"folds": 5}});
    let found: Vec<[f64; 3]> = (0..300_u64)
        .into_par_iter()
        .map(|seed| {
            let trained = train(truth, rows, seed, &evaluation);
            let nested = trained.report.cross_validation.as_ref().unwrap().pooled["f1"].value.unwrap();
            // The same rows choose and judge: as many as validate in a fold.
            let few = truth.draw(80, 5_000 + seed);
            let (few_labels, scores) = (labels(&few), trained.model.predict(&few.table).unwrap());
            let few_rows = EvalSet::new(Array2::zeros((few_labels.len(), 0)), few_labels.clone());
            let chosen = choose(&ThresholdRule::MaxFBeta { beta: 1.0 }, &few_rows, &scores);
            let naive = ConfusionMatrix::at(&few_labels, &scores, chosen.value).f1().unwrap();
            [nested, truths(&trained, &fresh)["f1"], naive]
        })
        .collect();
    let mean = |index: usize| found.iter().map(|values| values[index]).sum::<f64>() / found.len() as f64;
    let gaps: Vec<f64> = found.iter().map(|values| values[0] - values[1]).collect();
    let gap = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let squares: f64 = gaps.iter().map(|value| (value - gap).powi(2)).sum();
    let error = (squares / (gaps.len() as f64 - 1.0) / gaps.len() as f64).sqrt();
    println!("nested {:.4}, fresh {:.4} (gap {gap:.4} ± {error:.4}), naive {:.4}", mean(0), mean(1), mean(2));
    assert!(gap.abs() < 3.0 * error.max(0.004), "nested {} fresh {} ± {error}", mean(0), mean(1));
    assert!(mean(2) - mean(1) > 0.05, "a threshold judged on its own rows would have looked better: {}", mean(2));
}
