//! Doing work: jobs are claimed from the queue under a lease and each runs on a thread of its own.
//!
//! - [`worker`]: the claim loop. Woken by the store's alarm clock or by its own poll; ends at shutdown, when it
//!   gives running jobs back. [`places`] says who may sit where.
//! - [`runner`]: one job. Its [`thread`] computes; an async loop beside it keeps the lease, publishes progress and
//!   tells the thread to stop.
//! - [`assist`]: the same for parts of a job that another process runs, taken through [`parts`].
//! - [`conclude`]: writes down how it ended.
//! - [`checkpoints`]: what an interrupted training goes on from.
//! - [`observer`]: the window between the two.
//! - [`engine`]: what a job computes, behind a seam; [`engines`] are the real ones, one for each type of job, tests
//!   have scripted ones. [`train_job`], [`resample_job`], [`evaluate_job`], [`predict_job`]
//!   and [`compare_job`]; [`source`] reads their datasets,
//!   [`score`] their models.
//! - [`open`]: everything that an engine needs.
//! - [`load`]: how busy the workers are.
//! - [`keep`]: stores the bytes of what it leaves.
//! - [`sweeper`]: lapsed leases go back to the queue, what is too old goes away.

mod assist;
mod checkpoints;
mod compare_job;
mod conclude;
pub mod engine;
mod engines;
mod evaluate_job;
mod failure;
mod keep;
mod load;
mod observer;
mod open;
mod parts;
mod places;
mod predict_job;
mod priority;
mod resample_job;
mod runner;
mod score;
mod source;
mod sweeper;
mod thread;
mod train_job;
mod way;
mod worker;

pub use compare_job::estimate_comparison;
pub use engine::{Ended, Engine, Produced, ProducedDataset, ProducedModel, ProducedResult, Work, WorkModel};
pub use engines::Engines;
pub use load::WorkerLoad;
pub use parts::Parts;
pub use predict_job::PREDICTION_COLUMNS;
pub use priority::{lower_thread_priority, run_when_idle, step_back};
pub use score::estimate_scoring;
pub use source::EngineLimits;
pub use train_job::train;
pub use worker::{run, run_with};

use std::sync::Arc;

use crate::ml::table::TableLimits;
use crate::store::Retention;

/// How a process works on jobs.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Jobs at work at once.
    pub workers: usize,
    /// How long a job stays claimed without a heartbeat; a third of it passes between two heartbeats at most.
    pub lease_seconds: f64,
    /// How often the queue is looked at without being told to.
    pub poll_seconds: f64,
    /// How often progress is published and a wish to cancel is looked for.
    pub heartbeat_seconds: f64,
    /// How often the state of a training is stored, for the next attempt to go on from; 0: never.
    pub checkpoint_seconds: f64,
    /// How often old rows and orphaned blobs are looked for.
    pub sweep_seconds: f64,
    pub retention: Retention,
    pub table_limits: TableLimits,
    /// A job whose estimate is above this fails instead of taking the machine down.
    pub memory_bytes: u64,
    /// Where it is noted how busy the workers are.
    pub load: Arc<WorkerLoad>,
}

impl WorkerConfig {
    /// One job at a time, leases of 30 s.
    pub fn standard() -> Self {
        Self {
            workers: 1,
            lease_seconds: 30.0,
            poll_seconds: 1.0,
            heartbeat_seconds: 0.5,
            checkpoint_seconds: 30.0,
            sweep_seconds: 3_600.0,
            retention: Retention::STANDARD,
            table_limits: TableLimits::STANDARD,
            memory_bytes: 2 << 30,
            load: Arc::default(),
        }
    }
}
