//! Every method with parameters to test it by, and rows to test it on.

use std::ops::ControlFlow;

use evenkeel::ml::config::{
    Auto, AutoOr, BorderlineKind, HardnessEstimator, KindSel, NamedStrategy, ResampleMethod, ResampleStep, RngKind,
    SamplingStrategy, SelectionStrategy, Topology, Voting,
};
use evenkeel::ml::observe::Stop;
use evenkeel::ml::resample::{Resampled, apply};
use evenkeel::ml::seed::Seed;
use evenkeel::ml::sets::{FeatureKinds, Origin, TrainSet};
use ndarray::Array2;

pub const AUTO: SamplingStrategy = SamplingStrategy::Named(NamedStrategy::Auto);
pub const ALL: SamplingStrategy = SamplingStrategy::Named(NamedStrategy::All);

pub fn go(_: f64) -> ControlFlow<Stop> {
    ControlFlow::Continue(())
}

pub fn step(method: ResampleMethod) -> ResampleStep {
    step_to(method, AUTO)
}

pub fn step_to(method: ResampleMethod, sampling_strategy: SamplingStrategy) -> ResampleStep {
    ResampleStep { method, sampling_strategy, seed: None, rng: RngKind::Default, keep_integers: false, space: None }
}

pub fn run(step: &ResampleStep, set: &TrainSet) -> Resampled {
    apply(0, step, set.clone(), Seed(11), &mut go).unwrap_or_else(|error| panic!("{step:?}: {error}"))
}

/// Methods that make rows between rows of the class and nowhere else.
pub fn interpolating() -> Vec<ResampleMethod> {
    let polynom = |topology| ResampleMethod::PolynomFitSmote { topology };
    vec![
        ResampleMethod::Smote { k_neighbors: 4 },
        ResampleMethod::BorderlineSmote { k_neighbors: 4, m_neighbors: 7, kind: BorderlineKind::One },
        ResampleMethod::KmeansSmote {
            k_neighbors: 2,
            kmeans_estimator: 4,
            cluster_balance_threshold: AutoOr::Number(0.1),
            density_exponent: AutoOr::Auto(Auto::Auto),
        },
        ResampleMethod::Adasyn { n_neighbors: 4 },
        polynom(Topology::Bus),
        polynom(Topology::Mesh),
        ResampleMethod::Prowsyn { n_neighbors: 3, levels: 4, theta: 1.0 },
        ResampleMethod::Mixup { alpha: 0.4 },
    ]
}

/// Methods that add rows, for numbers.
pub fn over() -> Vec<ResampleMethod> {
    let mut methods = interpolating();
    methods.extend([
        ResampleMethod::RandomOverSampler { shrinkage: None },
        ResampleMethod::RandomOverSampler { shrinkage: Some(0.7) },
        ResampleMethod::BorderlineSmote { k_neighbors: 4, m_neighbors: 7, kind: BorderlineKind::Two },
        ResampleMethod::SvmSmote { k_neighbors: 4, m_neighbors: 7, out_step: 0.5 },
        ResampleMethod::PolynomFitSmote { topology: Topology::Star },
        ResampleMethod::GaussianNoise { std: 0.2 },
    ]);
    methods.extend([SelectionStrategy::Combined, SelectionStrategy::Majority, SelectionStrategy::Minority].map(
        |selection_strategy| ResampleMethod::GeometricSmote {
            k_neighbors: 4,
            truncation_factor: 0.5,
            deformation_factor: 0.3,
            selection_strategy,
        },
    ));
    methods
}

/// Methods that keep a number of rows.
pub fn under() -> Vec<ResampleMethod> {
    vec![
        ResampleMethod::RandomUnderSampler { replacement: false },
        ResampleMethod::RandomUnderSampler { replacement: true },
        near_miss(1),
        near_miss(2),
        ResampleMethod::ClusterCentroids { voting: Voting::Hard },
        ResampleMethod::ClusterCentroids { voting: Voting::Soft },
        ResampleMethod::InstanceHardnessThreshold { estimator: HardnessEstimator::Logistic, cv: 4 },
    ]
}

pub fn near_miss(version: u8) -> ResampleMethod {
    ResampleMethod::NearMiss { version, n_neighbors: 3, n_neighbors_ver3: 3 }
}

