//! What is done to the training rows: `resample`.
//!
//! Each family of methods has a file with a table of its methods: name, family of strategies, and how the parameters
//! are read.

mod beyond;
mod cleaning;
mod features;
mod over;
mod strategy;
#[cfg(test)]
mod tests;
mod under;

use serde_json::Value;

pub(super) use features::{FeatureTypes, check_step_features, refuse_spaces};

use super::{MAX_NUMPY_SEED, MAX_SEED};
use crate::ml::config::reader::{FieldError, ObjectReader};
use crate::ml::config::*;
use crate::ml::labels::{ClassCounts, ClassNames};
use strategy::{Family, check_strategy};

/// Reads a list of resampling steps by itself, as `evenkeel resample` takes it.
pub fn check_resample_steps(
    value: &Value,
    limits: &ConfigLimits,
    counts: Option<ClassCounts>,
) -> Result<Vec<ResampleStep>, Vec<FieldError>> {
    let mut errors = Vec::new();
    let wrapped = serde_json::json!({ "resample": value });
    let mut reader = ObjectReader::new(&wrapped, "", &mut errors);
    let classes = KnownClasses { names: None, counts };
    let steps = check_resample(&mut reader, limits, classes, &mut errors);
    refuse_spaces("/resample", &steps, &mut errors);
    if errors.is_empty() { Ok(steps) } else { Err(errors) }
}

pub(super) fn check_resample(
    reader: &mut ObjectReader<'_>,
    limits: &ConfigLimits,
    classes: KnownClasses<'_>,
    errors: &mut Vec<FieldError>,
) -> Vec<ResampleStep> {
    reader
        .array("resample", limits.max_resample_steps, errors)
        .into_iter()
        .enumerate()
        .filter_map(|(index, (pointer, value))| {
            // Only the first step sees the rows as they were split; the counts after it depend on the data.
            let facts = Facts { limits, names: classes.names, counts: classes.counts.filter(|_| index == 0) };
            check_resample_step(value, pointer, &facts, errors)
        })
        .collect()
}

/// What is known of the classes before there are rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownClasses<'a> {
    pub(super) names: Option<&'a ClassNames>,
    /// About how many rows each has.
    pub(super) counts: Option<ClassCounts>,
}

/// What the parameters of a step are checked against.
struct Facts<'a> {
    limits: &'a ConfigLimits,
    names: Option<&'a ClassNames>,
    /// About how many rows the step sees, where that is known.
    counts: Option<ClassCounts>,
}

/// A method as it is named and read.
struct Entry {
    name: &'static str,
    family: Family,
    /// Whether imbalanced-learn has the method, so that `"rng": "numpy"` means something.
    in_imbalanced_learn: bool,
    read: fn(&mut ObjectReader<'_>, &Facts<'_>, &mut Vec<FieldError>) -> ResampleMethod,
}

fn methods() -> impl Iterator<Item = &'static Entry> {
    [over::METHODS, under::METHODS, cleaning::METHODS, beyond::METHODS].into_iter().flatten()
}

fn check_resample_step(
    value: &Value,
    pointer: String,
    facts: &Facts<'_>,
    errors: &mut Vec<FieldError>,
) -> Option<ResampleStep> {
    let mut step = ObjectReader::new(value, pointer, errors);
    let entry = check_method(value, &mut step, errors)?;
    let method = (entry.read)(&mut step, facts, errors);
    let sampling_strategy = check_strategy(&mut step, entry.family, facts, errors);
    let rng = step.choice("rng", RngKind::Default, &[("default", RngKind::Default), ("numpy", RngKind::Numpy)], errors);
    let max_seed = if rng == RngKind::Numpy { MAX_NUMPY_SEED } else { MAX_SEED };
    let seed = step.optional_integer("seed", 0, max_seed, errors);
    if rng == RngKind::Numpy && !entry.in_imbalanced_learn {
        step.error("rng", "imbalanced-learn has no such method; expected default", errors);
    } else if rng == RngKind::Numpy && seed.is_none() {
        step.error("seed", "\"rng\": \"numpy\" needs the integer seed whose rows are wanted", errors);
    }
    let keep_integers = step.boolean("keep_integers", false, errors);
    if keep_integers && !method.makes_rows() {
        step.error("keep_integers", "this method makes no new rows; expected false", errors);
    }
    let spaces = [("pixels", Some(Space::Pixels)), ("embedding", Some(Space::Embedding))];
    let space = step.choice("space", None, &spaces, errors);
    step.finish(errors);
    Some(ResampleStep { method, sampling_strategy, seed, rng, keep_integers, space })
}

fn check_method(value: &Value, step: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> Option<&'static Entry> {
    let choices: Vec<(&str, Option<&Entry>)> = methods().map(|entry| (entry.name, Some(entry))).collect();
    if value.is_object() && step.present("method").is_none() {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        step.error("method", format!("each step needs a method: one of {}", names.join(", ")), errors);
        return None;
    }
    step.choice("method", None, &choices, errors)
}

/// The number of neighbours within the class that grows.
fn check_k(
    step: &mut ObjectReader<'_>,
    name: &'static str,
    default: u64,
    facts: &Facts<'_>,
    errors: &mut Vec<FieldError>,
) -> usize {
    let k = check_count(step, name, default, facts, errors);
    if let Some(counts) = facts.counts {
        let minority = counts.positive.min(counts.negative);
        if k + 1 > minority {
            let most = minority.saturating_sub(1);
            let detail = format!(
                "the minority class has about {minority} training rows, so {name} can be at most {most}, found {k}"
            );
            step.error(name, detail, errors);
        }
    }
    k
}

/// A number of neighbours, seeds or the like.
fn check_count(
    step: &mut ObjectReader<'_>,
    name: &'static str,
    default: u64,
    facts: &Facts<'_>,
    errors: &mut Vec<FieldError>,
) -> usize {
    step.integer(name, default, 1, facts.limits.max_k_neighbors as u64, errors) as usize
}
