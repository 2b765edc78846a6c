//! `GET /v1/models/{model_id}`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::find;
use super::representation::ModelView;
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::extract::Id;
use crate::http::respond;
use crate::records::ModelId;

pub(super) async fn handle(
    State(state): State<AppState>,
    Id(id): Id<ModelId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let model = find(&state, id).await?;
    respond::resource(&headers, &ModelView::from(&model))
}
