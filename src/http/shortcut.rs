//! The shortest way of a prediction: past the router and its layers.
//!
//! The router hands a request through a chain of services, each in a box of its own, and notes on the way what it has found.
//! That is nothing beside the work of most operations, but more than the work of predicting a row. So short requests to
//! predict, which need nothing of what only the layers do, go from the connection to the operation in one future, by the
//! same steps in the same order: [`observed`], the compression of what is long, the check of the host, the
//! [`guard`](guarded), the operation. All others take the usual way.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use axum::serve::IncomingStream;
use futures::FutureExt;
use futures::future::BoxFuture;
use tower::{Layer, Service, service_fn};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::Predicate;

use super::connection::{BoundedListener, Connection};
use super::document::{DocumentError, Operation};
use super::error::ApiError;
use super::middleware::{Guard, check_local, guarded, panicked};
use super::models::predict;
use super::observe::{Arrival, observed};
use super::request_id::RequestId;
use super::routes::{router, worth_compressing};
use super::{AppState, aliases};
use crate::records::ModelId;

/// What the layer for web pages says that answers may depend on, also where no pages are allowed.
const VARIES: HeaderValue = HeaderValue::from_static("origin");

/// The whole service; cheap to clone.
#[derive(Clone)]
pub(super) struct Front(Arc<Ways>);

struct Ways {
    usual: Router,
    by_id: Short,
    by_alias: Short,
}

/// An operation that has a shortest way.
struct Short {
    guard: Guard,
    route: Arc<str>,
}

impl Front {
    /// # Errors
    /// If the document and the handlers do not match.
    pub(super) fn new(state: AppState) -> Result<Self, DocumentError> {
        let (by_id, by_alias) = (Short::new(&state, "predict")?, Short::new(&state, "predictByAlias")?);
        Ok(Self(Arc::new(Ways { usual: router(state)?, by_id, by_alias })))
    }
}

impl Short {
    fn new(state: &AppState, id: &str) -> Result<Self, DocumentError> {
        let operation = state.document.operations().iter().find(|operation| operation.id == id);
        let operation = operation.ok_or_else(|| DocumentError::NoOperation(id.to_owned()))?;
        let route = Arc::from(operation.path.as_str());
        let guard = Guard { state: state.clone(), operation: Arc::<Operation>::new(operation.clone()), timed: true };
        Ok(Self { guard, route })
    }
}

impl Service<IncomingStream<'_, BoundedListener>> for Front {
    type Response = Door;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Door, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, stream: IncomingStream<'_, BoundedListener>) -> Self::Future {
        std::future::ready(Ok(Door { front: self.clone(), connection: stream.io().connection().clone() }))
    }
}

/// The service as one connection sees it.
#[derive(Clone)]
pub(super) struct Door {
    front: Front,
    connection: Connection,
}

impl Service<Request> for Door {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let ways = &self.front.0;
        let Some(question) = Question::of(&request, &ways.by_id.guard.state) else {
            request.extensions_mut().insert(ConnectInfo(self.connection.clone()));
            return Box::pin(ways.usual.clone().call(request));
        };
        let Door { front, connection } = self.clone();
        Box::pin(async move { Ok(front.0.answer(question, &connection, request).await) })
    }
}

/// What is asked by the shortest way.
#[derive(Debug, PartialEq)]
enum Question {
    ById(ModelId),
    ByAlias(Box<str>),
}

impl Question {
    /// `None` for requests that take the usual way: what is no prediction, or a long one; what is wrong about the path; and
    /// what concerns the web pages of others.
    fn of(request: &Request, state: &AppState) -> Option<Self> {
        let concerns_pages = !state.config.allowed_origins.is_empty() || request.headers().contains_key(header::ORIGIN);
        if request.method() != Method::POST || concerns_pages || !predict::is_short(request.headers()) {
            return None;
        }
        Self::of_path(request.uri().path())
    }

    fn of_path(path: &str) -> Option<Self> {
        let (kind, name) = path.strip_prefix("/v1/")?.strip_suffix("/predict")?.split_once('/')?;
        match kind {
            "models" if name.len() == 36 => name.parse().ok().map(Question::ById),
            "aliases" if aliases::is_name(name) => Some(Question::ByAlias(name.into())),
            _ => None,
        }
    }
}

impl Ways {
    async fn answer(&self, question: Question, connection: &Connection, request: Request) -> Response {
        let short = match question {
            Question::ById(_) => &self.by_id,
            Question::ByAlias(_) => &self.by_alias,
        };
        let state = &short.guard.state;
        let id = RequestId::of(request.headers());
        let arrival = Arrival { id, route: Some(short.route.clone()), connection: Some(connection) };
        let answer = |request| packed(request, |request| short.answer(question, request));
        observed(&state.metrics, arrival, request, answer).await
    }
}

impl Short {
    async fn answer(&self, question: Question, request: Request) -> Response {
        let state = &self.guard.state;
        if let Err(error) = check_local(state, request.headers(), request.uri()) {
            return error.into_response();
        }
        let predicted = async |request: Request| -> Result<Response, ApiError> {
            match question {
                Question::ById(id) => predict::by_id(state, id, request).await,
                Question::ByAlias(name) => aliases::by_name(state, &name, request).await,
            }
        };
        let answered = guarded(&self.guard, request, |request, _| predicted(request));
        AssertUnwindSafe(answered).catch_unwind().await.unwrap_or_else(panicked)
    }
}

/// Does what the layers for web pages and for compression do: most clients accept compressed answers, but few answers are
/// long enough.
async fn packed<F: Future<Output = Response>>(request: Request, answer: impl FnOnce(Request) -> F) -> Response {
    let accepts: Vec<HeaderValue> = request.headers().get_all(header::ACCEPT_ENCODING).iter().cloned().collect();
    let mut response = answer(request).await;
    response.headers_mut().append(header::VARY, VARIES);
    if !accepts.is_empty() {
        return compressed(accepts, response).await;
    }
    if worth_compressing().should_compress(&response) {
        response.headers_mut().append(header::VARY, HeaderValue::from_name(header::ACCEPT_ENCODING));
    }
    response
}

async fn compressed(accepts: Vec<HeaderValue>, response: Response) -> Response {
    let mut asked = Request::new(Body::empty());
    for value in accepts {
        asked.headers_mut().append(header::ACCEPT_ENCODING, value);
    }
    let mut response = Some(response);
    let once =
        service_fn(move |_: Request| std::future::ready(Ok::<_, Infallible>(response.take().unwrap_or_default())));
    let Ok(packed) = CompressionLayer::new().compress_when(worth_compressing()).layer(once).call(asked).await;
    packed.map(Body::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_of_predictions_are_known() {
        let id = ModelId::new();
        assert_eq!(Question::of_path(&format!("/v1/models/{id}/predict")), Some(Question::ById(id)));
        assert_eq!(Question::of_path("/v1/aliases/champion/predict"), Some(Question::ByAlias("champion".into())));
        for path in [
            "/v1/models/7/predict",
            "/v1/models/predict",
            "/v1/models//predict",
            "/v1/aliases/a%20b/predict",
            "/v1/aliases/a/b/predict",
            "/v1/aliases/champion/predict/",
            "/v1/aliases/champion",
            "/v2/models/champion/infer",
            "/",
            "",
        ] {
            assert_eq!(Question::of_path(path), None, "{path}");
        }
        let id = id.to_string().replace('-', "");
        assert_eq!(Question::of_path(&format!("/v1/models/{id}/predict")), None, "one resource has one path");
    }
}
