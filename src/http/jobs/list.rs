//! `GET /v1/jobs`.

use axum::Json;
use axum::extract::State;

use super::representation::JobView;
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::extract::Query;
use crate::http::page::{PageBody, PageRequest};
use crate::records::{DatasetId, JobStatus, JobType};
use crate::store::JobFilter;

pub(super) async fn handle(State(state): State<AppState>, mut query: Query) -> Result<Json<PageBody>, ApiError> {
    let filter = read_filter(&mut query);
    let dataset_id = filter.dataset_id.map(|id| id.to_string());
    let page = PageRequest::read(
        &mut query,
        &state.config,
        &[
            ("status", filter.status.map(JobStatus::as_str)),
            ("dataset_id", dataset_id.as_deref()),
            ("type", filter.job_type.map(JobType::as_str)),
        ],
    );
    query.finish()?;
    let rows = state.store.jobs(&filter, &page.probe()).await?;
    page.answer(rows, |row| row.id, |row| serde_json::to_value(JobView::from(row)))
}

fn read_filter(query: &mut Query) -> JobFilter {
    let statuses = JobStatus::ALL.map(JobStatus::as_str).join(", ");
    let types = JobType::ALL.map(JobType::as_str).join(", ");
    JobFilter {
        status: query.parsed("status", format!("one of {statuses}")),
        dataset_id: query.parsed::<DatasetId>("dataset_id", "the id of a dataset, a UUID"),
        job_type: query.parsed("type", format!("one of {types}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_by_name() {
        let mut query = Query::new("status=running&type=train&dataset_id=01890a5d-ac96-774b-bcce-b302099a8057");
        let filter = read_filter(&mut query);
        assert!(query.finish().is_ok());
        assert_eq!((filter.status, filter.job_type), (Some(JobStatus::Running), Some(JobType::Train)));
        assert!(filter.dataset_id.is_some());
    }

    #[test]
    fn every_wrong_filter_is_named() {
        let mut query = Query::new("status=done&type=guess&dataset_id=7");
        assert_eq!(read_filter(&mut query), JobFilter::default());
        let error = query.finish().unwrap_err();
        let names: Vec<&str> = error.errors().iter().filter_map(|error| error.parameter.as_deref()).collect();
        assert_eq!(names, ["status", "dataset_id", "type"]);
        assert!(error.errors()[0].detail.contains("queued, running, cancelling"), "{}", error.errors()[0].detail);
    }
}
