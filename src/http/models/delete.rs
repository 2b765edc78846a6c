//! `DELETE /v1/models/{model_id}`.

use axum::extract::State;
use axum::http::StatusCode;

use crate::http::AppState;
use crate::http::error::{ApiError, Code};
use crate::http::extract::Id;
use crate::records::ModelId;
use crate::store::DeleteModel;

/// Removes the row, and with it the version for good. The artifact stays for whoever reads it now or has another
/// row that names it; the sweeper removes blobs that no row names.
pub(super) async fn handle(State(state): State<AppState>, Id(id): Id<ModelId>) -> Result<StatusCode, ApiError> {
    match state.store.delete_model(id).await? {
        DeleteModel::Deleted => {
            state.models.served.changed(id).await;
            Ok(StatusCode::NO_CONTENT)
        }
        DeleteModel::NotFound => Err(ApiError::not_found("model")),
        DeleteModel::InUse { alias } => {
            let detail = format!("the alias {alias} names it; move or delete the alias first");
            Err(ApiError::new(Code::ModelInUse, detail))
        }
    }
}
