//! From the JSON of a request to a [`TrainConfig`], all mistakes at once.

mod augmentation;
mod bagging;
#[cfg(test)]
mod bagging_tests;
mod compare;
mod evaluation;
mod image;
mod learning;
mod network;
#[cfg(test)]
mod network_tests;
mod picture_network;
mod preparation;
mod resample_table;
mod resampling;
#[cfg(test)]
mod tests;

pub use learning::check_threshold_rule;
pub use resampling::check_resample_steps;

use std::collections::BTreeMap;

use serde_json::Value;

use super::reader::{FieldError, ObjectReader, kind};
use super::{ConfigLimits, DecidedOn, Split, TrainConfig};
use crate::ml::labels::{ClassCounts, ClassNames};
use crate::ml::picture::PictureShape;
use crate::ml::table::ColumnType;
use augmentation::{Disturbed, check_augment};
use bagging::{Beside, check_bagging};
use evaluation::{Around, check_evaluation};
use learning::{check_calibration, check_loss, check_model, check_regularization, check_threshold, is_logistic};
use network::{check_optimizer, check_training};
use picture_network::check_fits;
use preparation::{check_preprocess, check_split};
use resampling::{FeatureTypes, KnownClasses, check_resample, check_step_features};

/// Names and labels longer than this are refused.
const MAX_NAME_CHARS: usize = 500;
/// The largest seed: 2^53 - 1, the last whole number that every JSON reader keeps exact.
const MAX_SEED: u64 = (1 << 53) - 1;
/// Seeds of NumPy's legacy generator are 32 bits wide.
const MAX_NUMPY_SEED: u64 = u32::MAX as u64;
/// Columns a job may exclude.
const MAX_EXCLUDED: usize = 100_000;

/// What a configuration is checked against.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasetFacts {
    pub rows: usize,
    /// The target of the dataset, used where the configuration names none.
    pub target: String,
    pub positive_label: String,
    /// All columns, the target included, in the order of the file.
    pub columns: Vec<FeatureFacts>,
    /// Columns that say where a row comes from: never features.
    pub origin_columns: Vec<String>,
    /// Values of the target with their counts; two of them.
    pub class_counts: BTreeMap<String, usize>,
    /// Of datasets with a column of pictures.
    pub pictures: Option<PictureFacts>,
}

/// The column of pictures as the checks need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureFacts {
    /// The most frequent size, with colour if any picture has some.
    pub usual: PictureShape,
}

/// A column as the checks need it.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureFacts {
    pub name: String,
    pub column_type: ColumnType,
    /// Distinct values, or a lower bound of them where there are very many.
    pub distinct: usize,
    /// The most frequent values with their counts, where the column has few enough to list them all.
    pub values: Option<BTreeMap<String, usize>>,
}