/// Methods that remove rows by a rule.
pub fn cleaning() -> Vec<ResampleMethod> {
    let mut methods = vec![
        ResampleMethod::TomekLinks,
        ResampleMethod::CondensedNearestNeighbour { n_neighbors: 1, n_seeds_s: 2 },
        ResampleMethod::CondensedNearestNeighbour { n_neighbors: 3, n_seeds_s: 5 },
        ResampleMethod::OneSidedSelection { n_neighbors: 1, n_seeds_s: 2 },
        ResampleMethod::NeighbourhoodCleaningRule { n_neighbors: 3, threshold_cleaning: 0.5 },
    ];
    for kind_sel in [KindSel::All, KindSel::Mode] {
        methods.extend([
            ResampleMethod::EditedNearestNeighbours { n_neighbors: 3, kind_sel },
            ResampleMethod::RepeatedEditedNearestNeighbours { n_neighbors: 3, kind_sel, max_iter: 10 },
            ResampleMethod::AllKnn { n_neighbors: 3, kind_sel, allow_minority: false },
        ]);
    }
    methods
}

/// Every method that takes numbers.
pub fn all_methods() -> Vec<ResampleMethod> {
    let mut methods = over();
    methods.extend(under());
    methods.extend(cleaning());
    methods.push(near_miss(3));
    methods.push(ResampleMethod::SmoteTomek { k_neighbors: 4 });
    methods.push(ResampleMethod::Smoteenn { k_neighbors: 4, n_neighbors: 3, kind_sel: KindSel::Mode });
    methods
}

/// Every method with rows that suit it.
pub fn all_with_rows(rows: usize, columns: usize) -> Vec<(ResampleMethod, TrainSet)> {
    let numbers = overlapping(rows, columns);
    let mut pairs: Vec<_> = all_methods().into_iter().map(|method| (method, numbers.clone())).collect();
    pairs.push((ResampleMethod::Smotenc { k_neighbors: 4 }, with_categories(rows, columns)));
    pairs.push((ResampleMethod::Smoten { k_neighbors: 4 }, with_categories(rows, 0)));
    pairs
}

/// Whether the method draws anything.
pub fn draws(method: &ResampleMethod) -> bool {
    !matches!(
        method,
        ResampleMethod::NearMiss { .. }
            | ResampleMethod::TomekLinks
            | ResampleMethod::EditedNearestNeighbours { .. }
            | ResampleMethod::RepeatedEditedNearestNeighbours { .. }
            | ResampleMethod::AllKnn { .. }
            | ResampleMethod::NeighbourhoodCleaningRule { .. }
            // Every line gets the same number of rows where they share out evenly.
            | ResampleMethod::PolynomFitSmote { topology: Topology::Star }
    )
}

/// Overlapping classes without ties: every fifth row of `rows` is positive and shifted.
pub fn overlapping(rows: usize, columns: usize) -> TrainSet {
    let labels: Vec<bool> = (0..rows).map(|row| row % 5 == 2).collect();
    let features = Array2::from_shape_fn((rows, columns), |(row, column)| {
        let angle = (row * (2 * column + 3)) as f64 * 0.618 + (row * row) as f64 * 0.0137;
        angle.sin() + if labels[row] { 0.8 } else { 0.0 }
    });
    TrainSet::new(features, labels)
}

/// The same beside a flag and one-hot columns of three categories, both told a little by the class.
pub fn with_categories(rows: usize, columns: usize) -> TrainSet {
    let numbers = overlapping(rows, columns);
    let features = Array2::from_shape_fn((rows, columns + 4), |(row, column)| {
        let category = (row * row / 3 + usize::from(numbers.labels[row])) % 3;
        match column.checked_sub(columns) {
            None => numbers.features[[row, column]],
            Some(0) => f64::from(u8::from(row % 7 < 3)),
            Some(place) => f64::from(u8::from(category == place - 1)),
        }
    });
    let kinds = FeatureKinds { categories: vec![columns..columns + 1, columns + 1..columns + 4], whole: Vec::new() };
    TrainSet { kinds, ..TrainSet::new(features, numbers.labels) }
}

pub fn source(origin: Origin) -> usize {
    match origin {
        Origin::Row(row) => row as usize,
        Origin::Synthetic { .. } => panic!("expected a row of the training part"),
    }
}
