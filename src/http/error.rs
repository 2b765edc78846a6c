//! Refusals: the one place that knows which case has which status, code and title.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::body::BodyFault;
use super::problem::FieldProblem;
use crate::store::StoreError;

/// At most this many mistakes of one request are listed.
pub const MAX_LISTED_ERRORS: usize = 100;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $status:ident, $code:literal, $title:literal;)+) => {
        /// Every kind of refusal. Closed: a code that is not here is never sent.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[doc = $doc])+ $variant,)+
        }

        /// All codes, in the order of their status; the documentation lists the same.
        pub const ALL_CODES: &[Code] = &[$(Code::$variant),+];

        impl Code {
            /// The stable name that clients may rely on.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $code),+ }
            }

            pub fn status(self) -> StatusCode {
                match self { $(Code::$variant => StatusCode::$status),+ }
            }

            /// The same short sentence every time.
            pub fn title(self) -> &'static str {
                match self { $(Code::$variant => $title),+ }
            }

            /// When it happens and what helps, for the documentation.
            pub fn explanation(self) -> &'static str {
                match self { $(Code::$variant => concat!($($doc),+).trim_ascii()),+ }
            }
        }
    };
}

codes! {
    /// The request, its path or its body cannot be understood: an id that is no UUID, a body that broke off or does
    /// not decompress, multipart that is not well-formed.
    MalformedRequest = BAD_REQUEST, "malformed-request", "The request cannot be read";
    /// The body is not JSON, or nests deeper than the server allows.
    MalformedJson = BAD_REQUEST, "malformed-json", "The body is not JSON";
    /// The tensors of an inference request, or what is said of them, are wrong or do not fit the model; `errors` lists every
    /// mistake.
    InvalidInference = BAD_REQUEST, "invalid-inference", "The inference request has mistakes";
    /// Send `Authorization: Bearer <key>`; `evenkeel keys create` makes keys.
    MissingApiKey = UNAUTHORIZED, "missing-api-key", "An API key is needed";
    /// The key is not one that this server gave, or it was revoked.
    InvalidApiKey = UNAUTHORIZED, "invalid-api-key", "The API key is not valid";
    /// The key lacks the scope that the operation asks for.
    InsufficientScope = FORBIDDEN, "insufficient-scope", "The API key does not allow this";
    /// A server without keys answers only requests to a loopback host, and from no foreign web page.
    HostNotAllowed = FORBIDDEN, "host-not-allowed", "This host name is not served here";
    /// Nothing has this id or path; it may have been deleted.
    NotFound = NOT_FOUND, "not-found", "There is no such thing";
    /// The path exists, but not with this method; `Allow` lists those it has.
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method-not-allowed", "The method is not allowed here";
    /// `Accept` names none of the formats that the answer can be had in; the detail lists them.
    NotAcceptable = NOT_ACCEPTABLE, "not-acceptable", "The answer cannot be had in this format";
    /// A job that has not ended needs the dataset: wait for it or cancel it.
    DatasetInUse = CONFLICT, "dataset-in-use", "A job needs this dataset";
    /// An alias names the model, as a target or as its shadow: move or delete the alias first.
    ModelInUse = CONFLICT, "model-in-use", "An alias needs this model";
    /// There are as many aliases as the server allows; the detail states the limit.
    TooManyAliases = CONFLICT, "too-many-aliases", "There are too many aliases";
    /// The job has left nothing of this kind: it has not succeeded, or jobs of its type leave something else.
    NoResult = CONFLICT, "no-result", "The job has no such result";
    /// A request with the same `Idempotency-Key` is still being answered; try again shortly.
    IdempotencyKeyInUse = CONFLICT, "idempotency-key-in-use", "A request with this key is being answered";
    /// The model does not have this: it was made by a version that did not keep it, had too many rows to keep, was
    /// imported, or is of a kind that has none; the detail says which.
    NotAvailable = CONFLICT, "not-available", "The model does not have this";
    /// The resource is not as `If-Match` says: read it again, and decide anew.
    PreconditionFailed = PRECONDITION_FAILED, "precondition-failed", "The resource has changed";
    /// The body is larger than the server takes, in bytes or in rows; the detail states the limit.
    PayloadTooLarge = PAYLOAD_TOO_LARGE, "payload-too-large", "The body is too large";
    /// The body is within its limit as sent but not once decompressed.
    DecompressedTooLarge = PAYLOAD_TOO_LARGE, "decompressed-too-large", "The decompressed body is too large";
    /// The request has more rows than the server predicts at once; the detail states the limit.
    TooManyRows = PAYLOAD_TOO_LARGE, "too-many-rows", "The request has too many rows";
    /// The operation does not take this `Content-Type`.
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The media type is not supported";
    /// Bodies come as they are, or compressed with gzip or zstd.
    UnsupportedContentEncoding = UNSUPPORTED_MEDIA_TYPE, "unsupported-content-encoding",
        "The content encoding is not supported";
    /// The request is well-formed but wrong; `errors` lists every mistake with its place.
    InvalidRequest = UNPROCESSABLE_ENTITY, "invalid-request", "The request has mistakes";
    /// The uploaded table cannot be read; `errors` lists rows and columns.
    InvalidDataset = UNPROCESSABLE_ENTITY, "invalid-dataset", "The dataset has mistakes";
    /// The target must have exactly two values; `errors` lists those found with their counts.
    TargetNotBinary = UNPROCESSABLE_ENTITY, "target-not-binary", "The target does not have two classes";
    /// The job would need more memory than the server gives one; the detail has the estimate.
    JobTooLarge = UNPROCESSABLE_ENTITY, "job-too-large", "The job does not fit into memory";
    /// The rows do not fit the model's features; `errors` lists rows and columns.
    InvalidRows = UNPROCESSABLE_ENTITY, "invalid-rows", "The rows do not fit the model";
    /// The uploaded file is no model that this version can use, or not the one that `sha256` names; the detail says what is
    /// wrong with it.
    InvalidModel = UNPROCESSABLE_ENTITY, "invalid-model", "The model cannot be used";
    /// The `Idempotency-Key` belongs to another request; send a new one.
    IdempotencyKeyReused = UNPROCESSABLE_ENTITY, "idempotency-key-reused", "The key was used for another request";
    /// Send `If-Match` with the `ETag` that the change is based on, or `*` to change whatever is there.
    PreconditionRequired = PRECONDITION_REQUIRED, "precondition-required", "If-Match is needed";
    /// Too many requests of this kind are at work; try again after `Retry-After`.
    TooManyRequests = TOO_MANY_REQUESTS, "too-many-requests", "Too many requests at once";
    /// Too many jobs are waiting; try again after `Retry-After`.
    QueueFull = TOO_MANY_REQUESTS, "queue-full", "The queue is full";
    /// A fault of the server; its log has the cause under the same `request_id`.
    InternalError = INTERNAL_SERVER_ERROR, "internal-error", "The server failed";
    /// The database or the blob store does not answer, or the server is stopping; try again after `Retry-After`.
    NotReady = SERVICE_UNAVAILABLE, "not-ready", "The server is not ready";
    /// The answer took longer than the server allows; try again after `Retry-After`.
    Timeout = SERVICE_UNAVAILABLE, "timeout", "The server took too long";
}

