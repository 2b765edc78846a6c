//! Methods that add rows and that imbalanced-learn does not have.

use super::strategy::Family;
use super::{Entry, Facts, check_count, check_k};
use crate::ml::config::reader::{FieldError, ObjectReader, Range};
use crate::ml::config::*;

type Errors = Vec<FieldError>;

/// The most levels of proximity.
const MAX_LEVELS: u64 = 1_000;

pub(super) const METHODS: &[Entry] = &[
    entry("polynom_fit_smote", |step, _, errors| {
        let topologies = [("star", Topology::Star), ("bus", Topology::Bus), ("mesh", Topology::Mesh)];
        ResampleMethod::PolynomFitSmote { topology: step.choice("topology", Topology::Star, &topologies, errors) }
    }),
    entry("prowsyn", |step, facts, errors| ResampleMethod::Prowsyn {
        n_neighbors: check_count(step, "n_neighbors", 5, facts, errors),
        levels: step.integer("levels", 5, 1, MAX_LEVELS, errors) as usize,
        theta: step.number("theta", 1.0, Range::Closed(0.0, 100.0), errors),
    }),
    entry("geometric_smote", geometric_smote),
    entry("mixup", |step, _, errors| ResampleMethod::Mixup {
        alpha: step.number("alpha", 0.2, Range::Above(0.0, 100.0), errors),
    }),
    entry("gaussian_noise", |step, _, errors| ResampleMethod::GaussianNoise {
        std: step.number("std", 0.1, Range::Closed(0.0, 100.0), errors),
    }),
];

const fn entry(
    name: &'static str,
    read: fn(&mut ObjectReader<'_>, &Facts<'_>, &mut Errors) -> ResampleMethod,
) -> Entry {
    Entry { name, family: Family::Over, in_imbalanced_learn: false, read }
}

fn geometric_smote(step: &mut ObjectReader<'_>, facts: &Facts<'_>, errors: &mut Errors) -> ResampleMethod {
    let strategies = [
        ("combined", SelectionStrategy::Combined),
        ("majority", SelectionStrategy::Majority),
        ("minority", SelectionStrategy::Minority),
    ];
    ResampleMethod::GeometricSmote {
        k_neighbors: check_k(step, "k_neighbors", 5, facts, errors),
        truncation_factor: step.number("truncation_factor", 1.0, Range::Closed(-1.0, 1.0), errors),
        deformation_factor: step.number("deformation_factor", 0.0, Range::Closed(0.0, 1.0), errors),
        selection_strategy: step.choice("selection_strategy", SelectionStrategy::Combined, &strategies, errors),
    }
}
