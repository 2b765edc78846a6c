//! Models over HTTP: imported, looked at, downloaded, deleted, asked for predictions.

mod admission;
mod artifact;
mod byte_cache;
mod delete;
mod diagnosis;
mod dossiers;
mod explain;
mod explained;
mod get;
mod import;
mod list;
mod plots;
pub(super) mod predict;
mod report;
mod report_page;
mod representation;
#[cfg(test)]
mod samples;
mod served;
mod set_threshold;
mod threshold_view;
mod thresholds;

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::AppState;
use super::error::{ApiError, Code};
use super::limits::HttpConfig;
use super::routes::Handlers;
use crate::ml::model::Model;
use crate::records::{ModelId, ModelRecord};
pub(super) use admission::QueueLoad;
use admission::{Admission, Refused, Turn};
use dossiers::DossierCache;
use predict::Workers;
use served::ServedModels;
pub(super) use served::{CacheLoad, Served};

pub(super) use dossiers::dossier;

/// Dossiers may hold this part of the memory that models may.
const DOSSIER_SHARE: u64 = 4;

pub(super) fn register(handlers: &mut Handlers) {
    handlers.add("listModels", list::handle);
    handlers.add_untimed("importModel", import::handle);
    handlers.add("getModel", get::handle);
    handlers.add("deleteModel", delete::handle);
    handlers.add("getModelReport", report::handle);
    handlers.add("getModelDiagnosis", diagnosis::handle);
    handlers.add("getModelArtifact", artifact::handle);
    handlers.add("getModelThresholds", thresholds::handle);
    handlers.add("getModelThreshold", threshold_view::handle);
    handlers.add("setModelThreshold", set_threshold::handle);
    handlers.add("getModelImportance", explain::importance);
    handlers.add("getModelCoefficients", explain::coefficients_of);
    handlers.add("getModelPartialDependence", explain::partial_dependence);
    handlers.add("getModelPlot", plots::handle);
    handlers.add("getModelReportPage", report_page::handle);
    handlers.add("predict", predict::handle);
    handlers.add("getHeatMap", predict::heat_map_by_id);
}

/// What predictions share; cheap to clone.
#[derive(Clone)]
pub(super) struct Serving {
    served: ServedModels,
    dossiers: DossierCache,
    admission: Admission,
    /// For requests that are answered while their rows come.
    streams: Arc<Semaphore>,
    workers: Workers,
}

impl Serving {
    /// As many predictions compute at once as the machine has processors; the others that are allowed wait.
    pub(super) fn new(config: &HttpConfig) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            served: ServedModels::new(config),
            dossiers: DossierCache::new(config.model_cache_bytes / DOSSIER_SHARE),
            admission: Admission::new(processors, config.max_concurrent_predictions),
            streams: Arc::new(Semaphore::new(config.max_prediction_streams)),
            workers: Workers::new(processors),
        }
    }
}

impl Serving {
    /// How the cache of models stands.
    pub(super) async fn cache_load(&self) -> CacheLoad {
        self.served.load().await
    }

    /// How the line in front of the computing stands.
    pub(super) fn queue_load(&self) -> QueueLoad {
        self.admission.load()
    }

    /// Waits for a turn to compute.
    ///
    /// # Errors
    /// 429 if too many wait already.
    pub(super) async fn turn(&self) -> Result<Turn, ApiError> {
        let refused = |refused: Refused| ApiError::new(Code::TooManyRequests, refused.to_string());
        self.admission.turn().await.map_err(refused)
    }

    /// The right to answer while the rows come.
    ///
    /// # Errors
    /// 429 if too many do.
    fn stream_slot(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let detail = "as many predictions are being streamed as are allowed";
        let slot = self.streams.clone().try_acquire_owned();
        slot.map_err(|_| ApiError::new(Code::TooManyRequests, detail))
    }
}

/// The model of an id, to predict with: as it is, or was a moment ago (see [`served`]).
///
/// # Errors
/// 404 if there is none; 503 if database or blob store do not answer; 500 if the artifact is missing or damaged.
pub(super) async fn find_served(state: &AppState, id: ModelId) -> Result<Arc<Served>, ApiError> {
    state.models.served.get(&state.store, id).await
}

/// A model's record and the model itself, as they are now.
async fn find_loaded(state: &AppState, id: ModelId) -> Result<(ModelRecord, Arc<Model>), ApiError> {
    let served = state.models.served.current(&state.store, id).await?;
    Ok((ModelRecord::clone(&served.record), served.model.clone()))
}

async fn find(state: &AppState, id: ModelId) -> Result<ModelRecord, ApiError> {
    state.store.model(id).await?.ok_or_else(|| ApiError::not_found("model"))
}
