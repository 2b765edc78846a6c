//! `GET /v1/models/{model_id}/artifact`: the model itself, to keep or to run elsewhere.

use std::str::FromStr;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::find;
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::extract::{Id, Query};
use crate::http::respond;
use crate::records::{ModelId, ModelRecord};

/// The formats a model can be downloaded in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Safetensors,
}

impl FromStr for Format {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "safetensors" { Ok(Format::Safetensors) } else { Err(()) }
    }
}

pub(super) async fn handle(
    State(state): State<AppState>,
    Id(id): Id<ModelId>,
    mut query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let format = query.parsed("format", "safetensors").unwrap_or(Format::Safetensors);
    query.finish()?;
    let model = find(&state, id).await?;
    let tag = format!("\"{}\"", model.sha256);
    if respond::has_match(&headers, &tag) {
        return Ok(respond::not_modified(&tag));
    }
    let (size, bytes) = state.store.blobs().stream(&model.sha256).await?;
    let mut response = Response::new(Body::from_stream(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    headers.insert(header::CONTENT_DISPOSITION, disposition(&model, format)?);
    respond::set_tag(headers, &tag);
    Ok(response)
}

/// Always a download, named by the id, since the model's own name is a user's text.
fn disposition(model: &ModelRecord, format: Format) -> Result<HeaderValue, ApiError> {
    let extension = match format {
        Format::Safetensors => "safetensors",
    };
    HeaderValue::from_str(&format!("attachment; filename=\"{}.{extension}\"", model.id)).map_err(ApiError::internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::models::samples::sample_model;

    #[test]
    fn a_download_is_named_by_the_id_and_never_by_the_user() {
        let mut model = sample_model();
        model.name = "a\"; filename=\"evil.exe".to_owned();
        let value = disposition(&model, Format::Safetensors).unwrap();
        assert_eq!(value, "attachment; filename=\"01890a5d-ac96-7c3e-9c2d-1f0e8f6a7b01.safetensors\"");
    }

    #[test]
    fn a_format_that_is_not_offered_is_a_mistake() {
        let mut query = Query::new("format=onnx");
        assert_eq!(query.parsed::<Format>("format", "safetensors"), None);
        assert_eq!(query.finish().unwrap_err().errors()[0].detail, "expected safetensors, found \"onnx\"");
    }
}
