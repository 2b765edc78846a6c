//! Checkpoints on their way from a job's thread to the store, and back when the job is claimed again.
//!
//! The thread writes one down when it is asked to, which is by time, and when the process is going down. Storing it
//! takes as long as it takes, beside the heartbeats. The store is told of it only after every epoch that belongs to
//! it, so that the learning curves of the next attempt have no gap.

use std::time::Duration;

use bytes::Bytes;
use tokio::task::{JoinError, JoinHandle};

use super::observer::Written;
use super::runner::{Runner, Running};
use crate::ml::nn::MAX_CHECKPOINT_BYTES;
use crate::records::JobCheckpoint;
use crate::store::{Store, StoreError, Written as Kept};
use crate::telemetry::Chain;

/// How long a shutdown waits for the last checkpoint; after that the job is given back with the one before it.
const LAST_PATIENCE: Duration = Duration::from_secs(20);

/// A checkpoint that is being stored.
pub(super) struct Saving {
    epochs: u64,
    task: JoinHandle<Result<String, StoreError>>,
}

impl Drop for Saving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Runner {
    /// Takes checkpoints one step further: asks for one if it is time, begins to store one that is written, records
    /// one that is stored. To be called right after a heartbeat that was held.
    pub(super) async fn move_checkpoints(&self, running: &mut Running) {
        if let Some(mut saving) = running.saving.take_if(|saving| saving.task.is_finished()) {
            let stored = (&mut saving.task).await;
            self.record(running, saving.epochs, stored).await;
        }
        if running.saving.is_none() {
            running.saving = running.window.take_checkpoint().map(|written| save(&self.store, written));
        }
        let now = self.store.clock().now();
        let seconds = self.config.checkpoint_seconds;
        if seconds > 0.0 && running.saving.is_none() && now.seconds_since(running.asked) >= seconds {
            running.asked = now;
            running.window.ask_for_checkpoint();
        }
    }

    /// Stores what the thread wrote down last, before the job is given back.
    pub(super) async fn save_the_last(&self, running: &mut Running) {
        let deadline = tokio::time::Instant::now() + LAST_PATIENCE;
        loop {
            let written = || running.window.take_checkpoint().map(|written| save(&self.store, written));
            let Some(mut saving) = running.saving.take().or_else(written) else { return };
            let stored = self.attend(running, tokio::time::timeout_at(deadline, &mut saving.task)).await;
            match stored {
                Ok(stored) => self.record(running, saving.epochs, stored).await,
                Err(_) => return tracing::warn!(job = %running.job.id, "the last checkpoint takes too long to store"),
            }
        }
    }

    async fn record(&self, running: &mut Running, epochs: u64, stored: Result<Result<String, StoreError>, JoinError>) {
        let job = running.job.id;
        let sha256 = match stored {
            Ok(Ok(sha256)) => sha256,
            Ok(Err(error)) => {
                return tracing::warn!(%job, error = %Chain(&error), "a checkpoint could not be stored");
            }
            Err(error) => return tracing::error!(%job, %error, "storing a checkpoint crashed"),
        };
        match self.store.keep_checkpoint(&running.lease, &sha256, epochs).await {
            Ok(Kept::Done) => {}
            Ok(Kept::LostLease) => return self.drop_unnamed(&sha256).await,
            Err(error) => {
                return tracing::warn!(%job, error = %Chain(&error), "a checkpoint could not be recorded");
            }
        }
        tracing::debug!(%job, epochs, "checkpoint");
        let at = self.store.clock().now();
        let before = running.job.checkpoint.replace(JobCheckpoint { sha256: sha256.clone(), epochs, at });
        if let Some(before) = before.filter(|before| before.sha256 != sha256) {
            self.drop_unnamed(&before.sha256).await;
        }
    }

    /// Removes what a job that has ended, or is another worker's now, leaves of its checkpoints. One that will be tried
    /// again still names the last of them.
    pub(super) async fn leave_no_checkpoints(&self, running: &mut Running) {
        if let Some(mut saving) = running.saving.take()
            && let Ok(Ok(Ok(sha256))) = tokio::time::timeout(LAST_PATIENCE, &mut saving.task).await
        {
            self.drop_unnamed(&sha256).await;
        }
        if let Some(checkpoint) = running.job.checkpoint.take() {
            self.drop_unnamed(&checkpoint.sha256).await;
        }
    }

    /// Removes a checkpoint unless a job names it. What fails here is found by the sweeper.
    async fn drop_unnamed(&self, sha256: &str) {
        if let Err(error) = self.store.drop_blob(sha256).await {
            tracing::warn!(error = %Chain(&error), "an old checkpoint could not be removed");
        }
    }
}

fn save(store: &Store, written: Written) -> Saving {
    let (store, epochs) = (store.clone(), written.epochs as u64);
    let task = tokio::spawn(async move { store.blobs().put(Bytes::from(written.bytes)).await });
    Saving { epochs, task }
}

/// The bytes of a checkpoint.
pub(super) async fn load(store: &Store, checkpoint: &JobCheckpoint) -> Result<Vec<u8>, StoreError> {
    Ok(store.blobs().get(&checkpoint.sha256, MAX_CHECKPOINT_BYTES).await?.into())
}
