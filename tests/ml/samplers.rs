//! One battery for every resampling method, and imbalanced-learn's rows.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use evenkeel::ml::config::{NamedStrategy, ResampleMethod, ResampleStep, RngKind, SamplingStrategy};
use evenkeel::ml::labels::ClassCounts;
use evenkeel::ml::observe::Stop;
use evenkeel::ml::resample::{RemovalReason, ResampleError, Resampled, apply};
use evenkeel::ml::seed::Seed;
use evenkeel::ml::sets::{Origin, TrainSet};
use ndarray::Array2;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

const AUTO: SamplingStrategy = SamplingStrategy::Named(NamedStrategy::Auto);
const ALL: SamplingStrategy = SamplingStrategy::Named(NamedStrategy::All);

fn go(_: f64) -> ControlFlow<Stop> {
    ControlFlow::Continue(())
}

fn step(method: ResampleMethod) -> ResampleStep {
    ResampleStep { method, seed: None, rng: RngKind::Default }
}

fn run(method: ResampleMethod, set: &TrainSet) -> Resampled {
    apply(0, &step(method), set.clone(), Seed(11), &mut go).unwrap()
}

fn over(strategy: SamplingStrategy) -> [ResampleMethod; 3] {
    let sampling_strategy = strategy;
    [
        ResampleMethod::RandomOverSampler { sampling_strategy, shrinkage: None },
        ResampleMethod::RandomOverSampler { sampling_strategy, shrinkage: Some(0.7) },
        ResampleMethod::Smote { sampling_strategy, k_neighbors: 4 },
    ]
}

fn near_miss(sampling_strategy: SamplingStrategy, version: u8) -> ResampleMethod {
    ResampleMethod::NearMiss { sampling_strategy, version, n_neighbors: 3, n_neighbors_ver3: 3 }
}

fn under(strategy: SamplingStrategy) -> [ResampleMethod; 4] {
    let sampling_strategy = strategy;
    [
        ResampleMethod::RandomUnderSampler { sampling_strategy, replacement: false },
        ResampleMethod::RandomUnderSampler { sampling_strategy, replacement: true },
        near_miss(sampling_strategy, 1),
        near_miss(sampling_strategy, 2),
    ]
}

fn all_methods() -> Vec<ResampleMethod> {
    let mut methods = Vec::from(over(AUTO));
    methods.extend(under(AUTO));
    methods.push(near_miss(AUTO, 3));
    methods.push(ResampleMethod::TomekLinks { sampling_strategy: AUTO });
    methods.push(ResampleMethod::TomekLinks { sampling_strategy: ALL });
    methods.push(ResampleMethod::SmoteTomek { sampling_strategy: AUTO, k_neighbors: 4 });
    methods
}

/// Overlapping classes without ties: every fifth row of `rows` is positive and shifted.
fn overlapping(rows: usize, columns: usize) -> TrainSet {
    let labels: Vec<bool> = (0..rows).map(|row| row % 5 == 2).collect();
    let features = Array2::from_shape_fn((rows, columns), |(row, column)| {
        let angle = (row * (2 * column + 3)) as f64 * 0.618 + (row * row) as f64 * 0.0137;
        angle.sin() + if labels[row] { 0.8 } else { 0.0 }
    });
    TrainSet::new(features, labels)
}

fn source(origin: Origin) -> usize {
    match origin {
        Origin::Row(row) => row,
        Origin::Synthetic { .. } => panic!("expected a row of the training part"),
    }
}

#[test]
fn over_samplers_add_what_was_asked_and_keep_all_rows_in_order() {
    let set = overlapping(200, 3);
    for (strategy, minority) in [(AUTO, 160), (SamplingStrategy::Ratio(0.5), 80), (SamplingStrategy::Ratio(0.25), 40)] {
        for method in over(strategy) {
            let name = format!("{method:?}");
            let Resampled { set: grown, removed } = run(method, &set);
            assert_eq!(grown.class_counts(), ClassCounts { positive: minority, negative: 160 }, "{name}");
            assert_eq!(grown.select(&(0..200).collect::<Vec<_>>()), set, "{name}");
            assert!(grown.labels[200..].iter().all(|&label| label), "{name}");
            assert_eq!((grown.features.nrows(), grown.origins.len()), (grown.rows(), grown.rows()), "{name}");
            assert!(removed.is_empty(), "{name}");
        }
    }
}

