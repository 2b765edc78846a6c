//! Causes that the rows have before anything is learnt.

use evenkeel::ml::diagnose::{Code, Severity};
use evenkeel::ml::seed::Seed;
use evenkeel::ml::table::Values;
use rand::Rng as _;
use serde_json::json;

use super::support::{Made, assert_not_found, found, normal, number, told, troubles};

#[test]
fn sound_rows_have_no_trouble_and_say_what_was_looked_at() {
    let diagnosis = Made::new(3_000, 10, 1).data().diagnose(&json!({}));
    assert_eq!(troubles(&diagnosis), Vec::<&str>::new(), "{}", told(&diagnosis));
    assert!(diagnosis.checks.len() > 20 && diagnosis.checks.iter().all(|check| check.passed));
    assert_eq!(diagnosis.baselines.len(), 3);
    assert!(diagnosis.baselines[1].relative_log_loss.unwrap() < 0.9, "{}", told(&diagnosis));
}

#[test]
fn a_target_of_many_values_is_named() {
    let mut data = Made::new(500, 10, 1).data();
    data.facts.class_counts = [("0", 1), ("1", 1)].map(|(label, n)| (label.to_owned(), n)).into();
    let diagnosis = data.diagnose(&json!({"seed": 1}));
    assert_not_found(&diagnosis, Code::TargetNotBinary);
    // As a column that was taken for a label by its first rows.
    data.facts.target = "x0".to_owned();
    let finding = found(&data.diagnose(&json!({"target": "x0"})), Code::TargetNotBinary);
    assert_eq!((finding.severity, number(&finding, "values_expected")), (Severity::Error, 2.0));
    assert!(number(&finding, "values") >= 3.0);
}

#[test]
fn a_part_without_a_class_is_a_blocker() {
    let made = Made::new(400, 10, 1).with_numbers("day", |row, _| row as f64);
    let mut rows: Vec<usize> = (0..400).collect();
    rows.sort_by_key(|&row| !made.labels[row]);
    // All positives are the earliest rows.
    let sorted = made.rows(&rows);
    let sorted = Made { columns: sorted.columns[..6].to_vec(), labels: sorted.labels };
    let data = sorted.with_numbers("day", |row, _| row as f64).data();
    let split = json!({"split": {"strategy": "time", "column": "day"}});
    let finding = found(&data.diagnose(&split), Code::PartLacksClass);
    assert_eq!((finding.severity, number(&finding, "positives")), (Severity::Error, 0.0));
    let examined = data.examine(&split);
    assert!(examined.outcome.is_err());
    let finding = found(&examined.diagnosis, Code::PartLacksClass);
    let mended = data.patched(&split, &finding.patch.unwrap());
    assert_not_found(&data.diagnose(&mended), Code::PartLacksClass);
}

#[test]
fn few_rows_of_a_class_are_counted() {
    let finding = found(&Made::new(400, 10, 1).data().diagnose(&json!({})), Code::TooFewPositives);
    assert_eq!(finding.severity, Severity::Warning);
    assert!(number(&finding, "minority_training_rows") < 50.0);
}

#[test]
fn missing_values_are_said_and_a_column_of_hardly_any_is_a_warning() {
    let made = Made::new(2_000, 10, 1).with_codes("note", |row, _| (row % 3 > 0).then_some(row as u32 % 2));
    let finding = found(&made.clone().data().diagnose(&json!({})), Code::MissingValues);
    assert_eq!((finding.severity, finding.columns), (Severity::Info, vec!["note".to_owned()]));
    let made = made.with_numbers("hardly", |row, _| if row % 40 == 0 { normal_of(row) } else { f64::NAN });
    let finding = found(&made.data().diagnose(&json!({})), Code::MissingValues);
    assert_eq!((finding.severity, finding.columns[0].as_str()), (Severity::Warning, "hardly"));
    assert_eq!(finding.patch, Some(json!({"exclude": ["hardly"]})));
}

