//! What the service tells of itself to Prometheus: `GET /metrics`.
//!
//! Requests are counted where they end ([`requests`]), in cells that are there from the first request of their kind on: two
//! additions to atomic numbers, no lock and no memory. Everything else is looked up when it is asked for ([`snapshot`]) and
//! written by [`page`]. No label is taken from what a client sends: endpoints are operations of the document, formats and
//! statuses are of closed lists.

mod format;
mod latency;
mod page;
mod process;
mod requests;
mod snapshot;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::prometheus_text::{CONTENT_TYPE, encode};
use prometheus_client::registry::Registry;

use super::AppState;
use super::document::Document;
use super::error::ApiError;
use super::routes::Handlers;
use crate::clock::Timestamp;
use crate::jobs::WorkerLoad;
use format::Format;
use page::Page;
use requests::Requests;
pub(super) use requests::Seen;
use snapshot::{JobsCache, Snapshot};

pub(super) fn register(handlers: &mut Handlers) {
    handlers.add("getMetrics", handle);
}

/// What is counted while the service runs; cheap to clone.
#[derive(Clone)]
pub(super) struct Metrics(Arc<Inner>);

struct Inner {
    requests: Requests,
    /// When the process began to serve.
    started: Timestamp,
    /// Of this process; all 0 if it only serves.
    workers: Arc<WorkerLoad>,
    jobs: JobsCache,
}

impl Metrics {
    pub(super) fn new(document: &Document, started: Timestamp, workers: Arc<WorkerLoad>) -> Self {
        let requests = Requests::new(document.operations());
        Self(Arc::new(Inner { requests, started, workers, jobs: JobsCache::default() }))
    }

    /// A request has begun. `route` is the path as the document has it, if it has the path.
    pub(super) fn begin(&self, route: Option<&str>, method: &Method, headers: &HeaderMap) -> Seen {
        let endpoint = self.0.requests.endpoint(route, method);
        Seen::new(self.clone(), endpoint, Format::of(headers))
    }

    fn requests(&self) -> &Requests {
        &self.0.requests
    }
}

async fn handle(State(state): State<AppState>) -> Result<Response, ApiError> {
    let snapshot = Snapshot::take(&state).await;
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Page::new(state.metrics.clone(), snapshot)));
    let mut text = String::new();
    encode(&mut text, &registry).map_err(ApiError::internal)?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE))], text).into_response())
}
