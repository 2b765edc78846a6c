//! What every request passes through, from the outside in: its id and log line, its problem document, the check
//! of its host; then, per operation, its key, its query and its time limit.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::{Instrument, Span};
use url::Url;
use uuid::Uuid;

use super::AppState;
use super::auth::{self, Principal};
use super::connection::Connection;
use super::document::Operation;
use super::error::{ApiError, Code, Refusal, from_status};
use super::extract::Query;
use super::limits::Access;
use super::linger;
use super::log_line::LogLine;
use super::metrics::Metrics;
use super::problem::{self, Dialect};
use super::respond::ENCODED_TAGS;
use crate::telemetry::Chain;
use crate::telemetry::traces::{self, Caller};

/// The header that names a request, in both directions.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_REQUEST_ID_CHARS: usize = 64;

/// Outermost: gives the request its id, writes its line to the log, and turns refusals, our own and the
/// framework's, into problem documents.
pub(super) async fn observe(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    let connection = request.extensions().get::<ConnectInfo<Connection>>().map(|info| info.0.begin());
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let seen = metrics.begin(route.as_deref(), request.method(), request.headers());
    let span = request_span(&id, request.method().as_str(), route.as_deref(), request.headers());
    let (request_id, method) = (id.clone(), request.method().clone());
    let line = LogLine { request_id, method, route, started, seen, _span: span.clone() };
    let dialect = Dialect::of_path(request.uri().path());
    let request = linger::keep_reading(request);
    let mut response = next.run(request).instrument(span.clone()).await;
    if let Some(error) = refusal(&mut response) {
        log(&error, &id);
        response = as_problem(response, &error, &id, dialect);
    }
    finish_headers(response.headers_mut(), &id);
    let status = response.status().as_u16();
    traces::answered(&span, status);
    response.map(|body| line.attach(status, body, connection))
}

