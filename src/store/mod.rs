//! Durable memory: rows in SQLite or PostgreSQL, bytes in an object store.
//!
//! [`Store`] is the one door. Each statement has one text for both engines; what the engines do differently is
//! named in one file, `engine.rs`. Every transaction that writes takes its write lock first, so none fails halfway
//! for want of one. Bytes live in [`BlobStore`] under their SHA-256, and a row that names a blob is only written
//! while the blob is there and cannot be swept away.

mod alarm;
mod aliases;
mod api_keys;
pub mod blobs;
mod datasets;
mod engine;
mod error;
mod idempotency;
mod jobs;
mod migrations;
mod model_versions;
mod models;
mod page;
mod row;
mod sweep;
mod thresholds;

pub use aliases::{AliasFilter, DeleteAlias, MAX_ALIAS_TARGETS, NewAlias, SetAlias};
pub use blobs::{BlobParts, BlobStore, KeptBlob, Scratch, StagedBlob};
pub use datasets::{DatasetFilter, DeleteDataset};
pub use error::StoreError;
pub use idempotency::{Begin, IdempotentAnswer, StoredAnswer};
pub use jobs::{
    Beat, Enqueue, EventKind, Finish, Heartbeat, JobEvent, JobFilter, NewJob, NewResults, News, PartHand, QueueStats,
    Standing, TakePart, Written,
};
pub use models::{DeleteModel, ModelFilter, NewModel};
pub use page::Page;
pub use sweep::{Retention, Swept};
pub use thresholds::{MAX_THRESHOLD_CHANGES, NewThreshold, SetThreshold};

use std::path::PathBuf;
use std::sync::Arc;

use sqlx::{Any, AnyPool, Transaction};
use tokio::sync::watch;

use crate::clock::Clock;
use alarm::Alarm;
use engine::{Database, Engine};

/// What every function of this module answers.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Where the store is and how much it may use.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// `sqlite:PATH` (created with its directory if missing) or `postgres://...`.
    pub database_url: String,
    /// `file:///directory` (created if missing), `s3://bucket/prefix`, `gs://`, `az://`, or `memory://` for tests.
    pub blob_url: String,
    /// Keys and values as `object_store` knows them, such as `aws_region`; read from the environment by the caller.
    pub blob_options: Vec<(String, String)>,
    pub max_connections: u32,
    /// Where blobs of a distant store are put while they are read as files. Created if missing.
    pub spool_dir: PathBuf,
    /// At most this many jobs wait in the queue.
    pub max_pending: u64,
}

impl StoreConfig {
    /// A queue of 10,000 and 16 connections, for the given places.
    pub fn new(database_url: impl Into<String>, blob_url: impl Into<String>, spool_dir: impl Into<PathBuf>) -> Self {
        Self {
            database_url: database_url.into(),
            blob_url: blob_url.into(),
            blob_options: Vec::new(),
            max_connections: 16,
            spool_dir: spool_dir.into(),
            max_pending: 10_000,
        }
    }
}

/// The store; cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

/// How the pool of database connections stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    pub open: u64,
    /// Of the open ones.
    pub idle: u64,
    /// That may be open at once.
    pub most: u32,
}

struct Inner {
    database: Database,
    blobs: BlobStore,
    clock: Arc<dyn Clock>,
    alarm: Arc<Alarm>,
    max_pending: u64,
    max_connections: u32,
}

impl Store {
    /// Opens the database and the blob store. Does not migrate; see [`Store::migrate`].
    ///
    /// # Errors
    /// [`StoreError::Address`] for a URL that cannot be used, [`StoreError::Unavailable`] if nothing answers there.
    pub async fn connect(config: &StoreConfig, clock: Arc<dyn Clock>) -> Result<Store> {
        let blobs = BlobStore::connect(&config.blob_url, &config.blob_options, &config.spool_dir, clock.clone())?;
        let database = engine::connect(&config.database_url, config.max_connections).await?;
        let alarm = Alarm::start(database.engine, &config.database_url);
        let (max_pending, max_connections) = (config.max_pending, config.max_connections);
        Ok(Store(Arc::new(Inner { database, blobs, clock, alarm, max_pending, max_connections })))
    }

    /// Brings the schema up to date, under a lock that all processes share. Does nothing if it is.
    ///
    /// # Errors
    /// [`StoreError::Migration`] if a migration fails or the database has one that this program does not know.
    pub async fn migrate(&self) -> Result<()> {
        migrations::apply(self.pool(), self.0.database.migration_lock.clone()).await
    }

    /// Whether the database answers and has what the service keeps in it.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1 FROM jobs WHERE 1 = 0").execute(self.pool()).await?;
        Ok(())
    }

    pub fn blobs(&self) -> &BlobStore {
        &self.0.blobs
    }

    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// Changes whenever a job is written, in this process and, on PostgreSQL, in any other. It may miss a change
    /// and may ring without one: whoever waits on it polls as well.
    pub fn job_events(&self) -> watch::Receiver<u64> {
        self.0.alarm.subscribe(alarm::Bell::Jobs)
    }

    /// As [`Store::job_events`], when a job has become ready to be claimed.
    pub fn queue_changes(&self) -> watch::Receiver<u64> {
        self.0.alarm.subscribe(alarm::Bell::Queue)
    }

    /// As [`Store::job_events`], when somebody has asked to cancel a running job.
    pub fn cancel_requests(&self) -> watch::Receiver<u64> {
        self.0.alarm.subscribe(alarm::Bell::Cancels)
    }

    /// As [`Store::job_events`], when an alias was set or deleted.
    pub fn alias_changes(&self) -> watch::Receiver<u64> {
        self.0.alarm.subscribe(alarm::Bell::Aliases)
    }

    /// Connections to the database: open ones, and those of them that nobody uses now.
    pub fn connections(&self) -> Connections {
        let pool = self.pool();
        Connections { open: u64::from(pool.size()), idle: pool.num_idle() as u64, most: self.0.max_connections }
    }

    fn now(&self) -> i64 {
        self.0.clock.now().as_micros()
    }

    fn pool(&self) -> &AnyPool {
        &self.0.database.pool
    }

    fn engine(&self) -> Engine {
        self.0.database.engine
    }

    /// A transaction that already holds the right to write.
    async fn write(&self) -> Result<Transaction<'static, Any>> {
        Ok(self.pool().begin_with(self.engine().begin_write()).await?)
    }
}
