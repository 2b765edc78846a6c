//! Methods that add rows, and those that clean after they have added.

use super::strategy::Family;
use super::{Entry, Facts, check_count, check_k};
use crate::ml::config::reader::{FieldError, ObjectReader, Range};
use crate::ml::config::*;

type Errors = Vec<FieldError>;

pub(super) const METHODS: &[Entry] = &[
    entry("random_over_sampler", random_over_sampler),
    entry("smote", |step, facts, errors| ResampleMethod::Smote { k_neighbors: k(step, facts, errors) }),
    entry("smotenc", |step, facts, errors| ResampleMethod::Smotenc { k_neighbors: k(step, facts, errors) }),
    entry("smoten", |step, facts, errors| ResampleMethod::Smoten { k_neighbors: k(step, facts, errors) }),
    entry("borderline_smote", borderline_smote),
    entry("svm_smote", svm_smote),
    entry("kmeans_smote", kmeans_smote),
    entry("adasyn", |step, facts, errors| ResampleMethod::Adasyn {
        n_neighbors: check_k(step, "n_neighbors", 5, facts, errors),
    }),
    entry("smote_tomek", |step, facts, errors| ResampleMethod::SmoteTomek { k_neighbors: k(step, facts, errors) }),
    entry("smoteenn", smoteenn),
];

const fn entry(
    name: &'static str,
    read: fn(&mut ObjectReader<'_>, &Facts<'_>, &mut Errors) -> ResampleMethod,
) -> Entry {
    Entry { name, family: Family::Over, in_imbalanced_learn: true, read }
}

fn k(step: &mut ObjectReader<'_>, facts: &Facts<'_>, errors: &mut Errors) -> usize {
    check_k(step, "k_neighbors", 5, facts, errors)
}

fn random_over_sampler(step: &mut ObjectReader<'_>, _: &Facts<'_>, errors: &mut Errors) -> ResampleMethod {
    ResampleMethod::RandomOverSampler { shrinkage: step.optional_number("shrinkage", Range::Closed(0.0, 1e6), errors) }
}

fn borderline_smote(step: &mut ObjectReader<'_>, facts: &Facts<'_>, errors: &mut Errors) -> ResampleMethod {
    let kinds = [("borderline-1", BorderlineKind::One), ("borderline-2", BorderlineKind::Two)];
    ResampleMethod::BorderlineSmote {
        k_neighbors: k(step, facts, errors),
        m_neighbors: check_count(step, "m_neighbors", 10, facts, errors),
        kind: step.choice("kind", BorderlineKind::One, &kinds, errors),
    }
}

fn svm_smote(step: &mut ObjectReader<'_>, facts: &Facts<'_>, errors: &mut Errors) -> ResampleMethod {
    ResampleMethod::SvmSmote {
        k_neighbors: k(step, facts, errors),
        m_neighbors: check_count(step, "m_neighbors", 10, facts, errors),
        out_step: step.number("out_step", 0.5, Range::Closed(0.0, 1.0), errors),
    }
}

fn kmeans_smote(step: &mut ObjectReader<'_>, facts: &Facts<'_>, errors: &mut Errors) -> ResampleMethod {
    ResampleMethod::KmeansSmote {
        k_neighbors: check_k(step, "k_neighbors", 2, facts, errors),
        kmeans_estimator: check_count(step, "kmeans_estimator", 8, facts, errors),
        cluster_balance_threshold: auto_or(step, "cluster_balance_threshold", Range::Closed(0.0, 1.0), errors),
        density_exponent: auto_or(step, "density_exponent", Range::Closed(-100.0, 100.0), errors),
    }
}

fn smoteenn(step: &mut ObjectReader<'_>, facts: &Facts<'_>, errors: &mut Errors) -> ResampleMethod {
    ResampleMethod::Smoteenn {
        k_neighbors: k(step, facts, errors),
        n_neighbors: check_count(step, "n_neighbors", 3, facts, errors),
        kind_sel: super::cleaning::kind_sel(step, errors),
    }
}

/// A number within `range`, or `auto`.
fn auto_or(step: &mut ObjectReader<'_>, name: &'static str, range: Range, errors: &mut Errors) -> AutoOr {
    match step.present(name) {
        None => AutoOr::Auto(Auto::Auto),
        Some(value) if value.as_str() == Some("auto") => AutoOr::Auto(Auto::Auto),
        Some(value) if value.is_number() => {
            step.optional_number(name, range, errors).map_or(AutoOr::Auto(Auto::Auto), AutoOr::Number)
        }
        Some(_) => {
            step.error(name, format!("expected \"auto\" or a number {range}"), errors);
            AutoOr::Auto(Auto::Auto)
        }
    }
}