/// What log lines and, where they are collected, traces say of a request.
pub(super) fn request_span(id: &str, method: &str, route: Option<&str>, headers: &HeaderMap) -> Span {
    if !traces::are_on() {
        return tracing::info_span!("request", request_id = %id);
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let caller = Caller { traceparent: header("traceparent"), tracestate: header("tracestate") };
    traces::request_span(id, method, route, &caller)
}

/// The id that a request brings, if it is a sane one, or a new one.
pub(super) fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(&REQUEST_ID).and_then(|value| value.to_str().ok());
    let sane = |id: &&str| (1..=MAX_REQUEST_ID_CHARS).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    given.filter(sane).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
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
fn as_problem(response: Response, error: &ApiError, id: &str, dialect: Dialect) -> Response {
    let mut problem = problem::response(error, id, dialect);
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
pub(super) fn log(error: &ApiError, id: &str) {
    let status = error.code().status();
    if let Some(cause) = error.cause() {
        let (code, cause) = (error.code().as_str(), Chain(cause));
        match status.is_server_error() {
            true => tracing::error!(request_id = id, code, error = %cause, "the request failed"),
            false => tracing::debug!(request_id = id, code, error = %cause, "the request was refused"),
        }
    }
}

fn finish_headers(headers: &mut HeaderMap, id: &str) {
    if let Ok(id) = HeaderValue::from_str(id) {
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

/// What a panic in a handler is answered. The request fails; the server goes on.
pub(super) fn panicked(payload: Box<dyn Any + Send + 'static>) -> Response {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
    ApiError::internal(format!("a handler panicked: {text}")).into_response()
}

/// A server without keys answers loopback hosts only. A web page may have the browser resolve its own name to
/// 127.0.0.1, but it cannot make the browser send another `Host`; and where it posts to 127.0.0.1 outright, the
/// browser sends its `Origin`.
pub(super) async fn check_host(State(state): State<AppState>, request: Request, next: Next) -> Response {
    match check_local(&state, request.headers(), request.uri()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// # Errors
/// 403 if the server has no keys and the request is for another host than a loopback one, or from a foreign web page.
pub(super) fn check_local(state: &AppState, headers: &HeaderMap, uri: &Uri) -> Result<(), ApiError> {
    match state.config.access {
        Access::Keys => Ok(()),
        Access::Open => local(headers, uri, &state.config.allowed_origins),
    }
}

fn local(headers: &HeaderMap, uri: &Uri, allowed_origins: &[String]) -> Result<(), ApiError> {
    let refused = |detail: &'static str| Err(ApiError::new(Code::HostNotAllowed, detail));
    let named = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let named = named.or_else(|| uri.authority().map(|authority| authority.as_str()));
    if !named.is_some_and(|host| is_plainly_loopback(host) || is_loopback(&format!("http://{host}"))) {
        return refused("a server without API keys answers only for localhost and loopback addresses");
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    if is_loopback(origin) || allowed_origins.iter().any(|allowed| allowed == origin) {
        return Ok(());
    }
    refused("a server without API keys answers no web page of another origin")
}

/// What nearly every client sends, told without reading it as a URL.
fn is_plainly_loopback(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, "80"));
    let is_port = port.parse::<u16>().is_ok() && port.bytes().all(|byte| byte.is_ascii_digit());
    is_port && matches!(name, "127.0.0.1" | "localhost")
}

fn is_loopback(url: &str) -> bool {
    match Url::parse(url).ok().as_ref().and_then(Url::host) {
        Some(url::Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// What the guard of an operation knows.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) state: AppState,
    pub(super) operation: Arc<Operation>,
    /// Whether the answer must begin within the time limit.
    pub(super) timed: bool,
}

/// Innermost: the key, the query, the time limit of one operation.
pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let limit = Duration::from_secs_f64(guard.state.config.request_seconds);
    let timed = guard.timed;
    let answer = guarded(guard, request, next);
    let answered = match timed {
        true => tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| Err(ApiError::new(Code::Timeout, ""))),
        false => answer.await,
    };
    answered.unwrap_or_else(IntoResponse::into_response)
}

async fn guarded(guard: Guard, mut request: Request, next: Next) -> Result<Response, ApiError> {
    let principal = match guard.operation.scope {
        Some(scope) => auth::authorize(&guard.state, request.headers(), scope).await?,
        None => Principal::Anyone,
    };
    if guard.operation.scope.is_some() && !guard.operation.takes_query {
        Query::new(request.uri().query().unwrap_or_default()).finish()?;
    }
    request.extensions_mut().insert(principal);
    Ok(next.run(request).await)
}

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let known = parts.extensions.get::<Principal>().cloned();
        known.ok_or_else(|| ApiError::internal("a handler runs without its guard"))
    }
}

/// What paths that do not exist are answered; other methods of a path get the framework's 405 with `Allow`.
pub(super) async fn unknown_path(_: Method) -> StatusCode {
    StatusCode::NOT_FOUND
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn asked(host: Option<&str>, origin: Option<&str>) -> Result<(), Code> {
        let mut request = Request::builder().uri("/livez");
        for (name, value) in [(header::HOST, host), (header::ORIGIN, origin)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let request = request.body(Body::empty()).unwrap();
        local(request.headers(), request.uri(), &["https://app.example".to_owned()]).map_err(|error| error.code())
    }

    #[test]
    fn loopback_hosts_are_answered_on_any_port() {
        for host in ["localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1:8080", "127.0.0.1", "[::1]:8080", "[::1]"]
        {
            assert_eq!(asked(Some(host), None), Ok(()), "{host}");
        }
    }

    #[test]
    fn names_that_only_resolve_to_loopback_are_not() {
        for host in
            ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1:8080", "", "a@b", "x y"]
        {
            assert_eq!(asked(Some(host), None), Err(Code::HostNotAllowed), "{host}");
        }
        assert_eq!(asked(None, None), Err(Code::HostNotAllowed));
    }

    #[test]
    fn pages_of_other_origins_are_not_answered_unless_allowed() {
        let host = Some("127.0.0.1:8080");
        assert_eq!(asked(host, Some("http://localhost:3000")), Ok(()));
        assert_eq!(asked(host, Some("https://app.example")), Ok(()));
        assert_eq!(asked(host, Some("https://evil.example")), Err(Code::HostNotAllowed));
        assert_eq!(asked(host, Some("null")), Err(Code::HostNotAllowed));
    }

    #[test]
    fn a_sane_request_id_is_kept_and_another_replaced() {
        let given = |value: &'static str| HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static(value))]);
        assert_eq!(request_id(&given("abc-1")), "abc-1");
        for value in ["", "a b", "0123456789012345678901234567890123456789012345678901234567890123456789"] {
            assert_eq!(request_id(&given(value)).len(), 36, "{value}");
        }
    }

    #[test]
    fn a_compressed_answer_has_a_tag_of_its_own() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ETAG, HeaderValue::from_static("\"abc\""));
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        tag_encoding(&mut headers);
        assert_eq!(headers[header::ETAG], "\"abc-gzip\"");
    }
}
