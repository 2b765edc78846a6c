//! `"strength": "auto"`: the search for the strength of a penalty is the cross-validation that it says it is.

use std::ops::ControlFlow;

use evenkeel::ml::config::{Regularization, TrainConfig};
use evenkeel::ml::labels::ClassWeights;
use evenkeel::ml::logistic::{LogisticTask, fit};
use evenkeel::ml::metrics::StrengthSearch;
use evenkeel::ml::model::Predictor;
use evenkeel::ml::pipeline::{TrainError, Trained};
use evenkeel::ml::preprocess;
use evenkeel::ml::seed::Seed;
use evenkeel::ml::split::{split, stratified_folds};
use evenkeel::ml::table::{Column, Table, Values};
use ndarray::{Array2, Axis};
use serde_json::{Value, json};

use super::support::{Data, read_csv};

const GERMAN_CREDIT: &[u8] = include_bytes!("../data/datasets/german-credit.csv");
const HABERMAN: &[u8] = include_bytes!("../data/datasets/haberman.csv");

fn request(more: Value) -> Value {
    let mut whole = json!({
        "model": {"type": "logistic"},
        "regularization": {"strength": "auto"},
        "evaluation": {"bootstrap": 0}
    });
    let (Value::Object(members), Value::Object(more)) = (&mut whole, more) else { return Value::Null };
    members.extend(more);
    whole
}

fn search(trained: &Trained) -> &StrengthSearch {
    trained.report.strength_search.as_ref().unwrap()
}

/// The training rows, preprocessed, as a job has them.
fn train_rows(data: &Data, config: &TrainConfig) -> (Array2<f64>, Vec<bool>) {
    let target = data.table.column(&data.facts.target).unwrap();
    let labels: Vec<bool> = match &target.values {
        Values::Categorical { codes, levels } => {
            codes.iter().map(|&code| levels[code as usize] == data.facts.positive_label).collect()
        }
        _ => panic!("the target of this dataset is text"),
    };
    let parts = split(&config.split, &labels, None, Seed(config.seed).derive("split")).unwrap();
    let columns: Vec<Column> =
        data.table.columns().iter().filter(|column| column.name != data.facts.target).cloned().collect();
    let features = Table::new(columns).unwrap().select(&parts.train);
    let preprocessor = preprocess::fit(&features, &config.preprocess).unwrap();
    let labels = parts.train.iter().map(|&row| labels[row]).collect();
    (preprocessor.transform(&features).unwrap(), labels)
}

/// The mean loss over all folds, each fitted from nothing.
fn cross_validated(features: &Array2<f64>, labels: &[bool], fold_of: &[usize], penalty: &Regularization) -> f64 {
    let mut sum = 0.0;
    for fold in 0..TrainConfig::STRENGTH_FOLDS {
        let (held_out, kept): (Vec<usize>, Vec<usize>) = (0..labels.len()).partition(|&row| fold_of[row] == fold);
        let train = features.select(Axis(0), &kept);
        let train_labels: Vec<bool> = kept.iter().map(|&row| labels[row]).collect();
        let task = LogisticTask {
            features: train.view(),
            labels: &train_labels,
            class_weights: ClassWeights::EQUAL,
            l1: penalty.l1,
            l2: penalty.l2,
            tolerance: 1e-9,
            max_iterations: 1_000,
        };
        let fitted = fit(&task, &mut |_| ControlFlow::Continue(())).unwrap();
        let logits = fitted.logits(&features.select(Axis(0), &held_out));
        for (logit, &row) in logits.iter().zip(&held_out) {
            let against = if labels[row] { -logit } else { *logit };
            sum += against.max(0.0) + (-logit.abs()).exp().ln_1p();
        }
    }
    sum / labels.len() as f64
}

#[test]
fn the_path_is_a_cross_validation_and_the_best_of_it_is_trained_with() {
    let data = read_csv(GERMAN_CREDIT);
    for penalty in [json!({"strength": "auto"}), json!({"strength": "auto", "l1": 0.5, "l2": 0.25})] {
        let request = request(json!({ "regularization": penalty }));
        let trained = data.train(&request).unwrap();
        let search = search(&trained);
        assert_eq!((search.path.len(), search.folds), (20, 5));
        assert!(search.path.windows(2).all(|pair| pair[0].strength > pair[1].strength));

        let config = data.config(&request);
        let (features, labels) = train_rows(&data, &config);
        let fold_of = stratified_folds(&labels, 5, Seed(config.seed).derive("strength folds"));
        let Regularization { l1, l2 } = config.regularization.penalty;
        for point in search.path.iter().step_by(4) {
            let penalty = Regularization { l1: l1 * point.strength, l2: l2 * point.strength };
            let expected = cross_validated(&features, &labels, &fold_of, &penalty);
            let found = point.mean_log_loss.unwrap();
            assert!((found - expected).abs() < 1e-6, "strength {}: {found} for {expected}", point.strength);
            assert!(point.standard_error.unwrap() > 0.0);
        }

        let least = search.path.iter().filter_map(|point| point.mean_log_loss).fold(f64::INFINITY, f64::min);
        let chosen = search.path.iter().find(|point| point.strength == search.strength).unwrap();
        assert_eq!(chosen.mean_log_loss, Some(least));
        assert!(least < 0.56 && search.strength != search.path[19].strength, "an end of the path is no choice");

        // The model is the one of that strength.
        let fixed = json!({"l1": l1 * search.strength, "l2": l2 * search.strength});
        let alone = data.train(&self::request(json!({ "regularization": fixed }))).unwrap();
        let weights = |trained: &Trained| match &trained.model.predictor {
            Predictor::Logistic(fitted) => fitted.weights.clone(),
            Predictor::Mlp(_) | Predictor::Cnn(_) => panic!("a logistic job trains a logistic model"),
        };
        assert_eq!(weights(&alone), weights(&trained));
        assert_eq!(alone.report.strength_search, None);
    }
}

