//! Keeping up with aliases that other processes set: told at once on PostgreSQL, else by looking.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use super::book::Entry;
use super::warm::warm_up;
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::records::AliasRecord;
use crate::telemetry::Chain;

/// The shortest time between two looks.
const SHORTEST_POLL: Duration = Duration::from_millis(20);

/// Keeps the book up to date until the server stops. A move is in it `model_trust_seconds` after it was made at the latest, and
/// as long as it takes to load the model.
pub(in crate::http) async fn follow(state: AppState) {
    let poll = Duration::try_from_secs_f64(state.config.model_trust_seconds).unwrap_or_default().max(SHORTEST_POLL);
    // Subscribed before the first look, so that no change is missed in between.
    let mut changes = state.store.alias_changes();
    let mut reachable = true;
    let mut warming = None;
    loop {
        match catch_up(&state).await {
            Ok(()) => {
                reachable = true;
                // Once, when the aliases are known for the first time.
                warming.get_or_insert_with(|| AbortOnDropHandle::new(tokio::spawn(warm_up_all(state.clone()))));
            }
            Err(error) => {
                // Said once, and not again every second.
                if std::mem::replace(&mut reachable, false) {
                    tracing::warn!(error = %Chain(&error), "aliases are served as they were known");
                }
            }
        }
        tokio::select! {
            () = state.shutdown.cancelled() => return,
            _ = changes.changed() => {}
            () = tokio::time::sleep(poll) => {}
        }
    }
}

/// Reads what has changed, if anything has. A model that is new to an alias is loaded and asked once before it is given
/// requests; until then, and while it cannot be loaded, the old one answers.
///
/// # Errors
/// If the store does not answer.
pub(super) async fn catch_up(state: &AppState) -> Result<(), ApiError> {
    // One at a time: whoever reads later writes later.
    let _reading = state.aliases.reading.lock().await;
    let book = &state.aliases.book;
    let before = book.revision();
    // Read before the aliases: what changes in between is read again the next time.
    let revision = state.store.alias_revision().await?;
    if revision == before {
        return Ok(());
    }
    let mut entries = Vec::new();
    let mut complete = true;
    for record in state.store.all_aliases().await? {
        let (entry, warm) = up_to_date(state, record, before).await;
        entries.push(entry);
        complete &= warm;
    }
    book.replace(if complete { revision } else { before }, entries);
    Ok(())
}

/// The entry of an alias and whether it is the new one: the one there is unless the alias has changed, or if its models cannot
/// be loaded.
async fn up_to_date(state: &AppState, record: AliasRecord, before: u64) -> (Arc<Entry>, bool) {
    let known = state.aliases.book.get(&record.name);
    if let Some(known) = known.as_ref().filter(|known| known.record.revision >= record.revision) {
        return (known.clone(), true);
    }
    if known.is_none() && before == 0 {
        // The server has just started and is to answer; see `warm_up_all`.
        return (Entry::new(record), true);
    }
    match (warm_up(state, &record).await, known) {
        (Ok(()), _) => (Entry::new(record), true),
        // Nothing answers in its place: whoever asks is told what is wrong.
        (Err(_), None) => (Entry::new(record), true),
        (Err(error), Some(known)) => {
            tracing::warn!(alias = record.name, error = %Chain(&error), "the alias stays where it was for now");
            (known, false)
        }
    }
}

/// Loads the models of all aliases, one after another, as far as they fit into memory together.
async fn warm_up_all(state: AppState) {
    for entry in state.aliases.book.all() {
        if let Err(error) = warm_up(&state, &entry.record).await {
            tracing::warn!(alias = entry.record.name, error = %Chain(&error), "a model of the alias is not ready");
        }
    }
}