/// A number that looks random.
fn normal_of(row: usize) -> f64 {
    normal(&mut Seed(row as u64).stream("number"))
}

#[test]
fn imbalance_is_said_with_what_always_no_would_reach() {
    let finding = found(&Made::new(6_000, 20, 1).data().diagnose(&json!({})), Code::Imbalance);
    assert_eq!(finding.severity, Severity::Info);
    assert!((number(&finding, "imbalance_ratio") - 19.0).abs() < 2.5);
    let finding = found(&Made::new(20_000, 150, 1).data().diagnose(&json!({})), Code::Imbalance);
    assert_eq!(finding.severity, Severity::Warning);
}

#[test]
fn constant_and_repeated_columns_are_named() {
    let made = Made::new(2_000, 10, 1);
    let first = made.clone().numbers_mut(0).clone();
    let made = made
        .with_numbers("same", |_, _| 7.0)
        .with_numbers("nearly", |row, _| f64::from(u8::from(row == 5)))
        .with_numbers("copy", |row, _| first[row])
        .with_numbers("celsius", |row, _| first[row] * 1.8 + 32.0);
    let diagnosis = made.data().diagnose(&json!({"exclude": ["x5"]}));
    let finding = found(&diagnosis, Code::ConstantColumns);
    assert_eq!(finding.columns, ["same", "nearly"]);
    assert_eq!(finding.patch, Some(json!({"exclude": ["x5", "same", "nearly"]})));
    let finding = found(&diagnosis, Code::DuplicateColumns);
    assert_eq!(finding.columns, ["copy", "celsius"]);
    assert!(number(&finding, "correlation") > 0.9999);
}

#[test]
fn a_column_that_gives_the_answer_away_is_an_error_whatever_its_shape() {
    let mut rng = Seed(5).stream("codes");
    let codes: Vec<u32> = (0..3_000).map(|_| rng.random_range(0..5)).collect();
    for (name, made) in [
        (
            "rising",
            Made::new(3_000, 10, 1).with_numbers("leak", |row, label| normal_of(row) + if label { 9.0 } else { 0.0 }),
        ),
        (
            "falling",
            Made::new(3_000, 10, 1).with_numbers("leak", |row, label| normal_of(row) - if label { 9.0 } else { 0.0 }),
        ),
        (
            "middle",
            Made::new(3_000, 10, 1).with_numbers("leak", |row, label| {
                if label { normal_of(row) / 10.0 } else { normal_of(row).signum() * (1.0 + normal_of(row).abs()) }
            }),
        ),
        ("category", Made::new(3_000, 10, 1).with_codes("leak", |row, label| Some(if label { 7 } else { codes[row] }))),
        (
            "missing",
            Made::new(3_000, 10, 1).with_numbers("leak", |row, label| if label { f64::NAN } else { normal_of(row) }),
        ),
    ] {
        let finding = found(&made.data().diagnose(&json!({})), Code::LeakingColumns);
        assert_eq!((finding.severity, finding.columns.join(" ").as_str()), (Severity::Error, "leak"), "{name}");
        assert_eq!(finding.patch, Some(json!({"exclude": ["leak"]})));
        assert_eq!(number(&finding, "roc_auc_of_the_column_expected"), 0.5);
    }
    assert_not_found(&Made::apart(3_000, 10, 2.0, 1).data().diagnose(&json!({})), Code::LeakingColumns);
}

#[test]
fn columns_that_name_or_number_rows_are_found() {
    let made = Made::new(2_000, 10, 1)
        .with_codes("patient", |row, _| Some((row as u32 * 7) % 2_003))
        .with_numbers("serial", |row, _| 10_000.0 + row as f64);
    let finding = found(&made.data().diagnose(&json!({})), Code::IdentifierColumns);
    assert_eq!(finding.severity, Severity::Warning);
    assert!(finding.columns.contains(&"patient".to_owned()) && finding.columns.contains(&"serial".to_owned()));
    assert!(number(&finding, "correlation_with_the_row_number") > 0.99);
}

