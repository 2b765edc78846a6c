//! The engine of `evaluate` jobs: a dataset and a model in, a report on all rows out.

use std::io::Write;

use ndarray::Array2;
use serde::Serialize;

use super::engine::{Ended, ProducedResult, Work};
use super::score::score;
use super::source::{EngineLimits, enter, unwritten};
use crate::ml::metrics::{Report, ReportInput, Verdict, report, verdict};
use crate::ml::observe::{Phase, TrainObserver};
use crate::ml::pipeline::Target;
use crate::ml::seed::Seed;
use crate::ml::sets::EvalSet;
use crate::records::{DatasetId, EvaluateJob, ModelId};
use crate::store::Scratch;
use crate::telemetry::Chain;

/// What the job leaves, as the API shows it.
#[derive(Debug, Serialize)]
struct EvaluationResult {
    model_id: ModelId,
    dataset_id: DatasetId,
    /// Then some of the rows are those that the model has learnt from, and the report is too good.
    trained_on_this_dataset: bool,
    /// Rows without a label, which cannot be evaluated.
    unlabelled_rows: usize,
    verdict: Verdict,
    report: Report,
}

pub(super) fn run(
    limits: &EngineLimits,
    work: Work,
    job: &EvaluateJob,
    observer: &mut dyn TrainObserver,
) -> Result<ProducedResult, Ended> {
    let (scored, record) = score(limits, work.input, &work.dataset, work.model, observer)?;
    let invalid = |detail: String| Ended::failed("invalid-data", "The dataset cannot be evaluated", detail);
    let target = Target::of(&scored.table, &work.dataset.target, &record.classes.positive)
        .map_err(|error| invalid(Chain(&error).to_string()))?;
    if target.classes != scored.model.classes {
        let (found, expected) = (&target.classes.negative, &record.classes.negative);
        return Err(invalid(format!("The other class is {found:?} here; the model knows {expected:?}.")));
    }
    let probabilities: Vec<f64> =
        target.rows.iter().filter_map(|&row| scored.probabilities.get(row)).copied().collect();
    enter(observer, Phase::Evaluating)?;
    let eval = EvalSet::new(Array2::zeros((target.labels.len(), 0)), target.labels);
    let input = ReportInput {
        eval: &eval,
        probabilities: &probabilities,
        threshold: job.threshold.unwrap_or(record.threshold),
        classes: &target.classes,
        evaluation: &job.evaluation,
        seed: Seed(job.seed).derive("bootstrap"),
    };
    let mut report = report(&input, &mut |share| observer.step(share)).map_err(Ended::Stopped)?;
    "dataset".clone_into(&mut report.computed_on);
    let result = EvaluationResult {
        model_id: record.id,
        dataset_id: work.dataset.id,
        trained_on_this_dataset: record.dataset_id == Some(work.dataset.id),
        unlabelled_rows: target.unlabelled_rows,
        verdict: verdict(&report, &probabilities),
        report,
    };
    document(&result, &work.scratch)
}

/// A JSON document as the result of a job.
pub(super) fn document(document: &impl Serialize, scratch: &Scratch) -> Result<ProducedResult, Ended> {
    let bytes = serde_json::to_vec(document).map_err(|error| unwritten(&error))?;
    let mut file = scratch.file().map_err(|error| unwritten(&error))?;
    file.write_all(&bytes).map_err(|error| unwritten(&error))?;
    Ok(ProducedResult { file, media_type: "application/json", rows: None })
}
