//! Evenkeel trains, evaluates and serves binary classifiers on imbalanced data.
//!
//! Dependencies point strictly downward; `tests/architecture.rs` holds them there:
//!
//! `main, cli → http → jobs → store → records → ml`, with `clock`, `telemetry` and `config` beside them.
//!
//! In reading order:
//! - [`ml`]: the science. Tables, splits, preprocessing, resampling, training, metrics, models. Pure and
//!   synchronous: no I/O, no time, no chance but a seed.
//! - [`records`]: the words that store, jobs and http share: ids, datasets, jobs, models, keys.
//! - [`store`]: durable memory. SQL rows (SQLite or PostgreSQL) and blobs (`object_store`).
//! - [`jobs`]: doing work. The worker claims jobs under a lease and runs each on its own thread.
//! - [`http`]: the outside world. Requests in, problems out; the only place that knows status codes.
//! - [`cli`]: the subcommands.
//! - [`draw`]: pictures as SVG; knows nothing of what they show.
//! - [`clock`], [`telemetry`]: leaves.

pub mod cli;
pub mod clock;
pub mod draw;
pub mod http;
pub mod jobs;
pub mod ml;
pub mod records;
pub mod store;
pub mod telemetry;
