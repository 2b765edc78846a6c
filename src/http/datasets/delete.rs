//! `DELETE /v1/datasets/{dataset_id}`.

use axum::extract::State;
use axum::http::StatusCode;

use crate::http::AppState;
use crate::http::error::{ApiError, Code};
use crate::http::extract::Id;
use crate::records::DatasetId;
use crate::store::DeleteDataset;

pub(super) async fn handle(State(state): State<AppState>, Id(id): Id<DatasetId>) -> Result<StatusCode, ApiError> {
    match state.store.delete_dataset(id).await? {
        DeleteDataset::Deleted => Ok(StatusCode::NO_CONTENT),
        DeleteDataset::NotFound => Err(ApiError::not_found("dataset")),
        DeleteDataset::InUse { job_id } => {
            Err(ApiError::new(Code::DatasetInUse, format!("job {job_id} has not ended")))
        }
    }
}
