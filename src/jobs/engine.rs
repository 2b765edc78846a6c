//! What a job computes, behind a seam: the queue knows neither training nor any other work.

use std::collections::BTreeMap;
use std::fs::File;

use bytes::Bytes;

use super::parts::Parts;
use crate::ml::config::ThresholdRule;
use crate::ml::labels::ClassNames;
use crate::ml::metrics::{Report, ThresholdBasis};
use crate::ml::observe::{Stop, TrainObserver};
use crate::ml::table::{Profile, TableFormat};
use crate::records::{DatasetRecord, Failure, JobRecord, ModelFeature, ModelRecord, TrainingSummary, Verdict};
use crate::store::Scratch;

/// Computes jobs. Runs on the job's own thread and may take hours.
pub trait Engine: Send + Sync + 'static {
    /// # Errors
    /// [`Ended::Failed`] is the job's answer and final; [`Ended::Stopped`] is what the observer asked for.
    fn run(&self, work: Work, observer: &mut dyn TrainObserver) -> Result<Produced, Ended>;

    /// Whose parts of jobs it computes, so that their results go together to the bit; none if it shares no work.
    fn program(&self) -> Option<String> {
        None
    }

    /// Computes parts of a job that another worker runs, as long as there are some to take.
    ///
    /// # Errors
    /// As [`Engine::run`]; a job that cannot be assisted is none that fails.
    fn assist(&self, work: Work, observer: &mut dyn TrainObserver) -> Result<(), Ended> {
        let _ = (work, observer);
        Ok(())
    }
}

/// A job with its data.
pub struct Work {
    pub job: JobRecord,
    pub dataset: DatasetRecord,
    /// The dataset's bytes, verified against its hash.
    pub input: File,
    /// The model of a job that works with one.
    pub model: Option<WorkModel>,
    /// Where files that the job makes are written.
    pub scratch: Scratch,
    /// Parts of the job that others may compute.
    pub parts: Parts,
}

/// A stored model, as a job gets it.
pub struct WorkModel {
    pub record: ModelRecord,
    /// Verified against its hash.
    pub artifact: Bytes,
}

/// What a job leaves, not stored yet. Which of them depends on the type of the job.
#[derive(Default)]
pub struct Produced {
    pub model: Option<Box<ProducedModel>>,
    pub dataset: Option<Box<ProducedDataset>>,
    pub result: Option<ProducedResult>,
}

/// A model that is not stored yet.
pub struct ProducedModel {
    pub artifact: Vec<u8>,
    /// What stays with the model for people to look at, as a file.
    pub dossier: Option<Vec<u8>>,
    pub classes: ClassNames,
    pub threshold_rule: ThresholdRule,
    pub threshold: f64,
    pub threshold_basis: Option<ThresholdBasis>,
    pub features: Vec<ModelFeature>,
    /// Without `examples_per_second`, which takes a clock.
    pub training: TrainingSummary,
    pub examples_seen: u64,
    pub verdict: Verdict,
    pub report: Report,
}

/// A dataset that is not stored yet.
pub struct ProducedDataset {
    pub file: File,
    pub name: String,
    pub format: TableFormat,
    pub target: String,
    pub positive_label: String,
    pub class_counts: BTreeMap<String, u64>,
    /// The rows and columns of the file.
    pub profile: Profile,
    pub missing_markers: Vec<String>,
    pub origin_columns: Vec<String>,
}

/// A file or a document that is not stored yet.
pub struct ProducedResult {
    pub file: File,
    pub media_type: &'static str,
    /// Of a file with rows, the header not counted.
    pub rows: Option<u64>,
}

impl From<ProducedModel> for Produced {
    fn from(model: ProducedModel) -> Self {
        Self { model: Some(Box::new(model)), ..Self::default() }
    }
}

impl From<ProducedDataset> for Produced {
    fn from(dataset: ProducedDataset) -> Self {
        Self { dataset: Some(Box::new(dataset)), ..Self::default() }
    }
}

impl From<ProducedResult> for Produced {
    fn from(result: ProducedResult) -> Self {
        Self { result: Some(result), ..Self::default() }
    }
}

/// Why a run left nothing.
#[derive(Debug)]
pub enum Ended {
    Failed(Failure),
    Stopped(Stop),
    /// A file could not be written, which the log has; another attempt may do better.
    Trouble,
}

impl Ended {
    /// An answer about the job: it would fail the same way again.
    pub(super) fn failed(code: &str, title: &str, detail: String) -> Self {
        Ended::Failed(Failure { code: code.to_owned(), title: title.to_owned(), detail, retryable: false })
    }
}
