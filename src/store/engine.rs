//! The two database engines and everything that they do differently.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AnyPool, AssertSqlSafe, Executor};

use super::{Result, StoreError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// Starts a transaction that writes. SQLite takes its one write lock here, where waiting for it is possible: a
    /// transaction that reads first and asks for the lock later is refused when another has written in between.
    pub(super) fn begin_write(self) -> &'static str {
        match self {
            Engine::Sqlite => "BEGIN IMMEDIATE",
            Engine::Postgres => "BEGIN",
        }
    }

    /// Ends a SELECT whose rows nobody else may write until the transaction ends.
    fn for_update(self) -> &'static str {
        match self {
            Engine::Sqlite => "",
            Engine::Postgres => "FOR UPDATE",
        }
    }

    /// As `for_update`, passing over rows that somebody else holds.
    fn for_update_skip_locked(self) -> &'static str {
        match self {
            Engine::Sqlite => "",
            Engine::Postgres => "FOR UPDATE SKIP LOCKED",
        }
    }

    /// Ends a SELECT whose rows may be read by others but not written.
    fn for_share(self) -> &'static str {
        match self {
            Engine::Sqlite => "",
            Engine::Postgres => "FOR SHARE",
        }
    }

    /// Makes the transaction the only one that counts and fills the queue, until it ends. SQLite has only one that
    /// writes anyway.
    pub(super) fn lock_queue(self) -> Option<&'static str> {
        match self {
            Engine::Sqlite => None,
            // Any number will do that nobody else locks in this database: the letters "evenkeel".
            Engine::Postgres => Some("SELECT pg_advisory_xact_lock(7311142570005194092)"),
        }
    }

    /// A statement from its template: `{for_update}`, `{for_update_skip_locked}` and `{for_share}` become the
    /// engine's clauses. Templates are constants of this program, so nothing a user typed gets here.
    pub(super) fn sql(self, template: &'static str) -> AssertSqlSafe<String> {
        AssertSqlSafe(
            template
                .replace("{for_update}", self.for_update())
                .replace("{for_update_skip_locked}", self.for_update_skip_locked())
                .replace("{for_share}", self.for_share()),
        )
    }
}

/// SQLite waits this long for its write lock before it gives up.
const BUSY_TIMEOUT_MS: u32 = 30_000;
/// How long a caller waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(35);

/// An open database.
pub(super) struct Database {
    pub(super) pool: AnyPool,
    pub(super) engine: Engine,
    /// The file that is locked while the schema changes, where the engine has no such lock of its own.
    pub(super) migration_lock: Option<PathBuf>,
}

/// Opens a pool.
///
/// # Errors
/// [`StoreError::Address`] or [`StoreError::Unavailable`].
pub(super) async fn connect(url: &str, max_connections: u32) -> Result<Database> {
    sqlx::any::install_default_drivers();
    let engine = engine_of(url)?;
    let (url, migration_lock) = match engine {
        Engine::Sqlite => (prepare_sqlite(url)?, Some(sqlite_path(url)?.with_added_extension("lock"))),
        Engine::Postgres => (url.to_owned(), None),
    };
    let options = AnyConnectOptions::from_str(&url).map_err(|source| address("database", source))?;
    let pool = AnyPoolOptions::new()
        .max_connections(max_connections.max(1))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                if engine == Engine::Sqlite {
                    connection.execute(AssertSqlSafe(sqlite_settings())).await?;
                }
                Ok(())
            })
        })
        .connect_with(options)
        .await?;
    Ok(Database { pool, engine, migration_lock })
}

fn engine_of(url: &str) -> Result<Engine> {
    match url.split_once(':') {
        Some(("sqlite", _)) => Ok(Engine::Sqlite),
        Some(("postgres" | "postgresql", _)) => Ok(Engine::Postgres),
        _ => Err(address("database", "it starts with neither sqlite: nor postgres:")),
    }
}

/// WAL lets readers read while one writes; `synchronous = FULL` makes a commit survive a power cut.
fn sqlite_settings() -> String {
    format!(
        "PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA foreign_keys = ON;"
    )
}

/// Makes the directory of the database file and lets SQLite create the file.
fn prepare_sqlite(url: &str) -> Result<String> {
    let path = sqlite_path(url)?;
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).map_err(|source| address("database", source))?;
    }
    if url.contains("mode=") {
        return Ok(url.to_owned());
    }
    let separator = if url.contains('?') { '&' } else { '?' };
    Ok(format!("{url}{separator}mode=rwc"))
}

/// A database in memory is one per connection, which is not what a pool means; it is refused.
fn sqlite_path(url: &str) -> Result<PathBuf> {
    let options = SqliteConnectOptions::from_str(url).map_err(|source| address("database", source))?;
    let path = options.get_filename();
    let in_memory = url.contains(":memory:") || url.contains("mode=memory");
    if in_memory || path.as_os_str().is_empty() {
        return Err(address("database", "a SQLite database needs a file"));
    }
    Ok(path.to_owned())
}

pub(super) fn address(what: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Address { what, source: source.into() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_scheme_names_the_engine() {
        assert_eq!(engine_of("sqlite:data/x.db").unwrap(), Engine::Sqlite);
        assert_eq!(engine_of("postgresql://h/d").unwrap(), Engine::Postgres);
        assert!(matches!(engine_of("mysql://h/d"), Err(StoreError::Address { .. })));
    }

    #[test]
    fn a_sqlite_address_needs_a_file() {
        assert_eq!(sqlite_path("sqlite:///a/b.db?mode=rw").unwrap(), Path::new("/a/b.db"));
        assert_eq!(sqlite_path("sqlite:b.db").unwrap(), Path::new("b.db"));
        assert_eq!(sqlite_path("sqlite:/a%20b/c.db").unwrap(), Path::new("/a b/c.db"));
        assert!(sqlite_path("sqlite::memory:").is_err());
        assert!(sqlite_path("sqlite:").is_err());
    }

    #[test]
    fn clauses_are_the_engines_own() {
        let template = "SELECT id FROM jobs {for_update_skip_locked}";
        assert_eq!(Engine::Sqlite.sql(template).0, "SELECT id FROM jobs ");
        assert_eq!(Engine::Postgres.sql(template).0, "SELECT id FROM jobs FOR UPDATE SKIP LOCKED");
    }
}
