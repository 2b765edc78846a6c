//! What the shadows of this process have found, until it is written down.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::records::{ShadowCounts, ShadowPair};
use crate::store::Store;
use crate::telemetry::Chain;

/// Counts of this process: of pairs since they were written down last, and of all together since it started.
#[derive(Default)]
pub(super) struct Tally {
    unwritten: Mutex<HashMap<ShadowPair, ShadowCounts>>,
    compared: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

impl Tally {
    pub(super) fn add(&self, pair: ShadowPair, counts: &ShadowCounts) {
        self.compared.fetch_add(counts.requests, Ordering::Relaxed);
        self.dropped.fetch_add(counts.dropped, Ordering::Relaxed);
        self.failed.fetch_add(counts.failed, Ordering::Relaxed);
        self.put(pair, counts);
    }

    /// Requests compared, dropped and failed since the process started.
    pub(super) fn totals(&self) -> [u64; 3] {
        [&self.compared, &self.dropped, &self.failed].map(|count| count.load(Ordering::Relaxed))
    }

    /// Writes down what has come since the last time. What a store that does not answer could not be told is told the next time.
    pub(super) async fn flush(&self, store: &Store) {
        let unwritten = std::mem::take(&mut *self.unwritten());
        for (pair, counts) in unwritten {
            // False: the alias has moved on, and nobody asks for the pair any more.
            if let Err(error) = store.add_shadow_counts(&pair, &counts).await {
                tracing::warn!(error = %Chain(&error), "what a shadow has found is not written down yet");
                self.put(pair, &counts);
            }
        }
    }

    fn put(&self, pair: ShadowPair, counts: &ShadowCounts) {
        self.unwritten().entry(pair).or_default().add(counts);
    }

    /// The data is plain: a panic of another thread while it held the lock leaves nothing half-done that matters.
    fn unwritten(&self) -> MutexGuard<'_, HashMap<ShadowPair, ShadowCounts>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{AliasId, ModelId};

    #[test]
    fn pairs_are_kept_apart_and_all_are_counted() {
        let tally = Tally::default();
        let pair = || ShadowPair { alias: AliasId::new(), model: ModelId::new(), shadow: ModelId::new() };
        let (one, two) = (pair(), pair());
        tally.add(one, &ShadowCounts::of(&[(0.5, true)], &[(0.25, false)]));
        tally.add(one, &ShadowCounts::dropped());
        tally.add(two, &ShadowCounts::failed());
        assert_eq!(tally.totals(), [1, 1, 1]);
        let unwritten = tally.unwritten();
        assert_eq!((unwritten[&one].requests, unwritten[&one].dropped, unwritten[&two].failed), (1, 1, 1));
    }
}
