//! Into the queue, out of it, and back when a worker is lost.

use serde_json::Value;
use sqlx::{Any, Transaction};
use uuid::Uuid;

use super::held::{Held, insert_event, status_event};
use super::types::{Enqueue, EventKind, NewJob};
use crate::clock::Timestamp;
use crate::records::{Failure, JobId, JobRecord, JobStatus, Lease, Transition};
use crate::store::alarm::Bell;
use crate::store::row::{Place, stored, to_json};
use crate::store::{IdempotentAnswer, Result, Store, datasets};

/// Lapsed leases that one call of `expire_leases` looks at.
const EXPIRE_AT_ONCE: i64 = 500;

impl Store {
    /// Puts a job in the queue.
    ///
    /// # Errors
    /// [`crate::store::StoreError::AlreadyAnswered`] if the idempotency key was answered meanwhile.
    pub async fn enqueue(&self, job: &NewJob, answer: Option<&IdempotentAnswer>) -> Result<Enqueue> {
        self.enqueue_at(job, self.clock().now(), answer).await
    }

    /// As [`Store::enqueue`], for a caller that has shown the job as [`NewJob::queued`] at `now` in its answer.
    pub async fn enqueue_at(&self, job: &NewJob, now: Timestamp, answer: Option<&IdempotentAnswer>) -> Result<Enqueue> {
        let mut transaction = self.write().await?;
        if !datasets::touch(&mut transaction, job.dataset_id, now.as_micros()).await? {
            return Ok(Enqueue::DatasetGone);
        }
        let limit = self.0.max_pending;
        if self.count_queued(&mut transaction).await? >= stored(limit) {
            return Ok(Enqueue::QueueFull { limit });
        }
        let record = job.queued(now);
        insert(&mut transaction, &record).await?;
        insert_event(&mut transaction, record.id, 1, EventKind::Status, now, &status_event(&record)).await?;
        self.answer(&mut transaction, answer).await?;
        self.commit(transaction, &[Bell::Jobs, Bell::Queue]).await?;
        Ok(Enqueue::Enqueued(Box::new(record)))
    }

    /// Cancels a queued job at once and asks the worker of a running one to stop. Any other job stays as it is.
    /// Answers the job after that, if there is one.
    pub async fn request_cancel(&self, id: JobId) -> Result<Option<JobRecord>> {
        let now = self.clock().now();
        let mut transaction = self.write().await?;
        let Some(mut held) = Held::lock(self, &mut transaction, id, now).await? else { return Ok(None) };
        let next = match held.job.status {
            JobStatus::Queued => JobStatus::Cancelled,
            JobStatus::Running => JobStatus::Cancelling,
            JobStatus::Cancelling | JobStatus::Succeeded | JobStatus::Failed | JobStatus::Cancelled => {
                return Ok(Some(held.job));
            }
        };
        held.cancel_requested_at = Some(now.as_micros());
        held.become_status(next)?;
        let job = held.save(&mut transaction).await?;
        self.commit(transaction, &[Bell::Jobs, Bell::Cancels]).await?;
        Ok(Some(job))
    }

