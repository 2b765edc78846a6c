//! The failures that are not training's own.

use crate::records::Failure;

pub(super) fn panicked() -> Failure {
    failure("panicked", "The job crashed", "An internal error ended the job; the server's log has the cause.", false)
}

pub(super) fn out_of_time(max_seconds: f64) -> Failure {
    let detail = format!("The job ran for longer than its max_seconds of {max_seconds}.");
    failure("out-of-time", "Out of time", &detail, false)
}

pub(super) fn storage_failed() -> Failure {
    failure(
        "storage-failed",
        "Storage failed",
        "The data or the results of the job could not be read or written.",
        true,
    )
}

pub(super) fn dataset_missing() -> Failure {
    failure("dataset-missing", "The dataset is missing", "The dataset of the job is no longer there.", false)
}

pub(super) fn dataset_damaged() -> Failure {
    let detail = "The stored bytes of the dataset are not those that were uploaded; upload it again.";
    failure("storage-failed", "The dataset is damaged", detail, false)
}

pub(super) fn model_missing() -> Failure {
    failure("model-missing", "The model is missing", "The model that the job works with is no longer there.", false)
}

pub(super) fn model_damaged() -> Failure {
    let detail = "The stored bytes of the model are not those that were made; train it again.";
    failure("storage-failed", "The model is damaged", detail, false)
}

fn failure(code: &str, title: &str, detail: &str, retryable: bool) -> Failure {
    Failure { code: code.to_owned(), title: title.to_owned(), detail: detail.to_owned(), retryable }
}
