//! `GET /v1/aliases`.

use axum::Json;
use axum::extract::State;

use super::representation::AliasView;
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::extract::Query;
use crate::http::page::{PageBody, PageRequest};
use crate::records::ModelId;
use crate::store::AliasFilter;

pub(super) async fn handle(State(state): State<AppState>, mut query: Query) -> Result<Json<PageBody>, ApiError> {
    let filter = AliasFilter { model_id: query.parsed::<ModelId>("model_id", "the id of a model, a UUID") };
    let model_id = filter.model_id.map(|id| id.to_string());
    let page = PageRequest::read(&mut query, &state.config, &[("model_id", model_id.as_deref())]);
    query.finish()?;
    let rows = state.store.aliases(&filter, &page.probe()).await?;
    page.answer(rows, |row| row.id, |row| serde_json::to_value(AliasView::from(row)))
}
