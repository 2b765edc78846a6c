//! What every request passes through, once it is observed ([`super::observe`]): the check of its host; then, per operation,
//! its key, its query and its time limit.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use url::Url;

use super::AppState;
use super::auth::{self, Principal};
use super::document::Operation;
use super::error::{ApiError, Code};
use super::extract::Query;
use super::limits::Access;

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
    let answer = |mut request: Request, principal: Principal| async move {
        request.extensions_mut().insert(principal);
        Ok(next.run(request).await)
    };
    guarded(&guard, request, answer).await
}

/// Has a request answered that may be made, in time.
pub(super) async fn guarded<A, F>(guard: &Guard, request: Request, answer: A) -> Response
where
    A: FnOnce(Request, Principal) -> F,
    F: Future<Output = Result<Response, ApiError>>,
{
    let admitted = async {
        let principal = admit(guard, request.headers(), request.uri()).await?;
        answer(request, principal).await
    };
    let limit = Duration::from_secs_f64(guard.state.config.request_seconds);
    let answered = match guard.timed {
        true => tokio::time::timeout(limit, admitted).await.unwrap_or_else(|_| Err(ApiError::new(Code::Timeout, ""))),
        false => admitted.await,
    };
    answered.unwrap_or_else(IntoResponse::into_response)
}

/// # Errors
/// 401, 403 for a key that does not allow the operation; 422 for a query where there is none.
async fn admit(guard: &Guard, headers: &HeaderMap, uri: &Uri) -> Result<Principal, ApiError> {
    let Some(scope) = guard.operation.scope else { return Ok(Principal::Anyone) };
    let principal = auth::authorize(&guard.state, headers, scope).await?;
    if !guard.operation.takes_query {
        Query::new(uri.query().unwrap_or_default()).finish()?;
    }
    Ok(principal)
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
}
