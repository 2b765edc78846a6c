//! Cross-validation: each fold is a run without the rows that it scores, and says what such a run would say.

use std::ops::ControlFlow;

use evenkeel::ml::config::CrossValidated;
use evenkeel::ml::metrics::CrossValidationReport;
use evenkeel::ml::observe::{EpochLog, Phase, Stop, TrainObserver};
use evenkeel::ml::pipeline::{TrainError, TrainInput, Trained, train};
use evenkeel::ml::seed::Seed;
use evenkeel::ml::split::folds;
use evenkeel::ml::table::{Column, ColumnType, Table, Values};
use serde_json::{Value, json};

use super::support::{Data, Truth, missing_markers, read_csv};

const HABERMAN: &[u8] = include_bytes!("../data/datasets/haberman.csv");

fn request(cross_validation: Value, more: Value) -> Value {
    let mut whole = json!({
        "model": {"type": "logistic"},
        "evaluation": {"bootstrap": 100, "cross_validation": cross_validation}
    });
    let (Value::Object(members), Value::Object(more)) = (&mut whole, more) else { panic!("objects") };
    members.extend(more);
    whole
}

fn report(trained: &Trained) -> &CrossValidationReport {
    trained.report.cross_validation.as_ref().unwrap()
}

/// The same rows at the same time with other values and the opposite labels in some of them.
fn disturbed(data: &Data, rows: &[usize]) -> Data {
    let columns = data.table.columns().iter().map(|column| {
        let Values::Numeric(values) = &column.values else { return column.clone() };
        if column.name == "day" {
            return column.clone();
        }
        let mut values = values.clone();
        for &row in rows {
            let is_label = column.name == data.facts.target;
            values[row] = if is_label { 1.0 - values[row] } else { values[row] * -3.0 + 100.0 };
        }
        Column { name: column.name.clone(), values: Values::Numeric(values) }
    });
    Data { table: Table::new(columns.collect()).unwrap(), facts: data.facts.clone() }
}

/// A numeric column more, which is no feature if it steers the split.
fn with_column(data: &Data, name: &str, values: Vec<f64>) -> Data {
    let mut columns = vec![Column { name: name.to_owned(), values: Values::Numeric(values) }];
    columns.extend(data.table.columns().iter().cloned());
    let mut facts = data.facts.clone();
    facts.columns.insert(
        0,
        evenkeel::ml::config::FeatureFacts {
            name: name.to_owned(),
            column_type: ColumnType::Numeric,
            distinct: 2,
            values: None,
        },
    );
    Data { table: Table::new(columns).unwrap(), facts }
}

/// Which rows the last fold by time scores do not depend on labels, so that they can be changed and the folds stay.
#[test]
fn what_a_fold_learns_does_not_depend_on_the_rows_that_it_scores() {
    let rows = 600;
    let plain = Truth { prevalence: 0.3, distance: 1.2 }.draw(rows, 3);
    let data = with_column(&plain, "day", (0..rows).map(|row| row as f64).collect());
    let by_time = json!({"strategy": "time", "column": "day", "test_fraction": 0.2, "validation_fraction": 0.2});
    for more in [
        json!({"split": by_time.clone(), "calibration": {"method": "platt"}}),
        json!({"split": by_time.clone(), "resample": [{"method": "smote"}, {"method": "tomek_links"}],
               "threshold": {"rule": "max_mcc", "on": "out_of_fold"}, "calibration": {"method": "platt", "on": "out_of_fold"}}),
        json!({"split": by_time, "model": {"type": "mlp", "hidden_layers": [4]},
               "training": {"epochs": 2, "early_stopping": null}}),
    ] {
        let rows_of = if more["threshold"]["on"] == "out_of_fold" { "development" } else { "all" };
        let request = request(json!({"folds": 3, "rows": rows_of}), more);
        let original = data.train(&request).unwrap();
        let last = report(&original).per_fold[2].clone();
        // The last fold's rows: the latest of those that are cross-validated.
        let end = if rows_of == "all" { rows } else { 480 };
        let scored: Vec<usize> = (end - last.scored.total()..end).collect();
        let other = disturbed(&data, &scored).train(&request).unwrap();
        let other_last = &report(&other).per_fold[2];
        assert_eq!((last.threshold, &last.calibration), (other_last.threshold, &other_last.calibration), "{request}");
        assert_eq!(last.train, other_last.train);
        assert_ne!(last.metrics["roc_auc"], other_last.metrics["roc_auc"]);
        // Folds before it have not seen those rows at all, and are the same to the last bit.
        assert_eq!(report(&original).per_fold[..2], report(&other).per_fold[..2]);
        // And they would have been another had other rows been changed.
        let other = disturbed(&data, &[0, 1, 2, 3, 4, 5, 6, 7]).train(&request).unwrap();
        assert_ne!(report(&other).per_fold[0].metrics, report(&original).per_fold[0].metrics);
    }
}

