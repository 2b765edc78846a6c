//! What a job that compares trainings is told.

use serde_json::{Map, Value, json};

use super::{DatasetFacts, TrainConfig};
use crate::ml::config::reader::{FieldError, ObjectReader, Range};
use crate::ml::config::{Candidate, CompareConfig, ConfigLimits, Folds, Split};
use crate::ml::json_patch::merge_patch;
use crate::ml::table::ColumnType;

const MAX_CANDIDATES: usize = 20;
const MAX_UNITS: usize = 1_000;
const MAX_NAME_CHARS: usize = 100;
/// What all candidates have in common; only `base` may say it.
const SHARED: [&str; 5] = ["seed", "target", "positive_label", "exclude", "split"];

impl CompareConfig {
    /// Checks the members of `request` that define a comparison and fills in every default, as [`TrainConfig::check`]
    /// does.
    pub fn check(
        reader: &mut ObjectReader<'_>,
        facts: &DatasetFacts,
        limits: &ConfigLimits,
        errors: &mut Vec<FieldError>,
    ) -> CompareConfig {
        let nothing = Value::Object(Map::new());
        let base = reader.present("base").unwrap_or(&nothing);
        let base_config = check_train(base, "/base", facts, limits, errors);
        if let Some(config) = &base_config
            && matches!(config.split, Split::Column { .. })
        {
            let detail =
                "a column of parts does not say how to make folds; expected stratified, group or time".to_owned();
            errors.push(FieldError { pointer: "/base/split/strategy".to_owned(), detail });
        }
        let config = CompareConfig {
            candidates: check_candidates(reader, base, facts, limits, errors),
            cross_validation: check_folds(reader, errors),
            metric: check_metric(reader, errors),
            confidence: reader.number("confidence", 0.95, Range::Closed(0.5, 0.999), errors),
        };
        if config.units() > MAX_UNITS {
            let found = config.units();
            let detail = format!(
                "{} candidates on {} folds, {} times, are {found} trainings; expected at most {MAX_UNITS}",
                config.candidates.len(),
                config.cross_validation.folds,
                config.cross_validation.repeats
            );
            reader.error("cross_validation", detail, errors);
        }
        config
    }
}

