//! Methods that keep a number of rows.

use super::strategy::Family;
use super::{Entry, Facts, check_count};
use crate::ml::config::reader::{FieldError, ObjectReader};
use crate::ml::config::*;

type Errors = Vec<FieldError>;

/// The most folds of a cross-validation.
const MAX_FOLDS: u64 = 50;

pub(super) const METHODS: &[Entry] = &[
    entry("random_under_sampler", |step, _, errors| ResampleMethod::RandomUnderSampler {
        replacement: step.boolean("replacement", false, errors),
    }),
    entry("cluster_centroids", cluster_centroids),
    entry("near_miss", near_miss),
    entry("instance_hardness_threshold", instance_hardness_threshold),
];

const fn entry(
    name: &'static str,
    read: fn(&mut ObjectReader<'_>, &Facts<'_>, &mut Errors) -> ResampleMethod,
) -> Entry {
    Entry { name, family: Family::Under, in_imbalanced_learn: true, read }
}

fn cluster_centroids(step: &mut ObjectReader<'_>, _: &Facts<'_>, errors: &mut Errors) -> ResampleMethod {
    let kinds = [("auto", Voting::Auto), ("hard", Voting::Hard), ("soft", Voting::Soft)];
    ResampleMethod::ClusterCentroids { voting: step.choice("voting", Voting::Auto, &kinds, errors) }
}

fn near_miss(step: &mut ObjectReader<'_>, facts: &Facts<'_>, errors: &mut Errors) -> ResampleMethod {
    ResampleMethod::NearMiss {
        version: step.integer("version", 1, 1, 3, errors) as u8,
        n_neighbors: check_count(step, "n_neighbors", 3, facts, errors),
        n_neighbors_ver3: check_count(step, "n_neighbors_ver3", 3, facts, errors),
    }
}

fn instance_hardness_threshold(step: &mut ObjectReader<'_>, _: &Facts<'_>, errors: &mut Errors) -> ResampleMethod {
    let estimators = [("logistic", HardnessEstimator::Logistic)];
    ResampleMethod::InstanceHardnessThreshold {
        estimator: step.choice("estimator", HardnessEstimator::Logistic, &estimators, errors),
        cv: step.integer("cv", 5, 2, MAX_FOLDS, errors) as usize,
    }
}
