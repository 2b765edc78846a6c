//! `GET /v1/models`.

use axum::Json;
use axum::extract::State;

use super::representation::ModelView;
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::extract::Query;
use crate::http::page::{PageBody, PageRequest};
use crate::records::{DatasetId, JobId};
use crate::store::ModelFilter;

/// Models are named with at most this many characters.
const MAX_NAME_CHARS: usize = 200;

pub(super) async fn handle(State(state): State<AppState>, mut query: Query) -> Result<Json<PageBody>, ApiError> {
    let filter = read_filter(&mut query);
    let job_id = filter.job_id.map(|id| id.to_string());
    let dataset_id = filter.dataset_id.map(|id| id.to_string());
    let filters =
        [("name", filter.name.as_deref()), ("job_id", job_id.as_deref()), ("dataset_id", dataset_id.as_deref())];
    let page = PageRequest::read(&mut query, &state.config, &filters);
    query.finish()?;
    let rows = state.store.models(&filter, &page.probe()).await?;
    page.answer(rows, |row| row.id, |row| serde_json::to_value(ModelView::from(row)))
}

fn read_filter(query: &mut Query) -> ModelFilter {
    ModelFilter {
        name: query.text("name", MAX_NAME_CHARS),
        job_id: query.parsed::<JobId>("job_id", "the id of a job, a UUID"),
        dataset_id: query.parsed::<DatasetId>("dataset_id", "the id of a dataset, a UUID"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_by_name() {
        let mut query = Query::new("name=mammography%20v2&job_id=01890a5d-ac96-774b-bcce-b302099a8057");
        let filter = read_filter(&mut query);
        assert!(query.finish().is_ok());
        assert_eq!(filter.name.as_deref(), Some("mammography v2"));
        assert_eq!((filter.job_id.is_some(), filter.dataset_id), (true, None));
    }

    #[test]
    fn every_wrong_filter_is_named() {
        let mut query = Query::new("name=&job_id=1&dataset_id=x&version=2");
        read_filter(&mut query);
        let error = query.finish().unwrap_err();
        let names: Vec<&str> = error.errors().iter().filter_map(|error| error.parameter.as_deref()).collect();
        assert_eq!(names, ["name", "job_id", "dataset_id", "version"]);
    }
}