#[test]
fn a_fold_scores_as_a_run_of_its_own_would() {
    // With a column that says which rows train, validate and test, a job makes the run that a fold makes.
    let rows = 400;
    let plain = Truth { prevalence: 0.25, distance: 1.0 }.draw(rows, 5);
    let data = with_column(&plain, "day", (0..rows).map(|row| row as f64).collect());
    let by_time = json!({"strategy": "time", "column": "day", "test_fraction": 0.25, "validation_fraction": 0.25});
    let penalty = json!({"l2": 0.01});
    let cross = request(json!({"folds": 3}), json!({"split": by_time, "regularization": penalty.clone()}));
    let fold = report(&data.train(&cross).unwrap()).per_fold[2].clone();
    // Three quarters are learnt from, a third of them validates.
    let part = |row: usize| if row >= 300 { 2 } else { u32::from(row >= 200) };
    let levels = ["train", "validation", "test"].map(str::to_owned).to_vec();
    let codes = (0..rows).map(part).collect();
    let mut columns = plain.table.columns().to_vec();
    columns.push(Column { name: "part".to_owned(), values: Values::Categorical { codes, levels } });
    let mut facts = plain.facts.clone();
    facts.columns.push(evenkeel::ml::config::FeatureFacts {
        name: "part".to_owned(),
        column_type: ColumnType::Categorical,
        distinct: 3,
        values: None,
    });
    let given = Data { table: Table::new(columns).unwrap(), facts };
    let alone = json!({"model": {"type": "logistic"}, "regularization": penalty, "evaluation": {"bootstrap": 0},
        "split": {"strategy": "column", "column": "part"}});
    let alone = given.train(&alone).unwrap();
    assert_eq!(fold.threshold, alone.model.threshold);
    assert_eq!(fold.confusion_matrix, alone.report.confusion_matrix);
    for (name, value) in &fold.metrics {
        assert_eq!(*value, alone.report.metrics[name].value, "{name}");
    }
}

#[test]
fn one_thread_and_two_give_the_same_report_and_the_model_is_that_without_cross_validation() {
    let data = read_csv(HABERMAN);
    for more in [
        json!({"resample": [{"method": "smote", "k_neighbors": 3}], "augment": [{"method": "gaussian_noise"}],
               "model": {"hidden_layers": [8]}, "training": {"epochs": 3}}),
        json!({"regularization": {"strength": "auto"}, "calibration": {"method": "auto"}}),
    ] {
        let request = request(json!({"folds": 3, "repeats": 2, "learning_curve": true}), more);
        let with_threads = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| data.train(&request).unwrap())
        };
        let (one, two) = (with_threads(1), with_threads(2));
        assert_eq!(one.report, two.report);
        let mut without = request.clone();
        without["evaluation"]["cross_validation"] = Value::Null;
        let without = data.train(&without).unwrap();
        assert_eq!(without.model.to_bytes().unwrap(), one.model.to_bytes().unwrap());
        assert_eq!(without.report.metrics, one.report.metrics);

        let report = report(&one);
        let at: Vec<(usize, usize)> = report.per_fold.iter().map(|fold| (fold.repeat, fold.fold)).collect();
        assert_eq!(at, [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)]);
        assert_eq!((report.scored_rows, report.positives), (306, 81));
        assert_eq!(report.confusion_matrix.total(), 2 * 306);
        let curve = report.learning_curve.as_ref().unwrap();
        assert_eq!(curve.iter().map(|point| point.fraction).collect::<Vec<_>>(), [0.25, 0.5, 0.75, 1.0]);
        assert!(curve.windows(2).all(|pair| pair[0].train_rows < pair[1].train_rows));
    }
}

