//! Reads the body of `POST /v1/jobs` and `POST /v1/jobs/validate`: every mistake at once, every default filled in.

use serde_json::Value;

use crate::http::JobLimits;
use crate::ml::config::{ConfigLimits, DatasetFacts, FieldError, ObjectReader, Range, TrainConfig};
use crate::records::{DatasetId, DatasetRecord, JobConfig, JobType};

/// Names longer than this are refused.
const MAX_NAME_CHARS: usize = 200;
/// More claims than this are refused: a job that loses so many workers is what kills them.
const DEFAULT_ATTEMPTS: u64 = 3;
const MAX_ATTEMPTS: u32 = 10;
/// Jobs that name no `max_seconds` get a day.
const DEFAULT_MAX_SECONDS: f64 = 86_400.0;
/// Far longer than any name of a job type, so that the answer can say which names there are.
const MAX_TYPE_CHARS: usize = 100;
/// Members whose right values depend on the dataset. Without one, mistakes in them cannot be told from no mistakes.
const OF_THE_DATASET: [&str; 5] = ["/target", "/positive_label", "/exclude", "/split/column", "/loss/class_weight"];

/// A checked request for a job.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct JobRequest {
    pub(super) job_type: JobType,
    pub(super) dataset_id: DatasetId,
    pub(super) max_attempts: u32,
    pub(super) config: JobConfig,
}

/// The dataset that a request names, for looking it up before [`read_job_request`]; `None` where it names none
/// that could exist.
pub(super) fn named_dataset(body: &Value) -> Option<DatasetId> {
    body.get("dataset_id")?.as_str()?.parse().ok()
}

/// Checks a request against the dataset it names. Without a `dataset` the request is wrong in any case, and what
/// can be checked without one is still reported.
///
/// # Errors
/// Every mistake in the body, each with its JSON pointer.
pub(super) fn read_job_request(
    body: &Value,
    dataset: Option<&DatasetRecord>,
    limits: &JobLimits,
) -> Result<JobRequest, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut reader = ObjectReader::new(body, "", &mut errors);
    if !body.is_object() {
        return Err(errors);
    }
    let job_type = read_type(&mut reader, &mut errors);
    let dataset_id = read_dataset_id(&mut reader, dataset.is_some(), &mut errors);
    let model_name = read_model_name(&mut reader, &mut errors);
    let priority = read_priority(&mut reader, &mut errors);
    let max_attempts = u64::from(MAX_ATTEMPTS);
    let max_attempts = reader.integer("max_attempts", DEFAULT_ATTEMPTS, 1, max_attempts, &mut errors) as u32;
    let default_seconds = DEFAULT_MAX_SECONDS.min(limits.max_seconds);
    let max_seconds =
        reader.number("max_seconds", default_seconds, Range::Closed(1.0, limits.max_seconds), &mut errors);
    let train = read_config(&mut reader, dataset, &limits.config, &mut errors);
    reader.finish(&mut errors);
    match (dataset_id, dataset) {
        (Some(dataset_id), Some(dataset)) if errors.is_empty() => {
            let model_name = model_name.unwrap_or_else(|| dataset.name.clone());
            let config = JobConfig { model_name, priority, max_seconds, train };
            Ok(JobRequest { job_type, dataset_id, max_attempts, config })
        }
        _ => Err(errors),
    }
}

