//! The science against reference answers and its own promises.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should fail")]

#[path = "../archives/mod.rs"]
mod archives;
mod artifacts;
mod bagging;
mod calibration;
mod checkpoints;
mod compare;
mod coverage;
mod cross_validation;
mod diagnosis;
mod explain;
mod gradients;
mod images;
mod logistic;
mod logistic_large;
mod metrics;
mod network_reference;
mod onnx;
mod picture_archives;
mod picture_network_reference;
mod picture_networks;
mod picture_reference;
mod pictures;
mod preprocess;
mod quality;
mod request_fuzz;
mod request_rows;
mod resample_table;
mod runs;
mod samplers;
mod strength;
mod support;
mod tables;
