//! From the JSON of a request to a [`TrainConfig`], all mistakes at once.

use std::collections::BTreeMap;

use serde_json::Value;

use super::reader::{FieldError, ObjectReader, Range, kind};
use super::*;
use crate::ml::labels::ClassCounts;
use crate::ml::table::ColumnType;

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
    /// Values of the target with their counts; two of them.
    pub class_counts: BTreeMap<String, usize>,
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
        let preprocess = check_preprocess(reader, errors);
        let counts = train_counts(class_counts.as_ref(), &positive_label, &split);
        let resample = check_resample(reader, limits, counts, errors);
        let augment = check_augment(reader, limits, errors);
        let model = check_model(reader, limits, errors);
        let loss = check_loss(reader, class_counts.as_ref(), errors);
        let regularization = check_regularization(reader, errors);
        let optimizer = check_optimizer(reader, errors);
        let training = check_training(reader, limits, errors);
        let calibration = check_calibration(reader, errors);
        let threshold = check_threshold(reader, errors);
        let evaluation = check_evaluation(reader, limits, errors);
        check_features_left(facts, &target, &exclude, &split, errors);
        TrainConfig {
            seed,
            target,
            positive_label,
            exclude,
            split,
            preprocess,
            resample,
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
    exclude
}

fn check_split(
    reader: &mut ObjectReader<'_>,
    facts: &DatasetFacts,
    target: &str,
    errors: &mut Vec<FieldError>,
) -> Split {
    #[derive(Clone, Copy, PartialEq)]
    enum Strategy {
        Stratified,
        Group,
        Time,
        Column,
    }
    let mut split = reader.object("split", errors);
    let strategy = split.choice(
        "strategy",
        Strategy::Stratified,
        &[
            ("stratified", Strategy::Stratified),
            ("group", Strategy::Group),
            ("time", Strategy::Time),
            ("column", Strategy::Column),
        ],
        errors,
    );
    let mut fraction = |name| match strategy {
        Strategy::Column => 0.0,
        _ => split.number(name, 0.2, Range::Closed(0.01, 0.9), errors),
    };
    let test_fraction = fraction("test_fraction");
    let validation_fraction = fraction("validation_fraction");
    if test_fraction + validation_fraction > 0.95 {
        let detail = format!(
            "test_fraction and validation_fraction leave {:.3} of the rows for training; at least 0.05 is needed",
            1.0 - test_fraction - validation_fraction
        );
        split.error("test_fraction", detail, errors);
    }
    let column_name = match strategy {
        Strategy::Stratified => String::new(),
        _ => check_split_column(&mut split, facts, target, errors),
    };
    split.finish(errors);
    match strategy {
        Strategy::Stratified => Split::Stratified { test_fraction, validation_fraction },
        Strategy::Group => Split::Group { column: column_name, test_fraction, validation_fraction },
        Strategy::Time => Split::Time { column: column_name, test_fraction, validation_fraction },
        Strategy::Column => Split::Column { column: column_name },
    }
}

fn check_split_column(
    split: &mut ObjectReader<'_>,
    facts: &DatasetFacts,
    target: &str,
    errors: &mut Vec<FieldError>,
) -> String {
    let Some(name) = split.text("column", MAX_NAME_CHARS, errors) else {
        split.error("column", "this strategy needs the name of a column", errors);
        return String::new();
    };
    if name == target {
        split.error("column", "the target cannot steer the split", errors);
    } else if column(facts, &name).is_none() {
        split.error("column", unknown_column(facts, &name), errors);
    }
    name
}