#[test]
fn unscaled_columns_are_an_error_of_a_network_that_does_not_scale() {
    let mut made = Made::new(2_000, 10, 1);
    made.numbers_mut(0).iter_mut().for_each(|value| *value = *value * 1e4 + 500.0);
    let data = made.data();
    assert_not_found(&data.diagnose(&json!({})), Code::UnscaledFeatures);
    let unscaled = json!({"preprocess": {"numeric": {"scale": "none"}}});
    let finding = found(&data.diagnose(&unscaled), Code::UnscaledFeatures);
    assert_eq!(finding.severity, Severity::Error);
    assert!(number(&finding, "largest_over_smallest_standard_deviation") > 5_000.0);
    assert_not_found(&data.diagnose(&data.patched(&unscaled, &finding.patch.unwrap())), Code::UnscaledFeatures);
}

#[test]
fn numbers_that_stand_for_missing_and_outliers_are_told_apart() {
    let mut made = Made::new(2_000, 10, 1);
    made.numbers_mut(2).iter_mut().step_by(20).for_each(|value| *value = -999.0);
    let diagnosis = made.data().diagnose(&json!({}));
    let finding = found(&diagnosis, Code::SentinelValues);
    assert_eq!((number(&finding, "value"), finding.columns.as_slice()), (-999.0, ["x2".to_owned()].as_slice()));
    assert!((number(&finding, "share_of_rows") - 0.05).abs() < 0.01);

    let mut made = Made::new(2_000, 10, 1);
    made.numbers_mut(3).iter_mut().step_by(100).enumerate().for_each(|(k, value)| *value = 1e5 * (k as f64 + 1.0));
    let data = made.data();
    let diagnosis = data.diagnose(&json!({}));
    assert_not_found(&diagnosis, Code::SentinelValues);
    let finding = found(&diagnosis, Code::Outliers);
    assert_eq!((finding.severity, finding.columns.as_slice()), (Severity::Info, ["x3".to_owned()].as_slice()));
    let mended = data.patched(&json!({}), &finding.patch.unwrap());
    assert_not_found(&data.diagnose(&mended), Code::Outliers);
}

#[test]
fn repeated_and_conflicting_rows_are_counted() {
    let made = Made::new(2_000, 10, 1);
    let rows: Vec<usize> = (0..2_000).chain((0..2_000).filter(|row| !made.labels[*row]).take(400)).collect();
    let twice = made.rows(&rows);
    let finding = found(&twice.clone().data().diagnose(&json!({})), Code::DuplicateRows);
    // Both rows of a pair are in training with a chance of 0.36.
    assert!((number(&finding, "repeated_share") - 0.36 * 400.0 / 1_440.0).abs() < 0.03, "{finding:?}");

    let mut conflicting = twice;
    for label in &mut conflicting.labels[2_000..] {
        *label = true;
    }
    let finding = found(&conflicting.data().diagnose(&json!({})), Code::ConflictingLabels);
    assert_eq!(finding.severity, Severity::Warning);
    assert!(number(&finding, "relative_loss_floor") > 0.1 && number(&finding, "error_floor") > 0.05);
}

