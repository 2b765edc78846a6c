//! Setting and deleting aliases. One change at a time, over all processes, each with a revision of its own.

use sqlx::{Any, Transaction};

use super::read::{AliasRow, TABLE, aliases_of, gathered};
use crate::records::{AliasId, AliasRecord, AliasTarget, ModelId, NamedModel};
use crate::store::alarm::Bell;
use crate::store::row::{Place, stored};
use crate::store::{Result, Store, StoreError};

/// Models among which the requests of one alias may be divided.
pub const MAX_ALIAS_TARGETS: usize = 16;

/// What an alias is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAlias {
    pub name: String,
    /// Models, all different, with their weights; 1 to [`MAX_ALIAS_TARGETS`] of them.
    pub targets: Vec<(ModelId, u32)>,
    pub shadow: Option<ModelId>,
    pub prevalence: Option<f64>,
    pub set_by: String,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum SetAlias {
    /// There was none of the name.
    Created(Box<AliasRecord>),
    Moved(Box<AliasRecord>),
    /// It is not as it was expected to be: somebody else changed it first.
    Changed,
    /// There is no such model (any more).
    NoModel(ModelId),
    /// There are as many as may be.
    TooMany,
}

/// What became of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteAlias {
    Deleted,
    /// Somebody else changed it first.
    Changed,
    NotFound,
}

const HOLD_MODEL: &str = "SELECT name, version FROM models WHERE id = $1 {for_share}";
const LOCK: &str = "SELECT last FROM alias_sequence WHERE name = 'aliases' {for_update}";

impl Store {
    /// Creates an alias, or moves it if it still is as `expected`, in one step: all of its models, weights, shadow and
    /// prevalence change at once. What its shadow has been compared with stays counted as long as both stay.
    pub async fn set_alias(&self, expected: Option<&AliasRecord>, new: NewAlias, max_aliases: u64) -> Result<SetAlias> {
        let mut transaction = self.write().await?;
        let last = self.lock_aliases(&mut transaction).await?;
        let present = alias(&mut transaction, &new.name).await?;
        if present.as_ref() != expected {
            return Ok(SetAlias::Changed);
        }
        if present.is_none() && count(&mut transaction).await? >= max_aliases {
            return Ok(SetAlias::TooMany);
        }
        let mut targets = Vec::new();
        for (id, weight) in new.targets {
            let Some(model) = self.hold_model(&mut transaction, id).await? else { return Ok(SetAlias::NoModel(id)) };
            targets.push(AliasTarget { model, weight });
        }
        let shadow = match new.shadow {
            None => None,
            Some(id) => match self.hold_model(&mut transaction, id).await? {
                None => return Ok(SetAlias::NoModel(id)),
                found => found,
            },
        };
        let now = self.clock().now();
        let record = AliasRecord {
            id: present.as_ref().map_or_else(AliasId::new, |present| present.id),
            name: new.name,
            revision: last.saturating_add(1),
            created_at: present.as_ref().map_or(now, |present| present.created_at),
            updated_at: now,
            updated_by: new.set_by,
            targets,
            shadow,
            prevalence: new.prevalence,
        };
        upsert(&mut transaction, &record).await?;
        replace_targets(&mut transaction, &record).await?;
        forget_counts(&mut transaction, record.id).await?;
        self.advance(transaction, record.revision).await?;
        Ok(match present {
            None => SetAlias::Created(Box::new(record)),
            Some(_) => SetAlias::Moved(Box::new(record)),
        })
    }

    /// Deletes an alias if it still is as `expected`. Its models may be deleted from then on.
    pub async fn delete_alias(&self, expected: &AliasRecord) -> Result<DeleteAlias> {
        let mut transaction = self.write().await?;
        let last = self.lock_aliases(&mut transaction).await?;
        match alias(&mut transaction, &expected.name).await? {
            None => return Ok(DeleteAlias::NotFound),
            Some(present) if present != *expected => return Ok(DeleteAlias::Changed),
            Some(_) => {}
        }
        sqlx::query("DELETE FROM aliases WHERE id = $1")
            .bind(expected.id.to_string())
            .execute(&mut *transaction)
            .await?;
        self.advance(transaction, last.saturating_add(1)).await?;
        Ok(DeleteAlias::Deleted)
    }