impl TrainConfig {
    /// Checks the members of `request` that define a training run and fills in every default.
    ///
    /// `reader` is an open reader of the request, so that the caller can read further members of the same object
    /// (`dataset_id`, `priority`, ...) before it calls [`ObjectReader::finish`]. Mistakes go to `errors`; when
    /// there are any, the returned configuration must not be used.
    pub fn check(
        reader: &mut ObjectReader<'_>,
        facts: &DatasetFacts,
        limits: &ConfigLimits,
        errors: &mut Vec<FieldError>,
    ) -> TrainConfig {
        let seed = reader.integer("seed", 42, 0, MAX_SEED, errors);
        let target = check_target(reader, facts, errors);
        let class_counts = class_counts_of(&target, facts);
        let positive_label = check_positive_label(reader, facts, &target, class_counts.as_ref(), errors);
        let exclude = check_exclude(reader, facts, &target, errors);
        let split = check_split(reader, facts, &target, errors);
        let sample_weight = check_sample_weight(reader, facts, &target, &split, errors);
        let model = check_model(reader, limits, errors);
        let preprocess = check_preprocess(reader, facts, &model, errors);
        check_fits(&model, preprocess.image.as_ref(), errors);
        let counts = train_counts(class_counts.as_ref(), &positive_label, &split);
        let names = class_names(class_counts.as_ref(), &positive_label);
        let classes = KnownClasses { names: names.as_ref(), counts };
        let mut resample = check_resample(reader, limits, classes, errors);
        let roles = [split.column(), sample_weight.as_deref()];
        let features = Features { facts, target: &target, exclude: &exclude, roles };
        let disturbed = Disturbed {
            numbers: features.any(|column| column.column_type == ColumnType::Numeric),
            pictures: preprocess
                .image
                .as_ref()
                .filter(|_| features.any(|column| column.column_type == ColumnType::Image))
                .map(|image| image.spec().shape),
        };
        let augment = check_augment(reader, disturbed, limits, errors);
        let loss = check_loss(reader, class_counts.as_ref(), errors);
        let regularization = check_regularization(reader, counts, &resample, errors);
        let beside =
            Beside { model: &model, penalty: &regularization, resample: &resample, sample_weight: &sample_weight };
        let mut bagging = check_bagging(reader, limits, classes, &beside, errors);
        let optimizer = check_optimizer(reader, &model, errors);
        let training = check_training(reader, &model, &loss, limits, errors);
        let calibration = check_calibration(reader, &loss, errors);
        let threshold = check_threshold(reader, errors);
        let around = Around {
            split: &split,
            counts: all_counts(class_counts.as_ref(), &positive_label),
            asked_by: [("/calibration/on", calibration.on), ("/threshold/on", threshold.on)]
                .map(|(pointer, on)| (pointer, on == DecidedOn::OutOfFold)),
        };
        let evaluation = check_evaluation(reader, &around, limits, errors);
        if !features.any(|_| true) {
            let detail = "no column is left to learn from".to_owned();
            errors.push(FieldError { pointer: "/exclude".to_owned(), detail });
        }
        // A network reads the pictures and nothing else; pixels are numbers.
        let reads_pictures = disturbed.pictures.is_some() && model.reads_pictures();
        let is_category = |column: &FeatureFacts| {
            matches!(column.column_type, ColumnType::Categorical | ColumnType::Boolean)
                || preprocess.numeric.missing_indicator && column.column_type == ColumnType::Numeric
        };
        let types = FeatureTypes {
            numbers: disturbed.numbers || disturbed.pictures.is_some(),
            categories: !reads_pictures && features.any(is_category),
            pictures: disturbed.pictures.filter(|_| reads_pictures),
        };
        check_step_features("/resample", &mut resample, &types, errors);
        if let Some(bagging) = &mut bagging {
            check_step_features("/bagging/resample", &mut bagging.resample, &types, errors);
        }
        TrainConfig {
            seed,
            target,
            positive_label,
            exclude,
            sample_weight,
            split,
            preprocess,
            resample,
            bagging,
            augment,
            model,
            loss,
            regularization,
            optimizer,
            training,
            calibration,
            threshold,
            evaluation,
        }
    }
}

fn check_target(reader: &mut ObjectReader<'_>, facts: &DatasetFacts, errors: &mut Vec<FieldError>) -> String {
    let Some(target) = reader.text("target", MAX_NAME_CHARS, errors) else { return facts.target.clone() };
    if column(facts, &target).is_none() {
        reader.error("target", unknown_column(facts, &target), errors);
        return facts.target.clone();
    }
    if class_counts_of(&target, facts).is_none() {
        let distinct = column(facts, &target).map_or(0, |column| column.distinct);
        reader.error(
            "target",
            format!("a target has exactly two classes; this column has {distinct} distinct values or more"),
            errors,
        );
    }
    target
}

/// The two values of the target with their counts, if there are exactly two.
fn class_counts_of(target: &str, facts: &DatasetFacts) -> Option<BTreeMap<String, usize>> {
    if target == facts.target {
        return Some(facts.class_counts.clone());
    }
    column(facts, target)?.values.clone().filter(|values| values.len() == 2)
}

fn check_positive_label(
    reader: &mut ObjectReader<'_>,
    facts: &DatasetFacts,
    target: &str,
    class_counts: Option<&BTreeMap<String, usize>>,
    errors: &mut Vec<FieldError>,
) -> String {
    let value = reader.present("positive_label");
    let rarer = || {
        let rarest = class_counts.and_then(|counts| counts.iter().min_by_key(|(_, count)| **count));
        rarest.map_or_else(|| facts.positive_label.clone(), |(label, _)| label.clone())
    };
    let default = if target == facts.target { facts.positive_label.clone() } else { rarer() };
    let Some(value) = value else { return default };
    let Some(label) = label_text(value) else {
        let detail = format!("expected a label as a string, a number or a boolean, found {}", kind(value));
        reader.error("positive_label", detail, errors);
        return default;
    };
    match class_counts {
        Some(counts) if !counts.contains_key(&label) => {
            let labels: Vec<String> = counts.keys().map(|label| format!("{label:?}")).collect();
            let detail = format!("expected one of the target's labels {}", labels.join(" and "));
            reader.error("positive_label", detail, errors);
            default
        }
        _ => label,
    }
}

/// A label as the target column prints it: `1` and `1.0` are the label `1`.
pub fn label_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => number.as_f64().map(|number| number.to_string()),
        _ => None,
    }
}