#[test]
fn under_samplers_keep_what_was_asked_and_the_minority_whole() {
    let set = overlapping(200, 3);
    for (strategy, majority) in [(AUTO, 40), (SamplingStrategy::Ratio(0.5), 80), (SamplingStrategy::Ratio(0.25), 160)] {
        for method in under(strategy) {
            let with_replacement = matches!(method, ResampleMethod::RandomUnderSampler { replacement: true, .. });
            let name = format!("{method:?}");
            let Resampled { set: kept, removed } = run(method, &set);
            assert_eq!(kept.class_counts(), ClassCounts { positive: 40, negative: majority }, "{name}");
            let positives = kept.origins[majority..].iter().map(|&origin| source(origin)).collect::<Vec<_>>();
            assert_eq!(positives, (0..40).map(|index| 5 * index + 2).collect::<Vec<_>>(), "{name}");
            let distinct: HashSet<usize> = kept.origins.iter().map(|&origin| source(origin)).collect();
            assert!(with_replacement || distinct.len() == kept.rows(), "{name}");
            assert_eq!(removed.len() + distinct.len(), 200, "{name}");
            assert!(removed.iter().all(|gone| gone.reason == RemovalReason::NotSelected), "{name}");
        }
    }
}

#[test]
fn rows_keep_their_values_labels_and_origins_together() {
    let set = overlapping(150, 4);
    for method in all_methods() {
        let smoothed = matches!(method, ResampleMethod::RandomOverSampler { shrinkage: Some(_), .. });
        let name = format!("{method:?}");
        let made = run(method, &set).set;
        for row in 0..made.rows() {
            match made.origins[row] {
                Origin::Row(from) => {
                    assert_eq!(made.features.row(row), set.features.row(from), "{name}");
                    assert_eq!(made.labels[row], set.labels[from], "{name}");
                }
                Origin::Synthetic { step, parents } => {
                    assert_eq!(step, 0, "{name}");
                    assert!(parents.iter().all(|&parent| set.labels[parent] == made.labels[row]), "{name}");
                    assert_eq!(parents[0] == parents[1], smoothed, "{name}");
                }
            }
        }
    }
}

#[test]
fn the_seed_decides_and_the_number_of_threads_does_not() {
    let set = overlapping(700, 3);
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let (one, two) = (pool(1), pool(2));
    for method in all_methods() {
        let made = run(method.clone(), &set);
        assert_eq!(one.install(|| run(method.clone(), &set)), made, "{method:?}");
        assert_eq!(two.install(|| run(method.clone(), &set)), made, "{method:?}");
        let draws = !matches!(method, ResampleMethod::NearMiss { .. } | ResampleMethod::TomekLinks { .. });
        let other = apply(0, &step(method.clone()), set.clone(), Seed(12), &mut go).unwrap();
        assert_eq!(other != made, draws, "{method:?}");
        let own = ResampleStep { method: method.clone(), seed: Some(3), rng: RngKind::Default };
        let seeded = |seed| apply(0, &own, set.clone(), Seed(seed), &mut go).unwrap();
        assert_eq!(seeded(1), seeded(2), "{method:?}");
    }
}

#[test]
fn a_cancelled_run_ends_in_every_method() {
    let set = overlapping(100, 2);
    for method in all_methods() {
        let mut fractions = Vec::new();
        let mut watch = |fraction: f64| {
            fractions.push(fraction);
            ControlFlow::Continue(())
        };
        apply(0, &step(method.clone()), set.clone(), Seed(1), &mut watch).unwrap();
        assert!(fractions.is_sorted() && fractions.last() == Some(&1.0), "{method:?}: {fractions:?}");
        for calls in 0..fractions.len() {
            let mut left = calls;
            let mut stop = |_: f64| match left {
                0 => ControlFlow::Break(Stop::Cancelled),
                _ => {
                    left -= 1;
                    ControlFlow::Continue(())
                }
            };
            let ended = apply(0, &step(method.clone()), set.clone(), Seed(1), &mut stop);
            assert_eq!(ended, Err(ResampleError::Stopped(Stop::Cancelled)), "{method:?}");
        }
    }
}

#[test]
fn one_class_or_too_few_rows_are_refused_by_name() {
    let one_class = TrainSet::new(Array2::zeros((5, 2)), vec![false; 5]);
    let few =
        TrainSet::new(Array2::from_shape_fn((13, 1), |(row, _)| row as f64), (0..13).map(|row| row < 2).collect());
    for method in all_methods() {
        let refused = apply(0, &step(method.clone()), one_class.clone(), Seed(1), &mut go);
        assert!(matches!(refused, Err(ResampleError::Plan(_))), "{method:?}");
        let needed = match method {
            ResampleMethod::Smote { .. } | ResampleMethod::SmoteTomek { .. } => {
                "the minority class has 2 rows; k_neighbors must be at most 1, found 4"
            }
            ResampleMethod::NearMiss { .. } => "the minority class has 2 rows; n_neighbors must be at most 2, found 3",
            _ => continue,
        };
        let refused = apply(0, &step(method), few.clone(), Seed(1), &mut go).unwrap_err();
        assert_eq!(refused.to_string(), needed);
    }
}

