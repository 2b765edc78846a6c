//! The `k` candidates with the smallest (key, row) seen so far.

use std::cmp::Ordering;

/// A place in the order of candidates: the key, then the row.
pub(super) type Place = (f64, usize);

/// Keys are squared distances, or their negatives where the farthest are asked for. Kept sorted: for the small `k`
/// of resampling, inserting into a sorted list is faster than a heap, and the answer needs no sort.
pub(super) struct Best {
    width: usize,
    /// Only what comes before this may enter.
    ceiling: Place,
    entries: Vec<Place>,
}

impl Best {
    pub(super) fn new(width: usize, ceiling: Option<Place>) -> Self {
        let ceiling = ceiling.unwrap_or((f64::INFINITY, usize::MAX));
        Self { width, ceiling, entries: Vec::with_capacity(width) }
    }

    /// The largest key that may still enter.
    pub(super) fn limit(&self) -> f64 {
        match self.entries.last() {
            Some(&(key, _)) if self.is_full() => key,
            _ if self.width == 0 => f64::NEG_INFINITY,
            _ => self.ceiling.0,
        }
    }

    /// The row from which on none may enter: no squared distance is below 0, so that at a limit of 0 only lower rows
    /// do. Keys must not be negative.
    pub(super) fn row_limit(&self) -> usize {
        match self.entries.last() {
            Some(&(0.0, row)) if self.is_full() => row,
            _ if self.ceiling.0 == 0.0 => self.ceiling.1,
            _ => usize::MAX,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() == self.width
    }

    pub(super) fn offer(&mut self, key: f64, row: usize) {
        if order(&(key, row), &self.ceiling) != Ordering::Less {
            return;
        }
        let position = self.entries.partition_point(|entry| order(entry, &(key, row)) == Ordering::Less);
        if position >= self.width {
            return;
        }
        if self.is_full() {
            self.entries.pop();
        }
        self.entries.insert(position, (key, row));
    }

    /// In order.
    pub(super) fn entries(&self) -> &[Place] {
        &self.entries
    }
}

/// By the key, then by the row.
pub(super) fn order(a: &Place, b: &Place) -> Ordering {
    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use super::Best;

    #[test]
    fn keeps_the_smallest_keys_and_the_lower_row_of_equal_keys() {
        let mut best = Best::new(2, None);
        assert_eq!(best.limit(), f64::INFINITY);
        for (key, row) in [(3.0, 0), (1.0, 5), (1.0, 4), (2.0, 1), (1.0, 9)] {
            best.offer(key, row);
        }
        assert_eq!(best.limit(), 1.0);
        assert_eq!(best.entries(), [(1.0, 4), (1.0, 5)]);
    }

    #[test]
    fn nothing_enters_at_the_ceiling_or_beyond() {
        let mut best = Best::new(3, Some((2.0, 7)));
        assert_eq!(best.limit(), 2.0);
        for (key, row) in [(2.0, 7), (2.0, 8), (2.5, 0), (2.0, 6), (1.0, 9)] {
            best.offer(key, row);
        }
        assert_eq!(best.entries(), [(1.0, 9), (2.0, 6)]);
        assert!(!best.is_full());
        assert_eq!(best.limit(), 2.0);
    }

    #[test]
    fn only_a_lower_row_enters_among_duplicates() {
        let mut best = Best::new(1, Some((0.0, 9)));
        assert_eq!(best.row_limit(), 9);
        best.offer(0.0, 4);
        assert_eq!(best.row_limit(), 4);
        assert_eq!(Best::new(1, Some((0.1, 9))).row_limit(), usize::MAX);
    }

    #[test]
    fn a_list_of_no_places_stays_empty() {
        let mut best = Best::new(0, None);
        best.offer(0.0, 0);
        assert_eq!(best.entries().len(), 0);
        assert_eq!(best.limit(), f64::NEG_INFINITY);
    }
}
