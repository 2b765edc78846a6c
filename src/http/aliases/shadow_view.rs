//! `GET /v1/aliases/{alias}/shadow`: how the shadow and the models that answer compare.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;

use super::name::AliasName;
use super::representation::ModelView;
use super::{find, flush_shadows};
use crate::clock::Timestamp;
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::respond;
use crate::records::{AliasRecord, ShadowComparison, ShadowCounts};

#[derive(Debug, Serialize)]
struct ShadowDocument<'a> {
    alias: &'a str,
    shadow: Option<ModelView<'a>>,
    /// One for each model that answers and that something was counted of.
    comparisons: Vec<ComparisonView<'a>>,
}

#[derive(Debug, Serialize)]
struct ComparisonView<'a> {
    /// That answered.
    #[serde(flatten)]
    model: ModelView<'a>,
    since: Timestamp,
    requests: u64,
    rows: u64,
    label_disagreements: u64,
    only_model_positive: u64,
    only_shadow_positive: u64,
    /// `null` as long as there are no rows.
    disagreement_rate: Option<f64>,
    mean_difference: Option<f64>,
    mean_absolute_difference: Option<f64>,
    largest_absolute_difference: Option<f64>,
    difference_sum: f64,
    absolute_difference_sum: f64,
    dropped_requests: u64,
    failed_requests: u64,
}

pub(super) async fn handle(
    State(state): State<AppState>,
    AliasName(name): AliasName,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let alias = find(&state, &name).await?;
    // What this process knows is told at once; others tell every few seconds.
    flush_shadows(&state).await;
    let comparisons = state.store.shadow_comparisons(alias.id).await?;
    respond::resource(&headers, &ShadowDocument::new(&alias, &comparisons))
}

impl<'a> ShadowDocument<'a> {
    fn new(alias: &'a AliasRecord, comparisons: &'a [ShadowComparison]) -> Self {
        Self {
            alias: &alias.name,
            shadow: alias.shadow.as_ref().map(ModelView::from),
            comparisons: comparisons.iter().map(ComparisonView::from).collect(),
        }
    }
}

impl<'a> From<&'a ShadowComparison> for ComparisonView<'a> {
    fn from(comparison: &'a ShadowComparison) -> Self {
        let counts = comparison.counts;
        let ShadowCounts {
            requests,
            rows,
            only_model_positive,
            only_shadow_positive,
            difference_sum,
            absolute_difference_sum,
            largest_difference,
            dropped,
            failed,
        } = counts;
        let per_row = |sum: f64| (rows > 0).then(|| sum / rows as f64);
        Self {
            model: ModelView::from(&comparison.model),
            since: comparison.first_at,
            requests,
            rows,
            label_disagreements: counts.disagreements(),
            only_model_positive,
            only_shadow_positive,
            disagreement_rate: per_row(counts.disagreements() as f64),
            mean_difference: per_row(difference_sum),
            mean_absolute_difference: per_row(absolute_difference_sum),
            largest_absolute_difference: (rows > 0).then_some(largest_difference),
            difference_sum,
            absolute_difference_sum,
            dropped_requests: dropped,
            failed_requests: failed,
        }
    }
}
