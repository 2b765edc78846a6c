//! What can go wrong with durable memory.

use std::error::Error;

/// A failure of the store. `Display` names no SQL and no path; the sources do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database or the blob store cannot be reached or is too busy; the same call may succeed later.
    #[error("the {what} cannot be reached or is busy")]
    Unavailable {
        what: &'static str,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The database refused a statement that should hold: a defect here or a foreign hand in the database.
    #[error("the database refused a statement")]
    Database {
        #[source]
        source: sqlx::Error,
    },
    /// A stored row that does not parse.
    #[error("{table}.{column} of row {id} holds what it should not")]
    Inconsistent {
        table: &'static str,
        column: &'static str,
        id: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The schema could not be brought up to date.
    #[error("the database could not be migrated")]
    Migration {
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    /// The configured address of the database, the blobs or the spool cannot be used.
    #[error("the {what} address cannot be used")]
    Address {
        what: &'static str,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("no blob is stored under {sha256}")]
    BlobMissing { sha256: String },
    /// The bytes under this key have another hash.
    #[error("the blob stored under {sha256} is damaged: its bytes hash to {found}")]
    BlobCorrupt { sha256: String, found: String },
    #[error("more than {limit_bytes} bytes came where at most that many are allowed")]
    TooLarge { limit_bytes: u64 },
    /// The stream of bytes being stored failed: its sender went away or sent what cannot be decoded.
    #[error("the bytes to be stored stopped coming")]
    BodyBroken {
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Another request with the same idempotency key was answered first; nothing was written.
    #[error("another request with the same idempotency key was answered first")]
    AlreadyAnswered,
}

impl StoreError {
    /// Whether the same call may succeed later without anything being repaired.
    pub fn is_transient(&self) -> bool {
        matches!(self, StoreError::Unavailable { .. })
    }

    pub(super) fn inconsistent(
        table: &'static str,
        column: &'static str,
        id: &str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        StoreError::Inconsistent { table, column, id: id.to_owned(), source: source.into() }
    }

    pub(super) fn blobs(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        StoreError::Unavailable { what: "blob store", source: source.into() }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(source: sqlx::Error) -> Self {
        if passes(&source) {
            StoreError::Unavailable { what: "database", source: source.into() }
        } else {
            StoreError::Database { source }
        }
    }
}

/// Whether a database error is about the connection, the load or the disk rather than the statement.
fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(refusal) => refusal.code().is_some_and(|code| passing_code(&code)),
        _ => false,
    }
}

/// SQLite's primary codes are small numbers: busy, locked, I/O error, disk full, cannot open. PostgreSQL's are
/// five characters: connection (08), serialization and deadlock (40), resources (53), operator (57), system (58).
fn passing_code(code: &str) -> bool {
    match code.parse::<u32>() {
        Ok(sqlite) if code.len() < 5 => matches!(sqlite & 0xff, 5 | 6 | 10 | 13 | 14),
        _ => ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class)),
    }
}

#[cfg(test)]
mod tests {
    use super::passing_code;

    #[test]
    fn codes_of_load_pass_and_codes_of_defects_do_not() {
        // SQLITE_BUSY, SQLITE_BUSY_SNAPSHOT (5 | 2 << 8), SQLITE_IOERR_WRITE (10 | 3 << 8), SQLITE_FULL.
        for code in ["5", "517", "778", "13", "08006", "40001", "40P01", "53300", "57P01"] {
            assert!(passing_code(code), "{code}");
        }
        // SQLITE_ERROR, SQLITE_CONSTRAINT_UNIQUE (19 | 8 << 8), unique_violation, syntax_error.
        for code in ["1", "2067", "23505", "42601"] {
            assert!(!passing_code(code), "{code}");
        }
    }
}