fn read_type(reader: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> JobType {
    if let Some(found) = reader.text("type", MAX_TYPE_CHARS, errors)
        && found != JobType::Train.as_str()
    {
        reader.error("type", "expected \"train\"; jobs of other types are not available", errors);
    }
    JobType::Train
}

fn read_dataset_id(
    reader: &mut ObjectReader<'_>,
    dataset_known: bool,
    errors: &mut Vec<FieldError>,
) -> Option<DatasetId> {
    let before = errors.len();
    let text = reader.text("dataset_id", MAX_NAME_CHARS, errors);
    if errors.len() > before {
        return None;
    }
    let id = text.as_deref().map(str::parse::<DatasetId>);
    let mistake = match &id {
        None => "a job needs the id of a dataset",
        Some(Err(_)) => "expected the id of a dataset, a UUID",
        Some(Ok(_)) if !dataset_known => "there is no dataset with this id",
        Some(Ok(_)) => "",
    };
    if !mistake.is_empty() {
        reader.error("dataset_id", mistake, errors);
    }
    id.and_then(Result::ok)
}

fn read_model_name(reader: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> Option<String> {
    let name = reader.text("model_name", MAX_NAME_CHARS, errors)?;
    let detail = if name.is_empty() {
        format!("expected 1 to {MAX_NAME_CHARS} characters, found none")
    } else if name.chars().any(char::is_control) {
        "expected printable characters, found a control character".to_owned()
    } else if name.trim() != name {
        "expected no white space at the start or the end".to_owned()
    } else {
        return Some(name);
    };
    reader.error("model_name", detail, errors);
    None
}

fn read_priority(reader: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> i32 {
    let priority = reader.number("priority", 0.0, Range::Closed(-100.0, 100.0), errors);
    if priority.fract() != 0.0 {
        reader.error("priority", format!("expected a whole number from -100 to 100, found {priority}"), errors);
    }
    priority as i32
}

fn read_config(
    reader: &mut ObjectReader<'_>,
    dataset: Option<&DatasetRecord>,
    limits: &ConfigLimits,
    errors: &mut Vec<FieldError>,
) -> TrainConfig {
    if let Some(dataset) = dataset {
        return TrainConfig::check(reader, &dataset.facts(), limits, errors);
    }
    let mut found = Vec::new();
    let config = TrainConfig::check(reader, &no_facts(), limits, &mut found);
    found.retain(|error| !OF_THE_DATASET.iter().any(|pointer| error.pointer.starts_with(pointer)));
    errors.append(&mut found);
    config
}

fn no_facts() -> DatasetFacts {
    DatasetFacts {
        rows: 0,
        target: String::new(),
        positive_label: String::new(),
        columns: Vec::new(),
        class_counts: std::collections::BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::jobs::samples::sample_dataset;
    use crate::ml::config::{ModelConfig, ResampleMethod};

    fn read(body: &Value) -> Result<JobRequest, Vec<FieldError>> {
        read_job_request(body, Some(&sample_dataset()), &JobLimits::default())
    }

    fn pointers(errors: &[FieldError]) -> Vec<&str> {
        errors.iter().map(|error| error.pointer.as_str()).collect()
    }

    #[test]
    fn a_dataset_is_enough() {
        let dataset = sample_dataset();
        let request = read(&json!({ "dataset_id": dataset.id })).unwrap();
        assert_eq!(request.dataset_id, dataset.id);
        assert_eq!((request.job_type, request.max_attempts), (JobType::Train, 3));
        let config = &request.config;
        assert_eq!((config.model_name.as_str(), config.priority, config.max_seconds), ("mammography", 0, 86_400.0));
        assert_eq!((config.train.target.as_str(), config.train.positive_label.as_str()), ("calcification", "1"));
        assert!(matches!(config.train.model, ModelConfig::Mlp { .. }));
    }

    #[test]
    fn what_is_given_is_kept() {
        let request = read(&json!({
            "type": "train", "dataset_id": sample_dataset().id, "model_name": "screening", "priority": -7,
            "max_attempts": 1, "max_seconds": 60, "resample": [{"method": "smote"}]
        }))
        .unwrap();
        let config = &request.config;
        assert_eq!((config.model_name.as_str(), config.priority, config.max_seconds), ("screening", -7, 60.0));
        assert_eq!(request.max_attempts, 1);
        assert!(matches!(config.train.resample[0].method, ResampleMethod::Smote { k_neighbors: 5, .. }));
    }

    #[test]
    fn all_mistakes_come_at_once() {
        let errors = read(&json!({
            "type": "resample", "dataset_id": sample_dataset().id, "model_name": "a\tb", "priority": 0.5,
            "max_attempts": 0, "max_seconds": 1e9, "target": "nothing", "training": {"epochs": -1},
            "resample": [{"method": "smote", "k_neighbors": 0}], "epochs": 3
        }))
        .unwrap_err();
        let expected = [
            "/type",
            "/model_name",
            "/priority",
            "/max_attempts",
            "/max_seconds",
            "/target",
            "/resample/0/k_neighbors",
            "/training/epochs",
            "/epochs",
        ];
        assert_eq!(pointers(&errors), expected);
    }

    #[test]
    fn without_its_dataset_a_request_is_still_checked() {
        let body = json!({
            "dataset_id": "01890a5d-ac96-774b-bcce-000000000000", "priority": 101, "target": "calcification",
            "positive_label": "1", "exclude": ["ward"], "split": {"strategy": "group", "column": "ward"},
            "loss": {"class_weight": {"0": 1.0, "1": 9.0}}, "resample": [{"method": "smote"}],
            "training": {"batch_size": 0}
        });
        let errors = read_job_request(&body, None, &JobLimits::default()).unwrap_err();
        assert_eq!(pointers(&errors), ["/dataset_id", "/priority", "/training/batch_size"]);
        assert_eq!(errors[0].detail, "there is no dataset with this id");
    }

    #[test]
    fn a_dataset_id_is_needed_and_is_a_uuid() {
        for (body, part) in [
            (json!({}), "needs the id"),
            (json!({"dataset_id": null}), "needs the id"),
            (json!({"dataset_id": "mammography"}), "a UUID"),
            (json!({"dataset_id": 7}), "expected a string, found a number"),
        ] {
            assert_eq!(named_dataset(&body), None);
            let errors = read_job_request(&body, None, &JobLimits::default()).unwrap_err();
            assert_eq!(pointers(&errors), ["/dataset_id"], "{body}");
            assert!(errors[0].detail.contains(part), "{}", errors[0].detail);
        }
    }

    #[test]
    fn something_else_than_an_object_is_one_mistake() {
        let errors = read(&json!([1, 2])).unwrap_err();
        assert_eq!(
            errors,
            [FieldError { pointer: String::new(), detail: "expected an object, found an array".into() }]
        );
    }

    #[test]
    fn names_are_printable() {
        for name in ["", " a", "a ", "a\nb", &"x".repeat(201)] {
            let errors = read(&json!({ "dataset_id": sample_dataset().id, "model_name": name })).unwrap_err();
            assert_eq!(pointers(&errors), ["/model_name"], "{name:?}");
        }
        for name in ["x", "mammography v2", "脳", &"x".repeat(200)] {
            assert!(read(&json!({ "dataset_id": sample_dataset().id, "model_name": name })).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn the_default_time_stays_under_a_lower_cap() {
        let limits = JobLimits { max_seconds: 600.0, ..JobLimits::default() };
        let body = json!({ "dataset_id": sample_dataset().id });
        let request = read_job_request(&body, Some(&sample_dataset()), &limits).unwrap();
        assert_eq!(request.config.max_seconds, 600.0);
    }

    #[test]
    fn a_filled_in_configuration_can_be_posted_again() {
        let first = read(&json!({ "dataset_id": sample_dataset().id, "resample": [{"method": "near_miss"}] })).unwrap();
        let mut body = serde_json::to_value(&first.config).unwrap();
        body["dataset_id"] = json!(first.dataset_id);
        assert_eq!(read(&body).unwrap(), first);
    }
}
