//! How long requests took, in a few atomic numbers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds in seconds; a last bucket has no bound.
pub(super) const BOUNDS: [f64; 18] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0,
];
const BUCKETS: usize = BOUNDS.len() + 1;

/// A histogram that any number of threads add to without waiting for one another.
#[derive(Debug, Default)]
pub(super) struct Latency {
    /// Requests up to each bound and above the one before it.
    buckets: [AtomicU64; BUCKETS],
    nanoseconds: AtomicU64,
}

/// What a histogram has counted. Taken while others add, it may lack the last of them here and there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Counted {
    /// Upper bounds with what lies below each and above the one before it.
    pub(super) buckets: Vec<(f64, u64)>,
    pub(super) count: u64,
    pub(super) seconds: f64,
}

impl Latency {
    pub(super) fn add(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let place = BOUNDS.partition_point(|&bound| bound < seconds);
        if let Some(bucket) = self.buckets.get(place) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        // 584 years fit in.
        self.nanoseconds.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn counted(&self) -> Counted {
        let bounds = BOUNDS.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> =
            bounds.zip(&self.buckets).map(|(bound, bucket)| (bound, bucket.load(Ordering::Relaxed))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        Counted { buckets, count, seconds: self.nanoseconds.load(Ordering::Relaxed) as f64 / 1e9 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let latency = Latency::default();
        for micros in [100, 101, 250, 61_000_000] {
            latency.add(Duration::from_micros(micros));
        }
        let counted = latency.counted();
        assert_eq!((counted.count, counted.seconds), (4, 61.000_451));
        let filled: Vec<(f64, u64)> = counted.buckets.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0.000_1, 1), (0.000_25, 2), (f64::INFINITY, 1)]);
    }
}
