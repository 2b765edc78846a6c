//! What handlers are given: ids, query parameters and JSON bodies, with our refusals.

use std::convert::Infallible;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde_json::Value;

use super::AppState;
use super::body::{self, BodyLimits};
use super::error::{ApiError, Code};
use super::problem::FieldProblem;
use crate::ml::json;

/// The one id in the path.
#[derive(Debug, Clone, Copy)]
pub struct Id<T>(pub T);

impl<T, S> FromRequestParts<S> for Id<T>
where
    T: FromStr,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let refused = || ApiError::new(Code::MalformedRequest, "the id in the path is not a UUID");
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| refused())?;
        // Only the form with hyphens: one resource has one path.
        let text = Some(text).filter(|text| text.len() == 36).ok_or_else(refused)?;
        text.parse().map(Id).map_err(|_| refused())
    }
}

/// The query, read parameter by parameter, all mistakes collected. Every accessor marks its parameter as known;
/// [`Query::finish`] reports the rest.
#[derive(Debug)]
pub struct Query {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
    errors: Vec<FieldProblem>,
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::new(parts.uri.query().unwrap_or_default()))
    }
}

impl Query {
    /// Reads `a=1&b=2`, percent-decoded.
    pub fn new(query: &str) -> Self {
        let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { pairs, known: Vec::new(), errors: Vec::new() }
    }

    /// Reports a mistake.
    pub fn error(&mut self, parameter: &str, detail: impl Into<String>) {
        self.errors.push(FieldProblem::in_parameter(parameter, detail));
    }

    /// The parameter as it is; a second one of the name is a mistake.
    pub fn raw(&mut self, parameter: &'static str) -> Option<String> {
        self.known.push(parameter);
        let mut values = self.pairs.iter().filter(|(name, _)| name == parameter).map(|(_, value)| value.clone());
        let (first, second) = (values.next(), values.next());
        if second.is_some() {
            self.error(parameter, "expected once, found more than once");
        }
        first
    }

    /// Text of 1 to `max_chars` characters without control characters.
    pub fn text(&mut self, parameter: &'static str, max_chars: usize) -> Option<String> {
        let text = self.raw(parameter)?;
        let chars = text.chars().count();
        if chars == 0 || chars > max_chars {
            self.error(parameter, format!("expected 1 to {max_chars} characters, found {chars}"));
            return None;
        }
        if text.chars().any(char::is_control) {
            self.error(parameter, "expected no control characters, found one");
            return None;
        }
        Some(text)
    }

    /// Anything that parses, where `expected` says what would.
    pub fn parsed<T: FromStr>(&mut self, parameter: &'static str, expected: impl Display) -> Option<T> {
        let text = self.raw(parameter)?;
        let value = text.parse().ok();
        if value.is_none() {
            self.error(parameter, format!("expected {expected}, found {:?}", shorten(&text)));
        }
        value
    }

    /// A whole number within `min..=max`.
    pub fn integer(&mut self, parameter: &'static str, default: u64, min: u64, max: u64) -> u64 {
        let expected = format!("a whole number from {min} to {max}");
        let Some(number) = self.parsed::<u64>(parameter, &expected) else { return default };
        if !(min..=max).contains(&number) {
            self.error(parameter, format!("expected {expected}, found {number}"));
            return default;
        }
        number
    }

    /// A number within `min..=max`.
    pub fn number(&mut self, parameter: &'static str, default: f64, min: f64, max: f64) -> f64 {
        self.optional_number(parameter, min, max).unwrap_or(default)
    }

    /// A number within `min..=max`, if the parameter is there.
    pub fn optional_number(&mut self, parameter: &'static str, min: f64, max: f64) -> Option<f64> {
        let expected = format!("a number from {min} to {max}");
        let number = self.parsed::<f64>(parameter, &expected)?;
        if !(min..=max).contains(&number) {
            self.error(parameter, format!("expected {expected}, found {number}"));
            return None;
        }
        Some(number)
    }

    /// Whether nothing was wrong.
    ///
    /// # Errors
    /// 422 with every mistake, unknown parameters among them.
    pub fn finish(self) -> Result<(), ApiError> {
        let errors = self.mistakes();
        if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid(errors)) }
    }

    /// The refusal of a query in which something is wrong.
    pub fn refusal(self) -> ApiError {
        ApiError::invalid(self.mistakes())
    }

    fn mistakes(mut self) -> Vec<FieldProblem> {
        let unknown: Vec<String> = self
            .pairs
            .iter()
            .filter(|(name, _)| !self.known.contains(&name.as_str()))
            .map(|(name, _)| shorten(name))
            .collect();
        let mut known = std::mem::take(&mut self.known);
        known.sort_unstable();
        known.dedup();
        for name in unknown {
            let detail = match known.is_empty() {
                true => "unknown parameter; there are none here".to_owned(),
                false => format!("unknown parameter; known here: {}", known.join(", ")),
            };
            self.error(&name, detail);
        }
        self.errors
    }
}

/// A JSON body of any shape, bounded in size and depth; checked further by `ml::config::ObjectReader`.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonBody(pub Value);

impl FromRequest<AppState> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        require_json(&parts.headers)?;
        let bytes = body::collected(&parts.headers, body, small_body_limits(state)).await?;
        parse_json(&bytes, state.config.max_json_depth).map(JsonBody)
    }
}

