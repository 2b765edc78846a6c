//! What a worker writes under its lease.

use serde_json::json;
use sqlx::{Any, Transaction};

use super::diagnosis::write_diagnosis;
use super::held::Held;
use super::parts;
use super::queue::forget_epochs;
use super::types::{Beat, EventKind, Finish, Heartbeat, NewResults, News, Written};
use crate::ml::observe::EpochLog;
use crate::records::{Failure, JobCheckpoint, JobId, JobStatus, JobType, Lease, PhaseSeconds};
use crate::store::alarm::Bell;
use crate::store::row::{stored, to_json};
use crate::store::{Result, Store, datasets, models};

/// The first wait before a job with I/O trouble is tried again; each further wait is four times as long.
const RETRY_SECONDS: f64 = 5.0;
const RETRY_SECONDS_MAX: f64 = 600.0;

impl Store {
    /// Prolongs the lease and writes what the worker has to tell.
    pub async fn heartbeat(&self, lease: &Lease, lease_seconds: f64, beat: &Beat) -> Result<Heartbeat> {
        let mut transaction = self.write().await?;
        let Some(mut held) = Held::lock_leased(self, &mut transaction, lease).await? else {
            return Ok(Heartbeat::Lost);
        };
        let lease = Lease { expires_at: self.clock().now().plus_seconds(lease_seconds), ..*lease };
        held.lease = Some(lease);
        held.job.timings.clone_from(&beat.timings);
        for news in &beat.news {
            self.hear(&mut transaction, &mut held, news).await?;
        }
        held.advance(beat.progress);
        let cancel_requested = held.job.status == JobStatus::Cancelling;
        let job = held.save(&mut transaction).await?;
        if job.job_type() == JobType::Compare {
            parts::prolong(&mut transaction, &lease).await?;
        }
        self.commit(transaction, &[Bell::Jobs]).await?;
        Ok(Heartbeat::Held { lease, cancel_requested })
    }

    /// Has the next attempt go on from a checkpoint, which must be stored, with so many epochs of the learning curves.
    /// What it went on from before is then named by this job no more; see [`Store::drop_blob`].
    ///
    /// # Errors
    /// [`crate::store::StoreError::BlobMissing`] if the checkpoint is not there.
    pub async fn keep_checkpoint(&self, lease: &Lease, sha256: &str, epochs: u64) -> Result<Written> {
        let mut transaction = self.write().await?;
        let Some(mut held) = Held::lock_leased(self, &mut transaction, lease).await? else {
            return Ok(Written::LostLease);
        };
        self.hold_blob(&mut transaction, sha256).await?;
        held.job.checkpoint = Some(JobCheckpoint { sha256: sha256.to_owned(), epochs, at: self.clock().now() });
        held.save(&mut transaction).await?;
        self.commit(transaction, &[Bell::Jobs]).await?;
        Ok(Written::Done)
    }

    /// Ends the job with what it leaves: the rows of it and the job's status in one transaction. The bytes must be
    /// stored. A job that was to be cancelled is cancelled instead.
    ///
    /// # Errors
    /// [`crate::store::StoreError::BlobMissing`] if bytes are not there.
    pub async fn finish(&self, lease: &Lease, results: NewResults, timings: &[PhaseSeconds]) -> Result<Finish> {
        let mut transaction = self.write().await?;
        let Some(mut held) = Held::lock_leased(self, &mut transaction, lease).await? else {
            return Ok(Finish::LostLease);
        };
        held.job.timings = timings.to_vec();
        if held.job.status == JobStatus::Cancelling {
            held.become_status(JobStatus::Cancelled)?;
            held.save(&mut transaction).await?;
            self.commit(transaction, &[Bell::Jobs]).await?;
            return Ok(Finish::Cancelled);
        }
        self.leave(&mut transaction, &mut held, results).await?;
        held.advance(1.0);
        held.become_status(JobStatus::Succeeded)?;
        let job = held.save(&mut transaction).await?;
        self.commit(transaction, &[Bell::Jobs]).await?;
        Ok(Finish::Succeeded(Box::new(job)))
    }

