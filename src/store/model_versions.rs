//! Models by name and version.

use super::row::{Place, columns};
use super::{Result, Store};
use crate::records::ModelId;

impl Store {
    /// The model with this name and version, or without one the newest of the name.
    pub async fn model_named(&self, name: &str, version: Option<u32>) -> Result<Option<ModelId>> {
        let query = match version {
            Some(version) => sqlx::query_as("SELECT id FROM models WHERE name = $1 AND version = $2")
                .bind(name.to_owned())
                .bind(i64::from(version)),
            None => sqlx::query_as("SELECT id FROM models WHERE name = $1 ORDER BY version DESC LIMIT 1")
                .bind(name.to_owned()),
        };
        let row: Option<(String,)> = query.fetch_optional(self.pool()).await?;
        row.map(|(id,)| Place { table: "models", id: &id }.parse("id", &id)).transpose()
    }

    /// The newest `limit` versions of a name, the oldest of them first.
    pub async fn model_versions(&self, name: &str, limit: u32) -> Result<Vec<u32>> {
        let rows: Vec<(i64,)> =
            sqlx::query_as("SELECT version FROM models WHERE name = $1 ORDER BY version DESC LIMIT $2")
                .bind(name.to_owned())
                .bind(i64::from(limit))
                .fetch_all(self.pool())
                .await?;
        let place = Place { table: "models", id: name };
        rows.into_iter().rev().map(|(version,)| place.number("version", version)).collect()
    }

    /// Name and version of the newest `limit` models, sorted by both.
    pub async fn model_index(&self, limit: u32) -> Result<Vec<(String, u32)>> {
        let rows: Vec<IndexRow> = sqlx::query_as("SELECT name, version FROM models ORDER BY id DESC LIMIT $1")
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await?;
        let read = |row: IndexRow| {
            let version = Place { table: "models", id: &row.name }.number("version", row.version)?;
            Ok((row.name, version))
        };
        let mut index: Vec<(String, u32)> = rows.into_iter().map(read).collect::<Result<_>>()?;
        index.sort_unstable();
        Ok(index)
    }
}

columns! {
    struct IndexRow {
        name: String,
        version: i64,
    }
}
