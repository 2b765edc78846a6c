//! Reads the body of `POST /v1/jobs` and `POST /v1/jobs/validate`: every mistake at once, every default filled in.
//!
//! What all jobs have is read here, what one type has in the file of its name.

mod compare;
mod model;
mod name;
mod resample;
#[cfg(test)]
mod tests;
mod train;

use serde_json::Value;

use crate::http::JobLimits;
use crate::ml::config::{FieldError, ObjectReader, Range};
use crate::records::{DatasetId, DatasetRecord, JobConfig, JobType, ModelId, ModelRecord, TypedConfig};

/// Ids and names of types that are longer than this cannot be right; far longer than any that is, so that the answer
/// can say what is wrong.
const MAX_WORD_CHARS: usize = 200;
/// More claims than this are refused: a job that loses so many workers is what kills them.
const DEFAULT_ATTEMPTS: u64 = 3;
const MAX_ATTEMPTS: u32 = 10;
/// Jobs that name no `max_seconds` get a day.
const DEFAULT_MAX_SECONDS: f64 = 86_400.0;

/// A checked request for a job.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::http::jobs) struct JobRequest {
    pub(in crate::http::jobs) dataset_id: DatasetId,
    pub(in crate::http::jobs) max_attempts: u32,
    pub(in crate::http::jobs) config: JobConfig,
}

/// The dataset that a request names, for looking it up before [`read_job_request`]; `None` where it names none
/// that could exist.
pub(in crate::http::jobs) fn named_dataset(body: &Value) -> Option<DatasetId> {
    body.get("dataset_id")?.as_str()?.parse().ok()
}

/// The model that a request names, as [`named_dataset`].
pub(in crate::http::jobs) fn named_model(body: &Value) -> Option<ModelId> {
    body.get("model_id")?.as_str()?.parse().ok()
}

/// What a request names, as far as it is there.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::http::jobs) struct Named<'a> {
    pub(in crate::http::jobs) dataset: Option<&'a DatasetRecord>,
    pub(in crate::http::jobs) model: Option<&'a ModelRecord>,
}

/// Checks a request against what it names. Without a dataset the request is wrong in any case, and what can be checked
/// without one is still reported.
///
/// # Errors
/// Every mistake in the body, each with its JSON pointer.
pub(in crate::http::jobs) fn read_job_request(
    body: &Value,
    named: Named<'_>,
    limits: &JobLimits,
) -> Result<JobRequest, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut reader = ObjectReader::new(body, "", &mut errors);
    if !body.is_object() {
        return Err(errors);
    }
    let job_type = read_type(&mut reader, &mut errors);
    let dataset_id = read_dataset_id(&mut reader, named.dataset.is_some(), &mut errors);
    let priority = read_priority(&mut reader, &mut errors);
    let max_attempts = u64::from(MAX_ATTEMPTS);
    let max_attempts = reader.integer("max_attempts", DEFAULT_ATTEMPTS, 1, max_attempts, &mut errors) as u32;
    let default_seconds = DEFAULT_MAX_SECONDS.min(limits.max_seconds);
    let max_seconds =
        reader.number("max_seconds", default_seconds, Range::Closed(1.0, limits.max_seconds), &mut errors);
    let typed = read_typed(job_type, &mut reader, named, limits, &mut errors);
    reader.finish(&mut errors);
    match (dataset_id, typed) {
        (Some(dataset_id), Some(typed)) if errors.is_empty() => {
            let config = JobConfig { priority, max_seconds, typed };
            Ok(JobRequest { dataset_id, max_attempts, config })
        }
        _ => Err(errors),
    }
}

/// What the type of the job has; nothing without a dataset.
fn read_typed(
    job_type: JobType,
    reader: &mut ObjectReader<'_>,
    named: Named<'_>,
    limits: &JobLimits,
    errors: &mut Vec<FieldError>,
) -> Option<TypedConfig> {
    let Named { dataset, model } = named;
    match job_type {
        JobType::Train => train::read(reader, dataset, &limits.config, errors).map(Box::new).map(TypedConfig::Train),
        JobType::Resample => {
            resample::read(reader, dataset, &limits.config, errors).map(Box::new).map(TypedConfig::Resample)
        }
        JobType::Compare => {
            compare::read(reader, dataset, &limits.config, errors).map(Box::new).map(TypedConfig::Compare)
        }
        JobType::Evaluate => {
            model::read_evaluate(reader, dataset, model, errors).map(Box::new).map(TypedConfig::Evaluate)
        }
        JobType::Predict => model::read_predict(reader, dataset, model, errors).map(Box::new).map(TypedConfig::Predict),
    }
}

/// A type that is not known is reported, and what remains is read as of a job that trains.
fn read_type(reader: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> JobType {
    let Some(found) = reader.text("type", MAX_WORD_CHARS, errors) else { return JobType::Train };
    found.parse().unwrap_or_else(|_| {
        let known = JobType::ALL.map(|known| format!("{:?}", known.as_str())).join(", ");
        reader.error("type", format!("expected one of {known}"), errors);
        JobType::Train
    })
}

fn read_dataset_id(
    reader: &mut ObjectReader<'_>,
    dataset_known: bool,
    errors: &mut Vec<FieldError>,
) -> Option<DatasetId> {
    let before = errors.len();
    let text = reader.text("dataset_id", MAX_WORD_CHARS, errors);
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

fn read_priority(reader: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> i32 {
    let priority = reader.number("priority", 0.0, Range::Closed(-100.0, 100.0), errors);
    if priority.fract() != 0.0 {
        reader.error("priority", format!("expected a whole number from -100 to 100, found {priority}"), errors);
    }
    priority as i32
}
