//! Methods that remove rows by a rule, however many they are.

use super::strategy::Family;
use super::{Entry, Facts, check_count};
use crate::ml::config::reader::{FieldError, ObjectReader, Range};
use crate::ml::config::*;

type Errors = Vec<FieldError>;

/// The most passes of repeated editing.
const MAX_PASSES: u64 = 10_000;

pub(super) const METHODS: &[Entry] = &[
    entry("tomek_links", |_, _, _| ResampleMethod::TomekLinks),
    entry("edited_nearest_neighbours", |step, facts, errors| ResampleMethod::EditedNearestNeighbours {
        n_neighbors: check_count(step, "n_neighbors", 3, facts, errors),
        kind_sel: kind_sel(step, errors),
    }),
    entry("repeated_edited_nearest_neighbours", |step, facts, errors| {
        ResampleMethod::RepeatedEditedNearestNeighbours {
            n_neighbors: check_count(step, "n_neighbors", 3, facts, errors),
            kind_sel: kind_sel(step, errors),
            max_iter: step.integer("max_iter", 100, 1, MAX_PASSES, errors) as usize,
        }
    }),
    entry("all_knn", |step, facts, errors| ResampleMethod::AllKnn {
        n_neighbors: check_count(step, "n_neighbors", 3, facts, errors),
        kind_sel: kind_sel(step, errors),
        allow_minority: step.boolean("allow_minority", false, errors),
    }),
    entry("condensed_nearest_neighbour", |step, facts, errors| ResampleMethod::CondensedNearestNeighbour {
        n_neighbors: check_count(step, "n_neighbors", 1, facts, errors),
        n_seeds_s: check_count(step, "n_seeds_S", 1, facts, errors),
    }),
    entry("one_sided_selection", |step, facts, errors| ResampleMethod::OneSidedSelection {
        n_neighbors: check_count(step, "n_neighbors", 1, facts, errors),
        n_seeds_s: check_count(step, "n_seeds_S", 1, facts, errors),
    }),
    entry("neighbourhood_cleaning_rule", |step, facts, errors| ResampleMethod::NeighbourhoodCleaningRule {
        n_neighbors: check_count(step, "n_neighbors", 3, facts, errors),
        threshold_cleaning: step.number("threshold_cleaning", 0.5, Range::Above(0.0, 1e9), errors),
    }),
];

const fn entry(
    name: &'static str,
    read: fn(&mut ObjectReader<'_>, &Facts<'_>, &mut Errors) -> ResampleMethod,
) -> Entry {
    Entry { name, family: Family::Clean, in_imbalanced_learn: true, read }
}

pub(super) fn kind_sel(step: &mut ObjectReader<'_>, errors: &mut Errors) -> KindSel {
    step.choice("kind_sel", KindSel::All, &[("all", KindSel::All), ("mode", KindSel::Mode)], errors)
}