#[test]
fn copies_of_test_rows_in_the_training_part_are_found() {
    let made = Made::new(1_500, 8, 1);
    let rows: Vec<usize> = (0..1_500).chain(1_000..1_500).collect();
    let part = |row: usize| [0, 1, 2][usize::from((1_000..1_500).contains(&row)) * (1 + row % 2)];
    let data = |made: Made| {
        let made = made.with_codes("part", |row, _| Some(part(row)));
        let mut made = made;
        if let Values::Categorical { levels, .. } = &mut made.columns.last_mut().unwrap().values {
            *levels = ["train", "validation", "test"].map(str::to_owned).to_vec();
        }
        made.data()
    };
    let split = json!({"split": {"strategy": "column", "column": "part"}});
    assert_not_found(&data(made.clone()).diagnose(&split), Code::RowsInTwoParts);
    let finding = found(&data(made.rows(&rows)).diagnose(&split), Code::RowsInTwoParts);
    assert_eq!(finding.severity, Severity::Warning);
    assert_eq!(number(&finding, "share_of_positives_with_one"), 1.0);

    // Copies that differ by rounding have other bits; their neighbours tell.
    let mut rounded = made.rows(&rows);
    rounded.numbers_mut(0)[1_500..].iter_mut().for_each(|value| *value += 1e-12);
    let finding = found(&data(rounded).diagnose(&split), Code::RowsInTwoParts);
    assert_eq!((finding.severity, number(&finding, "share_with_an_equal_training_row")), (Severity::Warning, 0.0));
    assert!(number(&finding, "share_with_a_nearly_equal_training_row") > 0.99);
}

#[test]
fn positives_among_negatives_are_told() {
    let finding = found(&Made::apart(3_000, 20, 0.0, 1).data().diagnose(&json!({})), Code::IsolatedPositives);
    assert!((number(&finding, "negative_neighbours") - number(&finding, "negative_neighbours_expected")).abs() < 0.05);
    assert_not_found(&Made::apart(3_000, 5, 4.0, 1).data().diagnose(&json!({})), Code::IsolatedPositives);
}

#[test]
fn rare_and_unseen_categories_are_told_where_they_have_no_bucket() {
    let made =
        Made::new(1_000, 5, 1).with_codes("town", |row, _| Some(if row % 2 == 0 { 0 } else { row as u32 % 400 }));
    let data = made.data();
    assert_not_found(&data.diagnose(&json!({})), Code::RareCategories);
    let request = json!({"preprocess": {"categorical": {"min_frequency": 0}}});
    let finding = found(&data.diagnose(&request), Code::RareCategories);
    assert_eq!(finding.severity, Severity::Warning);
    assert!(number(&finding, "unseen_share") > 0.01 && number(&finding, "rare_categories") > 50.0);
    assert_not_found(&data.diagnose(&data.patched(&request, &finding.patch.unwrap())), Code::RareCategories);
}

#[test]
fn parts_that_differ_are_told_and_drawn_anew() {
    let made = Made::new(3_000, 8, 1);
    let mut shifted = made.clone();
    shifted.numbers_mut(3)[2_000..].iter_mut().for_each(|value| *value += 1.5);
    shifted.labels.iter_mut().enumerate().skip(2_000).for_each(|(row, label)| *label = *label || row % 3 == 0);
    let part = |row: usize| if row < 2_000 { 0 } else { 1 + row as u32 % 2 };
    let mut shifted = shifted.with_codes("part", |row, _| Some(part(row)));
    if let Values::Categorical { levels, .. } = &mut shifted.columns[6].values {
        *levels = ["train", "validation", "test"].map(str::to_owned).to_vec();
    }
    let data = shifted.data();
    let request = json!({"split": {"strategy": "column", "column": "part"}});
    let diagnosis = data.diagnose(&request);
    let (columns, classes) = (found(&diagnosis, Code::CovariateShift), found(&diagnosis, Code::PriorShift));
    assert_eq!(columns.columns, ["x3"]);
    assert!(
        number(&columns, "population_stability_index") > 10.0 * number(&columns, "population_stability_index_expected")
    );
    assert!(number(&classes, "prevalence") > 2.0 * number(&classes, "prevalence_expected"));
    let mended = data.diagnose(&data.patched(&request, &columns.patch.unwrap()));
    assert_not_found(&mended, Code::CovariateShift);
    assert_not_found(&mended, Code::PriorShift);
}

