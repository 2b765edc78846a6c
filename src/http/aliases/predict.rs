//! `POST /v1/aliases/{alias}/predict` and `/heat-map`: whatever the alias points at answers.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;

use super::name::AliasName;
use super::route::Key;
use super::{Chosen, choose};
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::models::predict::{heat_map, predict};

/// The header that names the alias that was asked.
pub(in crate::http) const ALIAS: HeaderName = HeaderName::from_static("evenkeel-alias");
const MODEL_ID: HeaderName = HeaderName::from_static("evenkeel-model-id");
const MODEL_VERSION: HeaderName = HeaderName::from_static("evenkeel-model-version");

pub(super) async fn handle(
    State(state): State<AppState>,
    AliasName(name): AliasName,
    request: Request,
) -> Result<Response, ApiError> {
    by_name(&state, &name, request).await
}

/// Answers a request to predict with whatever the alias points at.
///
/// # Errors
/// As [`predict`], 404 if there is no such alias, 422 for a request key that is none.
pub(in crate::http) async fn by_name(state: &AppState, name: &str, request: Request) -> Result<Response, ApiError> {
    let chosen = choose(state, name, Key::of(request.headers())?).await?;
    let watcher = state.aliases.shadows.watch(&chosen);
    let watch = watcher.as_ref().map(|watcher| watcher.watching());
    let mut response = predict(state, chosen.served.clone(), request, watch).await?;
    if let Some(watcher) = watcher {
        watcher.answered();
    }
    say_who_answered(&mut response, &chosen);
    Ok(response)
}

/// `POST /v1/aliases/{alias}/heat-map`; no shadow is asked.
pub(super) async fn heat_map_of(
    State(state): State<AppState>,
    AliasName(name): AliasName,
    request: Request,
) -> Result<Response, ApiError> {
    let chosen = choose(&state, &name, Key::of(request.headers())?).await?;
    let mut response = heat_map(&state, chosen.served.clone(), request).await?;
    say_who_answered(&mut response, &chosen);
    Ok(response)
}

/// In the headers, whatever the format of the answer.
fn say_who_answered(response: &mut Response, chosen: &Chosen) {
    let record = &chosen.served.record;
    let said = [
        (ALIAS, HeaderValue::from_str(&chosen.entry.record.name)),
        (MODEL_ID, HeaderValue::from_str(&record.id.to_string())),
        (MODEL_VERSION, Ok(HeaderValue::from(record.version))),
    ];
    for (name, value) in said {
        if let Ok(value) = value {
            response.headers_mut().insert(name, value);
        }
    }
}
