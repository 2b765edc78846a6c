//! What is done to the training rows: `resample` and `augment`.

use serde_json::Value;

use super::{MAX_NUMPY_SEED, MAX_SEED};
use crate::ml::config::reader::{FieldError, ObjectReader, Range};
use crate::ml::config::*;
use crate::ml::labels::ClassCounts;

/// Reads a list of resampling steps by itself, as `evenkeel resample` takes it.
pub fn check_resample_steps(
    value: &Value,
    limits: &ConfigLimits,
    counts: Option<ClassCounts>,
) -> Result<Vec<ResampleStep>, Vec<FieldError>> {
    let mut errors = Vec::new();
    let wrapped = serde_json::json!({ "resample": value });
    let mut reader = ObjectReader::new(&wrapped, "", &mut errors);
    let steps = check_resample(&mut reader, limits, counts, &mut errors);
    if errors.is_empty() { Ok(steps) } else { Err(errors) }
}

pub(super) fn check_resample(
    reader: &mut ObjectReader<'_>,
    limits: &ConfigLimits,
    counts: Option<ClassCounts>,
    errors: &mut Vec<FieldError>,
) -> Vec<ResampleStep> {
    reader
        .array("resample", limits.max_resample_steps, errors)
        .into_iter()
        .enumerate()
        .filter_map(|(index, (pointer, value))| {
            // Only the first step sees the rows as they were split; the counts after it depend on the data.
            let counts = counts.filter(|_| index == 0);
            check_resample_step(value, pointer, limits, counts, errors)
        })
        .collect()
}

/// The families of methods differ in what `sampling_strategy` may be.
#[derive(Clone, Copy, PartialEq)]
enum Family {
    Over,
    Under,
    Clean,
}

fn check_resample_step(
    value: &Value,
    pointer: String,
    limits: &ConfigLimits,
    counts: Option<ClassCounts>,
    errors: &mut Vec<FieldError>,
) -> Option<ResampleStep> {
    const METHODS: [(&str, &str); 6] = [
        ("random_over_sampler", "random_over_sampler"),
        ("random_under_sampler", "random_under_sampler"),
        ("smote", "smote"),
        ("tomek_links", "tomek_links"),
        ("smote_tomek", "smote_tomek"),
        ("near_miss", "near_miss"),
    ];
    let mut step = ObjectReader::new(value, pointer, errors);
    if value.is_object() && step.present("method").is_none() {
        let names: Vec<&str> = METHODS.iter().map(|(name, _)| *name).collect();
        step.error("method", format!("each step needs a method: one of {}", names.join(", ")), errors);
        return None;
    }
    let before = errors.len();
    let method = step.choice("method", "", &METHODS, errors);
    if errors.len() > before || method.is_empty() {
        return None;
    }
    let max_k = limits.max_k_neighbors as u64;
    let method = match method {
        "random_over_sampler" => ResampleMethod::RandomOverSampler {
            sampling_strategy: check_strategy(&mut step, Family::Over, counts, errors),
            shrinkage: step.optional_number("shrinkage", Range::Closed(0.0, 1e6), errors),
        },
        "random_under_sampler" => ResampleMethod::RandomUnderSampler {
            sampling_strategy: check_strategy(&mut step, Family::Under, counts, errors),
            replacement: step.boolean("replacement", false, errors),
        },
        "smote" => ResampleMethod::Smote {
            sampling_strategy: check_strategy(&mut step, Family::Over, counts, errors),
            k_neighbors: check_k(&mut step, "k_neighbors", 5, max_k, counts, errors),
        },
        "tomek_links" => {
            ResampleMethod::TomekLinks { sampling_strategy: check_strategy(&mut step, Family::Clean, counts, errors) }
        }
        "smote_tomek" => ResampleMethod::SmoteTomek {
            sampling_strategy: check_strategy(&mut step, Family::Over, counts, errors),
            k_neighbors: check_k(&mut step, "k_neighbors", 5, max_k, counts, errors),
        },
        _ => ResampleMethod::NearMiss {
            sampling_strategy: check_strategy(&mut step, Family::Under, counts, errors),
            version: step.integer("version", 1, 1, 3, errors) as u8,
            n_neighbors: step.integer("n_neighbors", 3, 1, max_k, errors) as usize,
            n_neighbors_ver3: step.integer("n_neighbors_ver3", 3, 1, max_k, errors) as usize,
        },
    };
    let rng = step.choice("rng", RngKind::Default, &[("default", RngKind::Default), ("numpy", RngKind::Numpy)], errors);
    let max_seed = if rng == RngKind::Numpy { MAX_NUMPY_SEED } else { MAX_SEED };
    let seed = step.optional_integer("seed", 0, max_seed, errors);
    if rng == RngKind::Numpy && seed.is_none() {
        step.error("seed", "\"rng\": \"numpy\" needs the integer seed whose rows are wanted", errors);
    }
    step.finish(errors);
    Some(ResampleStep { method, seed, rng })
}

