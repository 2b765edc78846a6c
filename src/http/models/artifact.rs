//! `GET /v1/models/{model_id}/artifact`: the model itself, to keep or to run elsewhere.

use std::str::FromStr;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::{find, find_loaded};
use crate::http::AppState;
use crate::http::error::{ApiError, Code};
use crate::http::extract::{Id, Query};
use crate::http::respond;
use crate::ml::onnx::{ExportError, Provenance, export};
use crate::records::{ModelId, ModelRecord};

/// The formats a model can be downloaded in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// As it is stored.
    Safetensors,
    /// As a graph that other programs run, made from it.
    Onnx,
}

impl FromStr for Format {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "safetensors" => Ok(Format::Safetensors),
            "onnx" => Ok(Format::Onnx),
            _ => Err(()),
        }
    }
}

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Format::Safetensors => "safetensors",
            Format::Onnx => "onnx",
        }
    }

    /// Changes whenever the bytes do: the stored ones by their hash alone, those made from it with the program, too.
    fn tag(self, model: &ModelRecord) -> String {
        match self {
            Format::Safetensors => format!("\"{}\"", model.sha256),
            Format::Onnx => format!("\"{}-onnx-{}\"", model.sha256, env!("CARGO_PKG_VERSION")),
        }
    }
}

pub(super) async fn handle(
    State(state): State<AppState>,
    Id(id): Id<ModelId>,
    mut query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let format = query.parsed("format", "safetensors or onnx").unwrap_or(Format::Safetensors);
    query.finish()?;
    let model = find(&state, id).await?;
    let tag = format.tag(&model);
    if respond::has_match(&headers, &tag) {
        return Ok(respond::not_modified(&tag));
    }
    match format {
        Format::Safetensors => {
            let (size, bytes) = state.store.blobs().stream(&model.sha256).await?;
            download(&model, format, size, Body::from_stream(bytes))
        }
        Format::Onnx => {
            let (model, bytes) = exported(&state, id).await?;
            download(&model, format, bytes.len() as u64, Body::from(bytes))
        }
    }
}

/// The model as ONNX. It is made anew each time, in a turn of its own as a prediction is: that takes milliseconds.
async fn exported(state: &AppState, id: ModelId) -> Result<(ModelRecord, Vec<u8>), ApiError> {
    let (record, model) = find_loaded(state, id).await?;
    let provenance = Provenance {
        name: Some(record.name.clone()),
        version: Some(record.version),
        sha256: record.sha256.clone(),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let turn = state.models.turn().await?;
    let written = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        export(&model, &provenance)
    });
    let bytes = written.await.map_err(ApiError::internal)?.map_err(refusal)?;
    Ok((record, bytes))
}

fn refusal(error: ExportError) -> ApiError {
    ApiError::new(Code::NotAvailable, error.to_string()).caused_by(error)
}

fn download(model: &ModelRecord, format: Format, size: u64, body: Body) -> Result<Response, ApiError> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    headers.insert(header::CONTENT_DISPOSITION, disposition(model, format)?);
    respond::set_tag(headers, &format.tag(model));
    Ok(response)
}

/// Always a download, named by the id, since the model's own name is a user's text.
fn disposition(model: &ModelRecord, format: Format) -> Result<HeaderValue, ApiError> {
    let name = format!("attachment; filename=\"{}.{}\"", model.id, format.extension());
    HeaderValue::from_str(&name).map_err(ApiError::internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::models::samples::sample_model;

    #[test]
    fn a_download_is_named_by_the_id_and_never_by_the_user() {
        let mut model = sample_model();
        model.name = "a\"; filename=\"evil.exe".to_owned();
        for format in [Format::Safetensors, Format::Onnx] {
            let value = disposition(&model, format).unwrap();
            let expected =
                format!("attachment; filename=\"01890a5d-ac96-7c3e-9c2d-1f0e8f6a7b01.{}\"", format.extension());
            assert_eq!(value, expected);
        }
    }

    #[test]
    fn each_format_has_a_tag_of_its_own() {
        let model = sample_model();
        assert_ne!(Format::Safetensors.tag(&model), Format::Onnx.tag(&model));
    }

    #[test]
    fn a_format_that_is_not_offered_is_a_mistake() {
        let mut query = Query::new("format=pickle");
        assert_eq!(query.parsed::<Format>("format", "safetensors or onnx"), None);
        let error = query.finish().unwrap_err();
        assert_eq!(error.errors()[0].detail, "expected safetensors or onnx, found \"pickle\"");
    }
}
