//! The parts of a job in the store, as the threads see them that compute them: calls that wait for their answer.

use std::time::Duration;

use tokio::runtime::Handle;

use super::WorkerConfig;
use super::conclude::patiently;
use crate::store::{PartHand, Store, StoreError, TakePart, Written};

/// How one worker shares in the parts of a job. Its methods are called from threads of the job, never from the runtime's,
/// and try again while the store does not answer, for about six seconds.
pub struct Parts {
    store: Store,
    runtime: Handle,
    hand: PartHand,
    lease_seconds: f64,
    poll_seconds: f64,
}

impl Parts {
    /// To be made within the runtime.
    pub fn new(store: Store, hand: PartHand, config: &WorkerConfig) -> Self {
        let WorkerConfig { lease_seconds, poll_seconds, .. } = *config;
        Self { store, runtime: Handle::current(), hand, lease_seconds, poll_seconds }
    }

    /// Begins a job of so many parts, or goes on with those that the same program has not finished.
    ///
    /// # Errors
    /// If the store fails.
    pub fn open(&self, parts: u64, program: &str) -> Result<Written, StoreError> {
        self.answer(|| self.store.open_parts(&self.hand, parts, program))
    }

    /// Takes a part.
    ///
    /// # Errors
    /// If the store fails.
    pub fn take(&self) -> Result<TakePart, StoreError> {
        self.answer(|| self.store.take_part(&self.hand, self.lease_seconds))
    }

    /// Keeps the result of a part that was taken.
    ///
    /// # Errors
    /// If the store fails.
    pub fn finish(&self, part: u64, result: &str) -> Result<Written, StoreError> {
        self.answer(|| self.store.finish_part(&self.hand, part, result))
    }

    /// The result of a part, if it is finished.
    ///
    /// # Errors
    /// If the store fails.
    pub fn result(&self, part: u64) -> Result<Option<String>, StoreError> {
        self.answer(|| self.store.part_result(self.hand.job_id, part))
    }

    /// Waits until something about a job has changed, as long as between two looks at the queue.
    pub fn wait(&self) {
        let mut changes = self.store.job_events();
        let pause = Duration::from_secs_f64(self.poll_seconds);
        self.runtime.block_on(async {
            // Time is up, or it has changed: whoever waits looks again in either case.
            let _ = tokio::time::timeout(pause, changes.changed()).await;
        });
    }

    fn answer<T, F: Future<Output = Result<T, StoreError>>>(&self, ask: impl Fn() -> F) -> Result<T, StoreError> {
        self.runtime.block_on(patiently(ask))
    }
}
