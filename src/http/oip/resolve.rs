//! Which model a name and a version mean.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::HeaderMap;
use axum::http::request::Parts;

use crate::http::AppState;
use crate::http::aliases;
use crate::http::error::{ApiError, Code};
use crate::http::models::{Served, find_served};

/// The model that a path names, percent-decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) version: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let refused = || ApiError::new(Code::MalformedRequest, "the path does not name a model in UTF-8");
        let path = Path::<Vec<(String, String)>>::from_request_parts(parts, state).await.map_err(|_| refused())?;
        let mut values = path.0.into_iter().map(|(_, value)| value);
        let name = values.next().ok_or_else(refused)?;
        Ok(Self { name, version: values.next() })
    }
}

impl Named {
    /// As gRPC names it, where an empty version is none.
    pub(super) fn new(name: String, version: String) -> Self {
        Self { name, version: Some(version).filter(|version| !version.is_empty()) }
    }
}

/// The model that is meant, ready to predict with: the given version of the name; without one what the alias of that name
/// points at, or else the newest version of the name.
///
/// # Errors
/// 404 if there is none; 503 if database or blob store do not answer; 500 if the artifact is missing or damaged.
pub(super) async fn resolve(state: &AppState, named: &Named, headers: &HeaderMap) -> Result<Arc<Served>, ApiError> {
    let Named { name, version } = named;
    if let Some(version) = version {
        // Another text than a version's own is no version: 01 is not 1.
        let number: Option<u32> = version.parse().ok().filter(|number: &u32| number.to_string() == *version);
        return model(state, name, Some(number.ok_or_else(unknown)?)).await?.ok_or_else(unknown);
    }
    if let Some(served) = aliases::served(state, name, headers, false).await? {
        return Ok(served);
    }
    match model(state, name, None).await? {
        Some(served) => Ok(served),
        None => aliases::served(state, name, headers, true).await?.ok_or_else(unknown),
    }
}

async fn model(state: &AppState, name: &str, version: Option<u32>) -> Result<Option<Arc<Served>>, ApiError> {
    let Some(id) = state.store.model_named(name, version).await? else { return Ok(None) };
    match find_served(state, id).await {
        Ok(served) => Ok(Some(served)),
        // It has been deleted just now.
        Err(error) if error.code() == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// One answer for unknown names and unknown versions.
fn unknown() -> ApiError {
    ApiError::new(Code::NotFound, "there is no model with this name and version")
}
