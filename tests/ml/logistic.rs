//! Logistic regression against scikit-learn's optima, and where there is no finite optimum.

use std::ops::ControlFlow;

use evenkeel::ml::labels::ClassWeights;
use evenkeel::ml::logistic::{FittedLogistic, LogisticError, LogisticTask, fit};
use evenkeel::ml::observe::Stop;
use ndarray::{Array2, array};
use serde::Deserialize;

#[derive(Deserialize)]
struct Cases {
    features: Vec<Vec<f64>>,
    labels: Vec<u8>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    l1: f64,
    l2: f64,
    negative_weight: f64,
    positive_weight: f64,
    objective: f64,
    weights: Vec<f64>,
    intercept: f64,
}

fn cases() -> (Array2<f64>, Vec<bool>, Vec<Case>) {
    let cases: Cases = serde_json::from_str(include_str!("../data/logistic-cases.json")).unwrap();
    let (rows, columns) = (cases.features.len(), cases.features[0].len());
    let features = Array2::from_shape_vec((rows, columns), cases.features.concat()).unwrap();
    (features, cases.labels.iter().map(|&label| label == 1).collect(), cases.cases)
}

fn solve(features: &Array2<f64>, labels: &[bool], case: &Case) -> FittedLogistic {
    let task = LogisticTask {
        features: features.view(),
        labels,
        class_weights: ClassWeights { positive: case.positive_weight, negative: case.negative_weight },
        l1: case.l1,
        l2: case.l2,
        tolerance: 1e-10,
        max_iterations: 1_000,
    };
    fit(&task, &mut |_| ControlFlow::Continue(())).unwrap()
}

#[test]
fn the_optima_are_those_of_scikit_learn() {
    let (features, labels, cases) = cases();
    assert_eq!(cases.len(), 18);
    for case in &cases {
        let name = format!("l1 {} l2 {} weight {}", case.l1, case.l2, case.positive_weight);
        let fitted = solve(&features, &labels, case);
        assert!(fitted.converged, "{name}");
        let relative = (fitted.objective - case.objective) / case.objective;
        // Above by no more than rounding; below is allowed: scikit-learn may have stopped earlier.
        assert!(relative < 1e-11 && relative > -1e-6, "{name}: {} for {}", fitted.objective, case.objective);
        for (found, expected) in fitted.weights.iter().zip(&case.weights) {
            assert!((found - expected).abs() < 1e-4, "{name}: {found} for {expected}");
        }
        assert!((fitted.intercept - case.intercept).abs() < 1e-4, "{name}");
    }
}

#[test]
fn an_l1_penalty_gives_exact_zeros_and_a_large_one_the_constant_model() {
    let (features, labels, cases) = cases();
    let case = cases.iter().find(|case| case.l1 == 0.05).unwrap();
    let sparse = solve(&features, &labels, case);
    let zeros = |weights: &[f64]| weights.iter().filter(|weight| **weight == 0.0).count();
    assert_eq!(zeros(&sparse.weights), zeros(&case.weights));
    assert!(zeros(&sparse.weights) >= 2);

    let constant = solve(&features, &labels, &Case { l1: 10.0, l2: 0.0, ..copy(case) });
    assert_eq!(zeros(&constant.weights), constant.weights.len());
    let positives = labels.iter().filter(|&&label| label).count() as f64;
    let log_odds = (positives / (labels.len() as f64 - positives)).ln();
    assert!((constant.intercept - log_odds).abs() < 1e-9);
}

fn copy(case: &Case) -> Case {
    Case { weights: case.weights.clone(), ..*case }
}

#[test]
fn separable_data_without_a_penalty_ends_with_finite_weights() {
    let features = array![[-2.0, 1.0], [-1.0, 0.0], [1.0, 0.5], [3.0, -1.0]];
    let labels = [false, false, true, true];
    let case = Case {
        l1: 0.0,
        l2: 0.0,
        negative_weight: 1.0,
        positive_weight: 1.0,
        objective: 0.0,
        weights: Vec::new(),
        intercept: 0.0,
    };
    let fitted = solve(&features, &labels, &case);
    assert!(fitted.weights.iter().all(|weight| weight.is_finite()) && fitted.intercept.is_finite());
    let logits = fitted.logits(&features);
    assert!(logits.iter().zip(labels).all(|(logit, label)| (*logit > 0.0) == label), "{logits:?}");
}

#[test]
fn very_many_columns_reach_the_same_optimum_by_gradients() {
    // Columns of zeros change no optimum; with enough of them the other solver is taken.
    let (features, labels, cases) = cases();
    for case in cases.iter().filter(|case| case.l1 > 0.0 && case.l2 > 0.0 && case.positive_weight == 1.0) {
        let mut wide = Array2::zeros((features.nrows(), 1_600));
        wide.slice_mut(ndarray::s![.., ..features.ncols()]).assign(&features);
        let task = LogisticTask {
            features: wide.view(),
            labels: &labels,
            class_weights: ClassWeights { positive: case.positive_weight, negative: case.negative_weight },
            l1: case.l1,
            l2: case.l2,
            tolerance: 1e-7,
            max_iterations: 5_000,
        };
        let fitted = fit(&task, &mut |_| ControlFlow::Continue(())).unwrap();
        assert!(fitted.converged);
        assert!((fitted.objective - case.objective).abs() < 1e-6 * case.objective);
    }
}

#[test]
fn a_fit_can_be_stopped_and_needs_two_classes() {
    let (features, labels, _) = cases();
    let mut task = LogisticTask {
        features: features.view(),
        labels: &labels,
        class_weights: ClassWeights::EQUAL,
        l1: 0.0,
        l2: 0.1,
        tolerance: 1e-12,
        max_iterations: 100,
    };
    let stopped = fit(&task, &mut |_| ControlFlow::Break(Stop::Cancelled));
    assert_eq!(stopped, Err(LogisticError::Stopped(Stop::Cancelled)));
    let one_class = vec![true; features.nrows()];
    task.labels = &one_class;
    let refused = fit(&task, &mut |_| ControlFlow::Continue(()));
    assert_eq!(refused, Err(LogisticError::OneClass { positive: features.nrows(), negative: 0 }));
}
