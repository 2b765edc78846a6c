//! The science, pure and synchronous: nothing here names a runtime, a database, a file, the environment or
//! the time, and all chance comes in as a [`seed::Seed`].
//!
//! The order of the modules is the order of dependence:
//! - [`seed`], [`json`], [`json_patch`], [`archive`], [`picture`], [`table`], [`labels`], [`logit`]: what comes in.
//! - [`config`]: a checked job configuration; the only place that knows a default.
//! - [`sets`], [`split`]: rows that may be learnt from ([`sets::TrainSet`]) and rows that may only be scored
//!   ([`sets::EvalSet`]).
//! - [`in_place`], [`preprocess`], [`neighbours`], [`resample`], [`augment`]: from columns to a balanced matrix.
//! - [`small_logistic`], [`metrics`], [`calibrate`]: what a score is worth.
//! - [`kernel`], [`nn`], [`logistic`]: what learns.
//! - [`baseline`], [`diagnose`]: what simple models reach, and why a run went wrong.
//! - [`model`]: what predicts, and its bytes; [`onnx`]: the same as a graph that other programs run.
//! - [`explain`], [`dossier`]: what a model goes by, and what stays with it for people to look at.
//! - [`pipeline`]: the one order in which all of it happens; [`resample_table`] resamples without
//!   training, [`compare`] trains many times and says which differences are noise.

pub mod archive;
pub mod augment;
pub mod baseline;
pub mod calibrate;
pub mod compare;
pub mod config;
pub mod diagnose;
pub mod dossier;
pub mod explain;
pub mod in_place;
pub mod json;
pub mod json_patch;
pub mod kernel;
pub mod labels;
pub mod logistic;
pub mod logit;
pub mod metrics;
pub mod model;
pub mod neighbours;
pub mod nn;
pub mod observe;
pub mod onnx;
pub mod picture;
pub mod pipeline;
pub mod preprocess;
pub mod resample;
pub mod resample_table;
pub mod seed;
pub mod sets;
pub mod small_logistic;
pub mod split;
pub mod table;
