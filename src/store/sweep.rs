//! Retention: removing what is old and what nothing names.

use sqlx::{Any, Transaction};

use super::blobs::SweptBlobs;
use super::{Result, Store, StoreError};
use crate::clock::Timestamp;

/// Rows that one statement removes, so that no other writer waits long.
const BATCH: i64 = 200;

/// How long things are kept, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retention {
    /// Ended jobs with their learning curves; a job whose model is still there is kept as long as the model.
    pub job_seconds: f64,
    /// The events of ended jobs.
    pub event_seconds: f64,
    /// Answers to requests with an idempotency key.
    pub idempotency_seconds: f64,
    /// Uploads that were never finished.
    pub staging_seconds: f64,
    /// Blobs that no dataset, no model and no job names, since they were last written. Longer than the longest time
    /// between the end of an upload and its record.
    pub blob_seconds: f64,
}

impl Retention {
    /// Jobs 90 days, events 7 days, idempotency keys and unfinished uploads 24 hours, unnamed blobs one hour.
    pub const STANDARD: Retention = Retention {
        job_seconds: 90.0 * 86_400.0,
        event_seconds: 7.0 * 86_400.0,
        idempotency_seconds: 86_400.0,
        staging_seconds: 86_400.0,
        blob_seconds: 3_600.0,
    };
}

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    pub jobs: u64,
    pub events: u64,
    pub idempotency_keys: u64,
    pub blobs: SweptBlobs,
}

impl Store {
    /// Removes what `retention` does not keep. Safe beside everything else, also beside another sweep.
    pub async fn sweep(&self, retention: &Retention) -> Result<Swept> {
        let before = |seconds: f64| self.clock().now().plus_seconds(-seconds);
        Ok(Swept {
            jobs: self.repeat(SWEEP_JOBS, before(retention.job_seconds)).await?,
            events: self.repeat(SWEEP_EVENTS, before(retention.event_seconds)).await?,
            idempotency_keys: self.sweep_idempotency(before(retention.idempotency_seconds)).await?,
            blobs: SweptBlobs {
                staged: self.blobs().sweep_staging(retention.staging_seconds).await?,
                blobs: self.sweep_blobs(before(retention.blob_seconds)).await?,
            },
        })
    }

    /// Runs a statement that removes at most a batch until nothing is left for it.
    async fn repeat(&self, statement: &'static str, before: Timestamp) -> Result<u64> {
        let mut removed = 0;
        loop {
            let done =
                sqlx::query(statement).bind(before.as_micros()).bind(BATCH).execute(self.pool()).await?.rows_affected();
            if done == 0 {
                return Ok(removed);
            }
            removed += done;
        }
    }

    /// A held key is older than its hold and so never removed while its request is at work.
    async fn sweep_idempotency(&self, before: Timestamp) -> Result<u64> {
        let done = sqlx::query("DELETE FROM idempotency_keys WHERE created_at < $1 AND held_until < $2")
            .bind(before.as_micros())
            .bind(self.now())
            .execute(self.pool())
            .await?;
        Ok(done.rows_affected())
    }

    async fn sweep_blobs(&self, before: Timestamp) -> Result<u64> {
        let mut removed = 0;
        for sha256 in self.blobs().written_before(before).await? {
            removed += u64::from(self.sweep_blob(&sha256, before).await?);
        }
        Ok(removed)
    }

    /// Removes a blob that no row names. While this transaction holds the lock no row can be written that names it,
    /// and whoever waits for the lock to write one finds the blob gone and says so.
    async fn sweep_blob(&self, sha256: &str, before: Timestamp) -> Result<bool> {
        if count_names(self.pool(), sha256).await? > 0 {
            return Ok(false);
        }
        let mut transaction = self.write().await?;
        lock_blobs(&mut transaction, self.engine().sql("SELECT name FROM locks WHERE name = 'blobs' {for_update}"))
            .await?;
        let removed = count_names(&mut *transaction, sha256).await? == 0 && self.blobs().remove(sha256, before).await?;
        transaction.commit().await?;
        Ok(removed)
    }

    /// Removes a blob at once that has just lost its name, unless something else names it. If somebody has stored the
    /// same bytes meanwhile and not named them yet, they find them gone and say so.
    pub async fn drop_blob(&self, sha256: &str) -> Result<bool> {
        self.sweep_blob(sha256, Timestamp::from_micros(i64::MAX)).await
    }

    /// Makes sure that a blob is there and stays until the transaction ends, which is to write a row naming it.
    pub(super) async fn hold_blob(&self, transaction: &mut Transaction<'static, Any>, sha256: &str) -> Result<()> {
        lock_blobs(transaction, self.engine().sql("SELECT name FROM locks WHERE name = 'blobs' {for_share}")).await?;
        if self.blobs().exists(sha256).await? {
            return Ok(());
        }
        Err(StoreError::BlobMissing { sha256: sha256.to_owned() })
    }
}

const SWEEP_JOBS: &str = "DELETE FROM jobs WHERE id IN
    (SELECT id FROM jobs WHERE finished_at < $1
         AND NOT EXISTS (SELECT 1 FROM models WHERE models.job_id = jobs.id)
     ORDER BY finished_at LIMIT $2)";

/// The events of the oldest jobs that still have some.
const SWEEP_EVENTS: &str = "DELETE FROM job_events WHERE job_id IN
    (SELECT id FROM jobs WHERE finished_at < $1
         AND EXISTS (SELECT 1 FROM job_events WHERE job_events.job_id = jobs.id)
     ORDER BY finished_at LIMIT $2)";

const NAMED: &str =
    "SELECT (SELECT COUNT(*) FROM datasets WHERE sha256 = $1) + (SELECT COUNT(*) FROM models WHERE sha256 = $2)
          + (SELECT COUNT(*) FROM jobs WHERE checkpoint_sha256 = $3)
          + (SELECT COUNT(*) FROM jobs WHERE result_sha256 = $4)
          + (SELECT COUNT(*) FROM models WHERE dossier_sha256 = $5)";

/// How many rows name a blob.
async fn count_names(executor: impl sqlx::Executor<'_, Database = Any>, sha256: &str) -> Result<i64> {
    let mut names = sqlx::query_as(NAMED);
    for _ in 0..5 {
        names = names.bind(sha256.to_owned());
    }
    let (count,): (i64,) = names.fetch_one(executor).await?;
    Ok(count)
}

async fn lock_blobs(transaction: &mut Transaction<'static, Any>, sql: sqlx::AssertSqlSafe<String>) -> Result<()> {
    let held: Option<(String,)> = sqlx::query_as(sql).fetch_optional(&mut **transaction).await?;
    match held {
        Some(_) => Ok(()),
        None => Err(StoreError::inconsistent("locks", "name", "blobs", "the row is missing")),
    }
}
