//! `DELETE /v1/aliases/{alias}`.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use super::follow::catch_up;
use super::name::AliasName;
use super::representation::AliasView;
use super::{find, flush_shadows};
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::respond;
use crate::store::DeleteAlias;

/// Its models stay, and may be deleted from now on.
pub(super) async fn handle(
    State(state): State<AppState>,
    AliasName(name): AliasName,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let alias = find(&state, &name).await?;
    let (_, tag) = respond::tagged(&AliasView::from(&alias))?;
    respond::check_match(&headers, &[&tag])?;
    match state.store.delete_alias(&alias).await? {
        DeleteAlias::Deleted => {
            catch_up(&state).await?;
            flush_shadows(&state).await;
            Ok(StatusCode::NO_CONTENT)
        }
        DeleteAlias::Changed => Err(respond::changed()),
        DeleteAlias::NotFound => Err(ApiError::not_found("alias")),
    }
}
