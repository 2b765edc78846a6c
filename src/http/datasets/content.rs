//! `GET /v1/datasets/{dataset_id}/content`: the stored bytes.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::{find, media_type_of};
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::extract::Id;
use crate::http::respond;
use crate::ml::table::TableFormat;
use crate::records::{DatasetId, DatasetRecord};

pub(super) async fn handle(
    State(state): State<AppState>,
    Id(id): Id<DatasetId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let dataset = find(&state, id).await?;
    let tag = format!("\"{}\"", dataset.sha256);
    if respond::has_match(&headers, &tag) {
        return Ok(respond::not_modified(&tag));
    }
    let (size, bytes) = state.store.blobs().stream(&dataset.sha256).await?;
    let mut response = Response::new(Body::from_stream(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type_of(&dataset.format)));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    headers.insert(header::CONTENT_DISPOSITION, disposition(&dataset)?);
    respond::set_tag(headers, &tag);
    Ok(response)
}

/// Always a download, never shown in a browser; named by the id, since the dataset's own name is a user's text.
fn disposition(dataset: &DatasetRecord) -> Result<HeaderValue, ApiError> {
    let extension = match dataset.format {
        TableFormat::Csv { .. } => "csv",
        TableFormat::Ndjson => "ndjson",
        TableFormat::Parquet => "parquet",
        TableFormat::ArrowStream => "arrows",
        TableFormat::Zip { .. } => "zip",
    };
    let value = format!("attachment; filename=\"{}.{extension}\"", dataset.id);
    HeaderValue::from_str(&value).map_err(ApiError::internal)
}
