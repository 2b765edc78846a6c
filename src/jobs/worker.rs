//! The claim loop of a process.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::engine::Engine;
use super::engines::Engines;
use super::runner::Runner;
use super::source::EngineLimits;
use super::{WorkerConfig, sweeper};
use crate::store::Store;
use crate::telemetry::{Chain, traces};

/// Works on jobs until `shutdown`, then gives running ones back and returns when their threads have ended.
pub async fn run(store: Store, config: WorkerConfig, shutdown: CancellationToken) {
    let limits = EngineLimits { tables: config.table_limits.clone(), memory_bytes: config.memory_bytes };
    let engine = Engines { limits };
    run_with(store, Arc::new(engine), config, shutdown).await;
}

/// As [`run`], with another engine.
pub async fn run_with(store: Store, engine: Arc<dyn Engine>, config: WorkerConfig, shutdown: CancellationToken) {
    let sweeper = tokio::spawn(sweeper::run(store.clone(), config.clone(), shutdown.clone()));
    let slots = Arc::new(Semaphore::new(config.workers));
    config.load.open(config.workers);
    let runner = Arc::new(Runner { store, engine, config, shutdown });
    let mut running = JoinSet::new();
    // Subscribed before the first look at the queue, so that no job is missed in between.
    let mut changes = runner.store.queue_changes();
    while let Some(slot) = free_slot(&slots, &runner.shutdown).await {
        while let Some(ended) = running.try_join_next() {
            look_for_a_crash(ended);
        }
        match runner.store.claim(runner.config.lease_seconds).await {
            Ok(Some((job, lease))) => {
                let runner = runner.clone();
                running.spawn(async move {
                    let _busy = runner.config.load.begin();
                    let span = traces::job_span(job.id, job.job_type().as_str(), job.attempt);
                    runner.run(job, lease).instrument(span).await;
                    drop(slot);
                });
                continue;
            }
            Ok(None) => {}
            Err(error) => tracing::error!(error = %Chain(&error), "the queue cannot be read"),
        }
        drop(slot);
        tokio::select! {
            () = runner.shutdown.cancelled() => break,
            _ = changes.changed() => {}
            () = tokio::time::sleep(Duration::from_secs_f64(runner.config.poll_seconds)) => {}
        }
    }
    while let Some(ended) = running.join_next().await {
        look_for_a_crash(ended);
    }
    if let Err(error) = sweeper.await {
        tracing::error!(error = %Chain(&error), "the sweeper crashed");
    }
}

/// A panic beside a job's thread, not in it, is a defect of this program. The job is not lost: nobody renews its lease
/// any more, so it goes back to the queue when that lapses.
fn look_for_a_crash(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(error = %Chain(&error), "the keeper of a running job crashed; its lease will lapse");
    }
}

async fn free_slot(slots: &Arc<Semaphore>, shutdown: &CancellationToken) -> Option<tokio::sync::OwnedSemaphorePermit> {
    tokio::select! {
        () = shutdown.cancelled() => None,
        slot = slots.clone().acquire_owned() => slot.ok(),
    }
}
