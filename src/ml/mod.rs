//! The science, pure and synchronous: nothing here names a runtime, a database, a file, the environment or
//! the time, and all chance comes in as a [`seed::Seed`].
//!
//! The order of the modules is the order of dependence:
//! - [`seed`], [`json`], [`table`], [`labels`], [`logit`]: what comes in.
//! - [`config`]: a checked job configuration; the only place that knows a default.
//! - [`sets`], [`split`]: rows that may be learnt from ([`sets::TrainSet`]) and rows that may only be scored
//!   ([`sets::EvalSet`]).
//! - [`preprocess`], [`neighbours`], [`resample`], [`augment`]: from columns to a balanced matrix.
//! - [`metrics`], [`calibrate`]: what a score is worth.
//! - [`kernel`], [`nn`], [`logistic`]: what learns.
//! - [`model`]: what predicts, and its bytes.
//! - [`pipeline`]: the one order in which all of it happens.

pub mod augment;
pub mod calibrate;
pub mod config;
pub mod json;
pub mod kernel;
pub mod labels;
pub mod logistic;
pub mod logit;
pub mod metrics;
pub mod model;
pub mod neighbours;
pub mod nn;
pub mod observe;
pub mod pipeline;
pub mod preprocess;
pub mod resample;
pub mod seed;
pub mod sets;
pub mod split;
pub mod table;
