//! The outside world: requests in, problems out; the only place that knows status codes.
//!
//! The routes are those of `openapi.yaml` ([`document`]). Each folder registers its handlers by `operationId`; an
//! operation without a handler, or a handler without an operation, keeps the server from starting. A request is
//! watched by [`mod@observe`] and passes through [`middleware`] to a handler, which reads it with [`extract`] and answers with
//! [`respond`], [`page`] or an [`error::ApiError`]. Short predictions go the same way without detours ([`shortcut`]).

mod aliases;
pub mod auth;
mod body;
mod compared;
mod connection;
mod datasets;
mod diagnosis;
mod docs_page;
mod document;
mod error;
mod extract;
mod health;
mod html;
mod idempotency;
mod jobs;
mod limits;
mod linger;
mod log_line;
mod metrics;
mod middleware;
mod models;
mod observe;
mod oip;
mod page;
mod picture;
mod problem;
mod request_id;
mod respond;
mod routes;
mod serve;
mod shortcut;
mod words;

pub use diagnosis::diagnosis_document;
pub use document::{DocumentError, OPENAPI_YAML};
pub use error::{ALL_CODES, Code};
pub use jobs::job_document;
pub use limits::{Access, HttpConfig, JobLimits};
pub use oip::{messages as oip_messages, serve_grpc};
pub use serve::serve;

use std::ops::Deref;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::jobs::WorkerLoad;
use crate::store::Store;
use document::Document;

/// What handlers share; cheap to clone, which happens several times per request.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

/// What [`AppState`] holds.
pub struct Shared {
    store: Store,
    config: Arc<HttpConfig>,
    document: Arc<Document>,
    docs_page: Arc<docs_page::DocsPage>,
    /// Cancelled when the server has been told to stop; it is not ready from then on.
    stopping: CancellationToken,
    /// Cancelled when it stops listening; long answers end then.
    shutdown: CancellationToken,
    uploads: Arc<Semaphore>,
    diagnoses: Arc<Semaphore>,
    event_streams: Arc<Semaphore>,
    models: models::Serving,
    aliases: aliases::Aliases,
    metrics: metrics::Metrics,
}

impl AppState {
    /// `workers` tells the metrics of the workers of this process.
    ///
    /// # Errors
    /// If the document that is compiled in cannot be read.
    pub fn new(store: Store, config: HttpConfig, workers: Arc<WorkerLoad>) -> Result<Self, DocumentError> {
        let document = Document::parse(OPENAPI_YAML)?;
        Ok(Self(Arc::new(Shared {
            metrics: metrics::Metrics::new(&document, store.clock().now(), workers),
            store,
            docs_page: Arc::new(docs_page::DocsPage::render(&document)),
            document: Arc::new(document),
            stopping: CancellationToken::new(),
            shutdown: CancellationToken::new(),
            uploads: Arc::new(Semaphore::new(config.max_concurrent_uploads)),
            diagnoses: Arc::new(Semaphore::new(datasets::DIAGNOSED_AT_ONCE)),
            event_streams: Arc::new(Semaphore::new(config.max_event_streams)),
            models: models::Serving::new(&config),
            aliases: aliases::Aliases::new(),
            config: Arc::new(config),
        })))
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