impl Code {
    /// What `Retry-After` says, where the status has one.
    pub fn retry_after_seconds(self) -> Option<u32> {
        match self {
            Code::QueueFull => Some(30),
            Code::NotReady | Code::Timeout => Some(5),
            Code::TooManyRequests | Code::IdempotencyKeyInUse => Some(1),
            Code::MalformedRequest
            | Code::MalformedJson
            | Code::InvalidInference
            | Code::MissingApiKey
            | Code::InvalidApiKey
            | Code::InsufficientScope
            | Code::HostNotAllowed
            | Code::NotFound
            | Code::MethodNotAllowed
            | Code::NotAcceptable
            | Code::DatasetInUse
            | Code::ModelInUse
            | Code::TooManyAliases
            | Code::NoResult
            | Code::NotAvailable
            | Code::PreconditionFailed
            | Code::PreconditionRequired
            | Code::PayloadTooLarge
            | Code::DecompressedTooLarge
            | Code::TooManyRows
            | Code::UnsupportedMediaType
            | Code::UnsupportedContentEncoding
            | Code::InvalidRequest
            | Code::InvalidDataset
            | Code::TargetNotBinary
            | Code::JobTooLarge
            | Code::InvalidRows
            | Code::InvalidModel
            | Code::IdempotencyKeyReused
            | Code::InternalError => None,
        }
    }

    /// What every refusal of a server fault says, whatever its cause.
    fn constant_detail(self) -> Option<&'static str> {
        match self.status() {
            StatusCode::INTERNAL_SERVER_ERROR => Some("the cause is in the server's log under this request_id"),
            StatusCode::SERVICE_UNAVAILABLE => Some("try again after the time in Retry-After"),
            _ => None,
        }
    }
}

