//! The service over HTTP: the real program, a real database, a client that checks every answer against
//! `openapi.yaml`.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

mod auth;
mod codes;
mod document;
mod errors;
mod faults;
mod idempotency;
mod jobs;
mod limits;
mod lists;
mod options;
mod predictions;
mod story;
mod uploads;
