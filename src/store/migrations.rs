//! The schema, brought up to date.

use std::fs::File;
use std::path::PathBuf;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyPool, SqlSafeStr};

use super::engine::address;
use super::{Result, StoreError};

/// Each file once, in order; forward only.
const FILES: [(i64, &str, &str); 11] = [
    (1, "datasets", include_str!("../../migrations/0001_datasets.sql")),
    (2, "jobs", include_str!("../../migrations/0002_jobs.sql")),
    (3, "models", include_str!("../../migrations/0003_models.sql")),
    (4, "api keys", include_str!("../../migrations/0004_api_keys.sql")),
    (5, "idempotency", include_str!("../../migrations/0005_idempotency.sql")),
    (6, "checkpoints", include_str!("../../migrations/0006_checkpoints.sql")),
    (7, "job types", include_str!("../../migrations/0007_job_types.sql")),
    (8, "diagnoses", include_str!("../../migrations/0008_diagnoses.sql")),
    (9, "model thresholds", include_str!("../../migrations/0009_model_thresholds.sql")),
    (10, "aliases", include_str!("../../migrations/0010_aliases.sql")),
    (11, "job parts", include_str!("../../migrations/0011_job_parts.sql")),
];

/// Applies what is missing, one process at a time: PostgreSQL holds an advisory lock meanwhile, for SQLite a file
/// beside the database is locked.
pub(super) async fn apply(pool: &AnyPool, lock: Option<PathBuf>) -> Result<()> {
    let held = match lock {
        Some(path) => Some(lock_file(path).await?),
        None => None,
    };
    let outcome = migrator().run(pool).await.map_err(|source| StoreError::Migration { source });
    drop(held);
    outcome
}

/// The lock goes when the file is closed, also if the process dies.
async fn lock_file(path: PathBuf) -> Result<File> {
    let locked = tokio::task::spawn_blocking(move || {
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        file.lock()?;
        Ok::<_, std::io::Error>(file)
    });
    match locked.await {
        Ok(Ok(file)) => Ok(file),
        Ok(Err(source)) => Err(address("database", source)),
        Err(source) => Err(address("database", source)),
    }
}

fn migrator() -> Migrator {
    let migrations = FILES
        .iter()
        .map(|&(version, name, sql)| {
            Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
        })
        .collect();
    Migrator::with_migrations(migrations)
}
