//! Aliases over HTTP: set, looked at, deleted, asked for predictions.
//!
//! [`book`] holds what every alias is, so that no prediction needs a query for it; [`mod@follow`] keeps it up with what other
//! processes change, and loads a model before it is given requests. [`route`] says which of several models answers,
//! [`shadow`] asks another one afterwards.

mod book;
mod delete;
mod follow;
mod get;
mod list;
mod name;
mod predict;
mod representation;
mod request;
mod route;
mod set;
mod shadow;
mod shadow_view;
mod tally;
mod warm;

pub(super) use follow::follow;
pub(super) use name::is_name;
pub(super) use predict::{ALIAS, by_name};
pub(super) use shadow::{ShadowLoad, start as start_shadows};

use std::sync::Arc;

use axum::http::HeaderMap;
use tokio::sync::Mutex;

use super::AppState;
use super::error::{ApiError, Code};
use super::models::Served;
use super::routes::Handlers;
use crate::records::AliasRecord;
use book::{Book, Entry};
use route::Key;
use shadow::Shadows;

pub(super) fn register(handlers: &mut Handlers) {
    handlers.add("listAliases", list::handle);
    handlers.add("getAlias", get::handle);
    handlers.add("setAlias", set::handle);
    handlers.add("deleteAlias", delete::handle);
    handlers.add("getAliasShadow", shadow_view::handle);
    handlers.add("predictByAlias", predict::handle);
    handlers.add("getHeatMapByAlias", predict::heat_map_of);
}

/// What handlers of aliases share; cheap to clone.
#[derive(Clone)]
pub(super) struct Aliases {
    book: Arc<Book>,
    /// Held while the book is brought up to date.
    reading: Arc<Mutex<()>>,
    shadows: Shadows,
}

impl Aliases {
    pub(super) fn new() -> Self {
        Self { book: Arc::default(), reading: Arc::default(), shadows: Shadows::new() }
    }

    /// How the shadows of this process have fared.
    pub(super) fn shadow_load(&self) -> ShadowLoad {
        self.shadows.load()
    }
}

/// Writes down what the shadows of this process have found since the last time.
pub(super) async fn flush_shadows(state: &AppState) {
    state.aliases.shadows.tally().flush(&state.store).await;
}

/// An alias and the model that answers for it.
struct Chosen {
    entry: Arc<Entry>,
    served: Arc<Served>,
}

/// The model that answers for a name, if an alias has it. Only a name that is not known here is asked for in the database:
/// another process may have made it `a_moment_ago`.
///
/// # Errors
/// 422 for a request key that is none; what finding its model answers.
pub(super) async fn served(
    state: &AppState,
    name: &str,
    headers: &HeaderMap,
    a_moment_ago: bool,
) -> Result<Option<Arc<Served>>, ApiError> {
    if !a_moment_ago && state.aliases.book.get(name).is_none() {
        return Ok(None);
    }
    match choose(state, name, Key::of(headers)?).await {
        Ok(chosen) => Ok(Some(chosen.served)),
        Err(error) if error.code() == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Who answers for an alias.
///
/// # Errors
/// 404 if there is no such alias; what finding its model answers.
async fn choose(state: &AppState, name: &str, key: Key<'_>) -> Result<Chosen, ApiError> {
    let entry = match state.aliases.book.get(name) {
        Some(entry) => entry,
        // It may have been made by another process a moment ago.
        None => reread(state, name).await?,
    };
    match entry.served(state, key).await {
        Err(error) if error.code() == Code::NotFound => {
            // Its model was deleted: another process has moved the alias before, and this one has not heard of it yet.
            let entry = reread(state, name).await?;
            let served = entry.served(state, key).await?;
            Ok(Chosen { entry, served })
        }
        found => found.map(|served| Chosen { entry, served }),
    }
}

async fn reread(state: &AppState, name: &str) -> Result<Arc<Entry>, ApiError> {
    let record = find(state, name).await?;
    Ok(state.aliases.book.learn(record))
}

/// An alias as it is now.
async fn find(state: &AppState, name: &str) -> Result<AliasRecord, ApiError> {
    state.store.alias(name).await?.ok_or_else(|| ApiError::not_found("alias"))
}