    /// Writes the rows of what a job leaves and names them on the job.
    async fn leave(
        &self,
        transaction: &mut Transaction<'static, Any>,
        held: &mut Held,
        results: NewResults,
    ) -> Result<()> {
        let NewResults { model, dataset, result } = results;
        if let Some(model) = model {
            for sha256 in std::iter::once(&model.sha256).chain(&model.dossier_sha256) {
                self.hold_blob(transaction, sha256).await?;
            }
            let now = self.clock().now();
            let record = models::insert(transaction, model, Some((held.job.id, held.job.dataset_id)), now).await?;
            held.job.model_id = Some(record.id);
        }
        if let Some(dataset) = dataset {
            self.hold_blob(transaction, &dataset.sha256).await?;
            datasets::insert(transaction, &dataset).await?;
            held.job.result_dataset_id = Some(dataset.id);
        }
        if let Some(result) = result {
            self.hold_blob(transaction, &result.sha256).await?;
            held.job.result = Some(result);
        }
        Ok(())
    }

    /// Ends the job with a failure, for good.
    pub async fn fail(&self, lease: &Lease, failure: &Failure, timings: &[PhaseSeconds]) -> Result<Written> {
        self.change(lease, |held| {
            held.job.timings = timings.to_vec();
            held.fail(failure)
        })
        .await
    }

    /// Ends a job that the worker has stopped because it was asked to.
    pub async fn cancelled(&self, lease: &Lease, timings: &[PhaseSeconds]) -> Result<Written> {
        self.change(lease, |held| {
            held.job.timings = timings.to_vec();
            held.become_status(JobStatus::Cancelled)
        })
        .await
    }

    /// Puts the job back because the worker goes; the attempt is not counted.
    pub async fn give_back(&self, lease: &Lease) -> Result<Written> {
        self.change(lease, |held| {
            if held.job.status == JobStatus::Cancelling {
                return held.become_status(JobStatus::Cancelled);
            }
            held.job.attempt = held.job.attempt.saturating_sub(1);
            held.become_status(JobStatus::Queued)
        })
        .await
    }

    /// Puts the job back because of I/O trouble, to be tried again after a while; if no attempt is left, it fails.
    pub async fn retry_later(&self, lease: &Lease, failure: &Failure) -> Result<Written> {
        let now = self.clock().now();
        self.change(lease, |held| {
            let wait = RETRY_SECONDS * 4f64.powi(held.job.attempt.saturating_sub(1).min(16) as i32);
            held.available_at = now.plus_seconds(wait.min(RETRY_SECONDS_MAX)).as_micros();
            held.release(failure)
        })
        .await
    }

    /// One change under a lease, in one transaction.
    async fn change(&self, lease: &Lease, change: impl FnOnce(&mut Held) -> Result<()> + Send) -> Result<Written> {
        let mut transaction = self.write().await?;
        let Some(mut held) = Held::lock_leased(self, &mut transaction, lease).await? else {
            return Ok(Written::LostLease);
        };
        change(&mut held)?;
        held.save(&mut transaction).await?;
        self.commit(transaction, &[Bell::Jobs, Bell::Queue]).await?;
        Ok(Written::Done)
    }

    async fn hear(&self, transaction: &mut Transaction<'static, Any>, held: &mut Held, news: &News) -> Result<()> {
        match news {
            News::Phase(phase) => {
                held.job.phase = Some(*phase);
                held.tell(EventKind::Phase, json!({ "phase": phase, "attempt": held.job.attempt }));
            }
            News::Anew => {
                held.job.checkpoint = None;
                forget_epochs(transaction, held.job.id, 0).await?;
            }
            News::Diagnosis(diagnosis) => write_diagnosis(transaction, held.job.id, diagnosis).await?,
            News::Epoch(log) => {
                if insert_epoch(transaction, held.job.id, log).await? {
                    held.tell(EventKind::Epoch, json!(log));
                }
            }
        }
        Ok(())
    }
}

/// False if the epoch is there already: a beat whose answer was lost is told again.
async fn insert_epoch(transaction: &mut Transaction<'static, Any>, id: JobId, log: &EpochLog) -> Result<bool> {
    let done = sqlx::query(
        "INSERT INTO job_epochs (job_id, epoch, log) VALUES ($1, $2, $3) ON CONFLICT (job_id, epoch) DO NOTHING",
    )
    .bind(id.to_string())
    .bind(stored(log.epoch as u64))
    .bind(to_json("job_epochs", id, log)?)
    .execute(&mut **transaction)
    .await?;
    Ok(done.rows_affected() == 1)
}
