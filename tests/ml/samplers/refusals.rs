//! Rows that a method cannot do with as asked: what it does instead, or why not.

use evenkeel::ml::config::{BorderlineKind, NamedStrategy, ResampleMethod, ResampleStep, RngKind, SamplingStrategy};
use evenkeel::ml::labels::ClassCounts;
use evenkeel::ml::resample::{MAX_SVM_ROWS, Note, ResampleError, apply};
use evenkeel::ml::seed::Seed;
use evenkeel::ml::sets::TrainSet;
use ndarray::Array2;

use super::methods::*;

fn line(rows: usize, positive: usize) -> TrainSet {
    let features = Array2::from_shape_fn((rows, 1), |(row, _)| row as f64 + 0.01 * (row * row) as f64);
    TrainSet::new(features, (0..rows).map(|row| row < positive).collect())
}

#[test]
fn one_class_is_refused_by_every_method() {
    let one_class = TrainSet::new(Array2::zeros((5, 2)), vec![false; 5]);
    for method in all_methods() {
        let refused = apply(0, &step(method.clone()), one_class.clone(), Seed(1), &mut go);
        assert!(matches!(refused, Err(ResampleError::Plan(_))), "{method:?}");
    }
}

#[test]
fn strategies_of_another_family_are_refused_by_every_method() {
    let set = overlapping(60, 2);
    let refused = |method: &ResampleMethod, strategy| {
        apply(0, &step_to(method.clone(), strategy), set.clone(), Seed(1), &mut go).unwrap_err().to_string()
    };
    for method in over() {
        let found = refused(&method, SamplingStrategy::Named(NamedStrategy::Majority));
        assert_eq!(found, "sampling_strategy \"majority\" is not for methods that add rows", "{method:?}");
    }
    for method in under() {
        let found = refused(&method, SamplingStrategy::Named(NamedStrategy::Minority));
        assert_eq!(found, "sampling_strategy \"minority\" is not for methods that remove rows", "{method:?}");
    }
    for method in cleaning() {
        let found = refused(&method, SamplingStrategy::Ratio(0.5));
        assert_eq!(found, "sampling_strategy \"a ratio\" is not for methods that clean", "{method:?}");
    }
}

#[test]
fn too_few_rows_give_the_largest_number_of_neighbours_that_works() {
    let set = line(15, 3);
    for method in all_methods() {
        let made = run(&step(method.clone()), &set);
        let fewer = made.notes.iter().find_map(|note| match note {
            Note::FewerNeighbours { used, rows: 3, .. } => Some(*used),
            _ => None,
        });
        // Neighbours of Borderline-SMOTE 2 are of both classes.
        let of_both = matches!(method, ResampleMethod::BorderlineSmote { kind: BorderlineKind::Two, .. });
        if method.neighbours().is_some_and(|k| k > 2) && !of_both {
            assert_eq!(fewer, Some(2), "{method:?}: {:?}", made.notes);
        }
    }
    let smote = run(&step(ResampleMethod::Smote { k_neighbors: 5 }), &set);
    assert_eq!(smote.notes[0].to_string(), "k_neighbors was 5; 3 rows allow 2");
    assert_eq!(smote.set.class_counts(), ClassCounts { positive: 12, negative: 12 });
}

#[test]
fn one_rare_row_is_copied_where_there_is_nothing_to_draw_between() {
    let set = line(15, 1);
    for method in all_methods() {
        if let ResampleMethod::InstanceHardnessThreshold { .. } = method {
            let refused = apply(0, &step(method), set.clone(), Seed(1), &mut go).unwrap_err();
            assert_eq!(refused, ResampleError::TooFewForFolds { folds: 4, rows: 1 });
            continue;
        }
        let made = run(&step(method.clone()), &set);
        if method.neighbours().is_some() && !matches!(method, ResampleMethod::BorderlineSmote { .. }) {
            assert!(made.notes.contains(&Note::OneRow), "{method:?}: {:?}", made.notes);
        }
        if method.adds_rows() && !matches!(method, ResampleMethod::Smoteenn { .. } | ResampleMethod::SmoteTomek { .. })
        {
            assert_eq!(made.set.class_counts(), ClassCounts { positive: 14, negative: 14 }, "{method:?}");
        }
        assert!(made.set.features.iter().all(|value| value.is_finite()), "{method:?}");
    }
}

#[test]
fn classes_far_apart_leave_nothing_in_danger_and_rows_are_made_all_the_same() {
    let features = Array2::from_shape_fn((40, 2), |(row, column)| {
        (row * (column + 3)) as f64 * 0.37 % 1.0 + if row < 10 { 100.0 } else { 0.0 }
    });
    let set = TrainSet::new(features, (0..40).map(|row| row < 10).collect());
    let borderline = ResampleMethod::BorderlineSmote { k_neighbors: 3, m_neighbors: 5, kind: BorderlineKind::One };
    let adasyn = ResampleMethod::Adasyn { n_neighbors: 3 };
    for (method, note) in [(borderline.clone(), Note::NoneInDanger), (adasyn, Note::NoNeighbourOfMajority)] {
        let made = run(&step(method), &set);
        assert_eq!(made.notes, [note]);
        assert_eq!(made.set.class_counts(), ClassCounts { positive: 30, negative: 30 });
    }
    // BorderlineSMOTE(k_neighbors=3, m_neighbors=5) adds no rows and does not say so.
    let numpy = ResampleStep { seed: Some(0), rng: RngKind::Numpy, ..step(borderline) };
    let made = run(&numpy, &set);
    assert_eq!((made.set, made.notes), (set, vec![Note::NothingAdded]));
}

#[test]
fn methods_for_other_features_are_refused_by_name() {
    let refused = |method, set: &TrainSet| apply(0, &step(method), set.clone(), Seed(1), &mut go).unwrap_err();
    let (numbers, mixed, categories) = (overlapping(50, 2), with_categories(50, 2), with_categories(50, 0));
    assert_eq!(refused(ResampleMethod::Smotenc { k_neighbors: 3 }, &numbers), ResampleError::NoCategories);
    assert_eq!(refused(ResampleMethod::Smotenc { k_neighbors: 3 }, &categories), ResampleError::NoNumbers);
    let found = refused(ResampleMethod::Smoten { k_neighbors: 3 }, &mixed);
    assert_eq!(found.to_string(), "smoten is for categories alone, and 2 features are numbers; smotenc takes both");
}

#[test]
fn support_vectors_of_very_many_rows_are_refused() {
    let rows = MAX_SVM_ROWS + 1;
    let set = TrainSet::new(Array2::zeros((rows, 1)), (0..rows).map(|row| row % 9 == 0).collect());
    let svm = ResampleMethod::SvmSmote { k_neighbors: 3, m_neighbors: 5, out_step: 0.5 };
    let refused = apply(0, &step(svm), set, Seed(1), &mut go).unwrap_err();
    assert_eq!(refused, ResampleError::TooManyRowsFor { method: "svm_smote", rows, most: MAX_SVM_ROWS });
}

#[test]
fn more_rows_than_there_is_room_for_are_refused() {
    // Values near the end of what a number can hold: noise goes beyond it and is refused by its column.
    let features = Array2::from_shape_fn((20, 2), |(row, column)| if column == 1 { row as f64 * 8e306 } else { 0.0 });
    let set = TrainSet::new(features, (0..20).map(|row| row < 6).collect());
    let noise = ResampleMethod::RandomOverSampler { shrinkage: Some(1e6) };
    let refused = apply(0, &step(noise), set, Seed(1), &mut go).unwrap_err();
    assert_eq!(refused, ResampleError::NotFinite { column: 1 });
}
