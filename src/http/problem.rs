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

/// Which members clients of a part of the API look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// RFC 9457 with our own members.
    Problem,
    /// The same with `error`, all of it in one text, where the Open Inference Protocol has it.
    Inference,
}

impl Dialect {
    pub(super) fn of_path(path: &str) -> Self {
        let inference = path == "/v2" || path.starts_with("/v2/");
        if inference { Dialect::Inference } else { Dialect::Problem }
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
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Mistakes that are put into one text, at most, and bytes of such a text, about.
const SAID_ERRORS: usize = 10;
const SAID_BYTES: usize = 2_000;

/// All of a refusal in one text, for clients that show no more than that.
pub(super) fn sentence(error: &ApiError) -> String {
    let errors = error.errors();
    if errors.is_empty() {
        return error.detail().to_owned();
    }
    let mut text = String::new();
    let mut said = 0;
    for mistake in errors.iter().take(SAID_ERRORS) {
        let one = said_of(mistake);
        if said > 0 && text.len() + one.len() > SAID_BYTES {
            break;
        }
        text.push_str(if said > 0 { "; " } else { "" });
        text.extend(one.chars().take(SAID_BYTES));
        said += 1;
    }
    match errors.len() - said {
        0 => {}
        left => text.push_str(&format!("; and {left} more")),
    }
    text
}

/// One mistake with its place before it.
fn said_of(mistake: &FieldProblem) -> String {
    let FieldProblem { pointer, parameter, row, column, detail } = mistake;
    let place = match (pointer, parameter, row, column) {
        (Some(pointer), ..) => pointer.clone(),
        (_, Some(parameter), ..) => parameter.clone(),
        (_, _, Some(row), Some(column)) => format!("row {row}, column {column:?}"),
        (_, _, Some(row), None) => format!("row {row}"),
        (_, _, None, Some(column)) => format!("column {column:?}"),
        (_, _, None, None) => String::new(),
    };
    if place.is_empty() { detail.clone() } else { format!("{place}: {detail}") }
}

/// Writes the refusal as a response of its own. Header fields that the refusal calls for are set; those that
/// every response has are the middleware's.
pub(super) fn response(error: &ApiError, request_id: &str, dialect: Dialect) -> Response {
    let code = error.code();
    let body = document(error, Some(request_id), dialect);
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
pub(super) fn document(error: &ApiError, request_id: Option<&str>, dialect: Dialect) -> Vec<u8> {
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
        error: (dialect == Dialect::Inference).then(|| sentence(error)),
    };
    serde_json::to_vec(&problem).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::error::Code;

    #[test]
    fn all_of_a_refusal_fits_into_one_text() {
        let mistakes = vec![
            FieldProblem::at_pointer("/inputs/0/shape", "expected one"),
            FieldProblem::in_table(Some(7), Some("age".to_owned()), "expected a number"),
            FieldProblem::in_table(None, Some("age".to_owned()), "not there"),
            FieldProblem::in_parameter("limit", "too large"),
        ];
        let text = sentence(&ApiError::listing(Code::InvalidInference, mistakes));
        let expected = "/inputs/0/shape: expected one; row 7, column \"age\": expected a number; column \"age\": not there; \
                        limit: too large";
        assert_eq!(text, expected);
        assert_eq!(sentence(&ApiError::new(Code::TooManyRows, "4 rows")), "4 rows");
        assert!(!sentence(&ApiError::internal("disk full")).contains("disk"));
    }

    #[test]
    fn a_long_list_is_cut_and_counted() {
        let mistake = |detail: &str| FieldProblem::at_pointer("/a", detail);
        let text = sentence(&ApiError::invalid((0..15).map(|_| mistake("no"))));
        assert!(text.ends_with("; and 5 more"), "{text}");
        let text = sentence(&ApiError::invalid((0..3).map(|_| mistake(&"x".repeat(1500)))));
        assert!(text.ends_with("; and 2 more") && text.len() < 1600, "{}", text.len());
    }

    #[test]
    fn only_the_inference_protocol_has_its_own_member() {
        for (path, dialect) in [
            ("/v2", Dialect::Inference),
            ("/v2/", Dialect::Inference),
            ("/v2/models/m", Dialect::Inference),
            ("/v2x", Dialect::Problem),
            ("/v1/models", Dialect::Problem),
        ] {
            assert_eq!(Dialect::of_path(path), dialect, "{path}");
        }
    }
}
