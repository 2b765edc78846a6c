//! The claim loop of a process.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::assist::Assisted;
use super::engine::Engine;
use super::engines::Engines;
use super::places::Places;
use super::runner::Runner;
use super::source::EngineLimits;
use super::{WorkerConfig, sweeper};
use crate::records::{JobRecord, Lease};
use crate::store::{Store, StoreError};
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
    config.load.open(config.workers);
    let runner = Arc::new(Runner { store, engine, config, shutdown });
    Loop::new(runner).run().await;
    if let Err(error) = sweeper.await {
        tracing::error!(error = %Chain(&error), "the sweeper crashed");
    }
}

/// What the claim loop keeps.
struct Loop {
    runner: Arc<Runner>,
    /// One permit for each job.
    slots: Arc<Semaphore>,
    places: Places,
    running: JoinSet<()>,
    /// Whose parts it can compute.
    program: Option<String>,
}

impl Loop {
    fn new(runner: Arc<Runner>) -> Self {
        let workers = runner.config.workers;
        let (slots, places) = (Arc::new(Semaphore::new(workers)), Places::new(workers));
        Self { program: runner.engine.program(), runner, slots, places, running: JoinSet::new() }
    }

    async fn run(mut self) {
        let runner = self.runner.clone();
        // Subscribed before the first look at the queue, so that no job is missed in between.
        let mut changes = runner.store.queue_changes();
        while let Some(slot) = free_slot(&self.slots, &runner.shutdown).await {
            while let Some(ended) = self.running.try_join_next() {
                Self::note(ended);
            }
            match runner.store.claim(runner.config.lease_seconds).await {
                Ok(Some((job, lease))) => {
                    self.begin(job, lease, slot);
                    continue;
                }
                Ok(None) => {
                    drop(slot);
                    if self.assist().await {
                        continue;
                    }
                }
                Err(error) => tracing::error!(error = %Chain(&error), "the queue cannot be read"),
            }
            tokio::select! {
                () = runner.shutdown.cancelled() => break,
                _ = changes.changed() => {}
                () = tokio::time::sleep(Duration::from_secs_f64(runner.config.poll_seconds)) => {}
            }
        }
        while let Some(ended) = self.running.join_next().await {
            Self::note(ended);
        }
    }

    /// Has a claimed job run.
    fn begin(&mut self, job: JobRecord, lease: Lease, slot: OwnedSemaphorePermit) {
        let runner = self.runner.clone();
        let (place, leaving) = self.places.seat_job(job.id);
        self.running.spawn(async move {
            let _busy = runner.config.load.begin();
            let span = traces::job_span(job.id, job.job_type().as_str(), job.attempt);
            runner.run(job, lease, leaving).instrument(span).await;
            drop((place, slot));
        });
    }

    /// Has an idle worker assist with a job of another process, if one needs it. False if not.
    async fn assist(&mut self) -> bool {
        let Some(program) = self.program.as_ref().filter(|_| self.places.has_room()) else { return false };
        match self.find_assistance(&program.clone()).await {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(error = %Chain(&error), "jobs to assist with cannot be looked for");
                false
            }
        }
    }

    async fn find_assistance(&mut self, program: &str) -> Result<bool, StoreError> {
        let runner = self.runner.clone();
        let jobs = runner.store.jobs_to_assist(program).await?;
        let Some((id, place)) = self.places.seat_assistant(&jobs, &runner.shutdown) else { return Ok(false) };
        let Some(job) = runner.store.job(id).await? else { return Ok(false) };
        self.running.spawn(async move {
            let _assisting = runner.config.load.begin_to_assist();
            if runner.assist(job, &place.leave).await == Assisted::Cannot {
                place.give_up();
            }
        });
        Ok(true)
    }

    /// A panic beside a job's thread, not in it, is a defect of this program. The job is not lost: nobody renews its lease
    /// any more, so it goes back to the queue when that lapses.
    fn note(ended: Result<(), JoinError>) {
        if let Err(error) = ended {
            tracing::error!(error = %Chain(&error), "the keeper of a running job crashed; its lease will lapse");
        }
    }
}

async fn free_slot(slots: &Arc<Semaphore>, shutdown: &CancellationToken) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        () = shutdown.cancelled() => None,
        slot = slots.clone().acquire_owned() => slot.ok(),
    }
}
