//! Pictures as answers.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use super::extract::Query;
use super::respond;
use crate::draw::{Figure, Theme, svg};

/// A picture is styled by itself and may do nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'";

/// For which page, as `theme` of the query says.
pub(super) fn theme(query: &mut Query) -> Theme {
    match query.raw("theme").as_deref() {
        None | Some("auto") => Theme::Auto,
        Some("light") => Theme::Light,
        Some("dark") => Theme::Dark,
        Some(_) => {
            query.error("theme", "expected one of light, dark, auto");
            Theme::Auto
        }
    }
}

/// Draws a figure, away from the threads that answer.
pub(super) async fn answer(
    headers: &HeaderMap,
    theme: Theme,
    figure: impl FnOnce() -> Figure + Send + 'static,
) -> Result<Response, ApiError> {
    let drawn = tokio::task::spawn_blocking(move || svg(&figure(), theme));
    let drawn = drawn.await.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    let tag = respond::tag_of(drawn.as_bytes());
    if respond::has_match(headers, &tag) {
        return Ok(respond::not_modified(&tag));
    }
    let mut response = drawn.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    respond::set_tag(headers, &tag);
    Ok(response)
}
