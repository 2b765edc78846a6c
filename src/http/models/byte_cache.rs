//! A cache bounded by bytes, in which each value is loaded once however many ask for it at the same time.

use std::future::Future;
use std::sync::Arc;

use moka::future::Cache;

/// The cache counts in these units: its weights have 32 bits, and a value may have more bytes than that.
pub(super) const UNIT_BYTES: u64 = 1024;

/// Values by content hash.
pub(super) struct ByteCache<V> {
    values: Cache<String, Arc<V>>,
}

impl<V> Clone for ByteCache<V> {
    fn clone(&self) -> Self {
        Self { values: self.values.clone() }
    }
}

impl<V: Send + Sync + 'static> ByteCache<V> {
    /// Holds at most about `max_bytes` by `measure`; the least useful values go first.
    pub(super) fn new(max_bytes: u64, measure: fn(&V) -> u64) -> Self {
        let values = Cache::builder()
            .max_capacity(max_bytes / UNIT_BYTES)
            .weigher(move |_: &String, value: &Arc<V>| units(measure(value)))
            .build();
        Self { values }
    }

    /// The value of `key`, from memory or from `load`. While one caller loads, others wait for it; a load that
    /// fails is not remembered.
    ///
    /// # Errors
    /// What `load` answers, shared by all who waited for it.
    pub(super) async fn get_or_load<E>(
        &self,
        key: &str,
        load: impl Future<Output = Result<V, E>>,
    ) -> Result<Arc<V>, Arc<E>>
    where
        E: Send + Sync + 'static,
    {
        self.values.try_get_with_by_ref(key, async { load.await.map(Arc::new) }).await
    }

    #[cfg(test)]
    async fn held_bytes(&self) -> u64 {
        self.values.run_pending_tasks().await;
        self.values.weighted_size() * UNIT_BYTES
    }
}

/// Every value costs something, however small.
pub(super) fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES).max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Counts how often it is called.
    async fn load(loads: &AtomicUsize) -> Result<usize, String> {
        tokio::task::yield_now().await;
        Ok(loads.fetch_add(1, Ordering::SeqCst))
    }

    fn cache(max_bytes: u64, measure: fn(&usize) -> u64) -> (ByteCache<usize>, AtomicUsize) {
        (ByteCache::new(max_bytes, measure), AtomicUsize::new(0))
    }

    #[tokio::test]
    async fn a_value_is_loaded_once_for_many() {
        let (cache, loads) = cache(1 << 20, |_| 10);
        let (first, second, third) = tokio::join!(
            cache.get_or_load("a", load(&loads)),
            cache.get_or_load("a", load(&loads)),
            cache.get_or_load("a", load(&loads)),
        );
        assert_eq!((*first.unwrap(), *second.unwrap(), *third.unwrap()), (0, 0, 0));
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn the_sum_of_bytes_stays_bounded() {
        let (cache, loads) = cache(10 * 1024, |_| 3 * 1024);
        for key in 0..50 {
            cache.get_or_load(&key.to_string(), load(&loads)).await.unwrap();
        }
        let held = cache.held_bytes().await;
        assert!((1..=10 * 1024).contains(&held), "{held}");
    }

    #[tokio::test]
    async fn a_value_larger_than_the_cache_is_still_served() {
        let (cache, loads) = cache(1024, |_| 1 << 50);
        assert_eq!(*cache.get_or_load("large", load(&loads)).await.unwrap(), 0);
        assert_eq!(cache.held_bytes().await, 0);
    }

    #[tokio::test]
    async fn a_failure_is_not_remembered() {
        let (cache, loads) = cache(1 << 20, |_| 10);
        let failed = cache.get_or_load("a", async { Err("broken".to_owned()) }).await;
        assert_eq!(*failed.unwrap_err(), "broken");
        assert_eq!(*cache.get_or_load("a", load(&loads)).await.unwrap(), 0);
    }

    #[test]
    fn weights_neither_vanish_nor_overflow() {
        assert_eq!((units(0), units(1), units(1024), units(1025), units(u64::MAX)), (1, 1, 1, 2, u32::MAX));
    }
}
