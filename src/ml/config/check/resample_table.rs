//! What a job that resamples a dataset is told.

use super::resampling::{KnownClasses, check_resample, refuse_spaces};
use super::{
    DatasetFacts, Features, MAX_NAME_CHARS, MAX_SEED, all_counts, check_exclude, check_positive_label, check_target,
    class_counts_of, class_names, column,
};
use crate::ml::config::reader::{FieldError, ObjectReader};
use crate::ml::config::{ConfigLimits, NumericImpute, ResampleConfig, ResampleNumeric, ResamplePreprocess, Scale};
use crate::ml::table::WriteFormat;

impl ResampleConfig {
    /// Checks the members of `request` that define the resampling and fills in every default, as
    /// [`TrainConfig::check`](crate::ml::config::TrainConfig::check) does.
    pub fn check(
        reader: &mut ObjectReader<'_>,
        facts: &DatasetFacts,
        limits: &ConfigLimits,
        errors: &mut Vec<FieldError>,
    ) -> ResampleConfig {
        if facts.pictures.is_some() {
            let detail =
                "its rows are pictures, which are resampled within training: `resample` of a train job".to_owned();
            errors.push(FieldError { pointer: "/dataset_id".to_owned(), detail });
        }
        let seed = reader.integer("seed", 42, 0, MAX_SEED, errors);
        let target = check_target(reader, facts, errors);
        let class_counts = class_counts_of(&target, facts);
        let positive_label = check_positive_label(reader, facts, &target, class_counts.as_ref(), errors);
        let exclude = check_exclude(reader, facts, &target, errors);
        let before = errors.len();
        let names = class_names(class_counts.as_ref(), &positive_label);
        let counts = all_counts(class_counts.as_ref(), &positive_label);
        let classes = KnownClasses { names: names.as_ref(), counts };
        let resample = check_resample(reader, limits, classes, errors);
        refuse_spaces("/resample", &resample, errors);
        if resample.is_empty() && errors.len() == before {
            reader.error("resample", "expected at least one step", errors);
        }
        let features = Features { facts, target: &target, exclude: &exclude, roles: [None; 2] };
        if !features.any(|_| true) {
            reader.error("exclude", "no column is left to measure distances by", errors);
        }
        let config = ResampleConfig {
            seed,
            target,
            positive_label,
            resample,
            preprocess: check_preprocess(reader, errors),
            round_integers: reader.boolean("round_integers", false, errors),
            keep_removed: reader.boolean("keep_removed", false, errors),
            origin_column: reader.text("origin_column", MAX_NAME_CHARS, errors).unwrap_or_else(|| "origin".to_owned()),
            format: reader.choice("format", WriteFormat::Parquet, &WriteFormat::ALL, errors),
            exclude,
        };
        check_origin_columns(reader, facts, &config, errors);
        config
    }
}

fn check_preprocess(reader: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> ResamplePreprocess {
    let mut preprocess = reader.object("preprocess", errors);
    let mut numeric = preprocess.object("numeric", errors);
    let impute = numeric.choice(
        "impute",
        None,
        &[
            ("median", Some(NumericImpute::Median)),
            ("mean", Some(NumericImpute::Mean)),
            ("most_frequent", Some(NumericImpute::MostFrequent)),
        ],
        errors,
    );
    let scale = numeric.choice(
        "scale",
        Scale::None,
        &[("none", Scale::None), ("standard", Scale::Standard), ("robust", Scale::Robust), ("min_max", Scale::MinMax)],
        errors,
    );
    numeric.finish(errors);
    preprocess.finish(errors);
    ResamplePreprocess { numeric: ResampleNumeric { impute, scale } }
}

/// The new columns must not have the names of columns that are already there.
fn check_origin_columns(
    reader: &ObjectReader<'_>,
    facts: &DatasetFacts,
    config: &ResampleConfig,
    errors: &mut Vec<FieldError>,
) {
    let name = &config.origin_column;
    if name.is_empty() || name.trim() != name || name.chars().any(char::is_control) {
        let detail = "expected a printable name without white space at the start or the end";
        return reader.error("origin_column", detail, errors);
    }
    let taken: Vec<String> = config
        .origin_columns()
        .into_iter()
        .filter(|name| column(facts, name).is_some() && !config.exclude.contains(name))
        .collect();
    if !taken.is_empty() {
        let detail = format!("the dataset already has {}; give another name", taken.join(", "));
        reader.error("origin_column", detail, errors);
    }
}
