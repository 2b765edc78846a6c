//! What single methods that add rows promise.

use std::collections::HashMap;

use evenkeel::ml::config::{
    BorderlineKind, ResampleMethod, ResampleStep, SamplingStrategy, SelectionStrategy, Topology,
};
use evenkeel::ml::sets::{FeatureKinds, Origin, TrainSet, WholeColumn};
use ndarray::{Array1, Array2};

use super::methods::*;

fn parents(set: &TrainSet, from: usize) -> Vec<[usize; 2]> {
    let parents = |origin: &Origin| match *origin {
        Origin::Synthetic { parents, .. } => parents.map(|parent| parent as usize),
        Origin::Row(_) => panic!("expected a new row"),
    };
    set.origins[from..].iter().map(parents).collect()
}

/// The share of the `k` nearest rows that are of the other class.
fn others(set: &TrainSet, row: usize, k: usize) -> usize {
    let distance = |other: usize| (&set.features.row(row) - &set.features.row(other)).mapv(|gap| gap * gap).sum();
    let mut near: Vec<usize> = (0..set.rows()).filter(|&other| other != row).collect();
    near.sort_by(|&a, &b| f64::total_cmp(&distance(a), &distance(b)));
    near[..k].iter().filter(|&&other| set.labels[other] != set.labels[row]).count()
}

#[test]
fn borderline_rows_start_in_danger_and_end_in_the_first_half_of_the_way_to_the_majority() {
    let set = overlapping(300, 2);
    for kind in [BorderlineKind::One, BorderlineKind::Two] {
        let made = run(&step(ResampleMethod::BorderlineSmote { k_neighbors: 4, m_neighbors: 6, kind }), &set).set;
        let mut across = 0;
        for (row, [from, to]) in (300..).zip(parents(&made, 300)) {
            assert!((3..6).contains(&others(&set, from, 6)));
            if !set.labels[to] {
                across += 1;
                let way = &set.features.row(to) - &set.features.row(from);
                let gone = &made.features.row(row) - &set.features.row(from);
                assert!(gone.dot(&gone).sqrt() <= 0.5 * way.dot(&way).sqrt() + 1e-12);
            }
        }
        assert_eq!(across > 0, kind == BorderlineKind::Two);
    }
}

#[test]
fn adasyn_starts_more_often_from_rows_with_more_neighbours_of_the_majority() {
    let set = overlapping(300, 2);
    let made = run(&step(ResampleMethod::Adasyn { n_neighbors: 5 }), &set).set;
    let mut starts: HashMap<usize, usize> = HashMap::new();
    parents(&made, 300).into_iter().for_each(|[from, _]| *starts.entry(from).or_default() += 1);
    let hardness: Vec<usize> = (0..60).map(|index| others(&set, 5 * index + 2, 5)).collect();
    let sum: usize = hardness.iter().sum();
    for (index, hard) in hardness.into_iter().enumerate() {
        let exact = 180.0 * hard as f64 / sum as f64;
        let found = starts.get(&(5 * index + 2)).copied().unwrap_or(0);
        assert!((found as f64 - exact).abs() < 1.0, "{found} where {exact} are due");
    }
}

#[test]
fn a_star_has_its_rows_between_each_row_and_the_mean() {
    let set = overlapping(60, 3);
    let made = run(&step(ResampleMethod::PolynomFitSmote { topology: Topology::Star }), &set).set;
    let minority: Vec<usize> = (0..60).filter(|&row| set.labels[row]).collect();
    let mut mean = Array1::zeros(3);
    minority.iter().for_each(|&row| mean += &(&set.features.row(row) / minority.len() as f64));
    // 36 new rows over 12 lines: three each, a quarter of the way apart. smote_variants has the same with k = 3.
    for (index, &from) in minority.iter().enumerate() {
        for place in 0..3 {
            let at = (place + 1) as f64 / 4.0;
            let expected = &set.features.row(from) * (1.0 - at) + &mean * at;
            let gap = (&made.features.row(60 + 3 * index + place) - &expected).mapv(f64::abs).sum();
            assert!(gap < 1e-12, "{gap}");
        }
    }
}

