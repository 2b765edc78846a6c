//! The thread that a job is computed on, with the pool that it shares numeric work with.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::priority;
use crate::records::JobId;

/// A job's thread at work.
pub(super) struct JobThread<T> {
    thread: JoinHandle<()>,
    done: oneshot::Receiver<T>,
}

impl<T: Send + 'static> JobThread<T> {
    /// Starts it with a pool of its own, so that no other job's work keeps it waiting. A panic in either is this job's and
    /// nobody else's.
    pub(super) fn start(job: JobId, run: impl FnOnce() -> T + Send + 'static) -> std::io::Result<Self> {
        let (sender, done) = oneshot::channel();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(rayon::current_num_threads())
            .thread_name(|index| format!("job-numeric-{index}"))
            .start_handler(|_| priority::run_when_idle())
            .build()
            .map_err(std::io::Error::other)?;
        let thread = std::thread::Builder::new().name(format!("job-{job}")).spawn(move || {
            if let Ok(outcome) = catch_unwind(AssertUnwindSafe(|| pool.install(run))) {
                // Nobody waits any more if the process is going down: the lease will lapse.
                let _ = sender.send(outcome);
            }
        })?;
        Ok(Self { thread, done })
    }

    /// What came of it; nothing if it panicked.
    pub(super) async fn outcome(self) -> Option<T> {
        let outcome = self.done.await;
        // The thread has sent its outcome and has nothing left to do; joining it cannot take long.
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        match (outcome, joined) {
            (Ok(outcome), Ok(Ok(()))) => Some(outcome),
            _ => None,
        }
    }
}
