//! The service over HTTP: the real program, a real database, a client that checks every answer against
//! `openapi.yaml`.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../archives/mod.rs"]
mod archives;
mod support;

mod aliases;
mod augmentation;
mod auth;
mod codes;
mod comparisons;
mod diagnosis;
mod document;
mod errors;
mod evaluation;
mod exchange;
mod faults;
mod formats;
mod heat_maps;
mod hostile;
mod idempotency;
mod images;
mod inference;
mod inference_grpc;
mod inference_hostile;
mod instruction_sets;
mod jobs;
mod limits;
mod lists;
mod metrics;
mod options;
mod pictures;
mod predictions;
mod resample;
mod retries;
mod scoring;
mod shortcut;
mod story;
mod streams;
mod thresholds;
mod traces;
mod understanding;
mod uploads;
