//! The science against reference answers and its own promises.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should fail")]

mod checkpoints;
mod gradients;
mod logistic;
mod metrics;
mod preprocess;
mod quality;
mod runs;
mod samplers;
mod support;
mod tables;