#[test]
fn rows_that_belong_together_are_suspected() {
    let mut rng = Seed(9).stream("groups");
    let sick: Vec<bool> = (0..300).map(|_| rng.random_bool(0.2)).collect();
    let mut made = Made::new(3_000, 8, 1);
    made.labels = (0..3_000).map(|row| sick[row % 300]).collect();
    let data = made.with_codes("patient", |row, _| Some(row as u32 % 300)).data();
    let finding = found(&data.diagnose(&json!({})), Code::UngroupedRows);
    assert_eq!(finding.columns, ["patient"]);
    assert!(number(&finding, "variance_of_positives_per_group") > 3.0);
    let mended = data.patched(&json!({}), &finding.patch.unwrap());
    assert_not_found(&data.diagnose(&mended), Code::UngroupedRows);
}

#[test]
fn rows_in_the_order_of_their_labels_are_told() {
    let made = Made::new(2_000, 10, 1);
    let mut rows: Vec<usize> = (0..2_000).collect();
    rows.sort_by_key(|&row| made.labels[row]);
    let finding = found(&made.rows(&rows).data().diagnose(&json!({})), Code::SortedByClass);
    assert!(number(&finding, "correlation_with_the_next_label") > 0.9);
    assert!(
        number(&finding, "span_of_the_positives") < 0.2 && number(&finding, "span_of_the_positives_expected") > 0.9
    );
}

#[test]
fn rows_that_were_oversampled_before_the_upload_are_suspected() {
    let made = Made::new(2_000, 10, 1);
    let positives: Vec<usize> = (0..2_000).filter(|&row| made.labels[row]).collect();
    let mut rng = Seed(11).stream("smote");
    // Copies.
    let copies = (0..1_500).map(|_| positives[rng.random_range(0..positives.len())]);
    let rows: Vec<usize> = (0..2_000).chain(copies).collect();
    let finding = found(&made.rows(&rows).data().diagnose(&json!({})), Code::OversampledBeforeUpload);
    assert!(number(&finding, "positives_equal_to_another") > 0.5);
    assert_eq!(number(&finding, "positives_equal_to_another_expected"), 0.0);

    // Rows on the line between a positive and one of its nearest positives, as SMOTE makes them.
    let mut smote = made.rows(&rows);
    let original = made.rows(&positives);
    let points: Vec<Vec<f64>> = (0..original.labels.len())
        .map(|row| (0..6).map(|column| original.clone().numbers_mut(column)[row]).collect())
        .collect();
    let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum::<f64>();
    for row in 2_000..rows.len() {
        let at = rng.random_range(0..points.len());
        let mut others: Vec<usize> = (0..points.len()).filter(|&other| other != at).collect();
        others.sort_by(|&a, &b| distance(&points[a], &points[at]).total_cmp(&distance(&points[b], &points[at])));
        let (other, share) = (others[rng.random_range(0..5)], rng.random::<f64>());
        for (column, (one, two)) in points[at].iter().zip(&points[other]).enumerate() {
            smote.numbers_mut(column)[row] = one + share * (two - one);
        }
    }
    let finding = found(&smote.data().diagnose(&json!({})), Code::OversampledBeforeUpload);
    assert!(number(&finding, "positives_on_a_line_between_two_others") > 0.3);
    assert!(number(&finding, "positives_on_a_line_between_two_others_expected") < 0.01);
}

#[test]
fn labels_that_nothing_goes_with_are_an_error() {
    let diagnosis = Made::apart(3_000, 10, 0.0, 4).data().diagnose(&json!({}));
    let finding = found(&diagnosis, Code::NoSignal);
    assert_eq!(finding.severity, Severity::Error);
    assert!(number(&finding, "z_of_the_best_column") < number(&finding, "z_of_the_best_column_expected"));
    assert_not_found(&Made::apart(3_000, 10, 0.6, 4).data().diagnose(&json!({})), Code::NoSignal);
}

#[test]
fn one_thread_and_two_find_the_same() {
    let data = Made::new(3_000, 10, 1).with_codes("c", |row, _| Some(row as u32 % 7)).data();
    let with_threads = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| serde_json::to_string(&data.diagnose(&json!({}))).unwrap())
    };
    assert_eq!(with_threads(1), with_threads(2));
}
