//! Changing the threshold of a model, and what it has been.

use serde::{Deserialize, Serialize};
use sqlx::{Any, Transaction};

use super::models::{Details, ModelRow};
use super::row::{Place, columns, stored, to_json};
use super::{Result, Store, StoreError};
use crate::clock::Timestamp;
use crate::ml::config::ThresholdRule;
use crate::ml::metrics::{Report, ThresholdBasis};
use crate::records::{ModelId, ModelRecord, ThresholdChange, Verdict};

const TABLE: &str = "model_thresholds";
/// Changes that are kept of one model, the newest.
pub const MAX_THRESHOLD_CHANGES: u32 = 100;

/// A threshold that a model is to have, and all that follows from it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewThreshold {
    pub rule: ThresholdRule,
    pub threshold: f64,
    pub basis: ThresholdBasis,
    /// Of the artifact with this threshold in it, which must be stored.
    pub sha256: String,
    pub size_bytes: u64,
    pub report: Report,
    pub verdict: Verdict,
    pub set_by: String,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum SetThreshold {
    Set(Box<ModelRecord>),
    /// The model is not as it was expected to be: somebody else changed it first.
    Changed,
    /// There is no such model (any more).
    Gone,
}

const LOCK: &str = "SELECT id, name, version, created_at, job_id, dataset_id, sha256, size_bytes, threshold, verdict,
        details, report, dossier_sha256
     FROM models WHERE id = $1 {for_update}";

impl Store {
    /// Gives a model another threshold if it still is as `expected`. All processes predict with it from then on.
    ///
    /// # Errors
    /// [`StoreError::BlobMissing`] if the artifact is not there.
    pub async fn set_threshold(&self, expected: &ModelRecord, new: NewThreshold) -> Result<SetThreshold> {
        let mut transaction = self.write().await?;
        let row: Option<ModelRow> = sqlx::query_as(self.engine().sql(LOCK))
            .bind(expected.id.to_string())
            .fetch_optional(&mut *transaction)
            .await?;
        let Some(row) = row else { return Ok(SetThreshold::Gone) };
        if ModelRecord::try_from(row)? != *expected {
            return Ok(SetThreshold::Changed);
        }
        self.hold_blob(&mut transaction, &new.sha256).await?;
        let last = match last_sequence(&mut transaction, expected.id).await? {
            Some(last) => last,
            None => {
                insert(&mut transaction, expected.id, &first(expected)).await?;
                1
            }
        };
        let change = ThresholdChange {
            sequence: last.saturating_add(1),
            set_at: self.clock().now(),
            set_by: Some(new.set_by.clone()),
            rule: new.rule.clone(),
            threshold: new.threshold,
            basis: Some(new.basis.clone()),
        };
        insert(&mut transaction, expected.id, &change).await?;
        forget_old(&mut transaction, expected.id, change.sequence).await?;
        let record = ModelRecord {
            sha256: new.sha256,
            size_bytes: new.size_bytes,
            threshold_rule: new.rule,
            threshold: new.threshold,
            threshold_basis: Some(new.basis),
            report: new.report,
            verdict: new.verdict,
            ..expected.clone()
        };
        update(&mut transaction, &record).await?;
        transaction.commit().await?;
        Ok(SetThreshold::Set(Box::new(record)))
    }

    /// What the threshold of a model is and has been, newest first; at most [`MAX_THRESHOLD_CHANGES`].
    pub async fn threshold_changes(&self, model: &ModelRecord) -> Result<Vec<ThresholdChange>> {
        let rows: Vec<ChangeRow> = sqlx::query_as(
            "SELECT sequence, set_at, set_by, threshold, details FROM model_thresholds WHERE model_id = $1
             ORDER BY sequence DESC",
        )
        .bind(model.id.to_string())
        .fetch_all(self.pool())
        .await?;
        if rows.is_empty() {
            return Ok(vec![first(model)]);
        }
        rows.into_iter().map(|row| row.change(model.id)).collect()
    }
}

/// What training chose, of a model that still has it.
fn first(model: &ModelRecord) -> ThresholdChange {
    ThresholdChange {
        sequence: 1,
        set_at: model.created_at,
        set_by: None,
        rule: model.threshold_rule.clone(),
        threshold: model.threshold,
        basis: model.threshold_basis.clone(),
    }
}

async fn last_sequence(transaction: &mut Transaction<'static, Any>, id: ModelId) -> Result<Option<u32>> {
    let (last,): (Option<i64>,) = sqlx::query_as("SELECT MAX(sequence) FROM model_thresholds WHERE model_id = $1")
        .bind(id.to_string())
        .fetch_one(&mut **transaction)
        .await?;
    let place = Place { table: TABLE, id: &id.to_string() };
    last.map(|last| place.number("sequence", last)).transpose()
}

async fn insert(transaction: &mut Transaction<'static, Any>, id: ModelId, change: &ThresholdChange) -> Result<()> {
    let details = ChangeDetails { rule: change.rule.clone(), basis: change.basis.clone() };
    sqlx::query(
        "INSERT INTO model_thresholds (model_id, sequence, set_at, set_by, threshold, details)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(id.to_string())
    .bind(i64::from(change.sequence))
    .bind(change.set_at.as_micros())
    .bind(change.set_by.clone())
    .bind(change.threshold)
    .bind(to_json(TABLE, id, &details)?)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

async fn forget_old(transaction: &mut Transaction<'static, Any>, id: ModelId, newest: u32) -> Result<()> {
    sqlx::query("DELETE FROM model_thresholds WHERE model_id = $1 AND sequence <= $2")
        .bind(id.to_string())
        .bind(i64::from(newest) - i64::from(MAX_THRESHOLD_CHANGES))
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

async fn update(transaction: &mut Transaction<'static, Any>, model: &ModelRecord) -> Result<()> {
    let done = sqlx::query(
        "UPDATE models SET sha256 = $1, size_bytes = $2, threshold = $3, verdict = $4, details = $5, report = $6
         WHERE id = $7",
    )
    .bind(model.sha256.clone())
    .bind(stored(model.size_bytes))
    .bind(model.threshold)
    .bind(model.verdict.as_str())
    .bind(to_json("models", model.id, &Details::of(model))?)
    .bind(to_json("models", model.id, &model.report)?)
    .bind(model.id.to_string())
    .execute(&mut **transaction)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(());
    }
    Err(StoreError::inconsistent("models", "id", &model.id.to_string(), "the row went away while it was held"))
}

columns! {
    struct ChangeRow {
        sequence: i64,
        set_at: i64,
        set_by: Option<String>,
        threshold: f64,
        details: String,
    }
}

/// The `details` column.
#[derive(Serialize, Deserialize)]
struct ChangeDetails {
    rule: ThresholdRule,
    basis: Option<ThresholdBasis>,
}

impl ChangeRow {
    fn change(self, id: ModelId) -> Result<ThresholdChange> {
        let id = id.to_string();
        let place = Place { table: TABLE, id: &id };
        let ChangeDetails { rule, basis } = place.json("details", &self.details)?;
        Ok(ThresholdChange {
            sequence: place.number("sequence", self.sequence)?,
            set_at: Timestamp::from_micros(self.set_at),
            set_by: self.set_by,
            rule,
            threshold: self.threshold,
            basis,
        })
    }
}
