//! Whole runs on real data: from a table to an evaluated model and back from its bytes.

use evenkeel::ml::metrics::Verdict;
use evenkeel::ml::model::Model;
use evenkeel::ml::observe::Unobserved;
use evenkeel::ml::pipeline::{TrainError, TrainInput, Trained, measure};
use evenkeel::ml::table::{Column, Table, Values};
use serde_json::{Value, json};

use super::support::{Data, metric, missing_markers, read_csv};

const MAMMOGRAPHY: &[u8] = include_bytes!("../../examples/data/mammography.csv");
const GERMAN_CREDIT: &[u8] = include_bytes!("../data/datasets/german-credit.csv");
const HORSE_COLIC: &[u8] = include_bytes!("../data/datasets/horse-colic.csv");
const BREAST_CANCER: &[u8] = include_bytes!("../data/datasets/breast-cancer.csv");
const HABERMAN: &[u8] = include_bytes!("../data/datasets/haberman.csv");

/// A run short enough for a test, with what the test asks for.
fn short(request: Value) -> Value {
    let mut whole = json!({"training": {"epochs": 12}, "evaluation": {"bootstrap": 50}});
    if request["model"]["type"] == "logistic" {
        whole = json!({"evaluation": {"bootstrap": 50}});
    }
    let (Value::Object(members), Value::Object(more)) = (&mut whole, request) else { return Value::Null };
    members.extend(more);
    whole
}

#[test]
fn a_dataset_and_nothing_else_gives_a_sound_model() {
    for (name, bytes, least) in [
        ("mammography", MAMMOGRAPHY, 0.45),
        ("german-credit", GERMAN_CREDIT, 0.40),
        ("horse-colic", HORSE_COLIC, 0.55),
        ("breast-cancer", BREAST_CANCER, 0.30),
    ] {
        let data = read_csv(bytes);
        let trained = data.train(&json!({"evaluation": {"bootstrap": 100}})).unwrap();
        let found = metric(&trained, "average_precision");
        assert!(found > least, "{name}: average precision {found}");
        assert_ne!(trained.verdict, Verdict::Degenerate, "{name}");
        let ratio = metric(&trained, "relative_log_loss");
        assert!(ratio < 1.1, "{name}: a loss of {ratio} times that of the constant");
    }
}

#[test]
fn a_model_that_is_only_measured_is_the_same_without_what_is_said_about_it() {
    let data = read_csv(HABERMAN);
    let request = short(json!({"model": {"type": "mlp", "hidden_layers": [8]}}));
    let trained = data.train(&request).unwrap();
    let input = TrainInput { table: data.table.clone(), missing_markers: missing_markers() };
    let measured = measure(input, &data.config(&request), &mut Unobserved).unwrap();
    assert_eq!(measured.model.to_bytes().unwrap(), trained.model.to_bytes().unwrap());
    assert_eq!(measured.report, trained.report);
    let importance = |trained: &Trained| trained.dossier.explanation.importance.clone();
    assert!(importance(&measured).columns.is_empty() && importance(&measured).reason.is_some());
    assert_eq!(importance(&trained).columns.len(), 3);
}

#[test]
fn a_model_answers_the_same_to_the_last_bit_after_it_was_stored() {
    for request in [
        json!({"model": {"type": "mlp", "hidden_layers": [16], "normalization": "batch", "activation": "gelu"}}),
        json!({"model": {"type": "logistic"}, "regularization": {"l1": 0.001, "l2": 0.001}}),
    ] {
        let data = read_csv(GERMAN_CREDIT);
        let trained = data.train(&short(request)).unwrap();
        let bytes = trained.model.to_bytes().unwrap();
        let read = Model::from_bytes(&bytes).unwrap();
        let before = trained.model.predict(&data.table).unwrap();
        let after = read.predict(&data.table).unwrap();
        assert!(before.iter().zip(&after).all(|(a, b)| a.to_bits() == b.to_bits()));
        assert_eq!(read.to_bytes().unwrap(), bytes);
        // One row alone gets the bits that it gets among others.
        let alone = read.predict(&data.table.select(&[17])).unwrap();
        assert_eq!(alone[0].to_bits(), after[17].to_bits());
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_with_one_thread_and_with_two() {
    let data = read_csv(HABERMAN);
    let request = short(json!({
        "resample": [{"method": "smote", "k_neighbors": 3}, {"method": "tomek_links"}],
        "augment": [{"method": "gaussian_noise", "std": 0.1}],
        "model": {"hidden_layers": [32, 16], "dropout": 0.2}
    }));
    let with_threads = |threads: usize, request: &Value| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| data.train(request).unwrap().model.to_bytes().unwrap())
    };
    let one = with_threads(1, &request);
    assert_eq!(one, with_threads(2, &request));
    let mut other = request.clone();
    other["seed"] = json!(43);
    assert_ne!(one, with_threads(1, &other));
}

