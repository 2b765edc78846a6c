//! `POST /v1/jobs`: from a request to a job in the queue.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::plan::plan;
use super::representation::JobView;
use super::request::JobRequest;
use crate::http::AppState;
use crate::http::auth::Principal;
use crate::http::error::{ApiError, Code};
use crate::http::extract::JsonBody;
use crate::http::idempotency::{self, Begun, Created, Hold, IdempotencyKey};
use crate::http::problem::FieldProblem;
use crate::records::{JobId, JobRecord};
use crate::store::{Enqueue, NewJob};

/// Answers 202 when the job is stored: from then on it is never lost.
pub(super) async fn handle(
    State(state): State<AppState>,
    principal: Principal,
    key: IdempotencyKey,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let fingerprint = idempotency::fingerprint(&[body.to_string().as_bytes()]);
    match idempotency::begin(&state, &principal, "createJob", key).await? {
        Begun::Before(replay) => replay.answer(&fingerprint),
        Begun::Fresh(hold) => {
            let outcome = enqueue(&state, &body, Origin::Posted, &hold, &fingerprint).await;
            Ok(hold.settle(outcome).await?.into_response())
        }
    }
}

/// Where a job comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    Posted,
    RetryOf(JobId),
}

/// Checks a request and puts its job in the queue.
pub(super) async fn enqueue(
    state: &AppState,
    body: &Value,
    origin: Origin,
    hold: &Hold,
    fingerprint: &str,
) -> Result<Created, ApiError> {
    let job = new_job(plan(state, body).await?.request, origin);
    let now = state.store.clock().now();
    // The answer is stored with the job, so it is written before the job is.
    let created = accepted(&job.queued(now))?;
    match state.store.enqueue_at(&job, now, hold.answer(fingerprint, &created).as_ref()).await? {
        Enqueue::Enqueued(_) => Ok(created),
        Enqueue::DatasetGone => {
            let detail = "the dataset was deleted meanwhile";
            Err(ApiError::invalid([FieldProblem::at_pointer("/dataset_id", detail)]))
        }
        Enqueue::QueueFull { limit } => {
            Err(ApiError::new(Code::QueueFull, format!("{limit} jobs are waiting, as many as are allowed")))
        }
    }
}

fn new_job(request: JobRequest, origin: Origin) -> NewJob {
    let JobRequest { dataset_id, max_attempts, config } = request;
    let retry_of = match origin {
        Origin::Posted => None,
        Origin::RetryOf(id) => Some(id),
    };
    NewJob { id: JobId::new(), dataset_id, retry_of, config, max_attempts }
}

fn accepted(job: &JobRecord) -> Result<Created, ApiError> {
    let body = serde_json::to_string(&JobView::from(job)).map_err(ApiError::internal)?;
    Ok(Created { status: StatusCode::ACCEPTED, location: format!("/v1/jobs/{}", job.id), body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::http::JobLimits;
    use crate::http::jobs::request::{Named, read_job_request};
    use crate::http::jobs::samples::sample_dataset;

    #[test]
    fn the_answer_is_the_queued_job_and_where_it_is() {
        let dataset = sample_dataset();
        let body = serde_json::json!({ "dataset_id": dataset.id, "max_attempts": 2 });
        let named = Named { dataset: Some(&dataset), model: None };
        let request = read_job_request(&body, named, &JobLimits::default()).unwrap();
        let job = new_job(request, Origin::Posted);
        let created = accepted(&job.queued(Timestamp::from_micros(0))).unwrap();
        assert_eq!((created.status.as_u16(), created.location), (202, format!("/v1/jobs/{}", job.id)));
        let shown: Value = serde_json::from_str(&created.body).unwrap();
        assert_eq!(shown["id"], job.id.to_string());
        assert_eq!(
            (&shown["status"], &shown["attempt"], &shown["max_attempts"]),
            (&"queued".into(), &0.into(), &2.into())
        );
        assert_eq!(
            shown["transitions"],
            serde_json::json!([{"status": "queued", "at": "1970-01-01T00:00:00.000000Z"}])
        );
    }
}