#[test]
fn groups_are_never_divided_and_every_row_is_scored_once() {
    let rows = 500;
    let plain = Truth { prevalence: 0.2, distance: 1.0 }.draw(rows, 6);
    let groups: Vec<f64> = (0..rows).map(|row| (row % 50) as f64).collect();
    let data = with_column(&plain, "ward", groups);
    let split = json!({"strategy": "group", "column": "ward"});
    let request = request(json!({"folds": 5}), json!({ "split": split }));
    let trained = data.train(&request).unwrap();
    let found = report(&trained);
    assert_eq!((found.strategy.as_str(), found.scored_rows), ("group", rows));
    assert!(found.per_fold.iter().all(|fold| fold.scored.total().is_multiple_of(10)));
    // The folds are those of the split's own function, which its tests hold to this.
    let config = data.config(&request);
    let Values::Numeric(labels) = &data.table.column("y").unwrap().values else { panic!("numbers") };
    let labels: Vec<bool> = labels.iter().map(|&label| label == 1.0).collect();
    let column = &data.table.column("ward").unwrap().values;
    let seed = Seed(config.seed).derive("cross-validation 0");
    let all: Vec<usize> = (0..rows).collect();
    let expected = folds(&config.split, &labels, Some(column), &all, 5, seed).unwrap();
    let sizes: Vec<usize> = expected.iter().map(|fold| fold.held_out.len()).collect();
    assert_eq!(found.per_fold.iter().map(|fold| fold.scored.total()).collect::<Vec<_>>(), sizes);
}

#[test]
fn tiny_classes_get_pooled_numbers_wide_intervals_and_how_many_more_they_need() {
    let data = Truth { prevalence: 0.04, distance: 2.0 }.draw(300, 8);
    let trained = data.train(&request(json!({"folds": 4}), json!({}))).unwrap();
    let report = report(&trained);
    assert_eq!(report.positives, 12);
    let recall = &report.pooled["recall"];
    let [low, high] = recall.ci.unwrap();
    assert!(high - low > 0.4, "{low} {high}");
    assert!(report.learning_curve.is_some(), "a tiny class has one without asking");
    let needed = report.positives_needed.iter().find(|needed| needed.metric == "recall").unwrap();
    assert!(needed.needed.unwrap() > 12 && needed.more == needed.needed.map(|all| all - 12));
    assert!(report.notes.iter().any(|note| note.contains("12 rows")));
    assert!(report.mean["roc_auc"].ci.is_some());
}

#[test]
fn out_of_fold_scores_may_decide_and_test_rows_have_no_part_in_it() {
    let data = Truth { prevalence: 0.1, distance: 1.5 }.draw(900, 10);
    let more = json!({"threshold": {"rule": "max_f_beta", "on": "out_of_fold"},
                      "calibration": {"method": "platt", "on": "out_of_fold"}});
    let request = request(json!({"folds": 5, "repeats": 2}), more);
    let config = data.config(&request);
    assert_eq!(config.evaluation.cross_validation.as_ref().unwrap().rows, CrossValidated::Development);
    let trained = data.train(&request).unwrap();
    let outcome = trained.report.calibration.as_ref().unwrap();
    assert_eq!((outcome.on.as_deref(), outcome.rows, outcome.positives), (Some("out_of_fold"), Some(720), Some(72)));
    assert_eq!(report(&trained).scored_rows, 720);
    let plain = data.train(&self::request(json!({}), json!({"calibration": {"method": "platt"}}))).unwrap();
    assert_ne!(plain.model.threshold, trained.model.threshold);
    assert_eq!(plain.report.calibration.as_ref().unwrap().rows, Some(180));
}

