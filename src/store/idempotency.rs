//! Idempotency keys: a request that is sent twice is done once.
//!
//! A key is begun before the work and answered in the transaction that creates the thing. Between the two the
//! request holds the key for a while and renews the hold as long as it is at work; if its process dies, another may
//! take the key over when that while has passed.
//! Should both come to their end, the one that commits second finds the key answered and writes nothing.

use sqlx::{Any, Transaction};

use super::row::{Place, columns};
use super::{Result, Store, StoreError};

const TABLE: &str = "idempotency_keys";

/// The state of a key that a request comes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// The key is this request's until it is answered or abandoned.
    Started,
    /// Another request with the key is at work.
    InProgress,
    Done(StoredAnswer),
}

/// What a finished request was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    pub request_sha256: String,
    pub status: u16,
    pub location: Option<String>,
    pub body: String,
}

/// The answer of a request that had a key, stored together with what it created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotentAnswer {
    pub principal: String,
    pub key: String,
    pub request_sha256: String,
    pub status: u16,
    pub location: Option<String>,
    pub body: String,
}

impl Store {
    /// Takes the key for `hold_seconds`, unless it is answered or held.
    pub async fn begin_idempotent(&self, principal: &str, key: &str, hold_seconds: f64) -> Result<Begin> {
        let now = self.0.clock.now();
        let until = now.plus_seconds(hold_seconds).as_micros();
        if take(self, principal, key, now.as_micros(), until).await? {
            return Ok(Begin::Started);
        }
        match read(self, principal, key).await?.and_then(KeyRow::answer) {
            Some(answer) => Ok(Begin::Done(answer?)),
            None => Ok(Begin::InProgress),
        }
    }

    /// Holds the key for `hold_seconds` from now, as long as it is neither answered nor abandoned.
    pub async fn renew_idempotent(&self, principal: &str, key: &str, hold_seconds: f64) -> Result<()> {
        sqlx::query(
            "UPDATE idempotency_keys SET held_until = $1
             WHERE principal = $2 AND idempotency_key = $3 AND status IS NULL",
        )
        .bind(self.0.clock.now().plus_seconds(hold_seconds).as_micros())
        .bind(principal.to_owned())
        .bind(key.to_owned())
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Lets go of a key whose request was refused, so that it may be sent again corrected.
    pub async fn abandon_idempotent(&self, principal: &str, key: &str) -> Result<()> {
        sqlx::query("DELETE FROM idempotency_keys WHERE principal = $1 AND idempotency_key = $2 AND status IS NULL")
            .bind(principal.to_owned())
            .bind(key.to_owned())
            .execute(self.pool())
            .await?;
        Ok(())
    }

    /// Stores the answer, if the request had a key, in the transaction of what it created.
    pub(super) async fn answer(
        &self,
        transaction: &mut Transaction<'static, Any>,
        answer: Option<&IdempotentAnswer>,
    ) -> Result<()> {
        let Some(answer) = answer else { return Ok(()) };
        let now = self.now();
        let done = sqlx::query(
            "INSERT INTO idempotency_keys
                 (principal, idempotency_key, created_at, held_until, request_sha256, status, location, body)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (principal, idempotency_key) DO UPDATE
             SET request_sha256 = excluded.request_sha256, status = excluded.status, location = excluded.location,
                 body = excluded.body
             WHERE idempotency_keys.status IS NULL",
        )
        .bind(answer.principal.clone())
        .bind(answer.key.clone())
        .bind(now)
        .bind(now)
        .bind(answer.request_sha256.clone())
        .bind(i64::from(answer.status))
        .bind(answer.location.clone())
        .bind(answer.body.clone())
        .execute(&mut **transaction)
        .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::AlreadyAnswered) }
    }
}

/// Takes a key that is new, or whose holder has let the time pass.
async fn take(store: &Store, principal: &str, key: &str, now: i64, until: i64) -> Result<bool> {
    let done = sqlx::query(
        "INSERT INTO idempotency_keys (principal, idempotency_key, created_at, held_until) VALUES ($1, $2, $3, $4)
         ON CONFLICT (principal, idempotency_key) DO UPDATE SET held_until = excluded.held_until
         WHERE idempotency_keys.status IS NULL AND idempotency_keys.held_until <= excluded.created_at",
    )
    .bind(principal.to_owned())
    .bind(key.to_owned())
    .bind(now)
    .bind(until)
    .execute(store.pool())
    .await?;
    Ok(done.rows_affected() == 1)
}

async fn read(store: &Store, principal: &str, key: &str) -> Result<Option<KeyRow>> {
    let row = sqlx::query_as(
        "SELECT idempotency_key, request_sha256, status, location, body FROM idempotency_keys
         WHERE principal = $1 AND idempotency_key = $2",
    )
    .bind(principal.to_owned())
    .bind(key.to_owned())
    .fetch_optional(store.pool())
    .await?;
    Ok(row)
}

columns! {
    struct KeyRow {
        idempotency_key: String,
        request_sha256: Option<String>,
        status: Option<i64>,
        location: Option<String>,
        body: Option<String>,
    }
}

impl KeyRow {
    fn answer(self) -> Option<Result<StoredAnswer>> {
        let (request_sha256, status, body) = (self.request_sha256?, self.status?, self.body?);
        let status = Place { table: TABLE, id: &self.idempotency_key }.number("status", status);
        Some(status.map(|status| StoredAnswer { request_sha256, status, location: self.location, body }))
    }
}
