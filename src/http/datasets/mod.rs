//! Datasets over HTTP: uploaded by streaming, looked at, downloaded, deleted; never changed.

mod content;
mod create;
mod delete;
mod diagnose;
mod get;
mod list;
mod multipart;
pub(super) mod parameters;
mod parts;
mod receive;
mod representation;
mod rows;
mod understand;

pub(super) use diagnose::{AT_ONCE as DIAGNOSED_AT_ONCE, Watcher, on_a_thread, place, read_whole};

use super::AppState;
use super::error::ApiError;
use super::routes::Handlers;
use crate::ml::table::TableFormat;
use crate::records::{DatasetId, DatasetRecord};

pub(super) fn register(handlers: &mut Handlers) {
    // An upload takes as long as its bytes keep coming.
    handlers.add_untimed("createDataset", create::handle);
    handlers.add("listDatasets", list::handle);
    handlers.add("getDataset", get::handle);
    handlers.add("getDatasetRows", rows::handle);
    handlers.add("getDatasetContent", content::handle);
    handlers.add("deleteDataset", delete::handle);
    // It takes as long as its rows, and ends when its client goes.
    handlers.add_untimed("diagnoseDataset", diagnose::handle);
}

pub(super) async fn find(state: &AppState, id: DatasetId) -> Result<DatasetRecord, ApiError> {
    state.store.dataset(id).await?.ok_or_else(|| ApiError::not_found("dataset"))
}

/// The media type of a format's bytes.
fn media_type_of(format: &TableFormat) -> &'static str {
    match format {
        TableFormat::Csv { .. } => "text/csv",
        TableFormat::Ndjson => "application/x-ndjson",
        TableFormat::Parquet => "application/vnd.apache.parquet",
        TableFormat::ArrowStream => "application/vnd.apache.arrow.stream",
        TableFormat::Zip { .. } => "application/zip",
    }
}