fn check_strategy(
    step: &mut ObjectReader<'_>,
    family: Family,
    counts: Option<ClassCounts>,
    errors: &mut Vec<FieldError>,
) -> SamplingStrategy {
    let auto = SamplingStrategy::Named(NamedStrategy::Auto);
    let Some(value) = step.present("sampling_strategy") else { return auto };
    if let Some(ratio) = value.as_f64() {
        return match ratio_error(ratio, family, counts) {
            None => SamplingStrategy::Ratio(ratio),
            Some(detail) => {
                step.error("sampling_strategy", detail, errors);
                auto
            }
        };
    }
    let names: &[(&str, NamedStrategy)] = match family {
        Family::Over => &[
            ("auto", NamedStrategy::Auto),
            ("minority", NamedStrategy::Minority),
            ("not minority", NamedStrategy::NotMinority),
            ("not majority", NamedStrategy::NotMajority),
            ("all", NamedStrategy::All),
        ],
        Family::Under | Family::Clean => &[
            ("auto", NamedStrategy::Auto),
            ("majority", NamedStrategy::Majority),
            ("not minority", NamedStrategy::NotMinority),
            ("not majority", NamedStrategy::NotMajority),
            ("all", NamedStrategy::All),
        ],
    };
    SamplingStrategy::Named(step.choice("sampling_strategy", NamedStrategy::Auto, names, errors))
}

/// What is wrong with a ratio, if anything.
fn ratio_error(ratio: f64, family: Family, counts: Option<ClassCounts>) -> Option<String> {
    if family == Family::Clean {
        return Some("this method removes rows by rule and takes no ratio; expected \"auto\" or \"all\"".to_owned());
    }
    if !(ratio > 0.0 && ratio <= 1.0) {
        return Some(format!("expected a ratio minority/majority above 0 and at most 1, found {ratio}"));
    }
    let counts = counts?;
    let minority = counts.positive.min(counts.negative) as f64;
    let majority = counts.positive.max(counts.negative) as f64;
    let present = minority / majority;
    (ratio < present).then(|| {
        format!(
            "the training rows already have a ratio of about {present:.4}; expected a ratio above it, found {ratio}"
        )
    })
}

fn check_k(
    step: &mut ObjectReader<'_>,
    name: &'static str,
    default: u64,
    max: u64,
    counts: Option<ClassCounts>,
    errors: &mut Vec<FieldError>,
) -> usize {
    let k = step.integer(name, default, 1, max, errors) as usize;
    if let Some(counts) = counts {
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

pub(super) fn check_augment(
    reader: &mut ObjectReader<'_>,
    limits: &ConfigLimits,
    errors: &mut Vec<FieldError>,
) -> Vec<AugmentStep> {
    let mut steps = Vec::new();
    for (pointer, value) in reader.array("augment", limits.max_resample_steps, errors) {
        let mut step = ObjectReader::new(value, pointer, errors);
        if value.is_object() && step.present("method").is_none() {
            step.error("method", "each step needs a method: one of gaussian_noise", errors);
        }
        step.choice("method", (), &[("gaussian_noise", ())], errors);
        steps.push(AugmentStep {
            method: AugmentMethod::GaussianNoise { std: step.number("std", 0.05, Range::Above(0.0, 100.0), errors) },
            probability: step.number("probability", 1.0, Range::Above(0.0, 1.0), errors),
            classes: step.choice(
                "classes",
                AugmentClasses::Minority,
                &[("minority", AugmentClasses::Minority), ("all", AugmentClasses::All)],
                errors,
            ),
        });
        step.finish(errors);
    }
    steps
}
