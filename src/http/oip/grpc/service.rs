//! `inference.GRPCInferenceService`: each call with its key, its time limit and its line in the log.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::http::{self, HeaderMap, Method, Uri};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http_body_util::BodyExt;
use prost::{DecodeError, Message};
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::server::{Grpc, NamedService};
use tonic::{Request, Response, Status};
use tower::Service;
use tracing::{Instrument, Span};

use super::codec::Undecoded;
use super::messages::{
    ModelIndex, ModelInferRequest, ModelMetadataRequest, ModelReadyRequest, ModelReadyResponse, RepositoryIndexRequest,
    RepositoryIndexResponse, ServerLiveResponse, ServerReadyResponse,
};
use super::{convert, status, wire};
use crate::http::AppState;
use crate::http::auth;
use crate::http::connection::{Active, Connection};
use crate::http::error::{ApiError, Code};
use crate::http::health::check_ready;
use crate::http::metrics::Seen;
use crate::http::middleware::check_local;
use crate::http::observe::{log, request_span};
use crate::http::oip::answer::Answer;
use crate::http::oip::mistakes::Mistakes;
use crate::http::oip::resolve::{Named, resolve};
use crate::http::oip::{index, infer, metadata};
use crate::http::request_id::{REQUEST_ID, RequestId};
use crate::records::Scope;
use crate::telemetry::traces;

/// The service; cheap to clone.
#[derive(Clone)]
pub(super) struct Inference {
    pub(super) state: AppState,
}

impl NamedService for Inference {
    const NAME: &'static str = "inference.GRPCInferenceService";
}

impl Service<http::Request<Body>> for Inference {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        observe(self.state.clone(), request).map(Ok).boxed()
    }
}

/// A procedure of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Procedure {
    ServerLive,
    ServerReady,
    ServerMetadata,
    ModelReady,
    ModelMetadata,
    ModelInfer,
    RepositoryIndex,
}

impl Procedure {
    const ALL: [Procedure; 7] = [
        Procedure::ServerLive,
        Procedure::ServerReady,
        Procedure::ServerMetadata,
        Procedure::ModelReady,
        Procedure::ModelMetadata,
        Procedure::ModelInfer,
        Procedure::RepositoryIndex,
    ];

    fn name(self) -> &'static str {
        match self {
            Procedure::ServerLive => "ServerLive",
            Procedure::ServerReady => "ServerReady",
            Procedure::ServerMetadata => "ServerMetadata",
            Procedure::ModelReady => "ModelReady",
            Procedure::ModelMetadata => "ModelMetadata",
            Procedure::ModelInfer => "ModelInfer",
            Procedure::RepositoryIndex => "RepositoryIndex",
        }
    }

    fn of_path(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next()?;
        Procedure::ALL.into_iter().find(|procedure| procedure.name() == name)
    }

    /// Under which operation it is counted: the one that does the same over REST.
    fn over_rest(self) -> (Method, &'static str) {
        match self {
            Procedure::ServerLive => (Method::GET, "/v2/health/live"),
            Procedure::ServerReady => (Method::GET, "/v2/health/ready"),
            Procedure::ServerMetadata => (Method::GET, "/v2"),
            Procedure::ModelReady => (Method::GET, "/v2/models/{model_name}/ready"),
            Procedure::ModelMetadata => (Method::GET, "/v2/models/{model_name}"),
            Procedure::ModelInfer => (Method::POST, "/v2/models/{model_name}/infer"),
            Procedure::RepositoryIndex => (Method::POST, "/v2/repository/index"),
        }
    }

    /// What a key must allow, as over REST.
    fn scope(self) -> Option<Scope> {
        match self {
            Procedure::ServerLive | Procedure::ServerReady => None,
            _ => Some(Scope::Predict),
        }
    }
}

