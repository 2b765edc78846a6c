//! `GET /v1/aliases/{alias}`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::find;
use super::name::AliasName;
use super::representation::AliasView;
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::respond;

pub(super) async fn handle(
    State(state): State<AppState>,
    AliasName(name): AliasName,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    respond::resource(&headers, &AliasView::from(&find(&state, &name).await?))
}
