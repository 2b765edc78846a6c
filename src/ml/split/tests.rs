//! Tests of the file beside this one.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::{Part, Parts, SplitError, split};
use crate::ml::config::Split;
use crate::ml::seed::Seed;
use crate::ml::table::{MISSING, Values};

fn stratified(test_fraction: f64, validation_fraction: f64) -> Split {
    Split::Stratified { test_fraction, validation_fraction }
}

fn group() -> Split {
    Split::Group { column: "g".to_owned(), test_fraction: 0.2, validation_fraction: 0.2 }
}

fn time() -> Split {
    Split::Time { column: "t".to_owned(), test_fraction: 0.2, validation_fraction: 0.2 }
}

fn texts(values: &[&str]) -> Values {
    let mut levels: Vec<String> = Vec::new();
    let codes = values.iter().map(|value| {
        let place = levels.iter().position(|level| level == value).unwrap_or_else(|| {
            levels.push((*value).to_owned());
            levels.len() - 1
        });
        place as u32
    });
    let codes = codes.collect();
    Values::Categorical { codes, levels }
}

/// Every third row is positive.
fn labels(rows: usize) -> Vec<bool> {
    (0..rows).map(|row| row % 3 == 0).collect()
}

fn covers(parts: &Parts, rows: usize) -> bool {
    let mut all: Vec<usize> = Part::ALL.iter().flat_map(|&part| parts.of(part).to_vec()).collect();
    let ascending = Part::ALL.iter().all(|&part| parts.of(part).is_sorted());
    all.sort_unstable();
    ascending && all == (0..rows).collect::<Vec<_>>()
}

fn positives(rows: &[usize], labels: &[bool]) -> usize {
    rows.iter().filter(|&&row| labels[row]).count()
}

#[test]
fn stratified_parts_have_their_share_of_each_class() {
    let labels: Vec<bool> = (0..1000).map(|row| row % 20 == 7).collect();
    let parts = split(&stratified(0.2, 0.1), &labels, None, Seed(1)).unwrap();
    assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (700, 100, 200));
    assert_eq!(positives(&parts.train, &labels), 35);
    assert_eq!(positives(&parts.validation, &labels), 5);
    assert_eq!(positives(&parts.test, &labels), 10);
}

#[test]
fn the_seed_alone_decides() {
    let labels = labels(200);
    let groups = Values::Numeric((0..200).map(|row| f64::from(row / 3)).collect());
    for (strategy, column) in [(stratified(0.2, 0.2), None), (group(), Some(&groups))] {
        let made = |seed| split(&strategy, &labels, column, Seed(seed)).unwrap();
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
    }
}

#[test]
fn a_class_too_small_for_three_parts_is_named() {
    let labels = [true, true, false, false, false, false];
    let refused = split(&stratified(0.2, 0.2), &labels, None, Seed(1)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the positive class has 2 rows; each of the parts train, validation and test needs at least 1"
    );
}

#[test]
fn groups_come_near_the_fractions_in_rows_and_positives() {
    let labels: Vec<bool> = (0..2000).map(|row| row % 10 == 0).collect();
    let groups = Values::Numeric((0..2000_i32).map(|row| f64::from((row * row) % 97)).collect());
    let parts = split(&group(), &labels, Some(&groups), Seed(3)).unwrap();
    for (rows, share) in [(&parts.train, 0.6), (&parts.validation, 0.2), (&parts.test, 0.2)] {
        assert!((rows.len() as f64 / 2000.0 - share).abs() < 0.05, "{} rows for {share}", rows.len());
        let found = positives(rows, &labels) as f64 / 200.0;
        assert!((found - share).abs() < 0.05, "{found} of the positives for {share}");
    }
}

#[test]
fn too_few_groups_or_times_are_counted() {
    let column = texts(&["a", "b", "a", "b", "a", "b"]);
    for strategy in [group(), time()] {
        let refused = split(&strategy, &labels(6), Some(&column), Seed(1));
        assert_eq!(refused, Err(SplitError::TooFewValues { found: 2 }));
    }
}

#[test]
fn the_latest_rows_test_and_equal_times_stay_together() {
    // Ten rows, one time each but for four rows at 7, among which the boundary of the test part falls.
    let times = Values::Numeric(vec![9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 7.0, 7.0, 7.0]);
    let labels = [true, false, true, false, false, true, true, false, true, false];
    let fractions = Split::Time { column: "t".to_owned(), test_fraction: 0.3, validation_fraction: 0.2 };
    let refused = split(&fractions, &labels, Some(&times), Seed(1)).unwrap_err();
    // The boundary is wanted after 7 rows: 5 rows come before the time 7, 9 before the time 9. Both are 2 away,
    // and the later leaves the one positive row at 9 to the test part.
    assert_eq!(
        refused.to_string(),
        "the test part would have 1 positive and 0 negative rows; each part needs both classes"
    );
    let fractions = Split::Time { column: "t".to_owned(), test_fraction: 0.4, validation_fraction: 0.3 };
    let parts = split(&fractions, &labels, Some(&times), Seed(1)).unwrap();
    assert_eq!(parts, Parts { train: vec![1, 2, 3], validation: vec![4, 5], test: vec![0, 6, 7, 8, 9] });
}