fn check_exclude(
    reader: &mut ObjectReader<'_>,
    facts: &DatasetFacts,
    target: &str,
    errors: &mut Vec<FieldError>,
) -> Vec<String> {
    let mut exclude = Vec::new();
    for (pointer, value) in reader.array("exclude", MAX_EXCLUDED, errors) {
        let detail = match value.as_str() {
            None => format!("expected a column name, found {}", kind(value)),
            Some(name) if name == target => "the target is never a feature and cannot be excluded".to_owned(),
            Some(name) if column(facts, name).is_none() => unknown_column(facts, name),
            Some(name) => {
                exclude.push(name.to_owned());
                continue;
            }
        };
        errors.push(FieldError { pointer, detail });
    }
    for name in facts.origin_columns.iter().filter(|name| *name != target) {
        if !exclude.contains(name) {
            exclude.push(name.clone());
        }
    }
    exclude
}

fn check_sample_weight(
    reader: &mut ObjectReader<'_>,
    facts: &DatasetFacts,
    target: &str,
    split: &Split,
    errors: &mut Vec<FieldError>,
) -> Option<String> {
    let name = reader.text("sample_weight", MAX_NAME_CHARS, errors)?;
    let resamples = reader.present("resample").and_then(Value::as_array).is_some_and(|steps| !steps.is_empty());
    let detail = match column(facts, &name) {
        None => unknown_column(facts, &name),
        Some(_) if name == target => "the target cannot weigh the rows".to_owned(),
        Some(_) if split.column() == Some(name.as_str()) => "this column steers the split".to_owned(),
        Some(found) if found.column_type != ColumnType::Numeric => {
            format!("weights are numbers; this column is {}", found.column_type.as_str())
        }
        Some(_) if resamples => {
            "rows cannot be both weighted and resampled: a synthetic row has no weight; use loss.class_weight, or \
             leave out resample"
                .to_owned()
        }
        Some(_) if is_logistic(reader) => "row weights are for networks".to_owned(),
        Some(_) => return Some(name),
    };
    reader.error("sample_weight", detail, errors);
    None
}

/// The columns to learn from: all but those that have another role.
struct Features<'a> {
    facts: &'a DatasetFacts,
    target: &'a str,
    exclude: &'a [String],
    roles: [Option<&'a str>; 2],
}

impl Features<'_> {
    fn any(&self, holds: impl Fn(&FeatureFacts) -> bool) -> bool {
        self.facts.columns.iter().any(|column| {
            let name = column.name.as_str();
            let other = name == self.target || self.roles.contains(&Some(name));
            !other && !self.exclude.iter().any(|excluded| excluded == name) && holds(column)
        })
    }
}

/// About how many training rows of each class there will be, where the split is by fractions.
fn train_counts(
    class_counts: Option<&BTreeMap<String, usize>>,
    positive_label: &str,
    split: &Split,
) -> Option<ClassCounts> {
    let Split::Stratified { test_fraction, validation_fraction } = split else { return None };
    let ClassCounts { positive, negative } = all_counts(class_counts, positive_label)?;
    let share = 1.0 - test_fraction - validation_fraction;
    let part = |count: usize| (count as f64 * share).round() as usize;
    Some(ClassCounts { positive: part(positive), negative: part(negative) })
}

/// The labelled rows of each class.
/// What the two classes are called, if there are two and one of them is the positive one.
fn class_names(class_counts: Option<&BTreeMap<String, usize>>, positive_label: &str) -> Option<ClassNames> {
    let counts = class_counts.filter(|counts| counts.contains_key(positive_label))?;
    let negative = counts.keys().find(|label| *label != positive_label)?.clone();
    Some(ClassNames { positive: positive_label.to_owned(), negative })
}

fn all_counts(class_counts: Option<&BTreeMap<String, usize>>, positive_label: &str) -> Option<ClassCounts> {
    let counts = class_counts?;
    let positive = *counts.get(positive_label)?;
    Some(ClassCounts { positive, negative: counts.values().sum::<usize>() - positive })
}

fn column<'a>(facts: &'a DatasetFacts, name: &str) -> Option<&'a FeatureFacts> {
    facts.columns.iter().find(|column| column.name == name)
}

/// Says that a column is unknown and lists those there are, as far as the list stays readable.
fn unknown_column(facts: &DatasetFacts, _name: &str) -> String {
    const SHOWN: usize = 20;
    let names: Vec<&str> = facts.columns.iter().take(SHOWN).map(|column| column.name.as_str()).collect();
    let more = facts.columns.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("the dataset has no such column; it has {}{rest}", names.join(", "))
}