#[test]
fn what_cannot_be_folded_is_refused_with_its_place() {
    let data = Truth { prevalence: 0.05, distance: 1.0 }.draw(200, 2);
    let with_day = with_column(&data, "day", (0..200).map(f64::from).collect());
    let by_time = json!({"strategy": "time", "column": "day"});
    for (data, cross_validation, more, pointer) in [
        (&data, json!({"folds": 1}), json!({}), "/evaluation/cross_validation/folds"),
        (&data, json!({"folds": 21}), json!({}), "/evaluation/cross_validation/folds"),
        (&data, json!({"folds": 11}), json!({}), "/evaluation/cross_validation/folds"),
        (&data, json!({"folds": 3, "repeats": 21}), json!({}), "/evaluation/cross_validation/repeats"),
        (&data, json!({"folds": 3, "repeats": 0}), json!({}), "/evaluation/cross_validation/repeats"),
        (&data, json!({"folds": 3, "half_width": 0.5}), json!({}), "/evaluation/cross_validation/half_width"),
        (&data, json!({"folds": 3, "k": 1}), json!({}), "/evaluation/cross_validation/k"),
        (&data, json!(3), json!({}), "/evaluation/cross_validation"),
        (
            &data,
            json!({"folds": 3, "rows": "all"}),
            json!({"threshold": {"on": "out_of_fold"}}),
            "/evaluation/cross_validation/rows",
        ),
        (&data, Value::Null, json!({"threshold": {"on": "out_of_fold"}}), "/threshold/on"),
        (&data, Value::Null, json!({"calibration": {"method": "platt", "on": "out_of_fold"}}), "/calibration/on"),
        (&data, json!({"folds": 3}), json!({"calibration": {"on": "out_of_fold"}}), "/calibration/on"),
        (&data, json!({"folds": 3}), json!({"threshold": {"rule": "fixed", "on": "out_of_fold"}}), "/threshold/on"),
        (&data, json!({"folds": 3}), json!({"calibration": {"prevalence": 1.0}}), "/calibration/prevalence"),
        (
            &data,
            json!({"folds": 3}),
            json!({"calibration": {"method": "none", "prevalence": 0.1}}),
            "/calibration/prevalence",
        ),
        (
            &with_day,
            json!({"folds": 3, "repeats": 2}),
            json!({"split": by_time}),
            "/evaluation/cross_validation/repeats",
        ),
        (
            &with_day,
            json!({"folds": 3}),
            json!({"split": {"strategy": "column", "column": "day"}}),
            "/evaluation/cross_validation",
        ),
    ] {
        let request = request(cross_validation, more);
        let errors = data.check(&request).unwrap_err();
        assert_eq!(errors.iter().map(|error| error.pointer.as_str()).collect::<Vec<_>>(), [pointer], "{request}");
    }
}

#[test]
fn a_fold_that_cannot_be_learnt_from_is_named() {
    // Positives are all late: the first fold by time has none to learn from.
    let rows = 300;
    let mut data = Truth { prevalence: 0.2, distance: 1.0 }.draw(rows, 4);
    let columns = data.table.columns().iter().map(|column| {
        let values = match column.name.as_str() {
            "y" => Values::Numeric((0..rows).map(|row| f64::from(row >= 150 && row % 3 == 0)).collect()),
            _ => column.values.clone(),
        };
        Column { name: column.name.clone(), values }
    });
    data.table = Table::new(columns.collect()).unwrap();
    let data = with_column(&data, "day", (0..rows).map(|row| row as f64).collect());
    let by_time = json!({"strategy": "time", "column": "day"});
    let error = data.train(&request(json!({"folds": 5}), json!({ "split": by_time }))).unwrap_err();
    assert!(matches!(error, TrainError::Fold { fold: 1, .. }), "{error}");
    assert_eq!(error.code(), "split-failed");
}

/// Stops the run at a step of cross-validation.
#[derive(Default)]
struct StopsInCrossValidation {
    inside: bool,
    steps: usize,
    phases: Vec<Phase>,
    fractions: Vec<f64>,
}

impl TrainObserver for StopsInCrossValidation {
    fn phase(&mut self, phase: Phase) -> ControlFlow<Stop> {
        self.inside = phase == Phase::CrossValidating;
        self.phases.push(phase);
        ControlFlow::Continue(())
    }

    fn step(&mut self, fraction: f64) -> ControlFlow<Stop> {
        if self.inside {
            self.fractions.push(fraction);
            self.steps += 1;
        }
        if self.steps > 20 { ControlFlow::Break(Stop::Cancelled) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, _: &EpochLog) -> ControlFlow<Stop> {
        assert!(!self.inside, "the learning curves are those of the model");
        ControlFlow::Continue(())
    }
}

#[test]
fn a_cancelled_job_ends_within_cross_validation_and_its_progress_never_fell() {
    let data = read_csv(HABERMAN);
    let request = request(json!({"folds": 5}), json!({"model": {"hidden_layers": [4]}, "training": {"epochs": 3}}));
    let input = TrainInput { table: data.table.clone(), missing_markers: missing_markers() };
    let mut observer = StopsInCrossValidation::default();
    let ended = train(input, &data.config(&request), &mut observer);
    assert!(matches!(ended, Err(TrainError::Stopped(Stop::Cancelled))));
    assert_eq!(observer.phases.last(), Some(&Phase::CrossValidating));
    assert!(observer.fractions.is_sorted() && observer.fractions.last().is_some_and(|&last| last > 0.0));
}
