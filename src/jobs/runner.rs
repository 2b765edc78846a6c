//! One job from claim to its end: a named thread computes, and the loop here keeps the lease until it is done.
//!
//! Whatever goes wrong ends in exactly one of: finished, failed, cancelled, given back, or (the lease being gone)
//! silently dropped, because another worker has the job then.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::checkpoints::Saving;
use super::engine::{Ended, Engine, Produced};
use super::observer::{Checkpoints, Window, WindowObserver};
use super::parts::Parts;
use super::places::Leaving;
use super::thread::JobThread;
use super::{WorkerConfig, checkpoints, failure, open};
use crate::clock::Timestamp;
use crate::ml::observe::Stop;
use crate::records::{Failure, JobRecord, Lease};
use crate::store::{Heartbeat, PartHand, Store, StoreError};
use crate::telemetry::Chain;

pub(super) struct Runner {
    pub(super) store: Store,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) config: WorkerConfig,
    pub(super) shutdown: CancellationToken,
}

/// A claimed job at work.
pub(super) struct Running {
    pub(super) job: JobRecord,
    pub(super) lease: Lease,
    pub(super) window: Arc<Window>,
    started: Timestamp,
    /// When a checkpoint was asked for last.
    pub(super) asked: Timestamp,
    pub(super) saving: Option<Saving>,
    /// Listened to over the whole run, so that no ring falls between two things waited for.
    cancels: watch::Receiver<u64>,
}

/// How a run ended, before it is written down.
pub(super) enum Outcome {
    Produced(Box<Produced>),
    Failed(Failure),
    /// The storage was not reachable: another attempt may do better.
    Trouble(Failure),
    Stopped(Stop),
}

impl Runner {
    /// Runs a claimed job to its end and writes the end down. It begins when its place is free.
    pub(super) async fn run(&self, job: JobRecord, lease: Lease, leaving: Leaving) {
        let id = job.id;
        tracing::info!(job = %id, attempt = job.attempt, "job started");
        let clock = self.store.clock();
        let cancels = self.store.cancel_requests();
        let (window, started) = (Window::new(clock.clone(), job.job_type()), clock.now());
        if job.config.cross_validates() {
            window.expect_cross_validation();
        }
        let mut running = Running { job, lease, window, started, asked: started, saving: None, cancels };
        self.attend(&mut running, leaving.gone()).await;
        let outcome = self.work(&mut running).await;
        match self.conclude(&mut running, outcome).await {
            Ok(end) => tracing::info!(job = %id, end, "job ended"),
            Err(error) => tracing::error!(job = %id, error = %Chain(&error), "the end of a job could not be written"),
        }
        self.leave_no_checkpoints(&mut running).await;
    }

    async fn work(&self, running: &mut Running) -> Outcome {
        let parts = Parts::new(self.store.clone(), PartHand::owner(&running.lease), &self.config);
        let opened = self.attend(running, open::open(self.store.clone(), running.job.clone(), parts)).await;
        let work = match opened {
            Ok(work) => work,
            Err(outcome) => return outcome,
        };
        let checkpoints = self.checkpoints(running).await;
        let mut observer = WindowObserver::new(running.window.clone(), running.job.id, checkpoints);
        let engine = self.engine.clone();
        match JobThread::start(running.job.id, move || engine.run(work, &mut observer)) {
            Ok(thread) => outcome(self.attend(running, thread.outcome()).await),
            Err(error) => {
                tracing::error!(%error, "no thread for a job");
                Outcome::Trouble(failure::storage_failed())
            }
        }
    }

    /// What the attempt before this one has left, with the curves that belong to it.
    async fn checkpoints(&self, running: &mut Running) -> Checkpoints {
        let earlier = self.earlier_checkpoint(running).await;
        let mut earlier_epochs = Vec::new();
        if earlier.is_some() {
            // Without them only the diagnosis knows less.
            earlier_epochs = self.store.epochs(running.job.id).await.unwrap_or_default();
        }
        Checkpoints { earlier, earlier_epochs, wanted: self.config.checkpoint_seconds > 0.0 }
    }

    /// The checkpoint of the attempt before this one, if it can be had.
    async fn earlier_checkpoint(&self, running: &mut Running) -> Option<Vec<u8>> {
        let checkpoint = running.job.checkpoint.clone()?;
        match self.attend(running, checkpoints::load(&self.store, &checkpoint)).await {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                tracing::warn!(job = %running.job.id, error = %Chain(&error), "training begins anew");
                running.window.begin_anew();
                None
            }
        }
    }

    /// Waits for `task` and meanwhile keeps the lease, publishes progress and passes on every wish to stop.
    pub(super) async fn attend<T>(&self, running: &mut Running, task: impl Future<Output = T>) -> T {
        let mut task = std::pin::pin!(task);
        let pause = Duration::from_secs_f64(self.config.heartbeat_seconds);
        loop {
            let not_told_to_go = running.window.stop().is_none();
            tokio::select! {
                done = &mut task => return done,
                () = self.shutdown.cancelled(), if not_told_to_go => {}
                _ = running.cancels.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
            self.look_at_the_time(running);
            match self.beat(running).await {
                Ok(()) => self.move_checkpoints(running).await,
                Err(error) => tracing::warn!(job = %running.job.id, error = %Chain(&error), "no heartbeat"),
            }
        }
    }

    fn look_at_the_time(&self, running: &Running) {
        if self.shutdown.is_cancelled() {
            running.window.ask_to_stop(Stop::Shutdown);
        }
        if self.store.clock().now().seconds_since(running.started) > running.job.config.max_seconds {
            running.window.ask_to_stop(Stop::OutOfTime);
        }
    }

    /// Keeps the lease and tells the store what it does not know yet. A store that does not answer is told at the
    /// next beat; if it stays away, the lease lapses and the job is somebody else's.
    pub(super) async fn beat(&self, running: &mut Running) -> Result<(), StoreError> {
        let beat = running.window.beat();
        match self.store.heartbeat(&running.lease, self.config.lease_seconds, &beat).await {
            Ok(Heartbeat::Held { lease, cancel_requested }) => {
                running.lease = lease;
                if cancel_requested {
                    running.window.ask_to_stop(Stop::Cancelled);
                }
            }
            Ok(Heartbeat::Lost) => running.window.ask_to_stop(Stop::LostLease),
            Err(error) => {
                running.window.put_back(beat.news);
                return Err(error);
            }
        }
        Ok(())
    }
}

/// `None` of an engine that panicked.
fn outcome(ended: Option<Result<Produced, Ended>>) -> Outcome {
    match ended {
        Some(Ok(produced)) => Outcome::Produced(Box::new(produced)),
        Some(Err(Ended::Failed(failure))) => Outcome::Failed(failure),
        Some(Err(Ended::Stopped(stop))) => Outcome::Stopped(stop),
        Some(Err(Ended::Trouble)) => Outcome::Trouble(failure::storage_failed()),
        None => Outcome::Failed(failure::panicked()),
    }
}
