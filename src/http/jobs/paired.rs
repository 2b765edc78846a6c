//! How sure the differences between two models are, which were tested on the same rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::http::AppState;
use crate::http::error::{ApiError, Code};
use crate::http::models::dossier;
use crate::ml::dossier::Dossier;
use crate::ml::metrics::{PairedDifference, PairedScores, paired_differences};
use crate::records::ModelRecord;

/// Rows drawn for the intervals of one answer, and the most samples of them.
const MAX_DRAWN_ROWS: usize = 20_000_000;
const MAX_SAMPLES: usize = 1_000;
/// With fewer samples there are no intervals.
const MIN_SAMPLES: usize = 40;

/// Differences with their intervals.
#[derive(Debug)]
pub(super) struct Paired {
    /// Of the intervals.
    pub(super) confidence: f64,
    /// The second model minus the first, by the name of the metric.
    pub(super) differences: BTreeMap<&'static str, PairedDifference>,
}

/// The paired bootstrap of the scores that both models left of their test rows; nothing where one of them left none, or
/// left those of other rows.
///
/// # Errors
/// 429 if too much is computed already; 503 or 500 if scores cannot be read.
pub(super) async fn paired(
    state: &AppState,
    baseline: &ModelRecord,
    candidate: &ModelRecord,
) -> Result<Option<Paired>, ApiError> {
    let thresholds = [baseline.report.threshold, candidate.report.threshold];
    let (Some(first), Some(second)) = (kept(state, baseline).await?, kept(state, candidate).await?) else {
        return Ok(None);
    };
    let turn = state.models.turn().await?;
    let found = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        differences(&first, &second, thresholds)
    });
    found.await.map_err(ApiError::internal)
}

/// What stays with a model; nothing of one that was made by an older version.
async fn kept(state: &AppState, record: &ModelRecord) -> Result<Option<Arc<Dossier>>, ApiError> {
    match dossier(state, record).await {
        Ok(dossier) => Ok(Some(dossier)),
        Err(error) if error.code() == Code::NotAvailable => Ok(None),
        Err(error) => Err(error),
    }
}

fn differences(first: &Dossier, second: &Dossier, thresholds: [f64; 2]) -> Option<Paired> {
    let (own, other) = (first.test.as_ref()?, second.test.as_ref()?);
    if own.labels != other.labels {
        return None;
    }
    let samples = (MAX_DRAWN_ROWS / own.rows().max(1)).min(MAX_SAMPLES);
    let bootstrap = if samples < MIN_SAMPLES { 0 } else { samples };
    let confidence = second.evaluation.confidence;
    let models = [(own, thresholds[0]), (other, thresholds[1])]
        .map(|(scores, threshold)| PairedScores { probabilities: &scores.probabilities, threshold });
    let differences = paired_differences(&own.labels, models, bootstrap, confidence, second.seed.derive("paired"));
    Some(Paired { confidence, differences: differences.ok()? })
}
