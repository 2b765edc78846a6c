//! `POST /v2/models/{model_name}/infer`, and what REST and gRPC share of it.

use std::sync::Arc;

use axum::extract::{Request as HttpRequest, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::answer::Answer;
use super::arrange::arrange;
use super::draft::Draft;
use super::mistakes::Mistakes;
use super::pictures::Reading;
use super::resolve::{Named, resolve};
use super::{binary, json_answer, json_request, request};
use crate::http::AppState;
use crate::http::body;
use crate::http::error::{ApiError, Code};
use crate::http::extract::{media_type, small_body_limits};
use crate::http::models::Served;
use crate::http::models::predict::{Size, at_turn, score};
use crate::ml::json::Place;

pub(super) async fn handle(
    State(state): State<AppState>,
    named: Named,
    request: HttpRequest,
) -> Result<Response, ApiError> {
    let (parts, sent) = request.into_parts();
    check_media_type(&parts.headers)?;
    // Asked for before the body, so that a body for no model is not read to its end.
    let served = resolve(&state, &named, &parts.headers).await?;
    let body = body::collected(&parts.headers, sent, small_body_limits(&state)).await?;
    let (json, data) = binary::split(&parts.headers, body)?;
    let max_depth = state.config.max_json_depth;
    let bytes = json.len() + data.len();
    let read = move |mistakes: &Mistakes| {
        let mut draft = json_request::read(&json, max_depth, mistakes)?;
        binary::attach(&mut draft, data, mistakes);
        Ok(draft)
    };
    let written = infer(&state, served, named, bytes, read, json_answer::write).await?;
    Ok(written.response())
}

/// Some clients send no media type at all.
fn check_media_type(headers: &HeaderMap) -> Result<(), ApiError> {
    match media_type(headers).as_deref() {
        None | Some("application/json" | "application/octet-stream") => Ok(()),
        Some(_) => {
            let detail = "send application/json, or application/octet-stream with binary data after the JSON";
            Err(ApiError::new(Code::UnsupportedMediaType, detail))
        }
    }
}

/// Answers an inference request that takes `bytes` to send, in its turn: `read` takes it apart, `write` puts the answer
/// together. Every mistake that either finds is in the refusal.
///
/// # Errors
/// 400 with all mistakes, 413 for too many rows, 429 if too much is being computed.
pub(super) async fn infer<T: Send + 'static>(
    state: &AppState,
    served: Arc<Served>,
    named: Named,
    bytes: usize,
    read: impl FnOnce(&Mistakes) -> Result<Draft, ApiError> + Send + 'static,
    write: impl FnOnce(&Answer<'_>) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    // In binary a value takes a byte at least.
    let size = match served.model.picture_spec() {
        // A picture of few bytes may have many pixels.
        Some(_) => Size::LARGE,
        None => Size { bytes, rows: bytes / served.inputs.len().max(1) },
    };
    let (model, max_rows) = (served.clone(), state.config.max_predict_rows);
    let limits = state.config.tables.pictures;
    let pictures = served.model.picture_spec().map(|spec| Reading { spec, limits });
    let work = move || {
        let mistakes = Mistakes::default();
        let draft = read(&mistakes)?;
        let request = request::check(draft, (&named.name, named.version.as_deref()), &mistakes);
        let arranged = arrange(&request, &served.inputs, pictures, max_rows, &mistakes)?;
        check_prevalence(&served, request.parameters.instead.prevalence, &mistakes);
        if request.parameters.instead.views.is_some() && !served.model.has_views() {
            let detail = "only networks that read pictures can be asked about several views of them";
            mistakes.in_member(Place::Member(&Place::Root, "parameters"), "tta", detail);
        }
        let arranged = mistakes.or(arranged)?;
        let scored = score(&served, &arranged.table, request.parameters.instead)?;
        write(&Answer::new(&named.name, &served, &request, &arranged.ignored, &scored))
    };
    at_turn(state, &model, size, work).await
}

fn check_prevalence(served: &Served, prevalence: Option<f64>, mistakes: &Mistakes) {
    let unknown = |&prevalence: &f64| served.model.calibrator.at_prevalence(prevalence).is_none();
    if prevalence.as_ref().is_some_and(unknown) {
        let detail = "this model was stored without the prevalence of its training rows; train it again";
        mistakes.in_member(Place::Member(&Place::Root, "parameters"), "prevalence", detail);
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, header};

    use super::*;

    #[test]
    fn json_binary_and_no_media_type_are_taken() {
        let given =
            |value: &'static str| HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))]);
        assert!(check_media_type(&HeaderMap::new()).is_ok());
        for value in ["application/json", "application/json; charset=utf-8", "application/octet-stream"] {
            assert!(check_media_type(&given(value)).is_ok(), "{value}");
        }
        assert_eq!(check_media_type(&given("text/csv")).unwrap_err().code(), Code::UnsupportedMediaType);
    }
}
