//! The science against reference answers and its own promises.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should fail")]

mod checkpoints;
mod gradients;
mod logistic;
mod logistic_large;
mod metrics;
mod network_reference;
mod pictures;
mod preprocess;
mod quality;
mod runs;
mod samplers;
mod strength;
mod support;
mod tables;
