//! What jobs that work with a model are told: `evaluate` and `predict`.

use super::MAX_WORD_CHARS;
use crate::jobs::PREDICTION_COLUMNS;
use crate::ml::config::{Evaluation, FieldError, ObjectReader, Range};
use crate::ml::table::{ColumnType, WriteFormat};
use crate::records::{DatasetRecord, EvaluateJob, ModelId, ModelRecord, PredictJob};

/// Columns named in a mistake, at most.
const SHOWN: usize = 20;
/// The largest seed: 2^53 - 1, the last whole number that every JSON reader keeps exact.
const MAX_SEED: u64 = (1 << 53) - 1;
const MAX_BOOTSTRAP: u64 = 10_000;
const MAX_COLUMNS: usize = 100_000;

pub(super) fn read_evaluate(
    reader: &mut ObjectReader<'_>,
    dataset: Option<&DatasetRecord>,
    model: Option<&ModelRecord>,
    errors: &mut Vec<FieldError>,
) -> Option<EvaluateJob> {
    let model_id = read_model_id(reader, model.is_some(), errors);
    if let (Some(dataset), Some(model)) = (dataset, model) {
        check_columns(reader, dataset, model, errors);
        check_classes(reader, dataset, model, errors);
    }
    let seed = reader.integer("seed", 42, 0, MAX_SEED, errors);
    let threshold = read_threshold(reader, errors);
    let mut evaluation = reader.object("evaluation", errors);
    let bootstrap = evaluation.integer("bootstrap", 1_000, 0, MAX_BOOTSTRAP, errors) as usize;
    let confidence = evaluation.number("confidence", 0.95, Range::Closed(0.5, 0.999), errors);
    evaluation.finish(errors);
    let evaluation = Evaluation { bootstrap, confidence, cross_validation: None };
    Some(EvaluateJob { model_id: model_id?, seed, threshold, evaluation })
}

pub(super) fn read_predict(
    reader: &mut ObjectReader<'_>,
    dataset: Option<&DatasetRecord>,
    model: Option<&ModelRecord>,
    errors: &mut Vec<FieldError>,
) -> Option<PredictJob> {
    let model_id = read_model_id(reader, model.is_some(), errors);
    if let (Some(dataset), Some(model)) = (dataset, model) {
        check_columns(reader, dataset, model, errors);
    }
    let threshold = read_threshold(reader, errors);
    let columns = read_columns(reader, dataset, errors);
    let format = reader.choice("format", WriteFormat::Csv, &WriteFormat::ALL, errors);
    Some(PredictJob { model_id: model_id?, threshold, columns, format })
}

fn read_model_id(reader: &mut ObjectReader<'_>, known: bool, errors: &mut Vec<FieldError>) -> Option<ModelId> {
    let before = errors.len();
    let text = reader.text("model_id", MAX_WORD_CHARS, errors);
    if errors.len() > before {
        return None;
    }
    let id = text.as_deref().map(str::parse::<ModelId>);
    let mistake = match &id {
        None => "a job of this type needs the id of a model",
        Some(Err(_)) => "expected the id of a model, a UUID",
        Some(Ok(_)) if !known => "there is no model with this id",
        Some(Ok(_)) => "",
    };
    if !mistake.is_empty() {
        reader.error("model_id", mistake, errors);
    }
    id.and_then(Result::ok)
}

fn read_threshold(reader: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> Option<f64> {
    reader.optional_number("threshold", Range::Closed(0.0, 1.0), errors)
}

/// The dataset must have every column that the model reads, of a type that it can read.
fn check_columns(
    reader: &ObjectReader<'_>,
    dataset: &DatasetRecord,
    model: &ModelRecord,
    errors: &mut Vec<FieldError>,
) {
    let found = |name: &str| dataset.columns.iter().find(|column| column.name == name).map(|c| c.column_type);
    let lacks = |name: &str, wanted: ColumnType| match found(name) {
        None => Some(format!("{name:?} is not there")),
        Some(found) if found != wanted && wanted != ColumnType::Categorical => {
            Some(format!("{name:?} is {}, not {}", found.as_str(), wanted.as_str()))
        }
        Some(_) => None,
    };
    let misfits: Vec<String> =
        model.features.iter().filter_map(|feature| lacks(&feature.name, feature.column_type)).collect();
    if !misfits.is_empty() {
        let more = misfits.len().saturating_sub(SHOWN);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        let shown = misfits.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ");
        reader.error("dataset_id", format!("the model reads columns that do not fit: {shown}{rest}"), errors);
    }
}

fn check_classes(
    reader: &ObjectReader<'_>,
    dataset: &DatasetRecord,
    model: &ModelRecord,
    errors: &mut Vec<FieldError>,
) {
    let classes = [&model.classes.positive, &model.classes.negative];
    if !classes.iter().all(|class| dataset.class_counts.contains_key(*class)) {
        let found: Vec<String> = dataset.class_counts.keys().map(|class| format!("{class:?}")).collect();
        let [positive, negative] = classes;
        let detail = format!(
            "the target has the classes {}; the model knows {positive:?} and {negative:?}",
            found.join(" and ")
        );
        reader.error("dataset_id", detail, errors);
    }
}

/// Columns of the dataset, each once, none with the name of a prediction's.
fn read_columns(
    reader: &mut ObjectReader<'_>,
    dataset: Option<&DatasetRecord>,
    errors: &mut Vec<FieldError>,
) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for (pointer, value) in reader.array("columns", MAX_COLUMNS, errors) {
        let known = |name: &str| dataset.is_none_or(|dataset| dataset.columns.iter().any(|c| c.name == name));
        let detail = match value.as_str() {
            None => "expected the name of a column, a string".to_owned(),
            Some(name) if PREDICTION_COLUMNS.contains(&name) => "a column of the predictions has this name".to_owned(),
            Some(name) if columns.iter().any(|column| column == name) => "this column is named twice".to_owned(),
            Some(name) if !known(name) => "the dataset has no such column".to_owned(),
            Some(name) => {
                columns.push(name.to_owned());
                continue;
            }
        };
        errors.push(FieldError { pointer, detail });
    }
    columns
}