    /// Holds off all other changes of aliases; answers the revision of the latest.
    async fn lock_aliases(&self, transaction: &mut Transaction<'static, Any>) -> Result<u64> {
        let held: Option<(i64,)> = sqlx::query_as(self.engine().sql(LOCK)).fetch_optional(&mut **transaction).await?;
        let (last,) =
            held.ok_or_else(|| StoreError::inconsistent("alias_sequence", "name", TABLE, "the row is missing"))?;
        Place { table: "alias_sequence", id: TABLE }.number("last", last)
    }

    /// A model that nobody can delete until the transaction ends.
    async fn hold_model(&self, transaction: &mut Transaction<'static, Any>, id: ModelId) -> Result<Option<NamedModel>> {
        let held: Option<(String, i64)> = sqlx::query_as(self.engine().sql(HOLD_MODEL))
            .bind(id.to_string())
            .fetch_optional(&mut **transaction)
            .await?;
        let place = Place { table: "models", id: &id.to_string() };
        held.map(|(name, version)| Ok(NamedModel { id, name, version: place.number("version", version)? })).transpose()
    }

    /// Commits a change and tells everybody.
    async fn advance(&self, mut transaction: Transaction<'static, Any>, revision: u64) -> Result<()> {
        sqlx::query("UPDATE alias_sequence SET last = $1 WHERE name = 'aliases'")
            .bind(stored(revision))
            .execute(&mut *transaction)
            .await?;
        self.commit(transaction, &[Bell::Aliases]).await
    }
}

async fn alias(transaction: &mut Transaction<'static, Any>, name: &str) -> Result<Option<AliasRecord>> {
    let rows: Vec<AliasRow> = sqlx::query_as(aliases_of!("SELECT * FROM aliases WHERE name = $1"))
        .bind(name.to_owned())
        .fetch_all(&mut **transaction)
        .await?;
    Ok(gathered(rows)?.pop())
}

async fn count(transaction: &mut Transaction<'static, Any>) -> Result<u64> {
    let (count,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM aliases").fetch_one(&mut **transaction).await?;
    Ok(count.unsigned_abs())
}

async fn upsert(transaction: &mut Transaction<'static, Any>, alias: &AliasRecord) -> Result<()> {
    sqlx::query(
        "INSERT INTO aliases
             (id, name, revision, created_at, updated_at, updated_by, shadow_model_id, prevalence)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (id) DO UPDATE SET
             revision = excluded.revision, updated_at = excluded.updated_at, updated_by = excluded.updated_by,
             shadow_model_id = excluded.shadow_model_id, prevalence = excluded.prevalence",
    )
    .bind(alias.id.to_string())
    .bind(alias.name.clone())
    .bind(stored(alias.revision))
    .bind(alias.created_at.as_micros())
    .bind(alias.updated_at.as_micros())
    .bind(alias.updated_by.clone())
    .bind(alias.shadow.as_ref().map(|model| model.id.to_string()))
    .bind(alias.prevalence)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

async fn replace_targets(transaction: &mut Transaction<'static, Any>, alias: &AliasRecord) -> Result<()> {
    sqlx::query("DELETE FROM alias_targets WHERE alias_id = $1")
        .bind(alias.id.to_string())
        .execute(&mut **transaction)
        .await?;
    for (position, target) in alias.targets.iter().enumerate() {
        sqlx::query("INSERT INTO alias_targets (alias_id, position, model_id, weight) VALUES ($1, $2, $3, $4)")
            .bind(alias.id.to_string())
            .bind(stored(position as u64))
            .bind(target.model.id.to_string())
            .bind(i64::from(target.weight))
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

/// Counts of pairs that are no longer compared go, so that there are never more than one for each target.
async fn forget_counts(transaction: &mut Transaction<'static, Any>, id: AliasId) -> Result<()> {
    sqlx::query(
        "DELETE FROM alias_shadow_counts WHERE alias_id = $1 AND NOT EXISTS
             (SELECT 1 FROM aliases JOIN alias_targets ON alias_targets.alias_id = aliases.id
              WHERE aliases.id = alias_shadow_counts.alias_id
                AND aliases.shadow_model_id = alias_shadow_counts.shadow_model_id
                AND alias_targets.model_id = alias_shadow_counts.model_id)",
    )
    .bind(id.to_string())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