/// Replaces the values of some rows of every feature by others, and their labels by the opposite ones.
fn disturbed(data: &Data, rows: &[usize]) -> Table {
    let columns = data.table.columns().iter().map(|column| {
        let Values::Numeric(values) = &column.values else { return column.clone() };
        let mut values = values.clone();
        for &row in rows {
            let is_label = column.name == data.facts.target;
            values[row] = if is_label { 1.0 - values[row] } else { values[row] * 3.0 + 100.0 };
        }
        Column { name: column.name.clone(), values: Values::Numeric(values) }
    });
    Table::new(columns.collect()).unwrap()
}

#[test]
fn nothing_is_learnt_from_test_rows_nor_weights_from_validation_rows() {
    let mut data = read_csv(MAMMOGRAPHY);
    let table = data.table.select(&(0..4_000).collect::<Vec<_>>());
    let parts = |row: usize| ["train", "train", "train", "validation", "test"][row % 5].to_owned();
    let levels = vec!["train".to_owned(), "validation".to_owned(), "test".to_owned()];
    let codes = (0..4_000).map(|row| levels.iter().position(|level| *level == parts(row)).unwrap() as u32).collect();
    let mut columns = vec![Column { name: "part".to_owned(), values: Values::Categorical { codes, levels } }];
    columns.extend(table.columns().iter().cloned());
    data.table = Table::new(columns).unwrap();
    data.facts.columns.push(evenkeel::ml::config::FeatureFacts {
        name: "part".to_owned(),
        column_type: evenkeel::ml::table::ColumnType::Categorical,
        distinct: 3,
        values: None,
    });
    let request = short(json!({
        "split": {"strategy": "column", "column": "part"},
        "resample": [{"method": "smote"}, {"method": "tomek_links"}],
        "model": {"hidden_layers": [8]},
        "training": {"epochs": 3, "early_stopping": null}
    }));
    let rows_of = |part: &str| (0..4_000).filter(|&row| parts(row) == part).collect::<Vec<_>>();
    let original = data.train(&request).unwrap();

    let table = data.table.clone();
    data.table = disturbed(&data, &rows_of("test"));
    let other_test = data.train(&request).unwrap();
    assert_eq!(original.model.to_bytes().unwrap(), other_test.model.to_bytes().unwrap());
    assert_ne!(metric(&original, "roc_auc"), metric(&other_test, "roc_auc"));

    data.table = table;
    data.table = disturbed(&data, &rows_of("validation"));
    let mut other_validation = data.train(&request).unwrap().model;
    // Only the threshold is chosen on validation rows here.
    other_validation.threshold = original.model.threshold;
    assert_eq!(original.model.to_bytes().unwrap(), other_validation.to_bytes().unwrap());

    data.table = disturbed(&data, &rows_of("train")[..200]);
    assert_ne!(original.model.to_bytes().unwrap(), data.train(&request).unwrap().model.to_bytes().unwrap());
}

