//! The parts of a job, shared out among the worker that runs it and others that assist.
//!
//! Parts are there from [`Store::open_parts`] until the job ends. Each is computed under a lease of its own, by its number
//! and nothing else, so that it does not matter by whom; a result, once kept, outlives every worker. Whoever changes a part
//! holds the job's row first.

use sqlx::{Any, Transaction};
use uuid::Uuid;

use super::types::Written;
use crate::records::{JobId, JobStatus, Lease};
use crate::store::alarm::Bell;
use crate::store::row::{Place, stored};
use crate::store::{Result, Store, StoreError};

/// Workers that a part may take down with it; after that it is left to the one that runs the job, whose attempts are counted.
const MAX_LAPSES: i64 = 2;
/// Jobs that are looked at for somebody who could assist.
const MOST_TO_ASSIST: i64 = 500;

/// Who takes parts of a job: the worker that runs it, or one that assists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartHand {
    pub job_id: JobId,
    token: Uuid,
    runs_the_job: bool,
}

impl PartHand {
    /// The worker that runs the job.
    pub fn owner(lease: &Lease) -> Self {
        Self { job_id: lease.job_id, token: lease.token, runs_the_job: true }
    }

    /// Another one.
    pub fn assistant(job_id: JobId) -> Self {
        Self { job_id, token: Uuid::now_v7(), runs_the_job: false }
    }

    /// It may take parts that have taken down this many workers or fewer.
    fn most_lapses(&self) -> i64 {
        if self.runs_the_job { i64::MAX } else { MAX_LAPSES - 1 }
    }
}

/// What became of the wish to have a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakePart {
    Taken {
        part: u64,
        standing: Standing,
    },
    /// Each is finished or somebody's.
    NoneFree(Standing),
    /// The job is not the owner's any more, or not running and in need of assistance.
    Gone,
}

/// How far the parts of a job are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    pub parts: u64,
    pub finished: u64,
}

