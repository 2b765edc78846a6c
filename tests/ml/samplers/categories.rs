//! Columns of categories: taken whole from rows that have them, never computed.

use std::collections::HashSet;

use evenkeel::ml::config::ResampleMethod;
use evenkeel::ml::resample::Note;
use evenkeel::ml::sets::TrainSet;

use super::methods::*;

/// The categories of a row, bit by bit.
fn categories(set: &TrainSet, row: usize) -> Vec<Vec<u64>> {
    let columns = |range: &std::ops::Range<usize>| range.clone().map(|column| set.features[[row, column]].to_bits());
    set.kinds.categories.iter().map(|range| columns(range).collect()).collect()
}

#[test]
fn no_method_makes_a_category_that_no_row_of_the_class_has() {
    let set = with_categories(200, 2);
    let of_class = |class: bool| -> Vec<HashSet<Vec<u64>>> {
        let rows: Vec<_> = (0..200).filter(|&row| set.labels[row] == class).map(|row| categories(&set, row)).collect();
        (0..2).map(|group| rows.iter().map(|row| row[group].clone()).collect()).collect()
    };
    let known = [of_class(false), of_class(true)];
    let mut methods = all_methods();
    methods.push(ResampleMethod::Smotenc { k_neighbors: 4 });
    for method in methods {
        let made = run(&step(method.clone()), &set).set;
        assert_eq!(made.kinds, set.kinds);
        for row in 0..made.rows() {
            for (own, known) in categories(&made, row).iter().zip(&known[usize::from(made.labels[row])]) {
                assert!(known.contains(own), "{method:?}: row {row} has {own:?}");
            }
        }
    }
}

#[test]
fn plain_smote_says_that_it_voted() {
    let made = run(&step(ResampleMethod::Smote { k_neighbors: 4 }), &with_categories(100, 2));
    assert_eq!(made.notes, [Note::CategoriesVoted]);
    assert!(made.notes[0].to_string().contains("smotenc"));
}

#[test]
fn smotenc_votes_among_the_neighbours_of_the_base_row() {
    // The flag is 1 in one half of the line and 0 in the other; far from the border all neighbours agree.
    let mut set = with_categories(200, 1);
    for row in 0..200 {
        set.features[[row, 0]] = row as f64 + 0.001 * (row * row) as f64;
        set.features[[row, 1]] = f64::from(u8::from(row >= 100));
    }
    let made = run(&step(ResampleMethod::Smotenc { k_neighbors: 3 }), &set).set;
    for row in 200..made.rows() {
        let place = made.features[[row, 0]];
        let flag = made.features[[row, 1]];
        assert!(place >= 90.0 || flag == 0.0, "{place} has {flag}");
        assert!(place <= 150.0 || flag == 1.0, "{place} has {flag}");
    }
}