/// Outermost: gives the call its id and writes its line to the log.
async fn observe(state: AppState, request: http::Request<Body>) -> http::Response<Body> {
    let started = Instant::now();
    let id = RequestId::of(request.headers());
    let active = request.extensions().get::<Connection>().map(Connection::begin);
    let procedure = Procedure::of_path(request.uri().path());
    let (method, route) = procedure.map(Procedure::over_rest).unzip();
    let method = method.unwrap_or(Method::POST);
    let seen = state.metrics.begin(route, &method, request.headers());
    let span = request_span(&id, &method, route, request.headers());
    let mut response = answer(&state, procedure, request, &id).instrument(span.clone()).await;
    if let Some(value) = id.to_header() {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let code = Status::from_header_map(response.headers()).map_or(tonic::Code::Ok, |status| status.code());
    let status = status::over_http(code);
    traces::answered(&span, status);
    let line = LogLine { request_id: id, procedure, code, status, started, seen, _active: active, _span: span };
    response.map(|body| Body::new(body.map_frame(move |frame| line.with(frame))))
}

/// Written and counted when the answer has been sent or given up; until then the connection counts as busy.
struct LogLine {
    request_id: RequestId,
    procedure: Option<Procedure>,
    code: tonic::Code,
    status: u16,
    started: Instant,
    seen: Seen,
    _active: Option<Active>,
    _span: Span,
}

impl LogLine {
    /// Lives as long as the frames that it goes with.
    fn with<T>(&self, frame: T) -> T {
        frame
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        self.seen.answered(self.status, self.started);
        let Self { request_id, code, .. } = self;
        let procedure = self.procedure.map_or("none", Procedure::name);
        let seconds = self.started.elapsed().as_secs_f64();
        // There may be more of these in a second than anybody reads.
        if *code == tonic::Code::Ok && self.procedure == Some(Procedure::ModelInfer) {
            tracing::debug!(%request_id, procedure, ?code, seconds, "answered over gRPC");
        } else {
            tracing::info!(%request_id, procedure, ?code, seconds, "answered over gRPC");
        }
    }
}

async fn answer(
    state: &AppState,
    procedure: Option<Procedure>,
    request: http::Request<Body>,
    id: &RequestId,
) -> http::Response<Body> {
    let refused = |error: ApiError| {
        log(&error, id);
        status::status(&error)
    };
    let Some(procedure) = procedure else {
        return Status::unimplemented("this procedure is not offered; see proto/inference.proto").into_http();
    };
    if let Err(error) = admit(state, procedure, request.headers(), request.uri()).await {
        return refused(error).into_http();
    }
    let limit = Duration::from_secs_f64(state.config.request_seconds);
    let max_bytes = usize::try_from(state.config.max_body_bytes).unwrap_or(usize::MAX);
    let gzip = CompressionEncoding::Gzip;
    let mut grpc =
        Grpc::new(Undecoded).max_decoding_message_size(max_bytes).accept_compressed(gzip).send_compressed(gzip);
    let call = tower::service_fn(|message: Request<Bytes>| {
        let (metadata, _, message) = message.into_parts();
        let (headers, refused) = (metadata.into_headers(), &refused);
        async move { caught(perform(state, procedure, message, &headers)).await.map(Response::new).map_err(refused) }
    });
    match tokio::time::timeout(limit, grpc.unary(call, request)).await {
        Ok(response) => response,
        Err(_) => refused(ApiError::new(Code::Timeout, "")).into_http(),
    }
}

/// # Errors
/// 403 for a foreign host on a server without keys; 401 and 403 for a key that does not allow this.
async fn admit(state: &AppState, procedure: Procedure, headers: &HeaderMap, uri: &Uri) -> Result<(), ApiError> {
    check_local(state, headers, uri)?;
    if let Some(scope) = procedure.scope() {
        auth::authorize(state, headers, scope).await?;
    }
    Ok(())
}

/// A panic fails the call; the other calls of its connection go on.
async fn caught<T>(work: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
    let caught = AssertUnwindSafe(work).catch_unwind().await;
    caught.unwrap_or_else(|_| Err(ApiError::internal("a procedure panicked")))
}

/// From message to message.
async fn perform(
    state: &AppState,
    procedure: Procedure,
    message: Bytes,
    headers: &HeaderMap,
) -> Result<Bytes, ApiError> {
    match procedure {
        Procedure::ServerLive => Ok(encoded(&ServerLiveResponse { live: true })),
        Procedure::ServerReady => match check_ready(state).await {
            Ok(()) => Ok(encoded(&ServerReadyResponse { ready: true })),
            Err(error) if error.code() == Code::NotReady => Ok(encoded(&ServerReadyResponse { ready: false })),
            Err(error) => Err(error),
        },
        Procedure::ServerMetadata => Ok(encoded(&convert::server_metadata(metadata::server_metadata()))),
        Procedure::ModelReady => {
            let ModelReadyRequest { name, version } = decoded(message)?;
            resolve(state, &Named::new(name, version), headers).await?;
            Ok(encoded(&ModelReadyResponse { ready: true }))
        }
        Procedure::ModelMetadata => {
            let ModelMetadataRequest { name, version } = decoded(message)?;
            let metadata = metadata::model_metadata(state, Named::new(name, version), headers).await?;
            Ok(encoded(&convert::model_metadata(metadata)))
        }
        Procedure::RepositoryIndex => repository_index(state, message).await,
        Procedure::ModelInfer => model_infer(state, message, headers).await,
    }
}

async fn repository_index(state: &AppState, message: Bytes) -> Result<Bytes, ApiError> {
    let RepositoryIndexRequest { repository_name, ready: _ } = decoded(message)?;
    if !repository_name.is_empty() {
        return Err(ApiError::new(Code::NotFound, "there is one repository, and it has no name"));
    }
    let entry = |model: index::ModelIndex| ModelIndex {
        name: model.name,
        version: model.version,
        state: model.state.to_owned(),
        reason: model.reason.to_owned(),
    };
    let models = index::model_index(state).await?.into_iter().map(entry).collect();
    Ok(encoded(&RepositoryIndexResponse { models }))
}

async fn model_infer(state: &AppState, message: Bytes, headers: &HeaderMap) -> Result<Bytes, ApiError> {
    let outline = wire::outline(&message)?;
    let in_binary = outline.has_raw_contents();
    let named = Named::new(outline.model_name, outline.model_version);
    let served = resolve(state, &named, headers).await?;
    let bytes = message.len();
    let read = move |mistakes: &Mistakes| Ok(convert::draft(decoded::<ModelInferRequest>(message)?, mistakes));
    let write = move |answer: &Answer<'_>| Ok(encoded(&convert::response(answer, in_binary)));
    infer::infer(state, served, named, bytes, read, write).await
}

fn encoded(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

/// # Errors
/// 400 if the message is not what the procedure takes.
pub(super) fn decoded<M: Message + Default>(message: Bytes) -> Result<M, ApiError> {
    let malformed =
        |error: DecodeError| ApiError::new(Code::MalformedRequest, "the message cannot be decoded").caused_by(error);
    M::decode(message).map_err(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::document::{Document, OPENAPI_YAML};

    #[test]
    fn procedures_are_found_by_their_paths() {
        for procedure in Procedure::ALL {
            let path = format!("/{}/{}", Inference::NAME, procedure.name());
            assert_eq!(Procedure::of_path(&path), Some(procedure));
        }
        for path in ["", "/", "/inference.GRPCInferenceService/", "/inference.GRPCInferenceService/ModelStreamInfer"] {
            assert_eq!(Procedure::of_path(path), None, "{path}");
        }
    }

    #[test]
    fn every_procedure_is_counted_and_guarded_as_its_operation() {
        let document = Document::parse(OPENAPI_YAML).unwrap();
        for procedure in Procedure::ALL {
            let (method, path) = procedure.over_rest();
            let mut operations = document.operations().iter();
            let operation = operations.find(|operation| operation.method == method && operation.path == path).unwrap();
            assert_eq!(operation.scope, procedure.scope(), "{path}");
        }
    }

    #[tokio::test]
    async fn a_panic_fails_one_call_only() {
        let error = caught::<()>(async { panic!("a mistake of ours") }).await.unwrap_err();
        assert_eq!(error.code(), Code::InternalError);
        assert!(caught(async { Ok(7) }).await.is_ok_and(|value| value == 7));
    }

    #[test]
    fn only_health_needs_no_key() {
        let open: Vec<_> = Procedure::ALL.into_iter().filter(|procedure| procedure.scope().is_none()).collect();
        assert_eq!(open, [Procedure::ServerLive, Procedure::ServerReady]);
    }
}
