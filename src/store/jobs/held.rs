//! A job whose row this transaction holds: read once, changed in memory, written once with its events.

use serde_json::{Value, json};
use sqlx::{Any, Transaction};

use super::parts;
use super::row::JobRow;
use super::types::EventKind;
use crate::clock::Timestamp;
use crate::records::{Failure, JobId, JobRecord, JobStatus, JobType, Lease, Transition};
use crate::store::row::{stored, to_json};
use crate::store::{Result, Store, StoreError};

const SELECT: &str = "SELECT id, status, phase, progress, attempt, max_attempts, created_at, available_at,
        started_at, finished_at, cancel_requested_at, dataset_id, retry_of, model_id, result_dataset_id,
        result_details, config, failure, timings, transitions, last_event, lease_token, lease_expires_at,
        checkpoint_sha256, checkpoint_epochs, checkpoint_at
     FROM jobs WHERE id = $1 {for_update}";

const UPDATE: &str = "UPDATE jobs
     SET status = $1, phase = $2, progress = $3, attempt = $4, available_at = $5, started_at = $6, finished_at = $7,
         cancel_requested_at = $8, model_id = $9, failure = $10, timings = $11, transitions = $12, last_event = $13,
         lease_token = $14, lease_expires_at = $15, checkpoint_sha256 = $16, checkpoint_epochs = $17,
         checkpoint_at = $18, result_dataset_id = $19, result_sha256 = $20, result_details = $21
     WHERE id = $22";

/// A job and what its record does not show.
pub(super) struct Held {
    pub(super) job: JobRecord,
    pub(super) available_at: i64,
    pub(super) cancel_requested_at: Option<i64>,
    pub(super) lease: Option<Lease>,
    last_event: i64,
    events: Vec<(EventKind, Value)>,
    at: Timestamp,
}

impl Held {
    /// Holds the job's row until the transaction ends. `at` is the time of everything that happens to it here.
    pub(super) async fn lock(
        store: &Store,
        transaction: &mut Transaction<'static, Any>,
        id: JobId,
        at: Timestamp,
    ) -> Result<Option<Held>> {
        let row: Option<JobRow> =
            sqlx::query_as(store.engine().sql(SELECT)).bind(id.to_string()).fetch_optional(&mut **transaction).await?;
        row.map(|row| Held::read(row, at)).transpose()
    }

    /// As [`Held::lock`], if the job is still under this lease.
    pub(super) async fn lock_leased(
        store: &Store,
        transaction: &mut Transaction<'static, Any>,
        lease: &Lease,
    ) -> Result<Option<Held>> {
        let held = Held::lock(store, transaction, lease.job_id, store.clock().now()).await?;
        Ok(held.filter(|held| held.lease.is_some_and(|present| present.token == lease.token)))
    }

    fn read(row: JobRow, at: Timestamp) -> Result<Held> {
        let lease = row.lease()?;
        Ok(Held {
            available_at: row.available_at,
            cancel_requested_at: row.cancel_requested_at,
            lease,
            last_event: row.last_event,
            events: Vec::new(),
            at,
            job: JobRecord::try_from(row)?,
        })
    }

    /// Puts the job into its next status, with all that goes with it.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`] if a job may not go from its status to that one.
    pub(super) fn become_status(&mut self, status: JobStatus) -> Result<()> {
        if !self.job.status.may_become(status) {
            let what = format!("a job that is {} cannot become {}", self.job.status.as_str(), status.as_str());
            return Err(StoreError::inconsistent("jobs", "status", &self.job.id.to_string(), what));
        }
        self.job.status = status;
        if !matches!(status, JobStatus::Running | JobStatus::Cancelling) {
            self.lease = None;
        }
        if status.is_terminal() {
            self.job.finished_at = Some(self.at);
            self.job.checkpoint = None;
        }
        self.job.transitions.push(Transition { status, at: self.at });
        let told = status_event(&self.job);
        self.tell(EventKind::Status, told);
        Ok(())
    }

    /// Ends the job with a failure.
    pub(super) fn fail(&mut self, failure: &Failure) -> Result<()> {
        self.job.failure = Some(failure.clone());
        self.become_status(JobStatus::Failed)
    }

    /// Adds an event.
    pub(super) fn tell(&mut self, kind: EventKind, data: Value) {
        self.events.push((kind, data));
    }

