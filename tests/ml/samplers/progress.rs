//! How far a step says it is.

use std::ops::ControlFlow;

use evenkeel::ml::config::ResampleMethod;
use evenkeel::ml::resample::apply;
use evenkeel::ml::seed::Seed;

use super::methods::*;

/// Rows on which a method has something to do for a while, but not for long.
fn rows_for(method: &ResampleMethod) -> usize {
    match method {
        ResampleMethod::SvmSmote { .. } | ResampleMethod::ClusterCentroids { .. } => 2_000,
        ResampleMethod::KmeansSmote { .. } | ResampleMethod::InstanceHardnessThreshold { .. } => 6_000,
        ResampleMethod::RandomOverSampler { .. }
        | ResampleMethod::PolynomFitSmote { .. }
        | ResampleMethod::Mixup { .. }
        | ResampleMethod::GaussianNoise { .. } => 100_000,
        _ => 40_000,
    }
}

#[test]
fn progress_rises_from_nothing_to_the_whole_in_steps() {
    let mut methods: Vec<ResampleMethod> = all_with_rows(10, 1).into_iter().map(|(method, _)| method).collect();
    methods.dedup();
    for method in methods {
        let set = match method {
            ResampleMethod::Smotenc { .. } => with_categories(rows_for(&method), 3),
            ResampleMethod::Smoten { .. } => with_categories(rows_for(&method), 0),
            _ => overlapping(rows_for(&method), 3),
        };
        let mut told = Vec::new();
        let mut tell = |share: f64| {
            told.push(share);
            ControlFlow::Continue(())
        };
        apply(0, &step(method.clone()), set, Seed(1), &mut tell).unwrap();
        assert!(told.is_sorted(), "{method:?}: {told:?}");
        assert_eq!((told[0], told[told.len() - 1]), (0.0, 1.0), "{method:?}");
        told.dedup();
        let between = told.iter().filter(|&&share| share > 0.0 && share < 1.0).count();
        // Drawing rows to keep is over before anybody looks.
        let least = if matches!(method, ResampleMethod::RandomUnderSampler { .. }) { 0 } else { 2 };
        assert!(between >= least, "{method:?}: {told:?}");
    }
}
