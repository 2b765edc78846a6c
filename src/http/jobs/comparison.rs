//! `GET /v1/jobs/{job_id}/comparison`: the reports of two jobs side by side.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;

use super::find;
use super::paired::{Paired, paired};
use crate::http::AppState;
use crate::http::error::{ApiError, Code};
use crate::http::extract::{Id, Query};
use crate::http::problem::FieldProblem;
use crate::ml::config::TrainConfig;
use crate::ml::metrics::Report;
use crate::records::{JobId, JobRecord, ModelId, ModelRecord, TypedConfig, Verdict};

/// Two jobs side by side.
#[derive(Debug, Serialize)]
pub(super) struct ComparisonView {
    /// The job compared with, and this one.
    baseline: Side,
    candidate: Side,
    /// Whether both were tested on the same rows, so that their differences are not those of the rows.
    same_test_rows: bool,
    /// Of the intervals; `None` where there are none.
    confidence: Option<f64>,
    /// What the configurations differ in.
    changes: Vec<Change>,
    /// By name, those that either report has.
    metrics: BTreeMap<String, MetricPair>,
}

#[derive(Debug, Serialize)]
struct Side {
    job_id: JobId,
    model_id: ModelId,
    verdict: Verdict,
    threshold: f64,
}

/// A member of the configuration; absent on one side is `null` there.
#[derive(Debug, PartialEq, Serialize)]
struct Change {
    pointer: String,
    before: Value,
    after: Value,
}

#[derive(Debug, PartialEq, Serialize)]
struct MetricPair {
    baseline: Option<f64>,
    candidate: Option<f64>,
    /// The candidate minus the baseline.
    difference: Option<f64>,
    /// Of the difference, by the bootstrap of the rows that both were tested on.
    ci: Option<[f64; 2]>,
    /// Whether the interval has 0 in it.
    noise: Option<bool>,
}

/// Compares with the job that this one is a retry of, or with the one named by `with`.
pub(super) async fn handle(
    State(state): State<AppState>,
    Id(id): Id<JobId>,
    mut query: Query,
) -> Result<Json<ComparisonView>, ApiError> {
    let with = query.parsed::<JobId>("with", "the id of a job, a UUID");
    query.finish()?;
    let candidate = find(&state, id).await?;
    let Some(with) = with.or(candidate.retry_of) else {
        let detail = "the job is no retry of another; name the job to compare with";
        return Err(ApiError::invalid([FieldProblem::in_parameter("with", detail)]));
    };
    let baseline = state.store.job(with).await?.ok_or_else(|| ApiError::not_found("job to compare with"))?;
    let models = (model_of(&state, &baseline).await?, model_of(&state, &candidate).await?);
    let paired = match same_test_rows(&baseline, &candidate) {
        true => paired(&state, &models.0, &models.1).await?,
        false => None,
    };
    Ok(Json(compared((&baseline, &models.0), (&candidate, &models.1), paired).map_err(ApiError::internal)?))
}

/// The model of a job, which must have succeeded and made one that is still there.
async fn model_of(state: &AppState, job: &JobRecord) -> Result<ModelRecord, ApiError> {
    let model = match job.model_id {
        Some(id) => state.store.model(id).await?,
        None => None,
    };
    model.ok_or_else(|| {
        let (id, kind, status) = (job.id, job.job_type().as_str(), job.status.as_str());
        ApiError::new(
            Code::NoResult,
            format!("job {id} is of the type {kind} and {status}; it has no model to compare"),
        )
    })
}

type JobWithModel<'a> = (&'a JobRecord, &'a ModelRecord);

fn compared(
    baseline: JobWithModel<'_>,
    candidate: JobWithModel<'_>,
    paired: Option<Paired>,
) -> Result<ComparisonView, serde_json::Error> {
    let (before, after) = (serde_json::to_value(&baseline.0.config)?, serde_json::to_value(&candidate.0.config)?);
    let mut changes = Vec::new();
    differences(&before, &after, String::new(), &mut changes);
    Ok(ComparisonView {
        baseline: side(baseline),
        candidate: side(candidate),
        same_test_rows: same_test_rows(baseline.0, candidate.0),
        confidence: paired.as_ref().map(|paired| paired.confidence),
        changes,
        metrics: metrics(&baseline.1.report, &candidate.1.report, paired.as_ref()),
    })
}

