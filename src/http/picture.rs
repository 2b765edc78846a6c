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

/// Red, green and blue of each pixel, line by line, as PNG.
///
/// # Errors
/// 500 if there are not so many pixels, which whoever drew them has to see to.
pub(super) fn png(width: usize, height: usize, pixels: &[u8]) -> Result<Vec<u8>, ApiError> {
    // The encoder panics.
    if width.saturating_mul(height).saturating_mul(3) != pixels.len() {
        return Err(ApiError::internal(format!("{} values are no picture of {height} × {width}", pixels.len())));
    }
    let side = |side: usize| u32::try_from(side).map_err(ApiError::internal);
    let (width, height) = (side(width)?, side(height)?);
    let mut bytes = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    image::ImageEncoder::write_image(encoder, pixels, width, height, image::ExtendedColorType::Rgb8)
        .map_err(ApiError::internal)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_written_as_png_and_read_back() {
        let pixels: Vec<u8> = (0..18).collect();
        let bytes = png(3, 2, &pixels).unwrap();
        let read = image::load_from_memory_with_format(&bytes, image::ImageFormat::Png).unwrap().into_rgb8();
        assert_eq!((read.dimensions(), read.into_raw()), ((3, 2), pixels.clone()));
        assert!(png(3, 3, &pixels).is_err());
    }
}
