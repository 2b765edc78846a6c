//! `GET /v1/datasets/{dataset_id}`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::find;
use super::representation::DatasetView;
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::extract::Id;
use crate::http::respond;
use crate::records::DatasetId;

pub(super) async fn handle(
    State(state): State<AppState>,
    Id(id): Id<DatasetId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let dataset = find(&state, id).await?;
    respond::resource(&headers, &DatasetView::from(&dataset))
}
