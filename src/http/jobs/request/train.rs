//! What a `train` job is told.

use super::name::read_name;
use crate::ml::config::{ConfigLimits, DatasetFacts, FieldError, ObjectReader, TrainConfig};
use crate::records::{DatasetRecord, TrainJob};

/// Members whose right values depend on the dataset. Without one, mistakes in them cannot be told from no mistakes.
const OF_THE_DATASET: [&str; 5] = ["/target", "/positive_label", "/exclude", "/split/column", "/loss/class_weight"];

pub(super) fn read(
    reader: &mut ObjectReader<'_>,
    dataset: Option<&DatasetRecord>,
    limits: &ConfigLimits,
    errors: &mut Vec<FieldError>,
) -> Option<TrainJob> {
    let model_name = read_name(reader, "model_name", errors);
    let Some(dataset) = dataset else {
        let mut found = Vec::new();
        TrainConfig::check(reader, &no_facts(), limits, &mut found);
        errors.extend(of_the_request(found));
        return None;
    };
    let train = TrainConfig::check(reader, &dataset.facts(), limits, errors);
    Some(TrainJob { model_name: model_name.unwrap_or_else(|| dataset.name.clone()), train })
}

/// The mistakes that are mistakes on any dataset.
pub(super) fn of_the_request(found: Vec<FieldError>) -> impl Iterator<Item = FieldError> {
    found.into_iter().filter(|error| {
        let within = error.pointer.strip_prefix("/base").unwrap_or(&error.pointer);
        let within =
            within.split_once("/train/").map_or(within, |(_, member)| &within[within.len() - member.len() - 1..]);
        !OF_THE_DATASET.iter().any(|pointer| within.starts_with(pointer))
    })
}

pub(super) fn no_facts() -> DatasetFacts {
    DatasetFacts {
        rows: 0,
        target: String::new(),
        positive_label: String::new(),
        columns: Vec::new(),
        origin_columns: Vec::new(),
        pictures: None,
        class_counts: std::collections::BTreeMap::new(),
    }
}