impl Store {
    /// Begins a job of so many parts, which only its owner may. If the same program has begun it before, what is finished
    /// stays.
    pub async fn open_parts(&self, hand: &PartHand, parts: u64, program: &str) -> Result<Written> {
        let mut transaction = self.write().await?;
        if !hand.runs_the_job || !self.may_take(&mut transaction, hand).await? {
            transaction.rollback().await?;
            return Ok(Written::LostLease);
        }
        let id = hand.job_id.to_string();
        let (known,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM job_parts WHERE job_id = $1 AND program = $2")
            .bind(id.clone())
            .bind(program.to_owned())
            .fetch_one(&mut *transaction)
            .await?;
        if known != stored(parts) {
            delete(&mut transaction, hand.job_id).await?;
            for part in 0..parts {
                sqlx::query("INSERT INTO job_parts (job_id, part, program, lapses) VALUES ($1, $2, $3, 0)")
                    .bind(id.clone())
                    .bind(stored(part))
                    .bind(program.to_owned())
                    .execute(&mut *transaction)
                    .await?;
            }
        }
        // Who has nothing to do looks at the queue, and then for somebody to assist.
        self.commit(transaction, &[Bell::Queue]).await?;
        Ok(Written::Done)
    }

    /// Takes the first part that is nobody's, which includes those whose holders were lost.
    pub async fn take_part(&self, hand: &PartHand, lease_seconds: f64) -> Result<TakePart> {
        let (standing, free) = self.standing(hand).await?;
        if free == 0 && standing.parts > 0 {
            return Ok(TakePart::NoneFree(standing));
        }
        let now = self.clock().now();
        let mut transaction = self.write().await?;
        if !self.may_take(&mut transaction, hand).await? {
            // At once, so that whoever wants the job does not pass over it meanwhile.
            transaction.rollback().await?;
            return Ok(TakePart::Gone);
        }
        let found: Option<(i64, i64)> = sqlx::query_as(self.engine().sql(
            "SELECT part, lapses + CASE WHEN lease_token IS NULL THEN 0 ELSE 1 END FROM job_parts
             WHERE job_id = $1 AND finished_at IS NULL
               AND lapses + CASE WHEN lease_token IS NULL THEN 0 ELSE 1 END <= $2
               AND (lease_token IS NULL OR lease_expires_at <= $3)
             ORDER BY part LIMIT 1 {for_update_skip_locked}",
        ))
        .bind(hand.job_id.to_string())
        .bind(hand.most_lapses())
        .bind(now.as_micros())
        .fetch_optional(&mut *transaction)
        .await?;
        let Some((part, lapses)) = found else {
            transaction.rollback().await?;
            return Ok(TakePart::NoneFree(standing));
        };
        sqlx::query(
            "UPDATE job_parts SET lease_token = $1, lease_expires_at = $2, lapses = $3 WHERE job_id = $4 AND part = $5",
        )
        .bind(hand.token.to_string())
        .bind(now.plus_seconds(lease_seconds).as_micros())
        .bind(lapses)
        .bind(hand.job_id.to_string())
        .bind(part)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let part = Place { table: "job_parts", id: &hand.job_id.to_string() }.number("part", part)?;
        Ok(TakePart::Taken { part, standing })
    }

    /// Keeps the result of a part, JSON, and lets go of it.
    pub async fn finish_part(&self, hand: &PartHand, part: u64, result: &str) -> Result<Written> {
        let now = self.now();
        let mut transaction = self.write().await?;
        self.hold_job(&mut transaction, hand.job_id).await?;
        let done = sqlx::query(
            "UPDATE job_parts SET finished_at = $1, result = $2, lease_token = NULL, lease_expires_at = NULL
             WHERE job_id = $3 AND part = $4 AND lease_token = $5",
        )
        .bind(now)
        .bind(result.to_owned())
        .bind(hand.job_id.to_string())
        .bind(stored(part))
        .bind(hand.token.to_string())
        .execute(&mut *transaction)
        .await?;
        // Whoever runs the job may be waiting for it.
        self.commit(transaction, &[Bell::Jobs]).await?;
        Ok(if done.rows_affected() == 1 { Written::Done } else { Written::LostLease })
    }

    /// Prolongs the leases of one who assists; false if there is nothing to assist any more. The owner's are prolonged
    /// with the job's, at [`Store::heartbeat`].
    pub async fn hold_parts(&self, hand: &PartHand, lease_seconds: f64) -> Result<bool> {
        let mut transaction = self.write().await?;
        if !self.may_take(&mut transaction, hand).await? {
            transaction.rollback().await?;
            return Ok(false);
        }
        let expires_at = self.clock().now().plus_seconds(lease_seconds);
        prolong(&mut transaction, &Lease { job_id: hand.job_id, token: hand.token, expires_at }).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Lets go of all unfinished parts of one who assists.
    pub async fn release_parts(&self, hand: &PartHand) -> Result<()> {
        let mut transaction = self.write().await?;
        self.hold_job(&mut transaction, hand.job_id).await?;
        let released = sqlx::query(
            "UPDATE job_parts SET lease_token = NULL, lease_expires_at = NULL WHERE job_id = $1 AND lease_token = $2",
        )
        .bind(hand.job_id.to_string())
        .bind(hand.token.to_string())
        .execute(&mut *transaction)
        .await?;
        let bells: &[Bell] = if released.rows_affected() > 0 { &[Bell::Jobs, Bell::Queue] } else { &[] };
        self.commit(transaction, bells).await
    }

    /// The result of a part; none as long as it is not finished.
    pub async fn part_result(&self, job_id: JobId, part: u64) -> Result<Option<String>> {
        let row: Option<(Option<String>,)> =
            sqlx::query_as("SELECT result FROM job_parts WHERE job_id = $1 AND part = $2")
                .bind(job_id.to_string())
                .bind(stored(part))
                .fetch_optional(self.pool())
                .await?;
        Ok(row.and_then(|(result,)| result))
    }

    /// Running jobs that have a part to give to an assistant that is this program, the most urgent first.
    pub async fn jobs_to_assist(&self, program: &str) -> Result<Vec<JobId>> {
        let rows: Vec<(String,)> = sqlx::query_as(
            "SELECT id FROM jobs WHERE status = 'running'
               AND EXISTS (SELECT 1 FROM job_parts WHERE job_parts.job_id = jobs.id AND finished_at IS NULL
                   AND program = $1 AND lapses + CASE WHEN job_parts.lease_token IS NULL THEN 0 ELSE 1 END <= $2
                   AND (job_parts.lease_token IS NULL OR job_parts.lease_expires_at <= $3))
             ORDER BY priority DESC, created_at, id LIMIT $4",
        )
        .bind(program.to_owned())
        .bind(MAX_LAPSES - 1)
        .bind(self.now())
        .bind(MOST_TO_ASSIST)
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(|(id,)| Place { table: "jobs", id }.parse("id", id)).collect()
    }

    /// How far the parts are, and how many of them this one may take; a look, nothing is held.
    async fn standing(&self, hand: &PartHand) -> Result<(Standing, i64)> {
        let (parts, finished, free): (i64, i64, i64) = sqlx::query_as(
            "SELECT COUNT(*), COALESCE(SUM(CASE WHEN finished_at IS NULL THEN 0 ELSE 1 END), 0),
                 COALESCE(SUM(CASE WHEN finished_at IS NULL
                     AND lapses + CASE WHEN lease_token IS NULL THEN 0 ELSE 1 END <= $1
                     AND (lease_token IS NULL OR lease_expires_at <= $2) THEN 1 ELSE 0 END), 0)
             FROM job_parts WHERE job_id = $3",
        )
        .bind(hand.most_lapses())
        .bind(self.now())
        .bind(hand.job_id.to_string())
        .fetch_one(self.pool())
        .await?;
        Ok((Standing { parts: parts.unsigned_abs(), finished: finished.unsigned_abs() }, free))
    }

    /// Holds the job's row and says whether its parts may be taken.
    async fn may_take(&self, transaction: &mut Transaction<'static, Any>, hand: &PartHand) -> Result<bool> {
        let job = self.hold_job(transaction, hand.job_id).await?;
        Ok(job.is_some_and(|(status, token)| match hand.runs_the_job {
            true => token.is_some_and(|token| token == hand.token.to_string()),
            false => status == JobStatus::Running.as_str(),
        }))
    }

    /// Keeps others from changing the job until the transaction ends. Answers its status and token.
    async fn hold_job(
        &self,
        transaction: &mut Transaction<'static, Any>,
        id: JobId,
    ) -> Result<Option<(String, Option<String>)>> {
        let sql = self.engine().sql("SELECT status, lease_token FROM jobs WHERE id = $1 {for_share}");
        sqlx::query_as(sql).bind(id.to_string()).fetch_optional(&mut **transaction).await.map_err(StoreError::from)
    }
}

/// Prolongs the leases of all parts under this token.
pub(super) async fn prolong(transaction: &mut Transaction<'static, Any>, lease: &Lease) -> Result<()> {
    sqlx::query("UPDATE job_parts SET lease_expires_at = $1 WHERE job_id = $2 AND lease_token = $3")
        .bind(lease.expires_at.as_micros())
        .bind(lease.job_id.to_string())
        .bind(lease.token.to_string())
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Lets go of the parts of a job that is in the queue again: whoever assists stops as well, and the next attempt need not
/// wait for what the one before it had. The caller holds the job's row.
pub(super) async fn free_all(transaction: &mut Transaction<'static, Any>, id: JobId) -> Result<()> {
    sqlx::query(
        "UPDATE job_parts SET lease_token = NULL, lease_expires_at = NULL WHERE job_id = $1 AND finished_at IS NULL",
    )
    .bind(id.to_string())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Removes the parts of a job; the caller holds its row.
pub(super) async fn delete(transaction: &mut Transaction<'static, Any>, id: JobId) -> Result<()> {
    sqlx::query("DELETE FROM job_parts WHERE job_id = $1").bind(id.to_string()).execute(&mut **transaction).await?;
    Ok(())
}
