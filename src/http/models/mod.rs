//! Models over HTTP: looked at, downloaded, deleted, asked for predictions.

mod admission;
mod artifact;
mod byte_cache;
mod cache;
mod delete;
mod get;
mod list;
mod predict;
mod predict_body;
mod report;
mod representation;
mod rows;
#[cfg(test)]
mod samples;

use super::AppState;
use super::error::ApiError;
use super::limits::HttpConfig;
use super::routes::Handlers;
use crate::records::{ModelId, ModelRecord};
use admission::Admission;
use cache::ModelCache;

pub(super) fn register(handlers: &mut Handlers) {
    handlers.add("listModels", list::handle);
    handlers.add("getModel", get::handle);
    handlers.add("deleteModel", delete::handle);
    handlers.add("getModelReport", report::handle);
    handlers.add("getModelArtifact", artifact::handle);
    handlers.add("predict", predict::handle);
}

/// What predictions share; cheap to clone.
#[derive(Clone)]
pub(super) struct Serving {
    cache: ModelCache,
    admission: Admission,
}

impl Serving {
    /// As many predictions compute at once as the machine has processors; the others that are allowed wait.
    pub(super) fn new(config: &HttpConfig) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            cache: ModelCache::new(config.model_cache_bytes),
            admission: Admission::new(processors, config.max_concurrent_predictions),
        }
    }
}

async fn find(state: &AppState, id: ModelId) -> Result<ModelRecord, ApiError> {
    state.store.model(id).await?.ok_or_else(|| ApiError::not_found("model"))
}