#[test]
fn resampling_is_counted_step_by_step_and_leaves_validation_and_test_alone() {
    let data = read_csv(MAMMOGRAPHY);
    let request = short(json!({
        "resample": [{"method": "smote", "sampling_strategy": 0.5}, {"method": "tomek_links"}],
        "training": {"epochs": 1},
        "model": {"hidden_layers": [4]}
    }));
    let counts = data.train(&request).unwrap().class_counts;
    let stages: Vec<&str> = counts.iter().map(|stage| stage.stage.as_str()).collect();
    assert_eq!(stages, ["train", "validation", "test", "smote", "tomek_links"]);
    let total = |index: usize| counts[index].counts.total();
    assert_eq!(total(0) + total(1) + total(2), 11_183);
    let (train, smote, tomek) = (counts[0].counts, counts[3].counts, counts[4].counts);
    assert_eq!(smote.negative, train.negative);
    assert_eq!(smote.positive, (train.negative as f64 * 0.5) as usize);
    assert!(tomek.negative < smote.negative && tomek.positive == smote.positive);
    for part in [&counts[1], &counts[2]] {
        assert!((part.counts.prevalence() - 0.02325).abs() < 0.0005, "{part:?}");
    }
}

#[test]
fn probabilities_mean_something_after_weights_and_resampling() {
    let data = read_csv(MAMMOGRAPHY);
    for remedy in [
        json!({"loss": {"class_weight": "balanced"}, "model": {"type": "logistic"}}),
        json!({"resample": [{"method": "random_over_sampler"}], "model": {"type": "logistic"}}),
        json!({"resample": [{"method": "random_under_sampler"}], "model": {"type": "logistic"}}),
    ] {
        let mean = |calibration: &str| {
            let mut request = short(remedy.clone());
            request["calibration"] = json!({ "method": calibration });
            let probabilities = data.train(&request).unwrap().model.predict(&data.table).unwrap();
            probabilities.iter().sum::<f64>() / probabilities.len() as f64
        };
        let (corrected, raw) = (mean("prior"), mean("none"));
        assert!((corrected / 0.02325).ln().abs() < 0.35, "{remedy}: mean probability {corrected}");
        assert!(raw > 3.0 * corrected, "{remedy}: without correction {raw}");
    }
}

#[test]
fn diverging_training_says_so() {
    let data = read_csv(HABERMAN);
    // Without bounds on its activations: tanh would come out of such steps with finite weights.
    let request = short(json!({"optimizer": {"type": "sgd", "learning_rate": 100.0, "momentum": 0.99},
        "model": {"activation": "relu"}, "preprocess": {"numeric": {"scale": "none"}}}));
    match data.train(&request) {
        Err(error @ TrainError::Network(_)) => assert_eq!(error.code(), "diverged"),
        Err(error) => panic!("{error}"),
        Ok(trained) => assert_ne!(trained.verdict, Verdict::Ok),
    }
}

#[test]
fn a_summary_says_what_resampling_did() {
    let data = read_csv(MAMMOGRAPHY);
    let request = json!({
        "model": {"type": "logistic"}, "evaluation": {"bootstrap": 0},
        "resample": [{"method": "smote", "sampling_strategy": 0.2}, {"method": "tomek_links"}],
    });
    let trained = data.train(&request).unwrap();
    let [smote, tomek] = trained.resampling.as_slice() else { panic!("{:?}", trained.resampling) };
    let added = smote.rows_after - smote.rows_before;
    assert_eq!((smote.method.as_str(), smote.removed), ("smote", 0));
    let synthetic = smote.synthetic.unwrap();
    assert!(added > 1_000 && synthetic.rows == added && synthetic.checked == added, "{synthetic:?}");
    assert!((1..synthetic.checked / 2).contains(&synthetic.nearer_to_other_class), "{synthetic:?}");
    assert_eq!((tomek.rows_before - tomek.rows_after, tomek.synthetic), (tomek.removed, None));
    assert!(tomek.removed > 0 && !tomek.removed_most_surely.is_empty() && tomek.removed_most_surely.len() <= 10);
    let counts = tomek.removed_most_surely.iter().map(|removed| removed.other_class_neighbours);
    assert!(counts.is_sorted_by(|one, two| one >= two), "{tomek:?}");
    let labels = data.table.column("calcification").or(data.table.columns().last()).unwrap();
    for removed in &tomek.removed_most_surely {
        assert_eq!(labels.values.text(removed.row - 1).as_deref(), Some("0"), "a row of the majority, in the dataset");
        assert_eq!(removed.reason, "tomek_link");
    }
}
