//! What a `compare` job is told.

use super::name::read_name;
use super::train::{no_facts, of_the_request};
use crate::ml::config::{CompareConfig, ConfigLimits, FieldError, ObjectReader};
use crate::records::{CompareJob, DatasetRecord};

pub(super) fn read(
    reader: &mut ObjectReader<'_>,
    dataset: Option<&DatasetRecord>,
    limits: &ConfigLimits,
    errors: &mut Vec<FieldError>,
) -> Option<CompareJob> {
    let model_name = read_name(reader, "model_name", errors);
    let Some(dataset) = dataset else {
        let mut found = Vec::new();
        CompareConfig::check(reader, &no_facts(), limits, &mut found);
        errors.extend(of_the_request(found));
        return None;
    };
    let compare = CompareConfig::check(reader, &dataset.facts(), limits, errors);
    Some(CompareJob { model_name: model_name.unwrap_or_else(|| dataset.name.clone()), compare })
}