#[test]
fn tomek_links_are_mutual_nearest_rows_of_different_classes() {
    let set = overlapping(300, 2);
    let removed = run(ResampleMethod::TomekLinks { sampling_strategy: ALL }, &set).removed;
    let pairs: HashMap<usize, usize> = removed
        .iter()
        .map(|gone| match gone.reason {
            RemovalReason::TomekLink { other } => (source(gone.origin), source(other)),
            RemovalReason::NotSelected => panic!("expected a link"),
        })
        .collect();
    let nearest = |row: usize| {
        let distance = |&other: &usize| (&set.features.row(row) - &set.features.row(other)).mapv(|gap| gap * gap).sum();
        (0..300).filter(|&other| other != row).min_by(|a, b| f64::total_cmp(&distance(a), &distance(b))).unwrap()
    };
    let expected: HashMap<usize, usize> = (0..300)
        .map(|row| (row, nearest(row)))
        .filter(|&(row, other)| set.labels[row] != set.labels[other] && nearest(other) == row)
        .collect();
    assert!(pairs.len() >= 4, "the data should have some links, found {}", pairs.len());
    assert_eq!(pairs, expected);
    let majority_ends = run(ResampleMethod::TomekLinks { sampling_strategy: AUTO }, &set).removed;
    assert_eq!(majority_ends.len() * 2, pairs.len());
    assert!(majority_ends.iter().all(|gone| !set.labels[source(gone.origin)]));
}

#[test]
fn equal_rows_with_opposite_labels_are_a_link() {
    // TomekLinks().fit(X, y).sample_indices_ of imbalanced-learn keeps all five rows.
    let features = ndarray::array![[0.0], [5.0], [5.0], [9.0], [10.0]];
    let set = TrainSet::new(features, vec![false, false, true, false, false]);
    let made = run(ResampleMethod::TomekLinks { sampling_strategy: AUTO }, &set);
    assert_eq!(made.removed.len(), 1);
    assert_eq!(made.removed[0].origin, Origin::Row(1));
    assert_eq!(made.removed[0].reason, RemovalReason::TomekLink { other: Origin::Row(2) });
}

#[test]
fn parents_of_parents_are_rows_of_the_training_part() {
    let set = overlapping(60, 2);
    let smote =
        |ratio| step(ResampleMethod::Smote { sampling_strategy: SamplingStrategy::Ratio(ratio), k_neighbors: 3 });
    let first = apply(0, &smote(0.5), set, Seed(1), &mut go).unwrap().set;
    let second = apply(1, &smote(1.0), first, Seed(1), &mut go).unwrap().set;
    let steps: HashSet<usize> = second
        .origins
        .iter()
        .filter_map(|origin| match *origin {
            Origin::Row(_) => None,
            Origin::Synthetic { step, parents } => {
                assert!(parents.iter().all(|&parent| parent < 60 && parent % 5 == 2));
                Some(step)
            }
        })
        .collect();
    assert_eq!(steps, HashSet::from([0, 1]));
}

