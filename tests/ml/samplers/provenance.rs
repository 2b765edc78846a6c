//! What each row knows of where it came from, and each removed row of why it is gone.

use std::collections::HashSet;

use evenkeel::ml::config::{BorderlineKind, ResampleMethod, SamplingStrategy, SelectionStrategy};
use evenkeel::ml::labels::ClassCounts;
use evenkeel::ml::resample::apply;
use evenkeel::ml::seed::Seed;
use evenkeel::ml::sets::{Origin, TrainSet};
use ndarray::Array2;
use proptest::prelude::*;

use super::methods::*;

/// Whether a new row may have a parent of the other class.
fn reaches_across(method: &ResampleMethod) -> bool {
    match method {
        ResampleMethod::BorderlineSmote { kind, .. } => *kind == BorderlineKind::Two,
        ResampleMethod::GeometricSmote { selection_strategy, .. } => *selection_strategy != SelectionStrategy::Minority,
        _ => false,
    }
}

#[test]
fn rows_keep_their_values_labels_and_origins_together() {
    for (method, set) in all_with_rows(150, 4) {
        let name = format!("{method:?}");
        let across = reaches_across(&method);
        let made = run(&step(method), &set).set;
        for row in 0..made.rows() {
            match made.origins[row] {
                Origin::Row(from) => {
                    let from = from as usize;
                    assert_eq!(made.features.row(row), set.features.row(from), "{name}");
                    assert_eq!(made.labels[row], set.labels[from], "{name}");
                }
                Origin::Synthetic { step, parents } => {
                    assert_eq!(step, 0, "{name}");
                    let parents = parents.map(|parent| parent as usize);
                    assert_eq!(set.labels[parents[0]], made.labels[row], "{name}");
                    assert!(across || set.labels[parents[1]] == made.labels[row], "{name}");
                }
            }
        }
    }
}

#[test]
fn parents_of_parents_are_rows_of_the_training_part() {
    let set = overlapping(60, 2);
    for method in over().into_iter().filter(|method| !reaches_across(method)) {
        let to = |ratio| step_to(method.clone(), SamplingStrategy::Ratio(ratio));
        let first = apply(0, &to(0.5), set.clone(), Seed(1), &mut go).unwrap().set;
        let second = apply(1, &to(1.0), first, Seed(1), &mut go).unwrap().set;
        let steps: HashSet<u16> = second
            .origins
            .iter()
            .filter_map(|origin| match *origin {
                Origin::Row(row) => {
                    assert!(row < 60);
                    None
                }
                Origin::Synthetic { step, parents } => {
                    assert!(parents.iter().all(|&parent| parent < 60 && parent % 5 == 2), "{method:?}");
                    Some(step)
                }
            })
            .collect();
        let copies = method == ResampleMethod::RandomOverSampler { shrinkage: None };
        assert_eq!(steps, if copies { HashSet::new() } else { HashSet::from([0, 1]) }, "{method:?}");
    }
}

/// The values lie on the straight line between the parents' values.
fn assert_between(set: &TrainSet, made: &TrainSet, row: usize, name: &str) {
    let Origin::Synthetic { parents, .. } = made.origins[row] else { panic!("expected a new row") };
    let [from, to] = parents.map(|parent| parent as usize);
    let ends = |column| (set.features[[from, column]], set.features[[to, column]]);
    let gap = |column| {
        let (from, to) = ends(column);
        f64::abs(to - from)
    };
    let columns = set.features.ncols();
    // One share of the way serves all columns; the widest column tells it best.
    let widest = (0..columns).max_by(|&a, &b| gap(a).total_cmp(&gap(b))).unwrap();
    let (start, end) = ends(widest);
    let share = if end == start { 0.0 } else { (made.features[[row, widest]] - start) / (end - start) };
    assert!((-1e-9..1.0 + 1e-9).contains(&share), "{name}: {share}");
    for column in 0..columns {
        let (start, end) = ends(column);
        let expected = start + share * (end - start);
        assert!((made.features[[row, column]] - expected).abs() < 1e-6, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn interpolated_rows_lie_between_their_parents(
        (columns, values) in (1_usize..5).prop_flat_map(|columns| {
            (Just(columns), prop::collection::vec(-1e6_f64..1e6, columns * 28))
        }),
        seed in any::<u64>(),
    ) {
        let features = Array2::from_shape_vec((28, columns), values).unwrap();
        let set = TrainSet::new(features, (0..28).map(|row| row % 4 == 0).collect());
        for method in interpolating() {
            let name = format!("{method:?}");
            let made = apply(0, &step(method), set.clone(), Seed(seed), &mut go).unwrap().set;
            prop_assert_eq!(made.rows(), 42);
            (28..made.rows()).for_each(|row| assert_between(&set, &made, row, &name));
        }
    }

    #[test]
    fn any_finite_rows_can_be_resampled_and_no_row_is_lost_unnoticed(
        values in prop::collection::vec(-3_i8..3, 2 * 40),
        labels in prop::collection::vec(any::<bool>(), 40),
    ) {
        let counts = ClassCounts::of(&labels);
        prop_assume!(counts.positive >= 2 && counts.negative >= 2);
        let features = Array2::from_shape_vec((40, 2), values.into_iter().map(f64::from).collect()).unwrap();
        let set = TrainSet::new(features, labels);
        for method in all_methods() {
            let made = run(&step(method), &set);
            let real = |origin: &Origin| match *origin {
                Origin::Row(row) => Some(row as usize),
                Origin::Synthetic { .. } => None,
            };
            let mut seen: HashSet<usize> = made.removed.iter().filter_map(|gone| real(&gone.origin)).collect();
            seen.extend(made.set.origins.iter().filter_map(real));
            prop_assert_eq!(seen.len(), 40);
            prop_assert!(made.set.features.iter().all(|value| value.is_finite()));
        }
    }
}