fn side((job, model): JobWithModel<'_>) -> Side {
    Side { job_id: job.id, model_id: model.id, verdict: model.verdict, threshold: model.threshold }
}

/// The division of the rows follows from these and nothing else.
fn same_test_rows(one: &JobRecord, other: &JobRecord) -> bool {
    let division = |job: &JobRecord| {
        let train = divided_by(job)?;
        Some((job.dataset_id, train.seed, train.target.clone(), train.positive_label.clone(), train.split.clone()))
    };
    division(one).is_some_and(|own| division(other) == Some(own))
}

/// The configuration that divides the rows of a job into those learnt from and those tested.
fn divided_by(job: &JobRecord) -> Option<&TrainConfig> {
    match &job.config.typed {
        TypedConfig::Train(job) => Some(&job.train),
        TypedConfig::Compare(job) => job.compare.candidates.first().map(|candidate| &candidate.train),
        TypedConfig::Resample(_) | TypedConfig::Evaluate(_) | TypedConfig::Predict(_) => None,
    }
}

/// An interval stands beside a difference that it is about: not where the report was computed on other probabilities
/// than were kept, which are those of the deployment prevalence.
fn metrics(baseline: &Report, candidate: &Report, paired: Option<&Paired>) -> BTreeMap<String, MetricPair> {
    let value = |report: &Report, name: &String| report.metrics.get(name).and_then(|metric| metric.value);
    let names = baseline.metrics.keys().chain(candidate.metrics.keys());
    names
        .map(|name| {
            let (baseline, candidate) = (value(baseline, name), value(candidate, name));
            let difference = candidate.zip(baseline).map(|(candidate, baseline)| candidate - baseline);
            let sure = paired.and_then(|paired| paired.differences.get(name.as_str()));
            let sure = sure.filter(|sure| difference.is_some_and(|own| (own - sure.difference).abs() <= 1e-9));
            let (ci, noise) = (sure.and_then(|sure| sure.ci), sure.and_then(|sure| sure.noise));
            (name.clone(), MetricPair { baseline, candidate, difference, ci, noise })
        })
        .collect()
}

/// Every member that differs, objects taken apart, lists as a whole.
fn differences(before: &Value, after: &Value, pointer: String, changes: &mut Vec<Change>) {
    let (Value::Object(own), Value::Object(other)) = (before, after) else {
        if before != after {
            changes.push(Change { pointer, before: before.clone(), after: after.clone() });
        }
        return;
    };
    let added = other.keys().filter(|name| !own.contains_key(*name));
    for name in own.keys().chain(added) {
        let of = |members: &serde_json::Map<String, Value>| members.get(name).cloned().unwrap_or(Value::Null);
        differences(&of(own), &of(other), format!("{pointer}/{}", crate::ml::json::escape(name)), changes);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::jobs::samples::sample_job;

    #[test]
    fn changes_are_named_member_by_member() {
        let mut changes = Vec::new();
        let before = json!({"seed": 1, "loss": {"type": "bce", "class_weight": null}, "resample": [1]});
        let after = json!({"seed": 1, "loss": {"type": "bce", "class_weight": "balanced"}, "resample": [], "new": 2});
        differences(&before, &after, String::new(), &mut changes);
        let pointers: Vec<&str> = changes.iter().map(|change| change.pointer.as_str()).collect();
        assert_eq!(pointers, ["/loss/class_weight", "/resample", "/new"]);
        assert_eq!((&changes[2].before, &changes[2].after), (&Value::Null, &json!(2)));
    }

    #[test]
    fn the_same_division_tests_the_same_rows() {
        let (one, mut other) = (sample_job(), sample_job());
        assert!(same_test_rows(&one, &other));
        let TypedConfig::Train(job) = &mut other.config.typed else { panic!("{other:?}") };
        job.train.resample.clear();
        job.train.seed += 1;
        assert!(!same_test_rows(&one, &other));
    }
}
