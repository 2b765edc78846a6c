//! The `k` candidates with the smallest (key, row) seen so far.

use std::cmp::Ordering;

/// Kept sorted: for the small `k` of resampling, inserting into a sorted list is faster than a heap, and the
/// answer needs no sort.
pub(super) struct Best {
    width: usize,
    entries: Vec<(f64, usize)>,
}

impl Best {
    pub(super) fn new(width: usize) -> Self {
        Self { width, entries: Vec::with_capacity(width) }
    }

    /// The largest key that may still enter; every candidate may while the list is not full.
    pub(super) fn limit(&self) -> f64 {
        match self.entries.last() {
            Some(&(key, _)) if self.entries.len() >= self.width => key,
            _ if self.width == 0 => f64::NEG_INFINITY,
            _ => f64::INFINITY,
        }
    }

    pub(super) fn offer(&mut self, key: f64, row: usize) {
        let before = |entry: &(f64, usize)| entry.0.total_cmp(&key).then(entry.1.cmp(&row)) == Ordering::Less;
        let position = self.entries.partition_point(before);
        if position >= self.width {
            return;
        }
        if self.entries.len() == self.width {
            self.entries.pop();
        }
        self.entries.insert(position, (key, row));
    }

    pub(super) fn into_sorted(self) -> impl Iterator<Item = (f64, usize)> {
        self.entries.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::Best;

    #[test]
    fn keeps_the_smallest_keys_and_the_lower_row_of_equal_keys() {
        let mut best = Best::new(2);
        assert_eq!(best.limit(), f64::INFINITY);
        for (key, row) in [(3.0, 0), (1.0, 5), (1.0, 4), (2.0, 1), (1.0, 9)] {
            best.offer(key, row);
        }
        assert_eq!(best.limit(), 1.0);
        assert_eq!(best.into_sorted().collect::<Vec<_>>(), [(1.0, 4), (1.0, 5)]);
    }

    #[test]
    fn a_list_of_no_places_stays_empty() {
        let mut best = Best::new(0);
        best.offer(0.0, 0);
        assert_eq!(best.into_sorted().count(), 0);
    }
}
