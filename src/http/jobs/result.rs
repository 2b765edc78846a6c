//! `GET /v1/jobs/{job_id}/result`: the file or document that a job left.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::find;
use crate::http::AppState;
use crate::http::error::{ApiError, Code};
use crate::http::extract::Id;
use crate::http::respond;
use crate::records::{JobId, JobRecord, JobResult};

pub(super) async fn handle(
    State(state): State<AppState>,
    Id(id): Id<JobId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let job = find(&state, id).await?;
    let result = job.result.as_ref().ok_or_else(|| none(&job))?;
    let tag = format!("\"{}\"", result.sha256);
    if respond::has_match(&headers, &tag) {
        return Ok(respond::not_modified(&tag));
    }
    let (size, bytes) = state.store.blobs().stream(&result.sha256).await?;
    let mut response = Response::new(Body::from_stream(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(&result.media_type).map_err(ApiError::internal)?);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    if let Some(extension) = extension(result) {
        let value = format!("attachment; filename=\"{id}.{extension}\"");
        let value = HeaderValue::from_str(&value).map_err(ApiError::internal)?;
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    respond::set_tag(headers, &tag);
    Ok(response)
}

/// Of a file to be kept; a document is for reading.
fn extension(result: &JobResult) -> Option<&'static str> {
    match result.media_type.as_str() {
        "text/csv" => Some("csv"),
        "application/x-ndjson" => Some("ndjson"),
        "application/vnd.apache.parquet" => Some("parquet"),
        _ => None,
    }
}

fn none(job: &JobRecord) -> ApiError {
    let (kind, status) = (job.job_type().as_str(), job.status.as_str());
    ApiError::new(
        Code::NoResult,
        format!("the job is of the type {kind} and {status}; it has left no file or document"),
    )
}
