//! How often each distinct value occurs, as long as they are few.

use std::borrow::{Borrow, ToOwned};
use std::collections::HashMap;
use std::hash::Hash;

/// Distinct values counted per column, at most.
pub(super) const MAX_DISTINCT: usize = 10_000;
/// Bytes of text kept over all columns together, about.
const MAX_BYTES_TOGETHER: usize = 16 << 20;
/// Bytes of text kept of each column however many columns there are: enough for the labels of a target.
const MIN_BYTES: usize = 2 << 10;

/// Counts by value. Once there are too many distinct ones, no new ones are added; the counts of those that are
/// there stay right.
pub(super) struct Tally<K> {
    counts: HashMap<K, u64>,
    bytes_left: usize,
    overflown: bool,
}

impl<K: Hash + Eq> Tally<K> {
    /// For one of `columns` columns.
    pub(super) fn new(columns: usize) -> Self {
        let bytes_left = (MAX_BYTES_TOGETHER / columns.max(1)).max(MIN_BYTES);
        Self { counts: HashMap::new(), bytes_left, overflown: false }
    }

    /// Counts a value that takes `bytes` to keep.
    pub(super) fn add<Q>(&mut self, value: &Q, bytes: usize)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        if let Some(count) = self.counts.get_mut(value) {
            *count += 1;
        } else if self.overflown || self.counts.len() == MAX_DISTINCT || bytes > self.bytes_left {
            self.overflown = true;
        } else {
            self.bytes_left -= bytes;
            self.counts.insert(value.to_owned(), 1);
        }
    }

    /// Whether some values were not counted.
    pub(super) fn is_overflown(&self) -> bool {
        self.overflown
    }

    pub(super) fn into_counts(self) -> HashMap<K, u64> {
        self.counts
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &K> {
        self.counts.keys()
    }

    /// Gives the memory back; the tally counts as overflown.
    pub(super) fn give_up(&mut self) {
        self.counts = HashMap::new();
        self.overflown = true;
        self.bytes_left = 0;
    }
}