/// The limits of every body that is held in memory.
pub fn small_body_limits(state: &AppState) -> BodyLimits {
    BodyLimits {
        max_bytes: state.config.max_body_bytes,
        max_decompressed_bytes: state.config.max_body_bytes,
        idle: Duration::from_secs_f64(state.config.body_idle_seconds),
    }
}

/// The limits of bodies that are never held as a whole.
pub fn upload_limits(state: &AppState) -> BodyLimits {
    BodyLimits {
        max_bytes: state.config.max_upload_bytes,
        max_decompressed_bytes: state.config.max_decompressed_bytes,
        idle: Duration::from_secs_f64(state.config.body_idle_seconds),
    }
}

/// The media type of the body in lower case, without parameters.
pub fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase())
}

/// # Errors
/// 415 for another media type.
pub fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    match media_type(headers) {
        Some(found) if found == "application/json" => Ok(()),
        _ => Err(ApiError::new(Code::UnsupportedMediaType, "send application/json")),
    }
}

/// Parses JSON that nests at most `max_depth` arrays and objects.
///
/// # Errors
/// 400 with the line and column of the first mistake; 422 with every member that an object has twice: one reader
/// takes the first, another the last, and the client meant one of them.
pub fn parse_json(bytes: &[u8], max_depth: usize) -> Result<Value, ApiError> {
    check_json_depth(bytes, max_depth)?;
    let read = json::parse(bytes).map_err(|error| ApiError::new(Code::MalformedJson, error.to_string()))?;
    if read.repeated.is_empty() {
        return Ok(read.value);
    }
    let twice = |pointer| FieldProblem::at_pointer(pointer, "the object has this member more than once");
    Err(ApiError::invalid(read.repeated.into_iter().map(twice)))
}

/// To be asked before a parser is, which would meet the depth on its own stack.
///
/// # Errors
/// 400 if the text nests more than `max_depth` arrays and objects.
pub fn check_json_depth(bytes: &[u8], max_depth: usize) -> Result<(), ApiError> {
    let Some(offset) = too_deep(bytes, max_depth) else { return Ok(()) };
    let detail = format!("expected at most {max_depth} nested arrays and objects, found more at byte {offset}");
    Err(ApiError::new(Code::MalformedJson, detail))
}

/// Where the nesting exceeds `max_depth`. Looks at brackets outside strings only; what is not JSON is left to the
/// parser, which would otherwise meet the depth on its own stack first.
fn too_deep(bytes: &[u8], max_depth: usize) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (offset, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > max_depth {
                    return Some(offset);
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn shorten(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(error: &ApiError) -> Vec<(&str, &str)> {
        error.errors().iter().map(|e| (e.parameter.as_deref().unwrap(), e.detail.as_str())).collect()
    }

    #[test]
    fn all_mistakes_of_a_query_are_reported_at_once() {
        let mut query = Query::new("limit=0&name=&name=b&nmae=c&target=a%00");
        assert_eq!(query.integer("limit", 20, 1, 1000), 20);
        assert_eq!(query.text("name", 200), None);
        assert_eq!(query.text("target", 500), None);
        let error = query.finish().unwrap_err();
        assert_eq!(error.code(), Code::InvalidRequest);
        assert_eq!(
            places(&error),
            [
                ("limit", "expected a whole number from 1 to 1000, found 0"),
                ("name", "expected once, found more than once"),
                ("name", "expected 1 to 200 characters, found 0"),
                ("target", "expected no control characters, found one"),
                ("nmae", "unknown parameter; known here: limit, name, target"),
            ]
        );
    }

    #[test]
    fn a_right_query_reads_back() {
        let mut query = Query::new("name=a%20b+c&limit=7");
        assert_eq!((query.text("name", 9).as_deref(), query.integer("limit", 1, 1, 9)), (Some("a b c"), 7));
        assert!(query.finish().is_ok());
    }

    #[test]
    fn depth_counts_brackets_outside_strings() {
        assert_eq!(too_deep(br#"{"a":["]","[[[[\"["]}"#, 2), None);
        assert_eq!(too_deep(b"[[[", 2), Some(2));
        assert_eq!(too_deep(b"[[],[],[]]", 2), None);
    }

    #[test]
    fn json_nested_far_beyond_the_stack_is_refused_and_not_parsed() {
        let error = parse_json("[".repeat(1_000_000).as_bytes(), 64).unwrap_err();
        assert_eq!(error.code(), Code::MalformedJson);
        assert_eq!(error.detail(), "expected at most 64 nested arrays and objects, found more at byte 64");
    }

    #[test]
    fn members_that_come_twice_are_all_named() {
        let error = parse_json(br#"{"a": 1, "b": {"c": 1, "c": 1}, "a": 1}"#, 64).unwrap_err();
        assert_eq!(error.code(), Code::InvalidRequest);
        let pointers: Vec<&str> = error.errors().iter().filter_map(|error| error.pointer.as_deref()).collect();
        assert_eq!(pointers, ["/b/c", "/a"]);
    }

    #[test]
    fn json_that_is_none_says_where() {
        let error = parse_json(b"{\"a\": 1,}", 64).unwrap_err();
        assert_eq!(error.detail(), "trailing comma at line 1 column 9");
    }
}
