//! The body of every refusal: an RFC 9457 problem document.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde::Serialize;

use super::error::ApiError;
use crate::ml::config::FieldError;

/// The media type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// One mistake in a request: where it is, and what would be right. One of `pointer` (into a JSON body),
/// `parameter` (of the query or a header) or `row` and `column` (of a table) says where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldProblem {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    pub detail: String,
}

impl FieldProblem {
    /// A mistake at a JSON pointer of the body.
    pub fn at_pointer(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: Some(pointer.into()), parameter: None, row: None, column: None, detail: detail.into() }
    }

    /// A mistake in a query parameter or a header.
    pub fn in_parameter(parameter: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: None, parameter: Some(parameter.into()), row: None, column: None, detail: detail.into() }
    }

    /// A mistake in a table; `row` counts from 1, a header not counted.
    pub fn in_table(row: Option<u64>, column: Option<String>, detail: impl Into<String>) -> Self {
        Self { pointer: None, parameter: None, row, column, detail: detail.into() }
    }
}

impl From<FieldError> for FieldProblem {
    fn from(error: FieldError) -> Self {
        Self::at_pointer(error.pointer, error.detail)
    }
}

/// The document as it is sent.
#[derive(Debug, Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[FieldProblem]>::is_empty")]
    errors: &'a [FieldProblem],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    errors_truncated: bool,
}

/// Writes the refusal as a response of its own. Header fields that the refusal calls for are set; those that
/// every response has are the middleware's.
pub(super) fn response(error: &ApiError, request_id: &str) -> Response {
    let code = error.code();
    let body = document(error, Some(request_id));
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = code.status();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = code.retry_after_seconds() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if code.status() == axum::http::StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// The document as bytes.
pub(super) fn document(error: &ApiError, request_id: Option<&str>) -> Vec<u8> {
    let code = error.code();
    let problem = Problem {
        r#type: format!("/docs#{}", code.as_str()),
        title: code.title(),
        status: code.status().as_u16(),
        code: code.as_str(),
        detail: error.detail(),
        request_id,
        errors: error.errors(),
        errors_truncated: error.is_truncated(),
    };
    serde_json::to_vec(&problem).unwrap_or_default()
}