/// A refusal of one request.
#[derive(Debug, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub struct ApiError {
    code: Code,
    detail: Cow<'static, str>,
    errors: Vec<FieldProblem>,
    truncated: bool,
    #[source]
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// A refusal with what was expected and what came.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), truncated: false, cause: None }
    }

    /// A refusal that lists mistakes, the first [`MAX_LISTED_ERRORS`] of them.
    pub fn listing(code: Code, mut errors: Vec<FieldProblem>) -> Self {
        let found = errors.len();
        errors.truncate(MAX_LISTED_ERRORS);
        let noun = if found == 1 { "mistake" } else { "mistakes" };
        let detail = if found > errors.len() {
            format!("{found} {noun}; see errors for the first {}", errors.len())
        } else {
            format!("{found} {noun}; see errors")
        };
        Self { code, detail: detail.into(), truncated: found > errors.len(), errors, cause: None }
    }

    /// 422: well-formed but wrong.
    pub fn invalid<E: Into<FieldProblem>>(errors: impl IntoIterator<Item = E>) -> Self {
        Self::listing(Code::InvalidRequest, errors.into_iter().map(Into::into).collect())
    }

    /// 404: nothing of this kind ("dataset") has the id asked for.
    pub fn not_found(kind: &'static str) -> Self {
        Self::new(Code::NotFound, format!("there is no {kind} with this id"))
    }

    /// 500: the cause is logged, never sent.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Code::InternalError, "").caused_by(cause)
    }

    /// 503: something this server depends on does not answer.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Code::NotReady, "").caused_by(cause)
    }

    /// Another wording of what is wrong.
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Marks the list of mistakes as cut short by whoever made it.
    pub fn truncated(mut self, truncated: bool) -> Self {
        self.truncated |= truncated;
        self
    }

    /// Whether there were more mistakes than [`ApiError::errors`] lists.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Keeps what led to the refusal for the log.
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    pub fn code(&self) -> Code {
        self.code
    }

    /// What the client is told; for 5xx a constant that says nothing of the inside.
    pub fn detail(&self) -> &str {
        self.code.constant_detail().unwrap_or(&self.detail)
    }

    pub fn errors(&self) -> &[FieldProblem] {
        &self.errors
    }

    pub(super) fn cause(&self) -> Option<&(dyn Error + 'static)> {
        self.source()
    }
}

/// The refusal as the middleware finds it in a response; it writes the document, which needs the request's id.
#[derive(Clone)]
pub(super) struct Refusal(pub(super) Arc<ApiError>);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(Refusal(Arc::new(self)));
        response
    }
}

/// What a bare status from the framework means in our words.
pub(super) fn from_status(status: StatusCode) -> ApiError {
    match status {
        StatusCode::NOT_FOUND => ApiError::new(Code::NotFound, "the server has no such path; see /docs"),
        StatusCode::METHOD_NOT_ALLOWED => {
            ApiError::new(Code::MethodNotAllowed, "the path does not have this method; see the Allow header")
        }
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(Code::PayloadTooLarge, "the body is too large"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            ApiError::new(Code::UnsupportedMediaType, "the operation does not take this media type")
        }
        status if status.is_client_error() => ApiError::new(Code::MalformedRequest, "the request cannot be read"),
        status => ApiError::internal(format!("the framework answered {status}")),
    }
}

/// What a failure of the store means to a client.
impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } => ApiError::unavailable(error),
            StoreError::Database { .. }
            | StoreError::Inconsistent { .. }
            | StoreError::Migration { .. }
            | StoreError::Address { .. }
            | StoreError::BlobMissing { .. }
            | StoreError::BlobCorrupt { .. } => ApiError::internal(error),
            StoreError::TooLarge { limit_bytes } => {
                ApiError::new(Code::PayloadTooLarge, format!("at most {limit_bytes} bytes are taken"))
            }
            StoreError::BodyBroken { source } => body_refusal(source),
            StoreError::AlreadyAnswered => ApiError::new(
                Code::IdempotencyKeyInUse,
                "another request with this Idempotency-Key was answered first; send the request again",
            ),
        }
    }
}

/// A body that stopped coming while it was being stored: our own reasons say which, others are the client's.
fn body_refusal(source: Box<dyn Error + Send + Sync>) -> ApiError {
    match source.downcast::<BodyFault>() {
        Ok(fault) => ApiError::from(*fault),
        Err(source) => ApiError::new(Code::MalformedRequest, "the body broke off").caused_by(source),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_distinct_kebab_case_and_of_an_error_status() {
        let names: BTreeSet<&str> = ALL_CODES.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), ALL_CODES.len());
        for code in ALL_CODES {
            assert!(code.as_str().chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{code:?}");
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{code:?}");
            assert!(code.explanation().ends_with('.'), "{code:?}");
        }
    }

    #[test]
    fn what_clients_may_retry_says_when() {
        for code in ALL_CODES {
            let must = matches!(code.status().as_u16(), 429 | 503);
            assert!(!must || code.retry_after_seconds().is_some(), "{code:?}");
        }
    }

    #[test]
    fn a_server_fault_tells_the_client_nothing_of_its_cause() {
        let error = ApiError::internal("disk /var/secret is full").with_detail("password");
        assert!(!error.detail().contains("secret") && !error.detail().contains("password"));
        assert_eq!(error.cause().map(ToString::to_string).as_deref(), Some("disk /var/secret is full"));
    }

    #[test]
    fn a_long_list_of_mistakes_is_cut_and_says_so() {
        let errors = (0..150).map(|row| FieldProblem::in_table(Some(row), None, "no"));
        let error = ApiError::invalid(errors);
        assert_eq!(error.errors().len(), 100);
        assert_eq!(error.detail(), "150 mistakes; see errors for the first 100");
    }
}
