//! Rows of datasets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::{Any, Transaction};

use super::row::{Place, columns, stored, to_json};
use super::{IdempotentAnswer, Page, Result, Store, StoreError};
use crate::clock::Timestamp;
use crate::ml::table::ColumnSummary;
use crate::records::{DatasetId, DatasetRecord, JobId};

const TABLE: &str = "datasets";

/// Which datasets to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatasetFilter {
    pub name: Option<String>,
}

/// What became of a request to delete a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteDataset {
    /// The row is gone; the blob goes with the next sweep, unless something else names it.
    Deleted,
    NotFound,
    /// A job that has not ended needs it.
    InUse {
        job_id: JobId,
    },
}

impl Store {
    /// Records a dataset whose blob is stored.
    ///
    /// # Errors
    /// [`StoreError::BlobMissing`] if the blob is not there, [`StoreError::AlreadyAnswered`].
    pub async fn insert_dataset(&self, dataset: &DatasetRecord, answer: Option<&IdempotentAnswer>) -> Result<()> {
        let mut transaction = self.write().await?;
        self.hold_blob(&mut transaction, &dataset.sha256).await?;
        insert(&mut transaction, dataset).await?;
        self.answer(&mut transaction, answer).await?;
        transaction.commit().await?;
        Ok(())
    }

    pub async fn dataset(&self, id: DatasetId) -> Result<Option<DatasetRecord>> {
        let row: Option<DatasetRow> = sqlx::query_as(
            "SELECT id, name, created_at, format, size_bytes, sha256, row_count, contents FROM datasets WHERE id = $1",
        )
        .bind(id.to_string())
        .fetch_optional(self.pool())
        .await?;
        row.map(DatasetRecord::try_from).transpose()
    }

    /// Newest first.
    pub async fn datasets(&self, filter: &DatasetFilter, page: &Page) -> Result<Vec<DatasetRecord>> {
        let rows: Vec<DatasetRow> = sqlx::query_as(
            "SELECT id, name, created_at, format, size_bytes, sha256, row_count, contents FROM datasets
             WHERE ($1 IS NULL OR name = $2) AND ($3 IS NULL OR id < $4) ORDER BY id DESC LIMIT $5",
        )
        .bind(filter.name.clone())
        .bind(filter.name.clone())
        .bind(page.before_text())
        .bind(page.before_text())
        .bind(i64::from(page.size))
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(DatasetRecord::try_from).collect()
    }

    /// Deletes a dataset that no unfinished job needs.
    pub async fn delete_dataset(&self, id: DatasetId) -> Result<DeleteDataset> {
        let mut transaction = self.write().await?;
        if !lock(&mut transaction, self.engine().sql(LOCK), id).await? {
            return Ok(DeleteDataset::NotFound);
        }
        if let Some(job_id) = unfinished_job(&mut transaction, id).await? {
            return Ok(DeleteDataset::InUse { job_id });
        }
        sqlx::query("DELETE FROM datasets WHERE id = $1").bind(id.to_string()).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(DeleteDataset::Deleted)
    }
}

/// Holds the row, so that no job can be posted on it before the transaction ends.
const LOCK: &str = "SELECT id FROM datasets WHERE id = $1 {for_update}";

async fn lock(
    transaction: &mut Transaction<'static, Any>,
    sql: sqlx::AssertSqlSafe<String>,
    id: DatasetId,
) -> Result<bool> {
    let row: Option<(String,)> = sqlx::query_as(sql).bind(id.to_string()).fetch_optional(&mut **transaction).await?;
    Ok(row.is_some())
}

async fn unfinished_job(transaction: &mut Transaction<'static, Any>, id: DatasetId) -> Result<Option<JobId>> {
    let row: Option<(String,)> = sqlx::query_as(
        "SELECT id FROM jobs WHERE dataset_id = $1 AND status IN ('queued', 'running', 'cancelling')
         ORDER BY id LIMIT 1",
    )
    .bind(id.to_string())
    .fetch_optional(&mut **transaction)
    .await?;
    row.map(|(job_id,)| Place { table: "jobs", id: &job_id }.parse("id", &job_id)).transpose()
}

/// Notes that a dataset is used, which also holds its row until the transaction ends. False if there is none.
pub(super) async fn touch(transaction: &mut Transaction<'static, Any>, id: DatasetId, now: i64) -> Result<bool> {
    let done = sqlx::query("UPDATE datasets SET last_used_at = $1 WHERE id = $2")
        .bind(now)
        .bind(id.to_string())
        .execute(&mut **transaction)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Records a dataset whose blob is held.
pub(super) async fn insert(transaction: &mut Transaction<'static, Any>, dataset: &DatasetRecord) -> Result<()> {
    let contents = Contents {
        target: dataset.target.clone(),
        positive_label: dataset.positive_label.clone(),
        class_counts: dataset.class_counts.clone(),
        columns: dataset.columns.clone(),
        missing_markers: dataset.missing_markers.clone(),
        origin_columns: dataset.origin_columns.clone(),
    };
    sqlx::query(
        "INSERT INTO datasets
             (id, name, created_at, last_used_at, format, size_bytes, sha256, row_count, contents)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(dataset.id.to_string())
    .bind(dataset.name.clone())
    .bind(dataset.created_at.as_micros())
    .bind(dataset.created_at.as_micros())
    .bind(to_json(TABLE, dataset.id, &dataset.format)?)
    .bind(stored(dataset.size_bytes))
    .bind(dataset.sha256.clone())
    .bind(stored(dataset.rows))
    .bind(to_json(TABLE, dataset.id, &contents)?)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

columns! {
    struct DatasetRow {
        id: String,
        name: String,
        created_at: i64,
        format: String,
        size_bytes: i64,
        sha256: String,
        row_count: i64,
        contents: String,
    }
}

/// The `contents` column. JSON, because names and labels from a file may hold characters that PostgreSQL's text
/// does not (NUL).
#[derive(Serialize, Deserialize)]
struct Contents {
    target: String,
    positive_label: String,
    class_counts: BTreeMap<String, u64>,
    columns: Vec<ColumnSummary>,
    missing_markers: Vec<String>,
    #[serde(default)]
    origin_columns: Vec<String>,
}

impl TryFrom<DatasetRow> for DatasetRecord {
    type Error = StoreError;

    fn try_from(row: DatasetRow) -> Result<Self> {
        let place = Place { table: TABLE, id: &row.id };
        let contents: Contents = place.json("contents", &row.contents)?;
        Ok(DatasetRecord {
            id: place.parse("id", &row.id)?,
            created_at: Timestamp::from_micros(row.created_at),
            format: place.json("format", &row.format)?,
            size_bytes: place.number("size_bytes", row.size_bytes)?,
            rows: place.number("row_count", row.row_count)?,
            target: contents.target,
            positive_label: contents.positive_label,
            class_counts: contents.class_counts,
            columns: contents.columns,
            missing_markers: contents.missing_markers,
            origin_columns: contents.origin_columns,
            name: row.name,
            sha256: row.sha256,
        })
    }
}
