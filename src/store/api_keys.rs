//! Rows of API keys.

use super::row::{Place, columns, to_json};
use super::{Result, Store, StoreError};
use crate::clock::Timestamp;
use crate::records::{ApiKeyId, ApiKeyRecord};

const TABLE: &str = "api_keys";

impl Store {
    pub async fn insert_api_key(&self, key: &ApiKeyRecord) -> Result<()> {
        sqlx::query(
            "INSERT INTO api_keys (id, name, scopes, secret_sha256, created_at, revoked_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(key.id.to_string())
        .bind(key.name.clone())
        .bind(to_json(TABLE, key.id, &key.scopes)?)
        .bind(to_hex(&key.secret_sha256))
        .bind(key.created_at.as_micros())
        .bind(key.revoked_at.map(Timestamp::as_micros))
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// All keys, revoked ones too, oldest first.
    pub async fn api_keys(&self) -> Result<Vec<ApiKeyRecord>> {
        let rows: Vec<ApiKeyRow> =
            sqlx::query_as("SELECT id, name, scopes, secret_sha256, created_at, revoked_at FROM api_keys ORDER BY id")
                .fetch_all(self.pool())
                .await?;
        rows.into_iter().map(ApiKeyRecord::try_from).collect()
    }

    pub async fn api_key_by_id(&self, id: ApiKeyId) -> Result<Option<ApiKeyRecord>> {
        let row: Option<ApiKeyRow> = sqlx::query_as(
            "SELECT id, name, scopes, secret_sha256, created_at, revoked_at FROM api_keys WHERE id = $1",
        )
        .bind(id.to_string())
        .fetch_optional(self.pool())
        .await?;
        row.map(ApiKeyRecord::try_from).transpose()
    }

    /// Revokes a key and answers whether there was one that still opened something.
    pub async fn revoke_api_key(&self, id: ApiKeyId) -> Result<bool> {
        let done = sqlx::query("UPDATE api_keys SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL")
            .bind(self.now())
            .bind(id.to_string())
            .execute(self.pool())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Whether there is a key that is not revoked.
    pub async fn any_api_key(&self) -> Result<bool> {
        let row: Option<(String,)> = sqlx::query_as("SELECT id FROM api_keys WHERE revoked_at IS NULL LIMIT 1")
            .fetch_optional(self.pool())
            .await?;
        Ok(row.is_some())
    }
}

columns! {
    struct ApiKeyRow {
        id: String,
        name: String,
        scopes: String,
        secret_sha256: String,
        created_at: i64,
        revoked_at: Option<i64>,
    }
}

impl TryFrom<ApiKeyRow> for ApiKeyRecord {
    type Error = StoreError;

    fn try_from(row: ApiKeyRow) -> Result<Self> {
        let place = Place { table: TABLE, id: &row.id };
        Ok(ApiKeyRecord {
            id: place.parse("id", &row.id)?,
            scopes: place.json("scopes", &row.scopes)?,
            secret_sha256: from_hex(&row.secret_sha256).ok_or_else(|| {
                StoreError::inconsistent(TABLE, "secret_sha256", &row.id, "not 64 hexadecimal digits")
            })?,
            created_at: Timestamp::from_micros(row.created_at),
            revoked_at: row.revoked_at.map(Timestamp::from_micros),
            name: row.name,
        })
    }
}

/// Lower-case hexadecimal digits.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}
