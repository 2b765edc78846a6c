//! `POST /v1/datasets/{dataset_id}/diagnose`: what in the data, and in a configuration for it, will make training fail.

use std::fs::File;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Json;
use axum::extract::{Request, State};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::find;
use crate::http::AppState;
use crate::http::body;
use crate::http::diagnosis::DiagnosisView;
use crate::http::error::{ApiError, Code};
use crate::http::extract::{Id, parse_json, require_json, small_body_limits};
use crate::ml::config::{ObjectReader, TrainConfig};
use crate::ml::diagnose::Diagnosis;
use crate::ml::observe::{EpochLog, Phase, Stop, TrainObserver};
use crate::ml::pipeline::{TrainInput, diagnose, estimate};
use crate::ml::table::{ColumnType, ReadError, ReadOptions, Table, TableLimits, load};
use crate::records::{DatasetId, DatasetRecord};

/// Datasets diagnosed at once; each may take as much memory as a job.
pub(in crate::http) const AT_ONCE: usize = 2;

pub(super) async fn handle(
    State(state): State<AppState>,
    Id(id): Id<DatasetId>,
    request: Request,
) -> Result<Json<DiagnosisView>, ApiError> {
    let asked = read_body(&state, request).await?;
    let dataset = find(&state, id).await?;
    let config = check(&state, &asked, &dataset)?;
    let place = place(&state)?;
    let input = state.store.blobs().open(&dataset.sha256).await?;
    let limits = state.config.tables.clone();
    let diagnosis = on_a_thread("diagnose", move |watched| {
        // The place is given back when the work is done, also if nobody waits for it any more.
        let _place = place;
        work(input, &dataset, &config, &limits, watched)
    })
    .await?;
    Ok(Json(DiagnosisView::new(None, diagnosis)))
}

/// The body, which may be left out.
async fn read_body(state: &AppState, request: Request) -> Result<Value, ApiError> {
    let (parts, sent) = request.into_parts();
    let bytes = body::collected(&parts.headers, sent, small_body_limits(state)).await?;
    if bytes.is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    require_json(&parts.headers)?;
    parse_json(&bytes, state.config.max_json_depth)
}

fn check(state: &AppState, asked: &Value, dataset: &DatasetRecord) -> Result<TrainConfig, ApiError> {
    let (facts, limits) = (dataset.facts(), &state.config.jobs);
    let mut errors = Vec::new();
    let mut reader = ObjectReader::new(asked, "", &mut errors);
    let config = TrainConfig::check(&mut reader, &facts, &limits.config, &mut errors);
    reader.finish(&mut errors);
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    let needed = estimate(&config, &facts).memory_bytes;
    if needed > limits.memory_bytes {
        let detail =
            format!("the diagnosis needs about {needed} bytes; this server allows {} for a job", limits.memory_bytes);
        return Err(ApiError::new(Code::JobTooLarge, detail));
    }
    Ok(config)
}

/// A place for work that reads a whole dataset.
///
/// # Errors
/// 429 if as many requests are at such work as are allowed.
pub(in crate::http) fn place(state: &AppState) -> Result<OwnedSemaphorePermit, ApiError> {
    state.diagnoses.clone().try_acquire_owned().map_err(|_| {
        let detail = format!("{AT_ONCE} datasets are being looked at, as many as are allowed");
        ApiError::new(Code::TooManyRequests, detail)
    })
}

/// Runs `work` on a thread of its own: it may take a while, and a pool for short tasks would run dry. It is told to
/// stop when the caller is dropped.
pub(in crate::http) async fn on_a_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce(Arc<AtomicBool>) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let (answer, answered) = tokio::sync::oneshot::channel();
    let alive = Alive(Arc::new(AtomicBool::new(true)));
    let watched = alive.0.clone();
    let run = move || {
        // Nobody waits for it any more if this fails.
        let _ = answer.send(work(watched));
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(ApiError::unavailable)?;
    let answer = answered.await.map_err(ApiError::internal)?;
    drop(alive);
    answer
}

/// Tells the thread, by being dropped, that nobody waits for it.
struct Alive(Arc<AtomicBool>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Stops when nobody waits.
pub(in crate::http) struct Watcher(Arc<AtomicBool>);

impl Watcher {
    pub(in crate::http) fn new(watched: Arc<AtomicBool>) -> Self {
        Self(watched)
    }

    /// Whether anybody waits still.
    pub(in crate::http) fn answer(&self) -> ControlFlow<Stop> {
        if self.0.load(Ordering::Acquire) { ControlFlow::Continue(()) } else { ControlFlow::Break(Stop::Cancelled) }
    }
}

impl TrainObserver for Watcher {
    fn phase(&mut self, _: Phase) -> ControlFlow<Stop> {
        self.answer()
    }

    fn step(&mut self, _: f64) -> ControlFlow<Stop> {
        self.answer()
    }

    fn epoch(&mut self, _: &EpochLog) -> ControlFlow<Stop> {
        self.answer()
    }
}

fn work(
    input: File,
    dataset: &DatasetRecord,
    config: &TrainConfig,
    limits: &TableLimits,
    watched: Arc<AtomicBool>,
) -> Result<Diagnosis, ApiError> {
    let mut watcher = Watcher(watched);
    let table = read_whole(input, dataset, config, limits, &mut watcher)?;
    let input = TrainInput { table, missing_markers: dataset.missing_markers.clone() };
    diagnose(input, config, &mut watcher).map_err(ApiError::internal)
}

/// The table of a dataset as a job with this configuration reads it.
///
/// # Errors
/// 503 if it cannot be read; 500 if it is not what it was, or nobody waits any more.
pub(in crate::http) fn read_whole(
    input: File,
    dataset: &DatasetRecord,
    config: &TrainConfig,
    limits: &TableLimits,
    watcher: &mut Watcher,
) -> Result<Table, ApiError> {
    let DatasetRecord { format, missing_markers, columns, .. } = dataset;
    let options = ReadOptions { format, missing_markers, limits, pictures: config.picture_spec() };
    let columns: Vec<(String, ColumnType)> =
        columns.iter().map(|column| (column.name.clone(), column.column_type)).collect();
    load(input, &options, &columns, &mut |_| watcher.answer()).map_err(|error| match error {
        ReadError::Read(_) => ApiError::unavailable(error),
        // The file was read before: what is wrong now is not the client's doing.
        error => ApiError::internal(error),
    })
}
