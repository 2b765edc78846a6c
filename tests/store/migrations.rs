//! Migrations: applied once, by any number of processes, also to a database with rows; and their style.

use std::collections::BTreeSet;

use evenkeel::store::StoreError;
use futures::future::join_all;

use crate::support::{Engine, TestStore, on_both_engines};

on_both_engines!(
    applied_twice_is_fine,
    applied_by_many_at_once_is_fine,
    an_unknown_migration_is_refused,
    rows_of_every_version_survive,
    impossible_rows_are_refused,
);

async fn applied_twice_is_fine(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    test.store.migrate().await.unwrap();
    assert_eq!(test.store.dataset(dataset.id).await.unwrap(), Some(dataset));
}

async fn applied_by_many_at_once_is_fine(engine: Engine) {
    let test = TestStore::unmigrated(engine).await;
    let mut processes = Vec::new();
    for _ in 0..4 {
        let store = test.again().await;
        processes.push(tokio::spawn(async move { store.migrate().await }));
    }
    for migrated in join_all(processes).await {
        migrated.unwrap().unwrap();
    }
    test.dataset().await;
}

/// A database that a newer program has migrated is not touched by an older one.
async fn an_unknown_migration_is_refused(engine: Engine) {
    let test = TestStore::new(engine).await;
    execute(&test, "UPDATE _sqlx_migrations SET version = 9999 WHERE version = 5").await.unwrap();
    let refused = test.store.migrate().await;
    assert!(matches!(refused, Err(StoreError::Migration { .. })), "{refused:?}");
}

/// For each migration there may be `tests/data/migrations/<name>.sql` with rows of the schema before it. Applies
/// every migration in turn with those rows in place, as an upgrade of a database in use does.
async fn rows_of_every_version_survive(engine: Engine) {
    let test = TestStore::unmigrated(engine).await;
    for name in file_names("migrations") {
        if let Ok(rows) = std::fs::read_to_string(root().join("tests/data/migrations").join(&name)) {
            run_script(&test, &rows).await.unwrap_or_else(|error| panic!("rows before {name}: {error}"));
        }
        let script = std::fs::read_to_string(root().join("migrations").join(&name)).unwrap();
        run_script(&test, &script).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    for name in file_names("tests/data/migrations") {
        assert!(file_names("migrations").contains(&name), "{name} belongs to no migration");
    }
    let expected = [
        ("datasets", 1),
        ("jobs", 4),
        ("job_epochs", 2),
        ("job_events", 3),
        ("job_diagnoses", 1),
        ("models", 1),
        ("model_thresholds", 2),
    ];
    for (table, rows) in expected {
        assert_eq!(count(&test, table).await, rows, "{table}");
    }
    let deletion = "DELETE FROM jobs WHERE id = '0190a0a0-0000-7000-8000-000000000008'";
    execute(&test, deletion).await.unwrap();
    assert_eq!((count(&test, "job_epochs").await, count(&test, "job_events").await), (1, 1), "children go with a job");
}

async fn count(test: &TestStore, table: &str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
    let (count,): (i64,) = sqlx::query_as(sql).fetch_one(&mut connect(test).await).await.unwrap();
    count
}

/// The constraints tie the status of a job to its columns.
async fn impossible_rows_are_refused(engine: Engine) {
    let test = TestStore::new(engine).await;
    test.running().await;
    for change in [
        "status = 'asleep'",
        "status = 'queued'",
        "status = 'succeeded'",
        "status = 'failed', lease_token = NULL, lease_expires_at = NULL, finished_at = 1",
        "status = 'cancelling'",
        "lease_token = NULL",
        "lease_expires_at = NULL",
        "finished_at = 1",
        "model_id = 'x'",
        "failure = '{}'",
        "progress = 1.5",
        "attempt = 4",
        "checkpoint_sha256 = 'short', checkpoint_epochs = 1, checkpoint_at = 1",
        "checkpoint_epochs = 1",
        "checkpoint_at = 1",
        "job_type = 'guess'",
        "result_dataset_id = 'x'",
        "result_details = '{}'",
        "result_sha256 = 'short', result_details = '{}'",
    ] {
        let refused = execute(&test, &format!("UPDATE jobs SET {change}")).await;
        assert!(refused.is_err(), "{change}");
    }
    execute(&test, "UPDATE jobs SET progress = 0.5").await.unwrap();
    let insert = "INSERT INTO job_parts (job_id, part, program, lapses) SELECT id, 0, 'p', 0 FROM jobs";
    execute(&test, insert).await.unwrap();
    assert!(execute(&test, insert).await.is_err(), "a part is there once");
    for change in [
        "part = -1",
        "lapses = -1",
        "lease_token = 'x'",
        "lease_expires_at = 1",
        "finished_at = 1",
        "result = '{}'",
        "finished_at = 1, result = '{}', lease_token = 'x', lease_expires_at = 1",
        "job_id = 'x'",
    ] {
        let refused = execute(&test, &format!("UPDATE job_parts SET {change}")).await;
        assert!(refused.is_err(), "{change}");
    }
    execute(&test, "UPDATE job_parts SET finished_at = 1, result = '{}'").await.unwrap();
}

async fn connect(test: &TestStore) -> sqlx::AnyConnection {
    use sqlx::Connection;
    sqlx::AnyConnection::connect(&test.config.database_url).await.unwrap()
}

async fn execute(test: &TestStore, sql: &str) -> Result<(), sqlx::Error> {
    let mut connection = connect(test).await;
    sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.map(|_| ())
}

async fn run_script(test: &TestStore, script: &str) -> Result<(), sqlx::Error> {
    let mut connection = connect(test).await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(script.to_owned())).execute(&mut connection).await.map(|_| ())
}

fn root() -> &'static std::path::Path {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn file_names(directory: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(directory)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The lines of each table between its parentheses.
fn table_lines(script: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    script.lines().filter(move |line| {
        let was_inside = inside;
        inside = line.starts_with("CREATE TABLE") || (inside && !line.starts_with(");"));
        was_inside && inside
    })
}

#[test]
fn every_column_has_a_comment_and_every_constraint_a_name() {
    let mut columns = 0;
    for name in file_names("migrations") {
        let script = std::fs::read_to_string(root().join("migrations").join(&name)).unwrap();
        for line in table_lines(&script).filter(|line| line.starts_with("    ") && !line.starts_with("        ")) {
            if line.trim_start().starts_with("CONSTRAINT ") {
                continue;
            }
            columns += 1;
            assert!(line.contains(" -- "), "{name}: no comment: {line}");
            for unnamed in ["PRIMARY KEY", "UNIQUE", "CHECK", "REFERENCES"] {
                assert!(!line.split(" -- ").next().unwrap().contains(unnamed), "{name}: without a name: {line}");
            }
        }
    }
    assert!(columns > 50, "{columns} columns were found");
}

/// Rows that are there already have no value for it.
#[test]
fn no_column_is_added_that_old_rows_cannot_have() {
    for name in file_names("migrations") {
        let script = std::fs::read_to_string(root().join("migrations").join(&name)).unwrap().to_uppercase();
        for statement in script.split(';').filter(|statement| statement.contains("ADD COLUMN")) {
            let fits = !statement.contains("NOT NULL") || statement.contains("DEFAULT");
            assert!(fits, "{name}: {statement}");
        }
    }
}
