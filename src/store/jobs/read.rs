//! Looking at jobs.

use super::row::JobRow;
use super::types::{JobEvent, JobFilter, QueueStats};
use crate::clock::Timestamp;
use crate::ml::observe::{EpochLog, Phase};
use crate::records::{JobId, JobRecord, JobStatus};
use crate::store::row::{Place, columns, stored};
use crate::store::{Page, Result, Store};

impl Store {
    pub async fn job(&self, id: JobId) -> Result<Option<JobRecord>> {
        let row: Option<JobRow> = sqlx::query_as(
            "SELECT id, status, phase, progress, attempt, max_attempts, created_at, available_at, started_at,
                    finished_at, cancel_requested_at, dataset_id, retry_of, model_id, result_dataset_id,
                    result_details, config, failure, timings, transitions, last_event, lease_token, lease_expires_at,
                    checkpoint_sha256, checkpoint_epochs, checkpoint_at
             FROM jobs WHERE id = $1",
        )
        .bind(id.to_string())
        .fetch_optional(self.pool())
        .await?;
        row.map(JobRecord::try_from).transpose()
    }

    /// Newest first.
    pub async fn jobs(&self, filter: &JobFilter, page: &Page) -> Result<Vec<JobRecord>> {
        let status = filter.status.map(JobStatus::as_str);
        let dataset_id = filter.dataset_id.map(|id| id.to_string());
        let job_type = filter.job_type.map(|job_type| job_type.as_str());
        let rows: Vec<JobRow> = sqlx::query_as(
            "SELECT id, status, phase, progress, attempt, max_attempts, created_at, available_at, started_at,
                    finished_at, cancel_requested_at, dataset_id, retry_of, model_id, result_dataset_id,
                    result_details, config, failure, timings, transitions, last_event, lease_token, lease_expires_at,
                    checkpoint_sha256, checkpoint_epochs, checkpoint_at
             FROM jobs
             WHERE ($1 IS NULL OR status = $2) AND ($3 IS NULL OR dataset_id = $4) AND ($5 IS NULL OR job_type = $6)
               AND ($7 IS NULL OR id < $8)
             ORDER BY id DESC LIMIT $9",
        )
        .bind(status)
        .bind(status)
        .bind(dataset_id.clone())
        .bind(dataset_id)
        .bind(job_type)
        .bind(job_type)
        .bind(page.before_text())
        .bind(page.before_text())
        .bind(i64::from(page.size))
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(JobRecord::try_from).collect()
    }

    /// The learning curves of the present or last attempt, oldest epoch first.
    pub async fn epochs(&self, id: JobId) -> Result<Vec<EpochLog>> {
        let id = id.to_string();
        let rows: Vec<(String,)> = sqlx::query_as("SELECT log FROM job_epochs WHERE job_id = $1 ORDER BY epoch")
            .bind(id.clone())
            .fetch_all(self.pool())
            .await?;
        let place = Place { table: "job_epochs", id: &id };
        rows.iter().map(|(log,)| place.json("log", log)).collect()
    }

    /// At most `limit` events after the given sequence, in order.
    pub async fn events(&self, id: JobId, after: u64, limit: u32) -> Result<Vec<JobEvent>> {
        let rows: Vec<EventRow> = sqlx::query_as(
            "SELECT job_id, sequence, kind, at, data FROM job_events WHERE job_id = $1 AND sequence > $2
             ORDER BY sequence LIMIT $3",
        )
        .bind(id.to_string())
        .bind(stored(after))
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(EventRow::event).collect()
    }

    pub async fn queue_stats(&self) -> Result<QueueStats> {
        let counts: Vec<(String, i64)> =
            sqlx::query_as("SELECT status, COUNT(*) FROM jobs GROUP BY status").fetch_all(self.pool()).await?;
        let phases: Vec<(String, i64)> = sqlx::query_as(
            "SELECT phase, COUNT(*) FROM jobs WHERE status IN ('running', 'cancelling') AND phase IS NOT NULL
             GROUP BY phase",
        )
        .fetch_all(self.pool())
        .await?;
        let parts: Vec<(String, i64)> = sqlx::query_as(
            "SELECT state, COUNT(*) FROM
                 (SELECT CASE WHEN finished_at IS NOT NULL THEN 'finished' WHEN lease_expires_at > $1 THEN 'running'
                      ELSE 'waiting' END AS state FROM job_parts) AS parts
             GROUP BY state",
        )
        .bind(self.now())
        .fetch_all(self.pool())
        .await?;
        let oldest: Option<(i64,)> =
            sqlx::query_as("SELECT created_at FROM jobs WHERE status = 'queued' ORDER BY created_at LIMIT 1")
                .fetch_optional(self.pool())
                .await?;
        let of = |counts: &[(String, i64)], wanted: &'static str| {
            let count = counts.iter().find(|(name, _)| name == wanted);
            (wanted, count.map_or(0, |&(_, count)| count.unsigned_abs()))
        };
        Ok(QueueStats {
            by_status: JobStatus::ALL.into_iter().map(|status| of(&counts, status.as_str())).collect(),
            running_by_phase: Phase::ALL.into_iter().map(|phase| of(&phases, phase.as_str())).collect(),
            parts: ["waiting", "running", "finished"].map(|state| of(&parts, state)).into(),
            oldest_queued_seconds: oldest
                .map(|(created_at,)| self.clock().now().seconds_since(Timestamp::from_micros(created_at))),
        })
    }
}

columns! {
    struct EventRow {
        job_id: String,
        sequence: i64,
        kind: String,
        at: i64,
        data: String,
    }
}

impl EventRow {
    fn event(&self) -> Result<JobEvent> {
        let place = Place { table: "job_events", id: &self.job_id };
        Ok(JobEvent {
            sequence: place.number("sequence", self.sequence)?,
            kind: place.parse("kind", &self.kind)?,
            at: Timestamp::from_micros(self.at),
            data: place.json("data", &self.data)?,
        })
    }
}