    /// Takes the job of the highest priority, the oldest among equals, if one is ready. The claim is committed when
    /// this returns.
    pub async fn claim(&self, lease_seconds: f64) -> Result<Option<(JobRecord, Lease)>> {
        let now = self.clock().now();
        let mut transaction = self.write().await?;
        let Some(id) = self.next_queued(&mut transaction, now).await? else { return Ok(None) };
        let Some(mut held) = Held::lock(self, &mut transaction, id, now).await? else { return Ok(None) };
        let lease = Lease { job_id: id, token: Uuid::now_v7(), expires_at: now.plus_seconds(lease_seconds) };
        held.lease = Some(lease);
        held.job.attempt += 1;
        held.job.started_at = Some(now);
        held.job.phase = None;
        held.job.timings.clear();
        held.become_status(JobStatus::Running)?;
        let kept = held.job.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.epochs);
        forget_epochs(&mut transaction, id, kept).await?;
        let job = held.save(&mut transaction).await?;
        self.commit(transaction, &[Bell::Jobs]).await?;
        Ok(Some((job, lease)))
    }

    /// Takes jobs from workers whose lease has run out: back to the queue, or ended as `worker-lost` when the
    /// attempts are used up, or cancelled when that was asked for. Answers how many.
    pub async fn expire_leases(&self) -> Result<u64> {
        let lapsed: Vec<(String,)> = sqlx::query_as(
            "SELECT id FROM jobs WHERE status IN ('running', 'cancelling') AND lease_expires_at <= $1
             ORDER BY lease_expires_at LIMIT $2",
        )
        .bind(self.now())
        .bind(EXPIRE_AT_ONCE)
        .fetch_all(self.pool())
        .await?;
        let mut expired = 0;
        for (id,) in lapsed {
            let id = Place { table: "jobs", id: &id }.parse("id", &id)?;
            expired += u64::from(self.expire(id).await?);
        }
        Ok(expired)
    }

    async fn expire(&self, id: JobId) -> Result<bool> {
        let now = self.clock().now();
        let mut transaction = self.write().await?;
        let held = Held::lock(self, &mut transaction, id, now).await?;
        let lapsed = held.filter(|held| held.lease.is_some_and(|lease| lease.expires_at <= now));
        let Some(mut held) = lapsed else { return Ok(false) };
        held.release(&worker_lost(&held.job))?;
        held.save(&mut transaction).await?;
        self.commit(transaction, &[Bell::Jobs, Bell::Queue]).await?;
        Ok(true)
    }

    async fn next_queued(&self, transaction: &mut Transaction<'static, Any>, now: Timestamp) -> Result<Option<JobId>> {
        let row: Option<(String,)> = sqlx::query_as(self.engine().sql(
            "SELECT id FROM jobs WHERE status = 'queued' AND available_at <= $1
             ORDER BY priority DESC, created_at, id LIMIT 1 {for_update_skip_locked}",
        ))
        .bind(now.as_micros())
        .fetch_optional(&mut **transaction)
        .await?;
        row.map(|(id,)| Place { table: "jobs", id: &id }.parse("id", &id)).transpose()
    }

    /// How many jobs wait. Nobody else puts one in until the transaction ends, so that two requests cannot both have
    /// the last free place; jobs that come back from workers are not refused and not waited for.
    async fn count_queued(&self, transaction: &mut Transaction<'static, Any>) -> Result<i64> {
        if let Some(lock) = self.engine().lock_queue() {
            sqlx::query(lock).execute(&mut **transaction).await?;
        }
        let (count,): (i64,) =
            sqlx::query_as("SELECT COUNT(*) FROM jobs WHERE status = 'queued'").fetch_one(&mut **transaction).await?;
        Ok(count)
    }

    /// Commits and rings.
    pub(in crate::store) async fn commit(
        &self,
        mut transaction: Transaction<'static, Any>,
        bells: &[Bell],
    ) -> Result<()> {
        for &bell in bells {
            self.0.alarm.announce(&mut transaction, bell).await?;
        }
        transaction.commit().await?;
        for &bell in bells {
            self.0.alarm.ring(bell);
        }
        Ok(())
    }
}

impl Held {
    /// Takes the job from its worker through no fault of its own: cancelled if that was asked for, queued if
    /// attempts are left, failed otherwise.
    pub(super) fn release(&mut self, failure: &Failure) -> Result<()> {
        if self.job.status == JobStatus::Cancelling {
            self.become_status(JobStatus::Cancelled)
        } else if self.job.attempt < self.job.max_attempts {
            self.become_status(JobStatus::Queued)
        } else {
            self.fail(failure)
        }
    }
}

fn worker_lost(job: &JobRecord) -> Failure {
    Failure {
        code: "worker-lost".into(),
        title: "The worker was lost".into(),
        detail: format!(
            "The worker stopped answering in attempt {} of {}; the process was killed or ran out of memory.",
            job.attempt, job.max_attempts
        ),
        retryable: true,
    }
}

impl NewJob {
    /// The job as it is when it has just been queued.
    pub fn queued(&self, now: Timestamp) -> JobRecord {
        JobRecord {
            id: self.id,
            status: JobStatus::Queued,
            phase: None,
            progress: 0.0,
            attempt: 0,
            max_attempts: self.max_attempts.max(1),
            created_at: now,
            started_at: None,
            finished_at: None,
            dataset_id: self.dataset_id,
            retry_of: self.retry_of,
            model_id: None,
            result_dataset_id: None,
            result: None,
            config: self.config.clone(),
            failure: None,
            timings: Vec::new(),
            transitions: vec![Transition { status: JobStatus::Queued, at: now }],
            checkpoint: None,
        }
    }
}

async fn insert(transaction: &mut Transaction<'static, Any>, job: &JobRecord) -> Result<()> {
    sqlx::query(
        "INSERT INTO jobs
             (id, job_type, status, progress, attempt, max_attempts, priority, created_at, available_at, dataset_id,
              config, timings, transitions, retry_of, last_event)
         VALUES ($1, $2, $3, 0, 0, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1)",
    )
    .bind(job.id.to_string())
    .bind(job.job_type().as_str())
    .bind(job.status.as_str())
    .bind(i64::from(job.max_attempts))
    .bind(i64::from(job.config.priority))
    .bind(job.created_at.as_micros())
    .bind(job.created_at.as_micros())
    .bind(job.dataset_id.to_string())
    .bind(to_json("jobs", job.id, &job.config)?)
    .bind(Value::Array(Vec::new()).to_string())
    .bind(to_json("jobs", job.id, &job.transitions)?)
    .bind(job.retry_of.map(|id| id.to_string()))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The curves are those of one attempt, and of the checkpoint that it goes on from.
pub(super) async fn forget_epochs(transaction: &mut Transaction<'static, Any>, id: JobId, kept: u64) -> Result<()> {
    sqlx::query("DELETE FROM job_epochs WHERE job_id = $1 AND epoch > $2")
        .bind(id.to_string())
        .bind(stored(kept))
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
