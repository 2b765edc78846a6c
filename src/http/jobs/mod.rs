//! Jobs over HTTP: posted, looked at, followed, cancelled. What they do is done elsewhere, by workers.

mod augmentation_preview;
mod cancel;
mod comparison;
mod create;
mod diagnosis;
mod epochs;
mod events;
mod follow;
mod get;
mod list;
mod paired;
mod plan;
mod plots;
mod representation;
mod request;
mod result;
mod retry;
#[cfg(test)]
mod samples;
mod sparse;
mod validate;

pub use representation::job_document;

use super::AppState;
use super::error::ApiError;
use super::routes::Handlers;
use crate::records::{JobId, JobRecord};

pub(super) fn register(handlers: &mut Handlers) {
    handlers.add("createJob", create::handle);
    handlers.add("validateJob", validate::handle);
    handlers.add("listJobs", list::handle);
    handlers.add("getJob", get::handle);
    handlers.add("getJobEpochs", epochs::handle);
    handlers.add("getJobDiagnosis", diagnosis::handle);
    handlers.add("getJobEvents", events::handle);
    handlers.add("getJobResult", result::handle);
    handlers.add("getJobPlot", plots::handle);
    handlers.add("retryJob", retry::handle);
    handlers.add("getJobComparison", comparison::handle);
    handlers.add("cancelJob", cancel::handle);
    handlers.add_untimed("getJobAugmentationPreview", augmentation_preview::handle);
}

async fn find(state: &AppState, id: JobId) -> Result<JobRecord, ApiError> {
    state.store.job(id).await?.ok_or_else(|| ApiError::not_found("job"))
}
