//! What is looked up when somebody asks for the metrics.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::process::ProcessLoad;
use crate::http::AppState;
use crate::http::aliases::ShadowLoad;
use crate::http::models::{CacheLoad, QueueLoad};
use crate::store::{Connections, QueueStats, Store};
use crate::telemetry::Chain;

/// What was counted in the database holds for so long, however often it is asked for.
const TRUST: Duration = Duration::from_secs(1);
/// Metrics without the database's part are better than none.
const PATIENCE: Duration = Duration::from_secs(2);

/// The service at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) cache: CacheLoad,
    pub(super) cache_limit_bytes: u64,
    pub(super) queue: QueueLoad,
    pub(super) shadows: ShadowLoad,
    pub(super) connections: Connections,
    /// `None` if the database does not answer.
    pub(super) jobs: Option<QueueStats>,
    pub(super) process: ProcessLoad,
}

impl Snapshot {
    pub(super) async fn take(state: &AppState) -> Self {
        Self {
            cache: state.models.cache_load().await,
            cache_limit_bytes: state.config.model_cache_bytes,
            queue: state.models.queue_load(),
            shadows: state.aliases.shadow_load(),
            connections: state.store.connections(),
            jobs: state.metrics.0.jobs.get(&state.store).await,
            process: ProcessLoad::now(),
        }
    }
}

/// The jobs as they were counted last. Whoever asks while they are being counted waits for that count.
#[derive(Default)]
pub(super) struct JobsCache(Mutex<Option<(Instant, QueueStats)>>);

impl JobsCache {
    async fn get(&self, store: &Store) -> Option<QueueStats> {
        let mut known = self.0.lock().await;
        if let Some((_, stats)) = known.as_ref().filter(|(at, _)| at.elapsed() < TRUST) {
            return Some(stats.clone());
        }
        match tokio::time::timeout(PATIENCE, store.queue_stats()).await {
            Ok(Ok(stats)) => {
                *known = Some((Instant::now(), stats.clone()));
                Some(stats)
            }
            Ok(Err(error)) => {
                tracing::warn!(error = %Chain(&error), "the metrics lack the jobs");
                None
            }
            Err(_) => {
                tracing::warn!("the metrics lack the jobs: the database takes too long");
                None
            }
        }
    }
}
