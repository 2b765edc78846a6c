//! `GET /v1/models/{model_id}/threshold`: what the threshold is, how it came about, and what it was before.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;

use super::find;
use crate::clock::Timestamp;
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::extract::Id;
use crate::http::respond;
use crate::ml::config::ThresholdRule;
use crate::ml::metrics::ThresholdBasis;
use crate::records::{ModelId, ModelRecord, ThresholdChange};

/// The rule with its parameters, the probability it chose, and how sure the choice is.
#[derive(Debug, Serialize)]
pub(super) struct ThresholdView<'a> {
    #[serde(flatten)]
    rule: RuleView<'a>,
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    basis: Option<&'a ThresholdBasis>,
}

/// The parameter of `fixed` has the name of the outcome, and must not appear twice.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum RuleView<'a> {
    Fixed { rule: &'static str },
    Chosen(&'a ThresholdRule),
}

/// The threshold as a resource.
#[derive(Debug, Serialize)]
pub(super) struct ThresholdDocument<'a> {
    model_id: ModelId,
    threshold: ThresholdView<'a>,
    /// Newest first, the present one included.
    history: Vec<ChangeView<'a>>,
}

#[derive(Debug, Serialize)]
struct ChangeView<'a> {
    sequence: u32,
    set_at: Timestamp,
    set_by: Option<&'a str>,
    threshold: ThresholdView<'a>,
}

pub(super) async fn handle(
    State(state): State<AppState>,
    Id(id): Id<ModelId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let model = find(&state, id).await?;
    let changes = state.store.threshold_changes(&model).await?;
    respond::resource(&headers, &ThresholdDocument::new(&model, &changes))
}

impl<'a> ThresholdDocument<'a> {
    pub(super) fn new(model: &'a ModelRecord, changes: &'a [ThresholdChange]) -> Self {
        let change = |change: &'a ThresholdChange| ChangeView {
            sequence: change.sequence,
            set_at: change.set_at,
            set_by: change.set_by.as_deref(),
            threshold: ThresholdView::new(&change.rule, change.threshold, change.basis.as_ref()),
        };
        Self {
            model_id: model.id,
            threshold: ThresholdView::new(&model.threshold_rule, model.threshold, model.threshold_basis.as_ref()),
            history: changes.iter().map(change).collect(),
        }
    }
}

impl<'a> ThresholdView<'a> {
    pub(super) fn new(rule: &'a ThresholdRule, value: f64, basis: Option<&'a ThresholdBasis>) -> Self {
        let rule = match rule {
            ThresholdRule::Fixed { .. } => RuleView::Fixed { rule: "fixed" },
            chosen => RuleView::Chosen(chosen),
        };
        Self { rule, value, basis }
    }
}
