//! `GET /v1/jobs/{job_id}/augmentation-preview`: training pictures, and what augmentation may make of them.

use std::fs::File;
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
use crate::ml::augment::Sheet;
use crate::ml::config::TrainConfig;
use crate::ml::pipeline::{PreviewSize, preview, preview_rows, preview_sheet};
use crate::ml::table::{IMAGE_COLUMN, ImageSummary, ReadError, ReadOptions, TableLimits, UnseenPictures};
use crate::records::{DatasetRecord, JobId, JobRecord, TrainJob, TypedConfig};

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
        let mut watcher = Watcher::new(watched);
        let sheet = match known_rows(&dataset, &train) {
            Some(image) => of_some(input, &dataset, &train, image, &limits, size, &mut watcher)?,
            None => {
                let table = read_whole(input, &dataset, &train, &limits, &mut watcher)?;
                let sheet = preview(&table, &train, size).map_err(|error| nothing(&error.to_string()))?;
                sheet.ok_or_else(|| nothing("the job learns from no pictures"))?
            }
        };
        png(sheet.width, sheet.height, &sheet.pixels)
    })
    .await?;
    let mut response = Response::new(Body::from(png));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("image/png"));
    respond::set_tag(response.headers_mut(), &tag);
    Ok(response)
}

/// What is known of the pictures that a job learns from, if that tells which files are no rows.
fn known_rows<'d>(dataset: &'d DatasetRecord, train: &TrainConfig) -> Option<&'d ImageSummary> {
    if train.exclude.iter().any(|name| name == IMAGE_COLUMN) {
        return None;
    }
    let image = dataset.columns.iter().find_map(|column| column.image.as_ref())?;
    (image.unreadable_count == image.unreadable.len() as u64).then_some(image)
}

/// The sheet of a dataset of which only the pictures on it are looked at.
fn of_some(
    input: File,
    dataset: &DatasetRecord,
    train: &TrainConfig,
    image: &ImageSummary,
    limits: &TableLimits,
    size: PreviewSize,
    watcher: &mut Watcher,
) -> Result<Sheet, ApiError> {
    let spec = train.picture_spec().ok_or_else(|| nothing("the job learns from no pictures"))?;
    let DatasetRecord { format, missing_markers, columns, .. } = dataset;
    let options = ReadOptions { format, missing_markers, limits, pictures: None };
    let columns: Vec<_> = columns.iter().map(|column| (column.name.clone(), column.column_type)).collect();
    let unreadable = image.unreadable.iter().map(|file| file.path.as_str());
    let archive = UnseenPictures::open(input, &options, unreadable).map_err(unread)?;
    let table = archive.table(&options, &columns).map_err(unread)?;
    let rows = preview_rows(&table, train, size).map_err(|error| nothing(&error.to_string()))?;
    let pictures = archive.read(&rows.rows, &spec, &mut |_| watcher.answer()).map_err(unread)?;
    Ok(preview_sheet(&rows, &pictures, train))
}

fn unread(error: ReadError) -> ApiError {
    match error {
        ReadError::Read(_) => ApiError::unavailable(error),
        // The file was read before: what is wrong now is not the client's doing.
        error => ApiError::internal(error),
    }
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