fn check_preprocess(reader: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> Preprocess {
    let mut preprocess = reader.object("preprocess", errors);
    let mut numeric = preprocess.object("numeric", errors);
    let numeric_config = NumericPreprocess {
        impute: numeric.choice(
            "impute",
            NumericImpute::Median,
            &[
                ("median", NumericImpute::Median),
                ("mean", NumericImpute::Mean),
                ("most_frequent", NumericImpute::MostFrequent),
                ("constant", NumericImpute::Constant),
            ],
            errors,
        ),
        fill_value: numeric.number("fill_value", 0.0, Range::Closed(-1e12, 1e12), errors),
        missing_indicator: numeric.boolean("missing_indicator", true, errors),
        scale: numeric.choice(
            "scale",
            Scale::Standard,
            &[
                ("standard", Scale::Standard),
                ("robust", Scale::Robust),
                ("min_max", Scale::MinMax),
                ("none", Scale::None),
            ],
            errors,
        ),
    };
    numeric.finish(errors);
    let mut categorical = preprocess.object("categorical", errors);
    let categorical_config = CategoricalPreprocess {
        encode: categorical.choice("encode", Encode::OneHot, &[("one_hot", Encode::OneHot)], errors),
        impute: categorical.choice(
            "impute",
            CategoricalImpute::Indicator,
            &[
                ("indicator", CategoricalImpute::Indicator),
                ("most_frequent", CategoricalImpute::MostFrequent),
                ("constant", CategoricalImpute::Constant),
            ],
            errors,
        ),
        fill_value: categorical.text("fill_value", MAX_NAME_CHARS, errors).unwrap_or_else(|| "missing".to_owned()),
        min_frequency: categorical.integer("min_frequency", 5, 0, 1_000_000_000, errors) as usize,
        max_categories: categorical.integer("max_categories", 100, 2, 10_000, errors) as usize,
    };
    categorical.finish(errors);
    preprocess.finish(errors);
    Preprocess { numeric: numeric_config, categorical: categorical_config }
}

fn check_resample(
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

fn check_augment(
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

fn check_model(reader: &mut ObjectReader<'_>, limits: &ConfigLimits, errors: &mut Vec<FieldError>) -> ModelConfig {
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        Logistic,
        Mlp,
    }
    let mut model = reader.object("model", errors);
    let kind = model.choice("type", Kind::Mlp, &[("logistic", Kind::Logistic), ("mlp", Kind::Mlp)], errors);
    let config = match kind {
        Kind::Logistic => ModelConfig::Logistic {
            tolerance: model.number("tolerance", 1e-8, Range::Closed(1e-12, 1e-1), errors),
            max_iterations: model.integer("max_iterations", 1_000, 1, 1_000_000, errors) as usize,
        },
        Kind::Mlp => ModelConfig::Mlp {
            hidden_layers: check_hidden_layers(&mut model, limits, errors),
            activation: model.choice(
                "activation",
                Activation::Relu,
                &[
                    ("relu", Activation::Relu),
                    ("leaky_relu", Activation::LeakyRelu),
                    ("gelu", Activation::Gelu),
                    ("selu", Activation::Selu),
                    ("tanh", Activation::Tanh),
                ],
                errors,
            ),
            dropout: model.number("dropout", 0.0, Range::Below(0.0, 1.0), errors),
            batch_normalization: model.boolean("batch_normalization", false, errors),
            initializer: model.choice(
                "initializer",
                Initializer::HeNormal,
                &[
                    ("he_normal", Initializer::HeNormal),
                    ("he_uniform", Initializer::HeUniform),
                    ("glorot_normal", Initializer::GlorotNormal),
                    ("glorot_uniform", Initializer::GlorotUniform),
                ],
                errors,
            ),
            prior_bias: model.boolean("prior_bias", true, errors),
        },
    };
    model.finish(errors);
    config
}

fn check_hidden_layers(
    model: &mut ObjectReader<'_>,
    limits: &ConfigLimits,
    errors: &mut Vec<FieldError>,
) -> Vec<usize> {
    if model.present("hidden_layers").is_none() {
        return vec![64, 64];
    }
    let mut layers = Vec::new();
    for (pointer, value) in model.array("hidden_layers", limits.max_layers, errors) {
        match value.as_u64() {
            Some(units) if (1..=limits.max_units_per_layer as u64).contains(&units) => layers.push(units as usize),
            _ => errors.push(FieldError {
                pointer,
                detail: format!(
                    "expected a whole number of units from 1 to {}, found {}",
                    limits.max_units_per_layer,
                    value.as_number().map_or_else(|| kind(value).to_owned(), ToString::to_string)
                ),
            }),
        }
    }
    layers
}

fn check_loss(
    reader: &mut ObjectReader<'_>,
    class_counts: Option<&BTreeMap<String, usize>>,
    errors: &mut Vec<FieldError>,
) -> Loss {
    let mut loss = reader.object("loss", errors);
    loss.choice("type", (), &[("bce", ())], errors);
    let class_weight = loss.present("class_weight").and_then(|value| {
        let pointer = loss.pointer("class_weight");
        check_class_weight(value, &pointer, class_counts, errors)
    });
    loss.finish(errors);
    Loss::Bce { class_weight }
}

fn check_class_weight(
    value: &Value,
    pointer: &str,
    class_counts: Option<&BTreeMap<String, usize>>,
    errors: &mut Vec<FieldError>,
) -> Option<ClassWeight> {
    let mut error = |pointer: String, detail: String| errors.push(FieldError { pointer, detail });
    if value.as_str() == Some("balanced") {
        return Some(ClassWeight::Balanced(BalancedTag::Balanced));
    }
    let Some(members) = value.as_object() else {
        let hint = if value.is_array() {
            "; a list has no labels and would weigh positions in a batch instead of classes"
        } else {
            ""
        };
        error(
            pointer.to_owned(),
            format!("expected null, \"balanced\" or an object {{label: weight}}, found {}{hint}", kind(value)),
        );
        return None;
    };
    let mut weights = BTreeMap::new();
    for (label, weight) in members {
        let pointer = format!("{pointer}/{}", label.replace('~', "~0").replace('/', "~1"));
        match weight.as_f64() {
            Some(weight) if weight > 0.0 && weight <= 1e6 => {
                weights.insert(label.clone(), weight);
            }
            _ => error(pointer.clone(), "expected a weight above 0 and at most 1000000".to_owned()),
        }
        if class_counts.is_some_and(|counts| !counts.contains_key(label)) {
            error(pointer, "this is not one of the target's two labels".to_owned());
        }
    }
    for label in class_counts.into_iter().flat_map(BTreeMap::keys) {
        if !members.contains_key(label) {
            error(pointer.to_owned(), format!("the label {label:?} has no weight; both labels need one"));
        }
    }
    Some(ClassWeight::PerLabel(weights))
}

fn check_regularization(reader: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> Regularization {
    let is_logistic = is_logistic(reader);
    let mut regularization = reader.object("regularization", errors);
    // A convex model without any penalty diverges on separable data; a network has early stopping instead.
    let default_l2 = if is_logistic { 1e-4 } else { 0.0 };
    let config = Regularization {
        l1: regularization.number("l1", 0.0, Range::Closed(0.0, 1e6), errors),
        l2: regularization.number("l2", default_l2, Range::Closed(0.0, 1e6), errors),
    };
    regularization.finish(errors);
    config
}

fn is_logistic(reader: &mut ObjectReader<'_>) -> bool {
    let model = reader.present("model");
    model.and_then(|model| model.get("type")).and_then(Value::as_str) == Some("logistic")
}

fn check_optimizer(reader: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> Optimizer {
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        Adam,
        Adamw,
        Sgd,
    }
    if is_logistic(reader) && reader.present("optimizer").is_some() {
        let detail = "a logistic model is solved exactly and takes no optimizer; see model.tolerance";
        reader.error("optimizer", detail, errors);
    }
    let mut optimizer = reader.object("optimizer", errors);
    let kind = optimizer.choice(
        "type",
        Kind::Adamw,
        &[("adam", Kind::Adam), ("adamw", Kind::Adamw), ("sgd", Kind::Sgd)],
        errors,
    );
    let default_rate = if kind == Kind::Sgd { 0.01 } else { 0.001 };
    let learning_rate = optimizer.number("learning_rate", default_rate, Range::Above(0.0, 100.0), errors);
    let config = if kind == Kind::Sgd {
        let momentum = optimizer.number("momentum", 0.9, Range::Below(0.0, 1.0), errors);
        Optimizer::Sgd { learning_rate, momentum, nesterov: optimizer.boolean("nesterov", false, errors) }
    } else {
        let beta_1 = optimizer.number("beta_1", 0.9, Range::Below(0.0, 1.0), errors);
        let beta_2 = optimizer.number("beta_2", 0.999, Range::Below(0.0, 1.0), errors);
        let epsilon = optimizer.number("epsilon", 1e-8, Range::Above(0.0, 1.0), errors);
        if kind == Kind::Adam {
            Optimizer::Adam { learning_rate, beta_1, beta_2, epsilon }
        } else {
            let weight_decay = optimizer.number("weight_decay", 1e-4, Range::Closed(0.0, 100.0), errors);
            Optimizer::Adamw { learning_rate, beta_1, beta_2, epsilon, weight_decay }
        }
    };
    optimizer.finish(errors);
    config
}

fn check_training(reader: &mut ObjectReader<'_>, limits: &ConfigLimits, errors: &mut Vec<FieldError>) -> Training {
    let mut training = reader.object("training", errors);
    let epochs = training.integer("epochs", 200, 1, limits.max_epochs as u64, errors) as usize;
    let batch_size = training.integer("batch_size", 256, 1, limits.max_batch_size as u64, errors) as usize;
    // `null` turns early stopping off; leaving it out asks for the default.
    let off = training.value("early_stopping").is_some_and(Value::is_null);
    let mut stopping = training.object("early_stopping", errors);
    let early_stopping = EarlyStopping {
        monitor: stopping.choice(
            "monitor",
            Monitor::ValidationLoss,
            &[
                ("validation_loss", Monitor::ValidationLoss),
                ("validation_average_precision", Monitor::ValidationAveragePrecision),
            ],
            errors,
        ),
        patience: stopping.integer("patience", 20, 1, limits.max_epochs as u64, errors) as usize,
        min_delta: stopping.number("min_delta", 0.0, Range::Closed(0.0, 1.0), errors),
        restore_best: stopping.boolean("restore_best", true, errors),
    };
    stopping.finish(errors);
    training.finish(errors);
    Training { epochs, batch_size, early_stopping: (!off).then_some(early_stopping) }
}

fn check_calibration(reader: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> Calibration {
    let mut calibration = reader.object("calibration", errors);
    let method = calibration.choice(
        "method",
        CalibrationMethod::Prior,
        &[("none", CalibrationMethod::None), ("prior", CalibrationMethod::Prior)],
        errors,
    );
    calibration.finish(errors);
    Calibration { method }
}

fn check_threshold(reader: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> ThresholdRule {
    const RULES: [(&str, &str); 8] = [
        ("fixed", "fixed"),
        ("max_f_beta", "max_f_beta"),
        ("max_mcc", "max_mcc"),
        ("max_balanced_accuracy", "max_balanced_accuracy"),
        ("min_cost", "min_cost"),
        ("recall_at_precision", "recall_at_precision"),
        ("precision_at_recall", "precision_at_recall"),
        ("alert_rate", "alert_rate"),
    ];
    let mut threshold = reader.object("threshold", errors);
    let rule = match threshold.choice("rule", "max_f_beta", &RULES, errors) {
        "fixed" => ThresholdRule::Fixed { value: threshold.number("value", 0.5, Range::Closed(0.0, 1.0), errors) },
        "max_mcc" => ThresholdRule::MaxMcc,
        "max_balanced_accuracy" => ThresholdRule::MaxBalancedAccuracy,
        "min_cost" => ThresholdRule::MinCost {
            false_positive: required(&mut threshold, "false_positive", Range::Above(0.0, 1e12), errors),
            false_negative: required(&mut threshold, "false_negative", Range::Above(0.0, 1e12), errors),
        },
        "recall_at_precision" => ThresholdRule::RecallAtPrecision {
            precision: required(&mut threshold, "precision", Range::Above(0.0, 1.0), errors),
        },
        "precision_at_recall" => ThresholdRule::PrecisionAtRecall {
            recall: required(&mut threshold, "recall", Range::Above(0.0, 1.0), errors),
        },
        "alert_rate" => {
            ThresholdRule::AlertRate { fraction: required(&mut threshold, "fraction", Range::Above(0.0, 1.0), errors) }
        }
        _ => ThresholdRule::MaxFBeta { beta: threshold.number("beta", 1.0, Range::Closed(0.01, 100.0), errors) },
    };
    threshold.finish(errors);
    rule
}

/// A number without a default; its absence is a mistake.
fn required(reader: &mut ObjectReader<'_>, name: &'static str, range: Range, errors: &mut Vec<FieldError>) -> f64 {
    if reader.present(name).is_none() {
        reader.error(name, format!("this rule needs a number {range}"), errors);
    }
    reader.number(name, 1.0, range, errors)
}

fn check_evaluation(reader: &mut ObjectReader<'_>, limits: &ConfigLimits, errors: &mut Vec<FieldError>) -> Evaluation {
    let mut evaluation = reader.object("evaluation", errors);
    let config = Evaluation {
        bootstrap: evaluation.integer("bootstrap", 1_000, 0, limits.max_bootstrap as u64, errors) as usize,
        confidence: evaluation.number("confidence", 0.95, Range::Closed(0.5, 0.999), errors),
    };
    evaluation.finish(errors);
    config
}

fn check_features_left(
    facts: &DatasetFacts,
    target: &str,
    exclude: &[String],
    split: &Split,
    errors: &mut Vec<FieldError>,
) {
    let is_feature =
        |name: &str| name != target && split.column() != Some(name) && !exclude.iter().any(|excluded| excluded == name);
    if !facts.columns.iter().any(|column| is_feature(&column.name)) {
        errors
            .push(FieldError { pointer: "/exclude".to_owned(), detail: "no column is left to learn from".to_owned() });
    }
}

/// About how many training rows of each class there will be, where the split is by fractions.
fn train_counts(
    class_counts: Option<&BTreeMap<String, usize>>,
    positive_label: &str,
    split: &Split,
) -> Option<ClassCounts> {
    let Split::Stratified { test_fraction, validation_fraction } = split else { return None };
    let counts = class_counts?;
    let share = 1.0 - test_fraction - validation_fraction;
    let part = |count: usize| (count as f64 * share).round() as usize;
    let positive = *counts.get(positive_label)?;
    let negative = counts.values().sum::<usize>() - positive;
    Some(ClassCounts { positive: part(positive), negative: part(negative) })
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