#[test]
fn rows_without_columns_can_be_resampled() {
    let set = TrainSet::new(Array2::zeros((30, 0)), (0..30).map(|row| row % 3 == 0).collect());
    for method in all_methods() {
        run(method, &set);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn synthetic_rows_lie_between_their_parents(
        (columns, values) in (1_usize..5).prop_flat_map(|columns| {
            (Just(columns), prop::collection::vec(-1e6_f64..1e6, columns * 24))
        }),
        seed in any::<u64>(),
    ) {
        let features = Array2::from_shape_vec((24, columns), values).unwrap();
        let set = TrainSet::new(features, (0..24).map(|row| row % 4 == 0).collect());
        let method = ResampleMethod::Smote { sampling_strategy: AUTO, k_neighbors: 5 };
        let made = apply(0, &step(method), set.clone(), Seed(seed), &mut go).unwrap().set;
        for row in 24..made.rows() {
            let Origin::Synthetic { parents: [from, to], .. } = made.origins[row] else { panic!("expected a new row") };
            // One share of the way serves all columns; the widest column tells it best.
            let ends = |column| (set.features[[from, column]], set.features[[to, column]]);
            let widest = (0..columns).max_by(|&a, &b| {
                let gap = |column| { let (from, to) = ends(column); f64::abs(to - from) };
                gap(a).total_cmp(&gap(b))
            }).unwrap();
            let (start, end) = ends(widest);
            let share = (made.features[[row, widest]] - start) / (end - start);
            prop_assert!((-1e-9..1.0 + 1e-9).contains(&share));
            for column in 0..columns {
                let (start, end) = ends(column);
                prop_assert!((made.features[[row, column]] - (start + share * (end - start))).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn any_finite_rows_can_be_cleaned_and_no_row_is_lost_unnoticed(
        values in prop::collection::vec(-3_i8..3, 2 * 40),
        labels in prop::collection::vec(any::<bool>(), 40),
    ) {
        let counts = ClassCounts::of(&labels);
        prop_assume!(counts.positive >= 5 && counts.negative >= 5);
        let features = Array2::from_shape_vec((40, 2), values.into_iter().map(f64::from).collect()).unwrap();
        let set = TrainSet::new(features, labels);
        for method in all_methods() {
            let made = run(method, &set);
            let mut seen: HashSet<usize> = made.removed.iter().filter_map(|gone| match gone.origin {
                Origin::Row(row) => Some(row),
                Origin::Synthetic { .. } => None,
            }).collect();
            for origin in &made.set.origins {
                if let Origin::Row(row) = *origin {
                    seen.insert(row);
                }
            }
            prop_assert_eq!(seen.len(), 40);
            prop_assert!(made.set.features.iter().all(|value| value.is_finite()));
        }
    }
}

#[derive(Deserialize)]
struct Reference {
    data: HashMap<String, Data>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "X")]
    features: Vec<Vec<f64>>,
    y: Vec<u8>,
}

#[derive(Deserialize)]
struct Case {
    data: String,
    step: Value,
    indices: Option<Vec<usize>>,
    added: Option<Vec<Vec<f64>>>,
    added_label: Option<u8>,
    rows: Option<Vec<Vec<f64>>>,
    labels: Option<Vec<u8>>,
}

/// The step with imbalanced-learn's defaults for what it leaves out.
fn read_step(value: &Value) -> ResampleStep {
    let mut full = serde_json::json!({
        "sampling_strategy": "auto", "shrinkage": null, "replacement": false, "k_neighbors": 5, "version": 1,
        "n_neighbors": 3, "n_neighbors_ver3": 3, "seed": null, "rng": "default",
    });
    let fields = full.as_object_mut().unwrap();
    fields.extend(value.as_object().unwrap().clone());
    serde_json::from_value(full).unwrap()
}

fn matrix(rows: &[Vec<f64>]) -> Array2<f64> {
    let columns = rows.first().map_or(0, Vec::len);
    Array2::from_shape_vec((rows.len(), columns), rows.concat()).unwrap()
}

fn assert_rows(found: ndarray::ArrayView2<'_, f64>, expected: &[Vec<f64>], name: &str) {
    assert_eq!(found.nrows(), expected.len(), "{name}");
    for (found, expected) in found.rows().into_iter().zip(expected) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-12, "{name}: {found} where {expected} was expected");
        }
    }
}

// tests/data/make_resampling_cases.py writes the file; a label of 1 is the positive class.
#[test]
fn rows_are_imbalanced_learns() {
    let reference: Reference = serde_json::from_str(include_str!("../data/resampling-cases.json")).unwrap();
    assert!(reference.cases.len() > 200, "the reference file is not whole");
    for case in &reference.cases {
        let name = format!("{} on {}", case.step, case.data);
        let data = &reference.data[&case.data];
        let set = TrainSet::new(matrix(&data.features), data.y.iter().map(|&label| label == 1).collect());
        let rows = set.rows();
        let made =
            apply(0, &read_step(&case.step), set, Seed(0), &mut go).unwrap_or_else(|error| panic!("{name}: {error}"));
        if let Some(expected) = &case.indices {
            let found: Vec<usize> = made.set.origins.iter().map(|&origin| source(origin)).collect();
            assert_eq!(&found, expected, "{name}");
        } else if let Some(expected) = &case.added {
            assert_rows(made.set.features.slice(ndarray::s![rows.., ..]), expected, &name);
            let label = case.added_label == Some(1);
            assert!(made.set.labels[rows..].iter().all(|&found| found == label), "{name}");
        } else {
            let (expected, labels) = (case.rows.as_ref().unwrap(), case.labels.as_ref().unwrap());
            assert_rows(made.set.features.view(), expected, &name);
            assert!(made.set.labels.iter().zip(labels).all(|(&found, &label)| found == (label == 1)), "{name}");
        }
    }
}
