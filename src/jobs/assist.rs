//! Assisting: a worker with nothing in the queue computes parts of a job that another process runs.
//!
//! What it leaves are results of parts, each kept as soon as it is there; what it has begun and not finished is somebody
//! else's when it goes. It goes when there is no part left to take, when the job ends or changes hands, when its own process
//! has a job of its own for the place, and when that process goes down.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::engine::{Ended, Work};
use super::observer::{Checkpoints, Window, WindowObserver};
use super::open;
use super::parts::Parts;
use super::runner::{Outcome, Runner};
use super::thread::JobThread;
use crate::ml::observe::Stop;
use crate::records::JobRecord;
use crate::store::PartHand;
use crate::telemetry::Chain;

/// How assistance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assisted {
    /// There is no more to do, for now, or it was told to stop.
    Left,
    /// This process cannot compute the job's parts, and would not be able to the next time.
    Cannot,
}

impl Runner {
    /// Computes parts of a job until there is none to take, or `leave`.
    pub(super) async fn assist(&self, job: JobRecord, leave: &CancellationToken) -> Assisted {
        let id = job.id;
        tracing::info!(job = %id, "assisting with a job");
        let hand = PartHand::assistant(id);
        let window = Window::new(self.store.clock().clone(), job.job_type());
        let end = self.attend_parts(&hand, &window, leave, self.compute_parts(job, &hand, &window)).await;
        if let Err(error) = self.store.release_parts(&hand).await {
            tracing::warn!(job = %id, error = %Chain(&error), "parts were not let go of; their leases will lapse");
        }
        tracing::info!(job = %id, ?end, "assistance ended");
        end
    }

    async fn compute_parts(&self, job: JobRecord, hand: &PartHand, window: &Arc<Window>) -> Assisted {
        let id = job.id;
        let parts = Parts::new(self.store.clone(), *hand, &self.config);
        let work = match open::open(self.store.clone(), job, parts).await {
            Ok(work) => work,
            Err(Outcome::Failed(_)) => return Assisted::Cannot,
            // The log has why; at another time it may do better.
            Err(_) => return Assisted::Left,
        };
        match self.start_assistance(work, window) {
            Ok(thread) => match thread.outcome().await {
                Some(Ok(()) | Err(Ended::Stopped(_) | Ended::Trouble)) => Assisted::Left,
                Some(Err(Ended::Failed(failure))) => {
                    tracing::warn!(job = %id, code = failure.code, detail = failure.detail, "cannot assist");
                    Assisted::Cannot
                }
                None => Assisted::Cannot,
            },
            Err(error) => {
                tracing::error!(%error, "no thread to assist with a job");
                Assisted::Left
            }
        }
    }

    fn start_assistance(&self, work: Work, window: &Arc<Window>) -> std::io::Result<JobThread<Result<(), Ended>>> {
        let none = Checkpoints { earlier: None, earlier_epochs: Vec::new(), wanted: false };
        let mut observer = WindowObserver::new(window.clone(), work.job.id, none);
        let engine = self.engine.clone();
        JobThread::start(work.job.id, move || engine.assist(work, &mut observer))
    }

    /// Waits for `task` and meanwhile keeps the leases of parts, and passes on every reason to stop.
    async fn attend_parts<T>(
        &self,
        hand: &PartHand,
        window: &Window,
        leave: &CancellationToken,
        task: impl Future<Output = T>,
    ) -> T {
        let mut task = std::pin::pin!(task);
        let mut cancels = self.store.cancel_requests();
        let pause = Duration::from_secs_f64(self.config.heartbeat_seconds);
        loop {
            let not_told_to_go = window.stop().is_none();
            tokio::select! {
                done = &mut task => return done,
                () = leave.cancelled(), if not_told_to_go => window.ask_to_stop(Stop::Shutdown),
                _ = cancels.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
            match self.store.hold_parts(hand, self.config.lease_seconds).await {
                Ok(true) => {}
                Ok(false) => window.ask_to_stop(Stop::LostLease),
                Err(error) => tracing::warn!(job = %hand.job_id, error = %Chain(&error), "no heartbeat"),
            }
        }
    }
}