#[test]
fn text_times_are_ordered_by_character_not_by_code() {
    let times = texts(&["2024-03", "2024-01", "2024-02", "2024-03", "2024-01", "2024-02"]);
    let labels = [true, true, true, false, false, false];
    let fractions = Split::Time { column: "t".to_owned(), test_fraction: 0.33, validation_fraction: 0.33 };
    let parts = split(&fractions, &labels, Some(&times), Seed(1)).unwrap();
    assert_eq!(parts, Parts { train: vec![1, 4], validation: vec![2, 5], test: vec![0, 3] });
}

#[test]
fn a_given_split_is_followed_and_other_values_are_listed() {
    let strategy = Split::Column { column: "part".to_owned() };
    let labels = [true, false, true, false, true, false];
    let column = texts(&["train", "train", "test", "test", "validation", "validation"]);
    let parts = split(&strategy, &labels, Some(&column), Seed(1)).unwrap();
    assert_eq!(parts, Parts { train: vec![0, 1], validation: vec![4, 5], test: vec![2, 3] });
    let column = texts(&["train", "dev", "test", "Test", "validation", "dev"]);
    let refused = split(&strategy, &labels, Some(&column), Seed(1)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "expected only train, validation and test in the column of the split, found \"Test\", \"dev\" in 3 rows"
    );
    let booleans = Values::Boolean(vec![Some(true); 6]);
    let refused = split(&strategy, &labels, Some(&booleans), Seed(1));
    assert!(matches!(refused, Err(SplitError::UnknownParts { rows: 6, .. })));
    let column = texts(&["train", "train", "test", "test", "validation", "train"]);
    let refused = split(&strategy, &labels, Some(&column), Seed(1));
    assert!(matches!(refused, Err(SplitError::PartLacksClass { part: Part::Validation, .. })));
}

#[test]
fn missing_values_short_columns_and_no_column_are_refused() {
    let columns = [
        Values::Numeric(vec![1.0, f64::NAN, 2.0]),
        Values::Boolean(vec![None, Some(true), Some(false)]),
        Values::Categorical { codes: vec![0, MISSING, 1], levels: vec!["a".to_owned(), "b".to_owned()] },
    ];
    for strategy in [group(), time(), Split::Column { column: "c".to_owned() }] {
        for column in &columns {
            let refused = split(&strategy, &labels(3), Some(column), Seed(1));
            assert_eq!(refused, Err(SplitError::MissingValues { missing: 1, rows: 3 }));
        }
        let short = split(&strategy, &labels(4), Some(&columns[0]), Seed(1));
        assert_eq!(short, Err(SplitError::UnequalLengths { expected: 4, found: 3 }));
        assert_eq!(split(&strategy, &labels(3), None, Seed(1)), Err(SplitError::NoColumn));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn parts_are_disjoint_and_cover_all_rows(
        labels in prop::collection::vec(any::<bool>(), 0..120),
        times in prop::collection::vec(0_u8..20, 120),
        seed in any::<u64>(),
        fractions in (0.01_f64..0.45, 0.01_f64..0.45),
    ) {
        let rows = labels.len();
        let column = Values::Numeric(times[..rows].iter().map(|&time| f64::from(time)).collect());
        let (test_fraction, validation_fraction) = fractions;
        let name = "c".to_owned();
        for strategy in [
            stratified(test_fraction, validation_fraction),
            Split::Group { column: name.clone(), test_fraction, validation_fraction },
            Split::Time { column: name.clone(), test_fraction, validation_fraction },
        ] {
            let Ok(parts) = split(&strategy, &labels, Some(&column), Seed(seed)) else { continue };
            prop_assert!(covers(&parts, rows));
            for part in Part::ALL {
                let positive = positives(parts.of(part), &labels);
                prop_assert!(positive > 0 && positive < parts.of(part).len());
            }
        }
    }

    #[test]
    fn a_class_of_three_rows_is_always_enough_for_a_stratified_split(
        labels in prop::collection::vec(any::<bool>(), 6..60),
        seed in any::<u64>(),
    ) {
        let positive = labels.iter().filter(|&&label| label).count();
        let made = split(&stratified(0.25, 0.2), &labels, None, Seed(seed));
        prop_assert_eq!(made.is_ok(), positive >= 3 && labels.len() - positive >= 3);
    }

    #[test]
    fn a_group_is_never_divided(groups in prop::collection::vec(0_u8..12, 40..90), seed in any::<u64>()) {
        let column = Values::Numeric(groups.iter().map(|&group| f64::from(group)).collect());
        let Ok(parts) = split(&group(), &labels(groups.len()), Some(&column), Seed(seed)) else { return Ok(()) };
        let mut homes: HashMap<u8, HashSet<&str>> = HashMap::new();
        for part in Part::ALL {
            for &row in parts.of(part) {
                homes.entry(groups[row]).or_default().insert(part.as_str());
            }
        }
        prop_assert!(homes.values().all(|home| home.len() == 1));
    }

    #[test]
    fn times_never_overlap(times in prop::collection::vec(0_u8..30, 40..90)) {
        let column = Values::Numeric(times.iter().map(|&time| f64::from(time)).collect());
        let Ok(parts) = split(&time(), &labels(times.len()), Some(&column), Seed(1)) else { return Ok(()) };
        let range = |part: Part| {
            let values = || parts.of(part).iter().map(|&row| times[row]);
            (values().min().unwrap(), values().max().unwrap())
        };
        prop_assert!(range(Part::Train).1 < range(Part::Validation).0);
        prop_assert!(range(Part::Validation).1 < range(Part::Test).0);
    }
}
