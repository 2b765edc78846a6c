//! What a model goes by: permutation importance, partial dependence, coefficients.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;

use super::dossiers::dossier;
use super::{find, find_loaded};
use crate::http::AppState;
use crate::http::error::{ApiError, Code};
use crate::http::extract::{Id, Query};
use crate::http::problem::FieldProblem;
use crate::http::respond;
use crate::ml::explain::{Coefficients, Dependence, Importance, coefficients};
use crate::records::ModelId;

/// Names of columns are at most this long.
const MAX_COLUMN_CHARS: usize = 500;

#[derive(Debug, Serialize)]
struct ImportanceView<'a> {
    model_id: ModelId,
    #[serde(flatten)]
    importance: &'a Importance,
}

#[derive(Debug, Serialize)]
struct CoefficientsView<'a> {
    model_id: ModelId,
    positive_label: &'a str,
    #[serde(flatten)]
    coefficients: &'a Coefficients,
}

#[derive(Debug, Serialize)]
struct DependenceView<'a> {
    model_id: ModelId,
    positive_label: &'a str,
    computed_on: &'a str,
    rows: usize,
    #[serde(flatten)]
    dependence: &'a Dependence,
}

/// `GET /v1/models/{model_id}/importance`
pub(super) async fn importance(
    State(state): State<AppState>,
    Id(id): Id<ModelId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let record = find(&state, id).await?;
    let dossier = dossier(&state, &record).await?;
    respond::resource(&headers, &ImportanceView { model_id: id, importance: &dossier.explanation.importance })
}

/// `GET /v1/models/{model_id}/coefficients`
pub(super) async fn coefficients_of(
    State(state): State<AppState>,
    Id(id): Id<ModelId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (record, model) = find_loaded(&state, id).await?;
    let Some(coefficients) = coefficients(&model) else {
        let detail = "only a logistic model has coefficients; importance and partial dependence tell of any model";
        return Err(ApiError::new(Code::NotAvailable, detail));
    };
    let positive_label = &record.classes.positive;
    respond::resource(&headers, &CoefficientsView { model_id: id, positive_label, coefficients: &coefficients })
}

/// `GET /v1/models/{model_id}/partial-dependence?column=`
pub(super) async fn partial_dependence(
    State(state): State<AppState>,
    Id(id): Id<ModelId>,
    mut query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Some(column) = query.text("column", MAX_COLUMN_CHARS) else {
        query.error("column", "expected the name of a column that the model reads");
        return Err(query.refusal());
    };
    query.finish()?;
    let record = find(&state, id).await?;
    let dossier = dossier(&state, &record).await?;
    if !record.features.iter().any(|feature| feature.name == column) {
        let detail = "the model reads no such column; its features are those of GET /v1/models/{id}";
        return Err(ApiError::invalid([FieldProblem::in_parameter("column", detail)]));
    }
    let partial = &dossier.explanation.partial_dependence;
    let Some(dependence) = partial.columns.iter().find(|dependence| dependence.column == column) else {
        let looked_at = partial.columns.len();
        let detail = format!("training looked at the {looked_at} most important columns, and this is none of them");
        return Err(ApiError::new(Code::NotAvailable, detail));
    };
    let view = DependenceView {
        model_id: id,
        positive_label: &record.classes.positive,
        computed_on: &partial.computed_on,
        rows: partial.rows,
        dependence,
    };
    respond::resource(&headers, &view)
}
