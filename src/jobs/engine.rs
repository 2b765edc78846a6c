//! What a job computes, behind a seam: the queue does not know what training is.

use std::fs::File;

use crate::ml::config::ThresholdRule;
use crate::ml::labels::ClassNames;
use crate::ml::metrics::Report;
use crate::ml::observe::{Stop, TrainObserver};
use crate::records::{DatasetRecord, Failure, JobRecord, ModelFeature, TrainingSummary, Verdict};

/// Computes jobs. Runs on the job's own thread and may take hours.
pub trait Engine: Send + Sync + 'static {
    /// # Errors
    /// [`Ended::Failed`] is the job's answer and final; [`Ended::Stopped`] is what the observer asked for.
    fn run(&self, work: Work, observer: &mut dyn TrainObserver) -> Result<Produced, Ended>;
}

/// A job with its data.
pub struct Work {
    pub job: JobRecord,
    pub dataset: DatasetRecord,
    /// The dataset's bytes, verified against its hash.
    pub input: File,
}

/// What a job leaves: a model that is not stored yet.
pub struct Produced {
    pub artifact: Vec<u8>,
    pub classes: ClassNames,
    pub threshold_rule: ThresholdRule,
    pub threshold: f64,
    pub features: Vec<ModelFeature>,
    /// Without `examples_per_second`, which takes a clock.
    pub training: TrainingSummary,
    pub examples_seen: u64,
    pub verdict: Verdict,
    pub report: Report,
}

/// Why a run left nothing.
#[derive(Debug)]
pub enum Ended {
    Failed(Failure),
    Stopped(Stop),
}
