//! What a `resample` job is told.

use super::name::read_name;
use super::train::{no_facts, of_the_request};
use crate::ml::config::{ConfigLimits, FieldError, ObjectReader, ResampleConfig};
use crate::records::{DatasetRecord, ResampleJob};

pub(super) fn read(
    reader: &mut ObjectReader<'_>,
    dataset: Option<&DatasetRecord>,
    limits: &ConfigLimits,
    errors: &mut Vec<FieldError>,
) -> Option<ResampleJob> {
    let name = read_name(reader, "name", errors);
    let Some(dataset) = dataset else {
        let mut found = Vec::new();
        ResampleConfig::check(reader, &no_facts(), limits, &mut found);
        errors.extend(of_the_request(found));
        return None;
    };
    let resample = ResampleConfig::check(reader, &dataset.facts(), limits, errors);
    Some(ResampleJob { name: name.unwrap_or_else(|| default_name(&dataset.name)), resample })
}

/// The name of the dataset with what was done to it, cut where it would become too long.
fn default_name(dataset: &str) -> String {
    const SUFFIX: &str = " resampled";
    let kept: String = dataset.chars().take(200 - SUFFIX.len()).collect();
    format!("{}{SUFFIX}", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::default_name;

    #[test]
    fn a_default_name_is_never_too_long() {
        assert_eq!(default_name("adult"), "adult resampled");
        assert_eq!(default_name(&"脳".repeat(200)).chars().count(), 200);
    }
}