#[test]
fn proximity_gives_the_rows_near_the_majority_more_than_their_share() {
    // A class on a line that leads away from the other.
    let features =
        Array2::from_shape_fn((120, 1), |(row, _)| if row < 30 { 2.0 + row as f64 } else { -(row as f64) / 90.0 });
    let set = TrainSet::new(features, (0..120).map(|row| row < 30).collect());
    let method = |theta| ResampleMethod::Prowsyn { n_neighbors: 5, levels: 3, theta };
    let near = |theta| parents(&run(&step(method(theta)), &set).set, 120).iter().filter(|[from, _]| *from < 5).count();
    // exp(0) : exp(-1) : exp(-2) of 60 rows; without theta a third of them.
    assert_eq!((near(1.0), near(0.0)), (40, 20));
}

#[test]
fn geometric_rows_stay_within_the_distance_of_their_second_parent() {
    let set = overlapping(200, 3);
    for selection_strategy in [SelectionStrategy::Combined, SelectionStrategy::Majority, SelectionStrategy::Minority] {
        let method = ResampleMethod::GeometricSmote {
            k_neighbors: 5,
            truncation_factor: 1.0,
            deformation_factor: 0.0,
            selection_strategy,
        };
        let made = run(&step(method), &set).set;
        for (row, [centre, surface]) in (200..).zip(parents(&made, 200)) {
            let way = &set.features.row(surface) - &set.features.row(centre);
            let gone = &made.features.row(row) - &set.features.row(centre);
            assert!(gone.dot(&gone) <= way.dot(&way) * (1.0 + 1e-12));
            assert!(gone.dot(&way) >= -1e-12, "truncation keeps the half towards the surface");
            match selection_strategy {
                SelectionStrategy::Majority => assert!(!set.labels[surface]),
                SelectionStrategy::Minority => assert!(set.labels[surface]),
                SelectionStrategy::Combined => {}
            }
        }
    }
}

#[test]
fn noise_is_as_wide_as_was_asked() {
    let set = overlapping(5_000, 2);
    let spread = |features: &Array2<f64>, column: usize| features.column(column).std(0.0);
    let minority = set.select(&(0..5_000).filter(|&row| set.labels[row]).collect::<Vec<_>>());
    let made = run(&step(ResampleMethod::GaussianNoise { std: 0.5 }), &set).set;
    for column in 0..2 {
        let noise = (5_000..made.rows()).zip(parents(&made, 5_000)).map(|(row, [from, _])| {
            let gap = made.features[[row, column]] - set.features[[from, column]];
            gap * gap
        });
        let found = (noise.sum::<f64>() / 3_000.0).sqrt();
        let expected = 0.5 * spread(&minority.features, column);
        assert!((found / expected - 1.0).abs() < 0.06, "{found} where {expected} is due");
    }
}

#[test]
fn whole_numbers_stay_whole_if_asked() {
    // A scaled column of whole numbers, an unscaled one, and one of shares.
    let features = Array2::from_shape_fn((60, 3), |(row, column)| match column {
        0 => ((row * row % 41) as f64 - 20.0) / 12.5,
        1 => (row * 7 % 23) as f64,
        _ => (row as f64 * 0.37).sin(),
    });
    let whole = vec![
        WholeColumn { column: 0, center: 20.0, spread: 12.5 },
        WholeColumn { column: 1, center: 0.0, spread: 1.0 },
    ];
    let kinds = FeatureKinds { categories: Vec::new(), whole };
    let set = TrainSet { kinds, ..TrainSet::new(features, (0..60).map(|row| row % 4 == 0).collect()) };
    for method in over() {
        let copies = method == ResampleMethod::RandomOverSampler { shrinkage: None };
        let method = step_to(method, SamplingStrategy::Ratio(1.0));
        let rounded = run(&ResampleStep { keep_integers: true, ..method.clone() }, &set).set;
        let plain = run(&method, &set).set;
        let is_whole = |value: f64| (value - value.round()).abs() < 1e-9;
        let all_whole = |set: &TrainSet| {
            set.features.rows().into_iter().all(|row| is_whole(row[0] * 12.5 + 20.0) && is_whole(row[1]))
        };
        assert!(all_whole(&rounded) && copies == all_whole(&plain), "{method:?}");
        assert_eq!(rounded.features.column(2), plain.features.column(2), "{method:?}");
        let gaps = &rounded.features - &plain.features;
        assert!(gaps.column(0).iter().all(|gap| gap.abs() <= 0.5 / 12.5 + 1e-9), "{method:?}");
    }
}
