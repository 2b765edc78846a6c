//! Resources with their `ETag`: conditional reads, created resources.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::error::{ApiError, Code};

/// Endings that the middleware puts on the tag of a compressed answer, whose bytes differ from the plain one's.
pub(super) const ENCODED_TAGS: [&str; 2] = ["-gzip", "-zstd"];

/// A resource as JSON with its strong `ETag`; 304 without a body if the client has it already.
///
/// # Errors
/// 500 if the value cannot be written as JSON.
pub fn resource<T: Serialize>(request: &HeaderMap, value: &T) -> Result<Response, ApiError> {
    let (body, tag) = tagged(value)?;
    if has_match(request, &tag) {
        return Ok(not_modified(&tag));
    }
    Ok(json(StatusCode::OK, body, &tag, None))
}

/// A value as JSON, and the tag of that representation.
///
/// # Errors
/// 500 if the value cannot be written as JSON.
pub fn tagged<T: Serialize>(value: &T) -> Result<(String, String), ApiError> {
    let body = serde_json::to_string(value).map_err(ApiError::internal)?;
    let tag = tag_of(body.as_bytes());
    Ok((body, tag))
}

/// An answer whose body was written before: JSON with its `ETag` and, if given, its `Location`.
pub fn json(status: StatusCode, body: String, tag: &str, location: Option<&str>) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    set_tag(headers, tag);
    if let Some(location) = location.and_then(|location| HeaderValue::from_str(location).ok()) {
        headers.insert(header::LOCATION, location);
    }
    response
}

/// 304: the client has it.
pub fn not_modified(tag: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    set_tag(response.headers_mut(), tag);
    response
}

/// The strong tag of a representation: part of the hash of its bytes, in quotes.
pub fn tag_of(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

/// Whether `If-None-Match` names the tag or anything at all.
pub fn has_match(request: &HeaderMap, tag: &str) -> bool {
    let lists = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim).any(|one| one == "*" || same(one, tag))
}

/// Whether a change may be made to a resource whose representations have these tags now.
///
/// # Errors
/// 428 without `If-Match`, 412 if it names none of the tags.
pub fn check_match(request: &HeaderMap, tags: &[&str]) -> Result<(), ApiError> {
    let lists: Vec<&str> = request.get_all(header::IF_MATCH).iter().filter_map(|value| value.to_str().ok()).collect();
    if lists.is_empty() {
        let detail = "send If-Match with the ETag that the change is based on, or * to change whatever is there";
        return Err(ApiError::new(Code::PreconditionRequired, detail));
    }
    let strong = |one: &str| !one.starts_with("W/") && tags.iter().any(|tag| same(one, tag));
    if lists.iter().flat_map(|list| list.split(',')).map(str::trim).any(|one| one == "*" || strong(one)) {
        return Ok(());
    }
    Err(changed())
}

/// 412: somebody else was first.
pub fn changed() -> ApiError {
    ApiError::new(Code::PreconditionFailed, "it has changed since the ETag in If-Match was given; read it again")
}

/// Sets the tag and lets a cache keep the answer for one client, asked for again every time.
pub fn set_tag(headers: &mut HeaderMap, tag: &str) {
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
}

/// Weak comparison, the one for reads, blind to the ending of a compressed answer.
fn same(one: &str, tag: &str) -> bool {
    let strong = one.strip_prefix("W/").unwrap_or(one);
    let plain = ENCODED_TAGS.iter().find_map(|ending| strong.strip_suffix('"')?.strip_suffix(ending));
    strong == tag || plain.is_some_and(|plain| tag.strip_suffix('"') == Some(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_client_that_has_the_resource_is_told_so() {
        let tag = "\"abc\"";
        for value in ["\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", "*", "\"abc-gzip\"", "W/\"abc-zstd\""] {
            assert!(has_match(&asked(value), tag), "{value}");
        }
        for value in ["\"abd\"", "abc", "\"abc-br\"", "\"ab\""] {
            assert!(!has_match(&asked(value), tag), "{value}");
        }
    }

    #[test]
    fn a_change_needs_the_tag_of_what_it_changes() {
        let asked = |value: &'static str| HeaderMap::from_iter([(header::IF_MATCH, HeaderValue::from_static(value))]);
        let refused = |headers: &HeaderMap| check_match(headers, &["\"abc\"", "\"def\""]).err().map(|e| e.code());
        for value in ["\"abc\"", "\"x\", \"def\"", "*", "\"abc-gzip\""] {
            assert_eq!(refused(&asked(value)), None, "{value}");
        }
        for value in ["\"abd\"", "W/\"abc\"", "abc", ""] {
            assert_eq!(refused(&asked(value)), Some(Code::PreconditionFailed), "{value}");
        }
        assert_eq!(refused(&HeaderMap::new()), Some(Code::PreconditionRequired));
    }

    #[test]
    fn the_tag_is_that_of_the_bytes() {
        let plain = resource(&HeaderMap::new(), &"a").unwrap();
        // hashlib.sha256(b'"a"').hexdigest()[:32]
        assert_eq!(plain.headers()[header::ETAG], "\"ac8d8342bbb2362d13f0a559a3621bb4\"");
        let again = resource(&asked("\"ac8d8342bbb2362d13f0a559a3621bb4\""), &"a").unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }
}
