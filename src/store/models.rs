//! Rows of models, and the versions of their names.

use serde::{Deserialize, Serialize};
use sqlx::{Any, Transaction};

use super::row::{Place, columns, stored, to_json};
use super::{IdempotentAnswer, Page, Result, Store, StoreError};
use crate::clock::Timestamp;
use crate::ml::config::ThresholdRule;
use crate::ml::labels::ClassNames;
use crate::ml::metrics::{Report, ThresholdBasis};
use crate::records::{DatasetId, JobId, ModelFeature, ModelId, ModelRecord, TrainingSummary, Verdict};

const TABLE: &str = "models";

/// Which models to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelFilter {
    pub name: Option<String>,
    pub job_id: Option<JobId>,
    pub dataset_id: Option<DatasetId>,
}

/// What became of a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeleteModel {
    Deleted,
    NotFound,
    /// An alias names the model.
    InUse {
        alias: String,
    },
}

/// A model whose artifact is stored, before it has a version.
#[derive(Debug, Clone, PartialEq)]
pub struct NewModel {
    pub id: ModelId,
    pub name: String,
    pub sha256: String,
    pub size_bytes: u64,
    pub classes: ClassNames,
    pub threshold_rule: ThresholdRule,
    pub threshold: f64,
    pub threshold_basis: Option<ThresholdBasis>,
    /// Of a blob that is stored, too.
    pub dossier_sha256: Option<String>,
    pub features: Vec<ModelFeature>,
    pub training: TrainingSummary,
    pub verdict: Verdict,
    pub report: Report,
}

impl Store {
    pub async fn model(&self, id: ModelId) -> Result<Option<ModelRecord>> {
        let row: Option<ModelRow> = sqlx::query_as(
            "SELECT id, name, version, created_at, job_id, dataset_id, sha256, size_bytes, threshold, verdict,
                    details, report, dossier_sha256
             FROM models WHERE id = $1",
        )
        .bind(id.to_string())
        .fetch_optional(self.pool())
        .await?;
        row.map(ModelRecord::try_from).transpose()
    }

    /// Newest first.
    pub async fn models(&self, filter: &ModelFilter, page: &Page) -> Result<Vec<ModelRecord>> {
        let job_id = filter.job_id.map(|id| id.to_string());
        let dataset_id = filter.dataset_id.map(|id| id.to_string());
        let rows: Vec<ModelRow> = sqlx::query_as(
            "SELECT id, name, version, created_at, job_id, dataset_id, sha256, size_bytes, threshold, verdict,
                    details, report, dossier_sha256
             FROM models
             WHERE ($1 IS NULL OR name = $2) AND ($3 IS NULL OR job_id = $4) AND ($5 IS NULL OR dataset_id = $6)
               AND ($7 IS NULL OR id < $8)
             ORDER BY id DESC LIMIT $9",
        )
        .bind(filter.name.clone())
        .bind(filter.name.clone())
        .bind(job_id.clone())
        .bind(job_id)
        .bind(dataset_id.clone())
        .bind(dataset_id)
        .bind(page.before_text())
        .bind(page.before_text())
        .bind(i64::from(page.size))
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(ModelRecord::try_from).collect()
    }

    /// Records a model that no job of this store has made, and with it the answer to the request that brought it, which
    /// is made of the record: only then is the version known.
    ///
    /// # Errors
    /// [`StoreError::BlobMissing`] if the artifact is not there, [`StoreError::AlreadyAnswered`].
    pub async fn import_model(
        &self,
        model: NewModel,
        answer: impl FnOnce(&ModelRecord) -> Option<IdempotentAnswer> + Send,
    ) -> Result<ModelRecord> {
        let mut transaction = self.write().await?;
        self.hold_blob(&mut transaction, &model.sha256).await?;
        let record = insert(&mut transaction, model, None, self.clock().now()).await?;
        self.answer(&mut transaction, answer(&record).as_ref()).await?;
        transaction.commit().await?;
        Ok(record)
    }

    /// Deletes the row unless an alias names the model. The blob goes with the next sweep, unless something else names
    /// it; the version is never given again.
    pub async fn delete_model(&self, id: ModelId) -> Result<DeleteModel> {
        let mut transaction = self.write().await?;
        // Held first, so that an alias that is being set either is seen here or finds the model gone.
        let held: Option<(String,)> =
            sqlx::query_as(self.engine().sql("SELECT id FROM models WHERE id = $1 {for_update}"))
                .bind(id.to_string())
                .fetch_optional(&mut *transaction)
                .await?;
        if held.is_none() {
            return Ok(DeleteModel::NotFound);
        }
        if let Some(alias) = alias_of(&mut transaction, id).await? {
            return Ok(DeleteModel::InUse { alias });
        }
        sqlx::query("DELETE FROM models WHERE id = $1").bind(id.to_string()).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(DeleteModel::Deleted)
    }
}

/// The name of an alias that names the model, as a target or as its shadow.
async fn alias_of(transaction: &mut Transaction<'static, Any>, id: ModelId) -> Result<Option<String>> {
    let alias: Option<(String,)> = sqlx::query_as(
        "SELECT name FROM aliases
         WHERE shadow_model_id = $1
            OR EXISTS (SELECT 1 FROM alias_targets WHERE alias_id = aliases.id AND model_id = $2)
         ORDER BY name LIMIT 1",
    )
    .bind(id.to_string())
    .bind(id.to_string())
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(alias.map(|(name,)| name))
}

