//! The router, built from the document.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::handler::Handler;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Router, extract::DefaultBodyLimit};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::cors::CorsLayer;

use super::document::{DocumentError, Operation};
use super::idempotency::IDEMPOTENCY_KEY;
use super::middleware::{self, Guard};
use super::request_id::REQUEST_ID;
use super::{AppState, aliases, datasets, health, jobs, metrics, models, observe, oip};

/// Shorter answers fit into one packet anyway, and are compressed in more time than they are made.
const MIN_COMPRESSED_BYTES: u64 = 1024;

/// Marks an answer whose pieces are sent as they come: compressing would hold them back.
#[derive(Debug, Clone, Copy)]
pub struct AsItComes;

/// Handlers by `operationId`. The document says under which path and method each is called.
#[derive(Default)]
pub struct Handlers(BTreeMap<&'static str, Entry>);

struct Entry {
    route: Box<dyn FnOnce(MethodFilter) -> MethodRouter<AppState>>,
    timed: bool,
}

impl Handlers {
    /// A handler whose answer must begin within the time limit of requests.
    pub fn add<H, T>(&mut self, operation: &'static str, handler: H)
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.insert(operation, handler, true);
    }

    /// A handler that takes as long as its client keeps sending.
    pub fn add_untimed<H, T>(&mut self, operation: &'static str, handler: H)
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.insert(operation, handler, false);
    }

    fn insert<H, T>(&mut self, operation: &'static str, handler: H, timed: bool)
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        let route = Box::new(move |method| on(method, handler));
        self.0.insert(operation, Entry { route, timed });
    }
}

fn handlers() -> Handlers {
    let mut handlers = Handlers::default();
    health::register(&mut handlers);
    datasets::register(&mut handlers);
    jobs::register(&mut handlers);
    models::register(&mut handlers);
    aliases::register(&mut handlers);
    metrics::register(&mut handlers);
    oip::register(&mut handlers);
    handlers
}

/// The whole service, but for the shortest way of predictions ([`super::shortcut`]).
///
/// # Errors
/// If the document and the handlers do not match.
pub fn router(state: AppState) -> Result<Router, DocumentError> {
    let routes = routes(&state, handlers())?;
    // From the outside in, and as one, so that a request is boxed once and not once for each.
    let layers = (
        // Handlers read bodies through `body.rs`, which has limits of its own.
        DefaultBodyLimit::disable(),
        from_fn_with_state(state.metrics.clone(), observe::layer),
        CompressionLayer::new().compress_when(worth_compressing()),
        cors(&state.config.allowed_origins),
        from_fn_with_state(state.clone(), middleware::check_host),
        CatchPanicLayer::custom(middleware::panicked),
    );
    Ok(routes.fallback(middleware::unknown_path).layer(layers).with_state(state))
}

/// Which answers are compressed for clients that accept it.
pub(super) fn worth_compressing() -> impl Predicate {
    SizeAbove::new(MIN_COMPRESSED_BYTES)
        .and(NotForContentType::GRPC)
        .and(NotForContentType::IMAGES)
        .and(NotForContentType::SSE)
        .and(NotForContentType::const_new("application/vnd.apache"))
        .and(NotForContentType::const_new("application/octet-stream"))
        .and(may_be_held_back)
}

/// Compressing collects pieces before it sends any.
fn may_be_held_back(_: StatusCode, _: Version, _: &HeaderMap, extensions: &Extensions) -> bool {
    extensions.get::<AsItComes>().is_none()
}

fn routes(state: &AppState, mut handlers: Handlers) -> Result<Router<AppState>, DocumentError> {
    let mut router = Router::new();
    for operation in state.document.operations() {
        let entry = handlers.0.remove(operation.id.as_str());
        let entry = entry.ok_or_else(|| DocumentError::NoHandler(operation.id.clone()))?;
        router = router.route(&operation.path, guarded(state, operation, entry)?);
    }
    match handlers.0.into_keys().next() {
        Some(left) => Err(DocumentError::NoOperation(left.to_owned())),
        None => Ok(router),
    }
}

fn guarded(state: &AppState, operation: &Operation, entry: Entry) -> Result<MethodRouter<AppState>, DocumentError> {
    let method = MethodFilter::try_from(operation.method.clone())
        .map_err(|_| DocumentError::Missing(format!("method {} of the router", operation.method)))?;
    let guard = Guard { state: state.clone(), operation: Arc::new(operation.clone()), timed: entry.timed };
    Ok((entry.route)(method).route_layer(from_fn_with_state(guard, middleware::guard)))
}

/// Lets the pages of the allowed origins call the API; without any, browsers are told nothing and refuse.
fn cors(allowed: &[String]) -> CorsLayer {
    if allowed.is_empty() {
        return CorsLayer::new();
    }
    let origins: Vec<HeaderValue> = allowed.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    let mut exposed = vec![REQUEST_ID, header::ETAG, header::LOCATION, header::RETRY_AFTER];
    exposed.extend(models::predict::HEADERS);
    exposed.push(aliases::ALIAS);
    exposed.push(oip::JSON_LENGTH);
    // Named one by one: the wildcard of browsers leaves out `Authorization`.
    let asked = [
        REQUEST_ID,
        header::AUTHORIZATION,
        header::CONTENT_ENCODING,
        header::CONTENT_TYPE,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        HeaderName::from_static(IDEMPOTENCY_KEY),
        HeaderName::from_static("last-event-id"),
        HeaderName::from_static("evenkeel-request-key"),
        HeaderName::from_static("traceparent"),
        HeaderName::from_static("tracestate"),
        oip::JSON_LENGTH,
    ];
    let methods = [Method::GET, Method::POST, Method::PUT, Method::DELETE];
    CorsLayer::new().allow_origin(origins).allow_methods(methods).allow_headers(asked).expose_headers(exposed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::OPENAPI_YAML;
    use crate::http::document::Document;

    fn unmatched(document: &Document, handlers: &Handlers) -> (Vec<String>, Vec<&'static str>) {
        let without_handler = document.operations().iter().map(|operation| operation.id.clone());
        let without_handler = without_handler.filter(|id| !handlers.0.contains_key(id.as_str())).collect();
        let known = |id: &&'static str| document.operations().iter().any(|operation| operation.id == **id);
        (without_handler, handlers.0.keys().copied().filter(|id| !known(id)).collect())
    }

    #[test]
    fn every_operation_has_its_handler_and_every_handler_its_operation() {
        let document = Document::parse(OPENAPI_YAML).unwrap();
        assert_eq!(unmatched(&document, &handlers()), (Vec::new(), Vec::new()));
    }
}
