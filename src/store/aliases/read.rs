//! Looking at aliases.

use crate::clock::Timestamp;
use crate::records::{AliasRecord, AliasTarget, ModelId, NamedModel};
use crate::store::row::{Place, columns};
use crate::store::{Page, Result, Store, StoreError};

pub(super) const TABLE: &str = "aliases";

/// Which aliases to list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AliasFilter {
    /// Those that name this model, as a target or as their shadow.
    pub model_id: Option<ModelId>,
}

/// A statement that reads aliases, one row for each of their targets: which aliases, by a query that gives their rows.
macro_rules! aliases_of {
    ($which:literal) => {
        concat!(
            "SELECT a.id, a.name, a.revision, a.created_at, a.updated_at, a.updated_by, a.prevalence,
                    a.shadow_model_id, s.name AS shadow_name, s.version AS shadow_version,
                    t.model_id, m.name AS model_name, m.version AS model_version, t.weight
             FROM (",
            $which,
            ") a
             JOIN alias_targets t ON t.alias_id = a.id
             JOIN models m ON m.id = t.model_id
             LEFT JOIN models s ON s.id = a.shadow_model_id
             ORDER BY a.id DESC, t.position"
        )
    };
}
pub(super) use aliases_of;

impl Store {
    pub async fn alias(&self, name: &str) -> Result<Option<AliasRecord>> {
        let rows: Vec<AliasRow> = sqlx::query_as(aliases_of!("SELECT * FROM aliases WHERE name = $1"))
            .bind(name.to_owned())
            .fetch_all(self.pool())
            .await?;
        Ok(gathered(rows)?.pop())
    }

    /// Newest first.
    pub async fn aliases(&self, filter: &AliasFilter, page: &Page) -> Result<Vec<AliasRecord>> {
        let model_id = filter.model_id.map(|id| id.to_string());
        let rows: Vec<AliasRow> = sqlx::query_as(aliases_of!(
            "SELECT * FROM aliases
             WHERE ($1 IS NULL OR shadow_model_id = $2
                    OR EXISTS (SELECT 1 FROM alias_targets WHERE alias_id = aliases.id AND model_id = $3))
               AND ($4 IS NULL OR id < $5)
             ORDER BY id DESC LIMIT $6"
        ))
        .bind(model_id.clone())
        .bind(model_id.clone())
        .bind(model_id)
        .bind(page.before_text())
        .bind(page.before_text())
        .bind(i64::from(page.size))
        .fetch_all(self.pool())
        .await?;
        gathered(rows)
    }

    /// All of them. There are no more than whoever sets them allows.
    pub async fn all_aliases(&self) -> Result<Vec<AliasRecord>> {
        let rows: Vec<AliasRow> = sqlx::query_as(aliases_of!("SELECT * FROM aliases")).fetch_all(self.pool()).await?;
        gathered(rows)
    }

    /// The revision of the latest change of any alias, deletions included.
    pub async fn alias_revision(&self) -> Result<u64> {
        let (last,): (i64,) = sqlx::query_as("SELECT last FROM alias_sequence").fetch_one(self.pool()).await?;
        Place { table: "alias_sequence", id: TABLE }.number("last", last)
    }
}

/// Rows of targets as the aliases that they belong to. The rows of an alias come one after another.
pub(super) fn gathered(rows: Vec<AliasRow>) -> Result<Vec<AliasRecord>> {
    let mut aliases: Vec<AliasRecord> = Vec::new();
    for row in rows {
        let target = row.target()?;
        match aliases.last_mut().filter(|alias| alias.id.to_string() == row.id) {
            Some(alias) => alias.targets.push(target),
            None => aliases.push(row.alias(target)?),
        }
    }
    Ok(aliases)
}

columns! {
    pub(super) struct AliasRow {
        id: String,
        name: String,
        revision: i64,
        created_at: i64,
        updated_at: i64,
        updated_by: String,
        prevalence: Option<f64>,
        shadow_model_id: Option<String>,
        shadow_name: Option<String>,
        shadow_version: Option<i64>,
        model_id: String,
        model_name: String,
        model_version: i64,
        weight: i64,
    }
}

impl AliasRow {
    fn target(&self) -> Result<AliasTarget> {
        let place = Place { table: "alias_targets", id: &self.id };
        let model = named(place, &self.model_id, &self.model_name, self.model_version)?;
        Ok(AliasTarget { model, weight: place.number("weight", self.weight)? })
    }

    fn alias(self, first: AliasTarget) -> Result<AliasRecord> {
        let place = Place { table: TABLE, id: &self.id };
        let shadow = match (&self.shadow_model_id, &self.shadow_name, self.shadow_version) {
            (None, ..) => None,
            (Some(id), Some(name), Some(version)) => Some(named(place, id, name, version)?),
            (Some(id), ..) => {
                return Err(StoreError::inconsistent(TABLE, "shadow_model_id", id, "there is no such model"));
            }
        };
        Ok(AliasRecord {
            id: place.parse("id", &self.id)?,
            revision: place.number("revision", self.revision)?,
            created_at: Timestamp::from_micros(self.created_at),
            updated_at: Timestamp::from_micros(self.updated_at),
            targets: vec![first],
            shadow,
            prevalence: self.prevalence,
            updated_by: self.updated_by,
            name: self.name,
        })
    }
}

pub(super) fn named(place: Place<'_>, id: &str, name: &str, version: i64) -> Result<NamedModel> {
    Ok(NamedModel {
        id: place.parse("model_id", id)?,
        name: name.to_owned(),
        version: place.number("version", version)?,
    })
}
