//! How rows are divided and turned into numbers: `split` and `preprocess`.

use super::image::check_image;
use super::{DatasetFacts, MAX_NAME_CHARS, column, unknown_column};
use crate::ml::config::reader::{FieldError, ObjectReader, Range};
use crate::ml::config::*;

pub(super) fn check_split(
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

pub(super) fn check_preprocess(
    reader: &mut ObjectReader<'_>,
    facts: &DatasetFacts,
    model: &ModelConfig,
    errors: &mut Vec<FieldError>,
) -> Preprocess {
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
    let image = check_image(&mut preprocess, facts.pictures, model, errors);
    preprocess.finish(errors);
    Preprocess { numeric: numeric_config, categorical: categorical_config, image }
}
