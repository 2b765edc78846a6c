//! What the cleaning methods promise, checked against their definitions.

use std::collections::{HashMap, HashSet};

use evenkeel::ml::config::{KindSel, ResampleMethod};
use evenkeel::ml::resample::RemovalReason;
use evenkeel::ml::sets::{Origin, TrainSet};

use super::methods::*;

/// All other rows, the nearest first.
fn by_distance(set: &TrainSet, row: usize) -> Vec<usize> {
    let distance = |other: usize| (&set.features.row(row) - &set.features.row(other)).mapv(|gap| gap * gap).sum();
    let mut others: Vec<usize> = (0..set.rows()).filter(|&other| other != row).collect();
    others.sort_by(|&a, &b| f64::total_cmp(&distance(a), &distance(b)).then(a.cmp(&b)));
    others
}

#[test]
fn tomek_links_are_mutual_nearest_rows_of_different_classes() {
    let set = overlapping(300, 2);
    let removed = run(&step_to(ResampleMethod::TomekLinks, ALL), &set).removed;
    let pairs: HashMap<usize, usize> = removed
        .iter()
        .map(|gone| match gone.reason {
            RemovalReason::TomekLink { other } => (source(gone.origin), source(other)),
            other => panic!("expected a link, found {other:?}"),
        })
        .collect();
    let nearest = |row: usize| by_distance(&set, row)[0];
    let expected: HashMap<usize, usize> = (0..300)
        .map(|row| (row, nearest(row)))
        .filter(|&(row, other)| set.labels[row] != set.labels[other] && nearest(other) == row)
        .collect();
    assert!(pairs.len() >= 4, "the data should have some links, found {}", pairs.len());
    assert_eq!(pairs, expected);
    let majority_ends = run(&step(ResampleMethod::TomekLinks), &set).removed;
    assert_eq!(majority_ends.len() * 2, pairs.len());
    assert!(majority_ends.iter().all(|gone| !set.labels[source(gone.origin)]));
}

#[test]
fn equal_rows_with_opposite_labels_are_a_link() {
    // TomekLinks().fit(X, y).sample_indices_ of imbalanced-learn keeps all five rows.
    let features = ndarray::array![[0.0], [5.0], [5.0], [9.0], [10.0]];
    let set = TrainSet::new(features, vec![false, false, true, false, false]);
    let made = run(&step(ResampleMethod::TomekLinks), &set);
    assert_eq!(made.removed.len(), 1);
    assert_eq!(made.removed[0].origin, Origin::Row(1));
    assert_eq!(made.removed[0].reason, RemovalReason::TomekLink { other: Origin::Row(2) });
}

#[test]
fn edited_rows_are_those_whose_neighbours_disagree_and_say_how_many_did() {
    let set = overlapping(200, 2);
    let others =
        |row: usize| by_distance(&set, row)[..4].iter().filter(|&&near| set.labels[near] != set.labels[row]).count();
    for (kind_sel, least) in [(KindSel::All, 1), (KindSel::Mode, 3)] {
        let made = run(&step_to(ResampleMethod::EditedNearestNeighbours { n_neighbors: 4, kind_sel }, ALL), &set);
        let gone: HashMap<usize, RemovalReason> =
            made.removed.iter().map(|gone| (source(gone.origin), gone.reason)).collect();
        let expected: HashMap<usize, RemovalReason> = (0..200)
            .filter(|&row| others(row) >= least)
            .map(|row| (row, RemovalReason::Outvoted { other_class: others(row) as u32, neighbours: 4 }))
            .collect();
        assert_eq!(gone, expected);
    }
}

#[test]
fn repeated_editing_ends_where_one_more_pass_would_remove_nothing() {
    let set = overlapping(300, 2);
    let once = ResampleMethod::EditedNearestNeighbours { n_neighbors: 3, kind_sel: KindSel::Mode };
    let repeated = |max_iter| ResampleMethod::RepeatedEditedNearestNeighbours {
        n_neighbors: 3,
        kind_sel: KindSel::Mode,
        max_iter,
    };
    let done = run(&step(repeated(100)), &set).set;
    assert!(done.rows() < run(&step(once.clone()), &set).set.rows(), "the data should need two passes");
    assert_eq!(run(&step(once.clone()), &done).set, done);
    assert_eq!(run(&step(repeated(1)), &set), run(&step(once), &set));
}

#[test]
fn a_condensed_set_tells_every_row_of_the_majority_apart() {
    let set = overlapping(300, 2);
    let made = run(&step(ResampleMethod::CondensedNearestNeighbour { n_neighbors: 1, n_seeds_s: 1 }), &set);
    let kept: HashSet<usize> = made.set.origins.iter().map(|&origin| source(origin)).collect();
    assert!(kept.len() < 250, "{} rows are left", kept.len());
    for gone in &made.removed {
        assert_eq!(gone.reason, RemovalReason::Redundant);
        let row = source(gone.origin);
        let nearest = by_distance(&set, row).into_iter().find(|near| kept.contains(near)).unwrap();
        assert!(!set.labels[nearest]);
    }
}

#[test]
fn the_cleaning_rule_removes_neighbours_of_outvoted_minority_rows() {
    let set = overlapping(300, 2);
    let method = ResampleMethod::NeighbourhoodCleaningRule { n_neighbors: 3, threshold_cleaning: 0.5 };
    let removed = run(&step(method), &set).removed;
    let near: Vec<_> = removed
        .iter()
        .filter_map(|gone| match gone.reason {
            RemovalReason::NearMinority { minority } => Some((source(gone.origin), source(minority))),
            _ => None,
        })
        .collect();
    assert!(!near.is_empty());
    for (row, minority) in near {
        let nearest = &by_distance(&set, minority)[..3];
        assert!(set.labels[minority] && nearest.contains(&row));
        assert!(nearest[..2].iter().all(|&near| !set.labels[near]), "both of its nearest outvote it");
    }
    let huge = ResampleMethod::NeighbourhoodCleaningRule { n_neighbors: 3, threshold_cleaning: 1e9 };
    assert!(run(&step(huge), &set).removed.iter().all(|gone| matches!(gone.reason, RemovalReason::Outvoted { .. })));
}
