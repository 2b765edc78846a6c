//! What is seen of every request, and what every answer bears: its id, its line in the log, its metrics and its trace; and
//! the problem document of what is refused.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::{Instrument, Span};

use super::connection::Connection;
use super::error::{ApiError, Refusal, from_status};
use super::linger;
use super::log_line::{LogLine, is_frequent};
use super::metrics::Metrics;
use super::problem::{self, Dialect};
use super::request_id::{REQUEST_ID, RequestId};
use super::respond::ENCODED_TAGS;
use crate::telemetry::Chain;
use crate::telemetry::traces::{self, Caller};

/// Outermost of the router's layers.
pub(super) async fn layer(State(metrics): State<Metrics>, mut request: Request, next: Next) -> Response {
    let connection = request.extensions().get::<ConnectInfo<Connection>>().map(|info| info.0.clone());
    let route = request.extensions().get::<MatchedPath>().map(|path| Arc::from(path.as_str()));
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id);
    let arrival = Arrival { id, route, connection: connection.as_ref() };
    observed(&metrics, arrival, request, |request| next.run(request)).await
}

/// What is known of a request besides itself.
pub(super) struct Arrival<'a> {
    pub(super) id: RequestId,
    /// The template of its path, such as `/v1/jobs/{job_id}`; `None` for paths that do not exist.
    pub(super) route: Option<Arc<str>>,
    pub(super) connection: Option<&'a Connection>,
}

/// Has a request answered: sees to its id, its line in the log, its metrics and its trace, and turns refusals, our own
/// and the framework's, into problem documents.
pub(super) async fn observed<A, F>(metrics: &Metrics, arrival: Arrival<'_>, request: Request, answer: A) -> Response
where
    A: FnOnce(Request) -> F,
    F: Future<Output = Response>,
{
    let started = Instant::now();
    let Arrival { id, route, connection } = arrival;
    let active = connection.map(Connection::begin);
    let seen = metrics.begin(route.as_deref(), request.method(), request.headers());
    let span = request_span(&id, request.method(), route.as_deref(), request.headers());
    let line = LogLine { request_id: id, method: request.method().clone(), route, started, seen, _span: span.clone() };
    let dialect = Dialect::of_path(request.uri().path());
    let mut response = answer(linger::keep_reading(request)).instrument(span.clone()).await;
    if let Some(error) = refusal(&mut response) {
        log(&error, &id);
        response = as_problem(response, &error, &id, dialect);
    }
    finish_headers(response.headers_mut(), &id);
    let status = response.status().as_u16();
    traces::answered(&span, status);
    response.map(|body| line.attach(status, body, active))
}

/// What log lines and, where they are collected, traces say of a request.
pub(super) fn request_span(id: &RequestId, method: &Method, route: Option<&str>, headers: &HeaderMap) -> Span {
    if !traces::are_on() {
        return match is_frequent(method, route) {
            true => tracing::debug_span!("request", request_id = %id),
            false => tracing::info_span!("request", request_id = %id),
        };
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let caller = Caller { traceparent: header("traceparent"), tracestate: header("tracestate") };
    traces::request_span(id.as_str(), method.as_str(), route, &caller)
}

/// The refusal in a response: ours, or what a bare error status of the framework means.
fn refusal(response: &mut Response) -> Option<Arc<ApiError>> {
    if let Some(Refusal(error)) = response.extensions_mut().remove::<Refusal>() {
        return Some(error);
    }
    let status = response.status();
    let bare = status.is_client_error() || status.is_server_error();
    bare.then(|| Arc::new(from_status(status)))
}

/// The problem document, with those headers of the response that are not about its body.
fn as_problem(response: Response, error: &ApiError, id: &RequestId, dialect: Dialect) -> Response {
    let mut problem = problem::response(error, id.as_str(), dialect);
    let kept =
        [header::ALLOW, header::VARY, header::ACCESS_CONTROL_ALLOW_ORIGIN, header::ACCESS_CONTROL_EXPOSE_HEADERS];
    for name in kept {
        for value in response.headers().get_all(&name) {
            problem.headers_mut().append(name.clone(), value.clone());
        }
    }
    problem
}

/// A fault is logged once, here, with everything that led to it.
pub(super) fn log(error: &ApiError, id: &RequestId) {
    let status = error.code().status();
    if let Some(cause) = error.cause() {
        let (code, cause) = (error.code().as_str(), Chain(cause));
        match status.is_server_error() {
            true => tracing::error!(request_id = %id, code, error = %cause, "the request failed"),
            false => tracing::debug!(request_id = %id, code, error = %cause, "the request was refused"),
        }
    }
}

fn finish_headers(headers: &mut HeaderMap, id: &RequestId) {
    if let Some(id) = id.to_header() {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    tag_encoding(headers);
}

/// A strong tag promises equal bytes, and a compressed answer has others than the plain one.
fn tag_encoding(headers: &mut HeaderMap) {
    let Some(encoding) = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()) else { return };
    let Some(ending) = ENCODED_TAGS.iter().find(|ending| ending.get(1..) == Some(encoding)) else { return };
    let tag = headers.get(header::ETAG).and_then(|value| value.to_str().ok());
    let tagged = tag.and_then(|tag| tag.strip_suffix('"')).map(|tag| format!("{tag}{ending}\""));
    if let Some(tag) = tagged.and_then(|tag| HeaderValue::from_str(&tag).ok()) {
        headers.insert(header::ETAG, tag);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compressed_answer_has_a_tag_of_its_own() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ETAG, HeaderValue::from_static("\"abc\""));
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        tag_encoding(&mut headers);
        assert_eq!(headers[header::ETAG], "\"abc-gzip\"");
    }
}