    /// Shows this progress if it is more than what is shown, and tells of every new hundredth.
    pub(super) fn advance(&mut self, progress: f64) {
        let progress = progress.clamp(0.0, 1.0);
        // A NaN compares false and changes nothing.
        if progress > self.job.progress {
            let hundredth = |share: f64| (share * 100.0).floor() as u8;
            let is_new = hundredth(progress) > hundredth(self.job.progress);
            self.job.progress = progress;
            if is_new {
                self.tell(EventKind::Progress, json!({ "progress": progress }));
            }
        }
    }

    /// Writes the row and its events.
    pub(super) async fn save(mut self, transaction: &mut Transaction<'static, Any>) -> Result<JobRecord> {
        let events = std::mem::take(&mut self.events);
        for (kind, data) in events {
            self.last_event += 1;
            insert_event(transaction, self.job.id, self.last_event, kind, self.at, &data).await?;
        }
        self.update(transaction).await?;
        self.settle_parts(transaction).await?;
        Ok(self.job)
    }

    /// Parts are somebody's only while the job is at work, and gone with its end.
    async fn settle_parts(&self, transaction: &mut Transaction<'static, Any>) -> Result<()> {
        let id = self.job.id;
        match self.job.status {
            _ if self.job.job_type() != JobType::Compare => Ok(()),
            JobStatus::Queued => parts::free_all(transaction, id).await,
            JobStatus::Running | JobStatus::Cancelling => Ok(()),
            JobStatus::Succeeded | JobStatus::Failed | JobStatus::Cancelled => parts::delete(transaction, id).await,
        }
    }

    async fn update(&self, transaction: &mut Transaction<'static, Any>) -> Result<()> {
        let job = &self.job;
        let failure = job.failure.as_ref().map(|failure| to_json("jobs", job.id, failure)).transpose()?;
        let result = job.result.as_ref().map(|result| to_json("jobs", job.id, result)).transpose()?;
        let done = sqlx::query(UPDATE)
            .bind(job.status.as_str())
            .bind(job.phase.map(|phase| phase.as_str()))
            .bind(job.progress)
            .bind(i64::from(job.attempt))
            .bind(self.available_at)
            .bind(job.started_at.map(Timestamp::as_micros))
            .bind(job.finished_at.map(Timestamp::as_micros))
            .bind(self.cancel_requested_at)
            .bind(job.model_id.map(|id| id.to_string()))
            .bind(failure)
            .bind(to_json("jobs", job.id, &job.timings)?)
            .bind(to_json("jobs", job.id, &job.transitions)?)
            .bind(self.last_event)
            .bind(self.lease.map(|lease| lease.token.to_string()))
            .bind(self.lease.map(|lease| lease.expires_at.as_micros()))
            .bind(job.checkpoint.as_ref().map(|checkpoint| checkpoint.sha256.clone()))
            .bind(job.checkpoint.as_ref().map(|checkpoint| stored(checkpoint.epochs)))
            .bind(job.checkpoint.as_ref().map(|checkpoint| checkpoint.at.as_micros()))
            .bind(job.result_dataset_id.map(|id| id.to_string()))
            .bind(job.result.as_ref().map(|result| result.sha256.clone()))
            .bind(result)
            .bind(job.id.to_string())
            .execute(&mut **transaction)
            .await?;
        if done.rows_affected() == 1 {
            return Ok(());
        }
        Err(StoreError::inconsistent("jobs", "id", &job.id.to_string(), "the row went away while it was held"))
    }
}

/// What a status event says.
pub(super) fn status_event(job: &JobRecord) -> Value {
    let mut data = json!({ "status": job.status, "attempt": job.attempt });
    if let Some(model_id) = job.model_id {
        data["model_id"] = json!(model_id);
    }
    if let Some(dataset_id) = job.result_dataset_id {
        data["result_dataset_id"] = json!(dataset_id);
    }
    if let Some(failure) = &job.failure {
        data["failure"] = json!(failure);
    }
    data
}

/// Writes one event; the caller holds the job's row and gives the next sequence.
pub(super) async fn insert_event(
    transaction: &mut Transaction<'static, Any>,
    id: JobId,
    sequence: i64,
    kind: EventKind,
    at: Timestamp,
    data: &Value,
) -> Result<()> {
    sqlx::query("INSERT INTO job_events (job_id, sequence, kind, at, data) VALUES ($1, $2, $3, $4, $5)")
        .bind(id.to_string())
        .bind(sequence)
        .bind(kind.as_str())
        .bind(at.as_micros())
        .bind(data.to_string())
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