#[test]
fn rows_that_resampling_makes_do_not_reach_the_rows_that_judge_them() {
    // Labels by chance, more columns than signal, and copies of the minority: if a copy of a judged row were learnt
    // from, weak penalties would look good. Without a leak nothing beats the constant by much.
    let data = read_csv(HABERMAN);
    let chance = stratified_folds(&vec![true; 306 * 40], 1_009, Seed(3));
    let mut columns: Vec<Column> = (0..40)
        .map(|column| {
            let values = (0..306).map(|row| chance[column * 306 + row] as f64).collect();
            Column { name: format!("noise {column}"), values: Values::Numeric(values) }
        })
        .collect();
    columns.push(data.table.columns().last().unwrap().clone());
    let mut facts = data.facts.clone();
    let target = facts.columns.pop().unwrap();
    facts.columns = columns[..40]
        .iter()
        .map(|column| evenkeel::ml::config::FeatureFacts {
            name: column.name.clone(),
            column_type: evenkeel::ml::table::ColumnType::Numeric,
            distinct: 300,
            values: None,
        })
        .collect();
    facts.columns.push(target);
    let data = Data { table: Table::new(columns).unwrap(), facts };
    for step in [json!({"method": "random_over_sampler"}), json!({"method": "smote"})] {
        let trained = data.train(&request(json!({ "resample": [step] }))).unwrap();
        let search = search(&trained);
        let positives: f64 = 81.0 / 306.0;
        let entropy = -(positives * positives.ln() + (1.0 - positives) * (1.0 - positives).ln());
        let weakest = search.path[19].mean_log_loss.unwrap();
        assert!(weakest > 1.1 * entropy, "{step}: {weakest} for an entropy of {entropy}");
        let least = search.path.iter().filter_map(|point| point.mean_log_loss).fold(f64::INFINITY, f64::min);
        assert!((least / entropy - 1.0).abs() < 0.05, "{step}: {least} for an entropy of {entropy}");
    }
}

#[test]
fn weights_and_resampling_do_not_move_the_scale_of_the_loss() {
    let data = read_csv(GERMAN_CREDIT);
    let least = |more: Value| {
        let trained = data.train(&request(more)).unwrap();
        search(&trained).path.iter().filter_map(|point| point.mean_log_loss).fold(f64::INFINITY, f64::min)
    };
    let plain = least(json!({}));
    let weighted = least(json!({"loss": {"class_weight": {"bad": 30, "good": 1}}}));
    let resampled = least(json!({"resample": [{"method": "random_over_sampler"}]}));
    assert!((weighted / plain - 1.0).abs() < 0.1, "{weighted} for {plain}");
    assert!((resampled / plain - 1.0).abs() < 0.1, "{resampled} for {plain}");
}

#[test]
fn the_seed_draws_the_folds_and_threads_change_nothing() {
    let data = read_csv(HABERMAN);
    let with = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let steps = json!([{"method": "smote", "k_neighbors": 3}]);
        let noise = json!([{"method": "gaussian_noise", "std": 0.1}]);
        let request = request(json!({"seed": seed, "resample": steps, "augment": noise}));
        let trained = pool.install(|| data.train(&request)).unwrap();
        (search(&trained).clone(), trained.model.to_bytes().unwrap())
    };
    let one = with(1, 1);
    assert_eq!(one, with(2, 1));
    assert_ne!(one.0, with(1, 2).0);
}

#[test]
fn too_few_rows_of_a_class_are_said_so_where_only_the_data_tells() {
    let mut data = read_csv(HABERMAN);
    let table = data.table.clone();
    let labels = table.columns().last().unwrap().clone();
    let Values::Categorical { codes, levels } = labels.values else { panic!("text") };
    let rare = levels.iter().position(|level| *level == data.facts.positive_label).unwrap() as u32;
    let mut left = 6;
    let rows: Vec<usize> = (0..codes.len())
        .filter(|&row| {
            let keep = codes[row] != rare || left > 0;
            left -= i32::from(codes[row] == rare && left > 0);
            keep
        })
        .collect();
    data.table = table.select(&rows);
    match data.train(&request(json!({}))) {
        Err(error @ TrainError::TooFewForFolds { folds: 5, .. }) => assert_eq!(error.code(), "invalid-data"),
        other => panic!("{other:?}"),
    }
}
