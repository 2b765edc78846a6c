//! `GET /v1/jobs/{job_id}/events`: what happens to a job, as server-sent events.

use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde_json::{Value, json};

use super::find;
use super::follow::{Follower, StoredLog};
use super::representation::problem_type;
use crate::http::AppState;
use crate::http::error::{ApiError, Code};
use crate::http::extract::Id;
use crate::http::problem::FieldProblem;
use crate::records::JobId;
use crate::store::{EventKind, JobEvent};
use crate::telemetry::Chain;

const LAST_EVENT_ID: &str = "last-event-id";
/// The largest sequence that every JSON reader keeps exact.
const MAX_SEQUENCE: u64 = (1 << 53) - 1;

/// Replays what happened after `Last-Event-ID`, all of it without one, and goes on until the job has ended or the
/// server stops. A client that comes back with the last id it saw misses nothing and sees nothing twice.
pub(super) async fn handle(
    State(state): State<AppState>,
    Id(id): Id<JobId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let after = last_event_id(&headers)?;
    find(&state, id).await?;
    let place = state.event_streams.clone().try_acquire_owned().map_err(|_| too_many(&state))?;
    let alarm = state.store.job_events();
    let log = StoredLog { store: state.store.clone(), job: id };
    let events = Follower::new(log, after, alarm, state.shutdown.clone()).into_stream().filter_map(move |event| {
        // Held by the stream, so that the place is free again when the stream is dropped.
        let _ = &place;
        let shown = match event {
            Ok(event) => Some(shown(&event)),
            Err(error) => {
                tracing::warn!(job_id = %id, error = %Chain(&error), "an event stream ends early");
                None
            }
        };
        async move { shown }
    });
    let keep_alive = KeepAlive::new().interval(Duration::from_secs_f64(state.config.event_keep_alive_seconds));
    Ok(Sse::new(events).keep_alive(keep_alive).into_response())
}

fn too_many(state: &AppState) -> ApiError {
    let limit = state.config.max_event_streams;
    ApiError::new(Code::TooManyRequests, format!("{limit} event streams are open, as many as are allowed"))
}

/// The sequence of the last event that the client has seen; 0 where it has seen none.
fn last_event_id(headers: &HeaderMap) -> Result<u64, ApiError> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(0) };
    let sequence = value.to_str().ok().and_then(|text| text.parse().ok()).filter(|id| *id <= MAX_SEQUENCE);
    sequence.ok_or_else(|| {
        let detail = "expected the id of an event of this stream, a whole number";
        ApiError::invalid([FieldProblem::in_parameter("Last-Event-ID", detail)])
    })
}

fn shown(event: &JobEvent) -> Result<Event, axum::Error> {
    Event::default().id(event.sequence.to_string()).event(event.kind.as_str()).json_data(data(event))
}

/// What happened, and when. Epochs are exactly those of the learning curves.
fn data(event: &JobEvent) -> Value {
    let mut data = event.data.clone();
    if event.kind != EventKind::Epoch
        && let Value::Object(members) = &mut data
    {
        members.insert("at".to_owned(), json!(event.at));
        if let Some(Value::Object(failure)) = members.get_mut("failure") {
            let code = failure.get("code").and_then(Value::as_str).unwrap_or_default();
            failure.insert("type".to_owned(), json!(problem_type(code)));
        }
    }
    data
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use futures::stream;
    use http_body_util::BodyExt;

    use super::*;
    use crate::clock::Timestamp;

    fn asked(value: &'static str) -> Result<u64, ApiError> {
        last_event_id(&HeaderMap::from_iter([("last-event-id".parse().unwrap(), HeaderValue::from_static(value))]))
    }

    async fn written(kind: EventKind, data: Value) -> String {
        let event = JobEvent { sequence: 7, kind, at: Timestamp::from_micros(1_500_000), data };
        let body = Sse::new(stream::iter([shown(&event)])).into_response().into_body();
        String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[test]
    fn the_last_seen_event_is_a_whole_number() {
        assert_eq!(last_event_id(&HeaderMap::new()).unwrap(), 0);
        assert_eq!((asked("0").unwrap(), asked("17").unwrap()), (0, 17));
        for wrong in ["", "-1", "x", "1.5", "9007199254740992", "99999999999999999999"] {
            let error = asked(wrong).unwrap_err();
            assert_eq!(error.code(), Code::InvalidRequest, "{wrong}");
            assert_eq!(error.errors()[0].parameter.as_deref(), Some("Last-Event-ID"));
        }
    }

    #[tokio::test]
    async fn an_event_has_its_sequence_kind_and_data() {
        let text = written(EventKind::Phase, json!({"phase": "training"})).await;
        let expected = "id: 7\nevent: phase\ndata: {\"phase\":\"training\",\"at\":\"1970-01-01T00:00:01.500000Z\"}\n\n";
        assert_eq!(text, expected);
    }

    #[tokio::test]
    async fn an_epoch_is_the_point_of_the_learning_curve() {
        let text = written(EventKind::Epoch, json!({"epoch": 1, "train_loss": null})).await;
        assert_eq!(text, "id: 7\nevent: epoch\ndata: {\"epoch\":1,\"train_loss\":null}\n\n");
    }

    #[tokio::test]
    async fn a_failure_says_where_its_code_is_explained() {
        let text = written(EventKind::Status, json!({"status": "failed", "failure": {"code": "diverged"}})).await;
        assert!(text.contains(r#""failure":{"code":"diverged","type":"/docs#diverged"}"#), "{text}");
    }
}
