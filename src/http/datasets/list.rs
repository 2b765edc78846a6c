//! `GET /v1/datasets`.

use axum::Json;
use axum::extract::State;

use super::representation::DatasetView;
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::extract::Query;
use crate::http::page::{PageBody, PageRequest};
use crate::store::DatasetFilter;

pub(super) async fn handle(State(state): State<AppState>, mut query: Query) -> Result<Json<PageBody>, ApiError> {
    let name = query.text("name", super::parameters::MAX_NAME_CHARS);
    let page = PageRequest::read(&mut query, &state.config, &[("name", name.as_deref())]);
    query.finish()?;
    let rows = state.store.datasets(&DatasetFilter { name }, &page.probe()).await?;
    page.answer(rows, |row| row.id, |row| serde_json::to_value(DatasetView::from(row)))
}
