//! How many rows there are after a step, which, and in which order.

use std::collections::HashSet;

use evenkeel::ml::config::{ResampleMethod, SamplingStrategy, Voting};
use evenkeel::ml::labels::ClassCounts;
use evenkeel::ml::resample::{RemovalReason, Resampled};
use evenkeel::ml::sets::Origin;

use super::methods::*;

#[test]
fn over_samplers_add_what_was_asked_and_keep_all_rows_in_order() {
    let numbers = overlapping(200, 3);
    let mut pairs: Vec<_> = over().into_iter().map(|method| (method, numbers.clone())).collect();
    pairs.push((ResampleMethod::Smotenc { k_neighbors: 4 }, with_categories(200, 3)));
    pairs.push((ResampleMethod::Smoten { k_neighbors: 4 }, with_categories(200, 0)));
    for (strategy, minority) in [
        (AUTO, 160),
        (SamplingStrategy::Ratio(0.5), 80),
        (SamplingStrategy::Ratio(0.25), 40),
        (SamplingStrategy::RowsOf([None, Some(75)]), 75),
    ] {
        for (method, set) in &pairs {
            let name = format!("{method:?}");
            let Resampled { set: grown, removed, notes } = run(&step_to(method.clone(), strategy.clone()), set);
            assert_eq!(grown.class_counts(), ClassCounts { positive: minority, negative: 160 }, "{name}");
            assert_eq!(grown.select(&(0..200).collect::<Vec<_>>()), *set, "{name}");
            assert!(grown.labels[200..].iter().all(|&label| label), "{name}");
            assert_eq!((grown.features.nrows(), grown.origins.len()), (grown.rows(), grown.rows()), "{name}");
            assert!(removed.is_empty() && notes.is_empty(), "{name}: {notes:?}");
        }
    }
}

#[test]
fn under_samplers_keep_what_was_asked_and_the_minority_whole() {
    let set = overlapping(200, 3);
    for (strategy, majority) in [
        (AUTO, 40),
        (SamplingStrategy::Ratio(0.5), 80),
        (SamplingStrategy::Ratio(0.25), 160),
        (SamplingStrategy::RowsOf([Some(55), None]), 55),
    ] {
        for method in under() {
            let with_replacement = method == ResampleMethod::RandomUnderSampler { replacement: true };
            let clustered = matches!(method, ResampleMethod::ClusterCentroids { .. });
            let centred = method == ResampleMethod::ClusterCentroids { voting: Voting::Soft } && majority < 160;
            let hard = matches!(method, ResampleMethod::InstanceHardnessThreshold { .. });
            let name = format!("{method:?}");
            let Resampled { set: kept, removed, .. } = run(&step_to(method, strategy.clone()), &set);
            assert_eq!(kept.class_counts(), ClassCounts { positive: 40, negative: majority }, "{name}");
            assert!(kept.labels.is_sorted(), "{name}: negative rows come first");
            let positives = kept.origins[majority..].iter().map(|&origin| source(origin)).collect::<Vec<_>>();
            assert_eq!(positives, (0..40).map(|index| 5 * index + 2).collect::<Vec<_>>(), "{name}");
            let rows = kept.origins.iter().filter_map(|origin| match *origin {
                Origin::Row(row) => Some(row as usize),
                Origin::Synthetic { .. } => None,
            });
            let distinct: HashSet<usize> = rows.collect();
            let real = if centred { 40 } else { kept.rows() };
            assert!(with_replacement || distinct.len() == real, "{name}");
            assert_eq!(removed.len() + distinct.len(), 200, "{name}");
            assert!(removed.iter().all(|gone| match gone.reason {
                RemovalReason::NotSelected => !clustered && !hard,
                RemovalReason::Clustered => clustered,
                RemovalReason::Hard { probability } => hard && (0.0..1.0).contains(&probability),
                _ => false,
            }));
        }
    }
}

#[test]
fn cleaning_spares_the_minority_and_removes_from_both_classes_if_asked() {
    let set = overlapping(300, 2);
    for method in cleaning() {
        let name = format!("{method:?}");
        let Resampled { set: kept, removed, .. } = run(&step(method.clone()), &set);
        assert_eq!(kept.class_counts().positive, 60, "{name}");
        assert!(removed.iter().all(|gone| !set.labels[source(gone.origin)]), "{name}");
        assert_eq!(kept.rows() + removed.len(), 300, "{name}");
        assert!(!removed.is_empty(), "{name} has nothing to do on this set");
        let condensing = matches!(
            method,
            ResampleMethod::CondensedNearestNeighbour { .. } | ResampleMethod::OneSidedSelection { .. }
        );
        let of_minority =
            run(&step_to(method, ALL), &set).removed.iter().filter(|gone| set.labels[source(gone.origin)]).count();
        assert_eq!(of_minority > 0, !condensing, "{name}");
    }
}

#[test]
fn cleaning_keeps_the_order_of_the_rows_or_of_the_rows_of_each_class() {
    let set = overlapping(300, 2);
    for method in cleaning() {
        let kept = run(&step(method.clone()), &set).set;
        let rows: Vec<usize> = kept.origins.iter().map(|&origin| source(origin)).collect();
        let of_class =
            |class: bool| -> Vec<usize> { rows.iter().copied().filter(|&row| set.labels[row] == class).collect() };
        match method {
            ResampleMethod::TomekLinks | ResampleMethod::NeighbourhoodCleaningRule { .. } => assert!(rows.is_sorted()),
            _ => assert_eq!(rows, [of_class(false), of_class(true)].concat(), "{method:?}"),
        }
        assert!(of_class(true).is_sorted(), "{method:?}");
        // Seeds come before the rows that join them.
        let seeded = matches!(
            method,
            ResampleMethod::CondensedNearestNeighbour { .. } | ResampleMethod::OneSidedSelection { .. }
        );
        assert!(seeded || of_class(false).is_sorted(), "{method:?}");
    }
}

#[test]
fn rows_without_columns_can_be_resampled() {
    let set =
        evenkeel::ml::sets::TrainSet::new(ndarray::Array2::zeros((30, 0)), (0..30).map(|row| row % 3 == 0).collect());
    for method in all_methods() {
        run(&step(method), &set);
    }
}
