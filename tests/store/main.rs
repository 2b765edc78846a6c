//! The store: one battery, on SQLite and on PostgreSQL.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

mod aliases;
mod blobs;
mod checkpoints;
mod datasets;
mod diagnoses;
mod idempotency;
mod keys;
mod lease;
mod migrations;
mod models;
mod parts;
mod queue;
mod sweep;
mod thresholds;
