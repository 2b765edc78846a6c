//! What a request may say, and what it is told when it is wrong.

use serde_json::json;

use super::*;
use crate::http::jobs::samples::sample_dataset;
use crate::ml::config::{ModelConfig, ResampleMethod};
use crate::records::TrainJob;

fn on(dataset: &DatasetRecord) -> Named<'_> {
    Named { dataset: Some(dataset), model: None }
}

fn read(body: &Value) -> Result<JobRequest, Vec<FieldError>> {
    read_job_request(body, on(&sample_dataset()), &JobLimits::default())
}

fn train_job(request: &JobRequest) -> &TrainJob {
    let TypedConfig::Train(job) = &request.config.typed else { panic!("{request:?}") };
    job
}

fn pointers(errors: &[FieldError]) -> Vec<&str> {
    errors.iter().map(|error| error.pointer.as_str()).collect()
}

#[test]
fn a_dataset_is_enough() {
    let dataset = sample_dataset();
    let request = read(&json!({ "dataset_id": dataset.id })).unwrap();
    assert_eq!(request.dataset_id, dataset.id);
    assert_eq!((request.config.job_type(), request.max_attempts), (JobType::Train, 3));
    assert_eq!((request.config.priority, request.config.max_seconds), (0, 86_400.0));
    let TrainJob { model_name, train } = train_job(&request);
    assert_eq!((model_name.as_str(), train.target.as_str()), ("mammography", "calcification"));
    assert_eq!(train.positive_label, "1");
    assert!(matches!(train.model, ModelConfig::Mlp { .. }));
}

#[test]
fn what_is_given_is_kept() {
    let request = read(&json!({
        "type": "train", "dataset_id": sample_dataset().id, "model_name": "screening", "priority": -7,
        "max_attempts": 1, "max_seconds": 60, "resample": [{"method": "smote"}]
    }))
    .unwrap();
    assert_eq!((request.config.priority, request.config.max_seconds), (-7, 60.0));
    assert_eq!(request.max_attempts, 1);
    let TrainJob { model_name, train } = train_job(&request);
    assert_eq!(model_name, "screening");
    assert!(matches!(train.resample[0].method, ResampleMethod::Smote { k_neighbors: 5, .. }));
}

#[test]
fn all_mistakes_come_at_once() {
    let errors = read(&json!({
        "type": "guess", "dataset_id": sample_dataset().id, "model_name": "a\tb", "priority": 0.5,
        "max_attempts": 0, "max_seconds": 1e9, "target": "nothing", "training": {"epochs": -1},
        "resample": [{"method": "smote", "k_neighbors": 0}], "epochs": 3
    }))
    .unwrap_err();
    let expected = [
        "/type",
        "/priority",
        "/max_attempts",
        "/max_seconds",
        "/model_name",
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
    let errors = read_job_request(&body, Named::default(), &JobLimits::default()).unwrap_err();
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
        let errors = read_job_request(&body, Named::default(), &JobLimits::default()).unwrap_err();
        assert_eq!(pointers(&errors), ["/dataset_id"], "{body}");
        assert!(errors[0].detail.contains(part), "{}", errors[0].detail);
    }
}

#[test]
fn something_else_than_an_object_is_one_mistake() {
    let errors = read(&json!([1, 2])).unwrap_err();
    assert_eq!(errors, [FieldError { pointer: String::new(), detail: "expected an object, found an array".into() }]);
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
    let request = read_job_request(&body, on(&sample_dataset()), &limits).unwrap();
    assert_eq!(request.config.max_seconds, 600.0);
}

#[test]
fn a_filled_in_configuration_can_be_posted_again() {
    let first = read(&json!({ "dataset_id": sample_dataset().id, "resample": [{"method": "near_miss"}] })).unwrap();
    let mut body = serde_json::to_value(&first.config).unwrap();
    body["dataset_id"] = json!(first.dataset_id);
    assert_eq!(read(&body).unwrap(), first);
}