fn check_folds(reader: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> Folds {
    let mut folds = reader.object("cross_validation", errors);
    let found = Folds {
        folds: folds.integer("folds", 5, 2, 20, errors) as usize,
        repeats: folds.integer("repeats", 2, 1, 50, errors) as usize,
    };
    folds.finish(errors);
    found
}

fn check_metric(reader: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> String {
    let names = CompareConfig::METRICS.map(|name| (name, name));
    reader.choice("metric", "average_precision", &names, errors).to_owned()
}

fn check_candidates(
    reader: &mut ObjectReader<'_>,
    base: &Value,
    facts: &DatasetFacts,
    limits: &ConfigLimits,
    errors: &mut Vec<FieldError>,
) -> Vec<Candidate> {
    if reader.present("candidates").is_none() {
        return ladder(base, facts, limits);
    }
    let items = reader.array("candidates", MAX_CANDIDATES, errors);
    if items.len() < 2 && errors.is_empty() {
        reader.error("candidates", "expected at least two, or none for the built-in ones", errors);
    }
    let mut candidates: Vec<Candidate> = Vec::new();
    for (pointer, value) in items {
        if let Some(candidate) = check_candidate(value, &pointer, base, facts, limits, errors) {
            if candidates.iter().any(|known| known.name == candidate.name) {
                let detail = format!("two candidates are called {:?}", candidate.name);
                errors.push(FieldError { pointer: format!("{pointer}/name"), detail });
            }
            let spec = |candidate: &Candidate| candidate.train.picture_spec();
            if candidates.first().is_some_and(|first| spec(first) != spec(&candidate)) {
                let detail =
                    "all candidates see the same pixels: one size, resize and color; set them in base".to_owned();
                errors.push(FieldError { pointer: format!("{pointer}/train/preprocess/image"), detail });
            }
            candidates.push(candidate);
        }
    }
    candidates
}

fn check_candidate(
    value: &Value,
    pointer: &str,
    base: &Value,
    facts: &DatasetFacts,
    limits: &ConfigLimits,
    errors: &mut Vec<FieldError>,
) -> Option<Candidate> {
    let nothing = Value::Object(Map::new());
    let mut candidate = ObjectReader::new(value, pointer, errors);
    let name = candidate.text("name", MAX_NAME_CHARS, errors).filter(|name| !name.trim().is_empty());
    if name.is_none() && value.is_object() {
        candidate.error("name", "a candidate needs a name", errors);
    }
    let patch = candidate.present("train").unwrap_or(&nothing);
    candidate.finish(errors);
    let pointer = format!("{pointer}/train");
    let merged = merged(base, patch);
    for name in SHARED.into_iter().filter(|name| merged.get(name) != base.get(name)) {
        let same = shared_default(base, &merged, facts, limits).is_some_and(|same| same);
        if !same {
            let detail = "all candidates have this in common; set it in base".to_owned();
            errors.push(FieldError { pointer: format!("{pointer}/{name}"), detail });
        }
    }
    let train = check_train(&merged, &pointer, facts, limits, errors)?;
    Some(Candidate { name: name?, train })
}

/// Whether both, filled in, have the shared members in common: a filled-in candidate says what `base` left out.
fn shared_default(base: &Value, merged: &Value, facts: &DatasetFacts, limits: &ConfigLimits) -> Option<bool> {
    let fill = |value: &Value| check_train(value, "", facts, limits, &mut Vec::new());
    let (base, merged) = (fill(base)?, fill(merged)?);
    let shared = |config: &TrainConfig| {
        let TrainConfig { seed, target, positive_label, exclude, split, .. } = config;
        (*seed, target.clone(), positive_label.clone(), exclude.clone(), split.clone())
    };
    Some(shared(&base) == shared(&merged))
}

fn merged(base: &Value, patch: &Value) -> Value {
    let mut merged = base.clone();
    merge_patch(&mut merged, patch);
    merged
}

/// A training by itself; nothing where it has mistakes, which are told with pointers below `pointer`.
fn check_train(
    value: &Value,
    pointer: &str,
    facts: &DatasetFacts,
    limits: &ConfigLimits,
    errors: &mut Vec<FieldError>,
) -> Option<TrainConfig> {
    let mut found = Vec::new();
    let mut reader = ObjectReader::new(value, pointer, &mut found);
    let config = TrainConfig::check(&mut reader, facts, limits, &mut found);
    reader.finish(&mut found);
    let fine = found.is_empty();
    errors.extend(found.into_iter().map(|error| {
        let within = error.pointer == pointer || error.pointer.starts_with(&format!("{pointer}/"));
        let pointer = if within { error.pointer } else { format!("{pointer}{}", error.pointer) };
        FieldError { pointer, detail: error.detail }
    }));
    fine.then_some(config)
}

/// The built-in candidates, from the simplest on: each is `base` with one remedy. Those that do not fit the dataset or
/// `base` are left out.
fn ladder(base: &Value, facts: &DatasetFacts, limits: &ConfigLimits) -> Vec<Candidate> {
    let has_categories = facts.columns.iter().any(|column| column.column_type != ColumnType::Numeric);
    let over = if has_categories { "smotenc" } else { "smote" };
    let resampled = |methods: &[&str]| {
        let steps: Vec<Value> = methods.iter().map(|method| json!({ "method": method })).collect();
        json!({ "resample": steps, "loss": { "type": "bce", "class_weight": null } })
    };
    let plain = json!({ "resample": [], "augment": [], "loss": { "type": "bce", "class_weight": null } });
    let rungs = [
        ("plain", plain),
        ("class_weights", json!({ "resample": [], "loss": { "type": "bce", "class_weight": "balanced" } })),
        ("focal", json!({ "resample": [], "loss": { "type": "focal" } })),
        ("random_over_sampler", resampled(&["random_over_sampler"])),
        ("random_under_sampler", resampled(&["random_under_sampler"])),
        ("near_miss", resampled(&["near_miss"])),
        (over, resampled(&[over])),
        ("smote", resampled(&["smote"])),
        ("smote_tomek", resampled(&["smote_tomek"])),
        (
            "noise",
            json!({ "resample": [{ "method": "random_over_sampler" }], "augment": [{ "method": "gaussian_noise" }],
                "loss": { "type": "bce", "class_weight": null } }),
        ),
    ];
    let mut candidates: Vec<Candidate> = Vec::new();
    for (name, patch) in rungs {
        let train = check_train(&merged(base, &patch), "", facts, limits, &mut Vec::new());
        let is_double = name == "smote" && candidates.iter().any(|known| ["smote", "smotenc"].contains(&&*known.name));
        if let Some(train) = train.filter(|_| !is_double) {
            candidates.push(Candidate { name: name.to_owned(), train });
        }
    }
    candidates
}
