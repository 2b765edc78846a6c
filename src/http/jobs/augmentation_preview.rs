//! `GET /v1/jobs/{job_id}/augmentation-preview`: training pictures, and what augmentation may make of them.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::find;
use crate::http::AppState;
use crate::http::datasets::{self, Watcher, on_a_thread, read_whole};
use crate::http::error::{ApiError, Code};
use crate::http::extract::{Id, Query};
use crate::http::picture::png;
use crate::http::respond;
use crate::ml::pipeline::{PreviewSize, preview};
use crate::records::{JobId, JobRecord, TrainJob, TypedConfig};

/// Pictures of one sheet, and draws of each.
const MAX_PICTURES: u64 = 32;
const MAX_DRAWS: u64 = 16;

pub(super) async fn handle(
    State(state): State<AppState>,
    Id(id): Id<JobId>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let size = read_size(query)?;
    let job = find(&state, id).await?;
    let tag = tag(&job, size);
    if respond::has_match(&headers, &tag) {
        return Ok(respond::not_modified(&tag));
    }
    let TypedConfig::Train(config) = job.config.typed else { return Err(nothing("the job does not train")) };
    let dataset = datasets::find(&state, job.dataset_id).await?;
    let place = datasets::place(&state)?;
    let input = state.store.blobs().open(&dataset.sha256).await?;
    let limits = state.config.tables.clone();
    let png = on_a_thread("preview", move |watched: Arc<AtomicBool>| {
        // The place is given back when the work is done, also if nobody waits for it any more.
        let _place = place;
        let TrainJob { train, .. } = *config;
        let table = read_whole(input, &dataset, &train, &limits, &mut Watcher::new(watched))?;
        let sheet = preview(&table, &train, size).map_err(|error| nothing(&error.to_string()))?;
        let sheet = sheet.ok_or_else(|| nothing("the job learns from no pictures"))?;
        png(sheet.width, sheet.height, &sheet.pixels)
    })
    .await?;
    let mut response = Response::new(Body::from(png));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("image/png"));
    respond::set_tag(response.headers_mut(), &tag);
    Ok(response)
}

fn read_size(mut query: Query) -> Result<PreviewSize, ApiError> {
    let size = PreviewSize {
        pictures: query.integer("pictures", 8, 1, MAX_PICTURES) as usize,
        draws: query.integer("draws", 6, 0, MAX_DRAWS) as usize,
    };
    query.finish()?;
    Ok(size)
}

/// A sheet is that of a job, whose configuration never changes, and of this version of the program.
fn tag(job: &JobRecord, size: PreviewSize) -> String {
    let PreviewSize { pictures, draws } = size;
    let about = format!("{} {} {pictures} {draws}", env!("CARGO_PKG_VERSION"), job.id);
    respond::tag_of(about.as_bytes())
}

fn nothing(why: &str) -> ApiError {
    ApiError::new(Code::NoResult, format!("there is no preview: {why}"))
}
