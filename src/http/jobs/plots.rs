//! `GET /v1/jobs/{job_id}/plots/{plot}`: the table of a comparison as a picture.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::find;
use crate::http::AppState;
use crate::http::error::{ApiError, Code};
use crate::http::extract::Query;
use crate::http::{compared, picture};
use crate::records::JobId;

/// The one that there is.
const COMPARISON: &str = "comparison.svg";

pub(super) async fn handle(
    State(state): State<AppState>,
    Path((id, plot)): Path<(String, String)>,
    mut query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let malformed = || ApiError::new(Code::MalformedRequest, "the id in the path is not a UUID");
    let id: JobId = Some(&id).filter(|id| id.len() == 36).and_then(|id| id.parse().ok()).ok_or_else(malformed)?;
    let theme = picture::theme(&mut query);
    query.finish()?;
    if plot != COMPARISON {
        return Err(ApiError::new(Code::NotFound, format!("there is no such plot; there is {COMPARISON}")));
    }
    let job = find(&state, id).await?;
    let table = compared::load(&state, &job).await?.ok_or_else(|| {
        let (kind, status) = (job.job_type().as_str(), job.status.as_str());
        let detail =
            format!("the job is of the type {kind} and {status}; only a comparison that succeeded has a picture");
        ApiError::new(Code::NoResult, detail)
    })?;
    picture::answer(&headers, theme, move || compared::figure(&table)).await
}