/// The next version of a name. Holds the name's row until the transaction ends, so that versions have no gaps from
/// transactions that fail and none is given twice.
async fn next_version(transaction: &mut Transaction<'static, Any>, name: &str) -> Result<i64> {
    let (version,): (i64,) = sqlx::query_as(
        "INSERT INTO model_names (name, last_version) VALUES ($1, 1)
         ON CONFLICT (name) DO UPDATE SET last_version = model_names.last_version + 1
         RETURNING last_version",
    )
    .bind(name.to_owned())
    .fetch_one(&mut **transaction)
    .await?;
    Ok(version)
}

/// Gives the model its version and records it; `made_by` is the job and its dataset, if there is one.
pub(super) async fn insert(
    transaction: &mut Transaction<'static, Any>,
    model: NewModel,
    made_by: Option<(JobId, DatasetId)>,
    created_at: Timestamp,
) -> Result<ModelRecord> {
    let version = next_version(transaction, &model.name).await?;
    let record = ModelRecord {
        id: model.id,
        version: Place { table: "model_names", id: &model.name }.number("last_version", version)?,
        name: model.name,
        created_at,
        job_id: made_by.map(|(job_id, _)| job_id),
        dataset_id: made_by.map(|(_, dataset_id)| dataset_id),
        sha256: model.sha256,
        size_bytes: model.size_bytes,
        classes: model.classes,
        threshold_rule: model.threshold_rule,
        threshold: model.threshold,
        threshold_basis: model.threshold_basis,
        dossier_sha256: model.dossier_sha256,
        features: model.features,
        training: model.training,
        verdict: model.verdict,
        report: model.report,
    };
    insert_row(transaction, &record).await?;
    Ok(record)
}

async fn insert_row(transaction: &mut Transaction<'static, Any>, model: &ModelRecord) -> Result<()> {
    let details = Details::of(model);
    sqlx::query(
        "INSERT INTO models
             (id, name, version, created_at, job_id, dataset_id, sha256, size_bytes, threshold, verdict, details,
              report, dossier_sha256)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(model.id.to_string())
    .bind(model.name.clone())
    .bind(i64::from(model.version))
    .bind(model.created_at.as_micros())
    .bind(job_column(model))
    .bind(model.dataset_id.map(|id| id.to_string()).unwrap_or_default())
    .bind(model.sha256.clone())
    .bind(stored(model.size_bytes))
    .bind(model.threshold)
    .bind(model.verdict.as_str())
    .bind(to_json(TABLE, model.id, &details)?)
    .bind(to_json(TABLE, model.id, &model.report)?)
    .bind(model.dossier_sha256.clone())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The `job_id` column, which is never empty and never twice the same: of a model that no job has made, its own id. The
/// `dataset_id` column of such a model is the empty text.
fn job_column(model: &ModelRecord) -> String {
    model.job_id.map_or_else(|| model.id.to_string(), |id| id.to_string())
}

columns! {
    pub(super) struct ModelRow {
        id: String,
        name: String,
        version: i64,
        created_at: i64,
        job_id: String,
        dataset_id: String,
        sha256: String,
        size_bytes: i64,
        threshold: f64,
        verdict: String,
        details: String,
        report: String,
        dossier_sha256: Option<String>,
    }
}

/// The `details` column.
#[derive(Serialize, Deserialize)]
pub(super) struct Details {
    classes: ClassNames,
    threshold_rule: ThresholdRule,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    threshold_basis: Option<ThresholdBasis>,
    features: Vec<ModelFeature>,
    training: TrainingSummary,
}

impl Details {
    pub(super) fn of(model: &ModelRecord) -> Self {
        Self {
            classes: model.classes.clone(),
            threshold_rule: model.threshold_rule.clone(),
            threshold_basis: model.threshold_basis.clone(),
            features: model.features.clone(),
            training: model.training.clone(),
        }
    }
}

impl TryFrom<ModelRow> for ModelRecord {
    type Error = StoreError;

    fn try_from(row: ModelRow) -> Result<Self> {
        let place = Place { table: TABLE, id: &row.id };
        let details: Details = place.json("details", &row.details)?;
        let is_imported = row.job_id == row.id;
        Ok(ModelRecord {
            id: place.parse("id", &row.id)?,
            version: place.number("version", row.version)?,
            created_at: Timestamp::from_micros(row.created_at),
            job_id: if is_imported { None } else { Some(place.parse("job_id", &row.job_id)?) },
            dataset_id: if is_imported { None } else { Some(place.parse("dataset_id", &row.dataset_id)?) },
            size_bytes: place.number("size_bytes", row.size_bytes)?,
            classes: details.classes,
            threshold_rule: details.threshold_rule,
            threshold: row.threshold,
            threshold_basis: details.threshold_basis,
            dossier_sha256: row.dossier_sha256,
            features: details.features,
            training: details.training,
            verdict: place.word("verdict", &row.verdict)?,
            report: place.json("report", &row.report)?,
            name: row.name,
            sha256: row.sha256,
        })
    }
}
