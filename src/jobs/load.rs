//! How busy the workers of a process are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts for whoever watches the process.
#[derive(Debug, Default)]
pub struct WorkerLoad {
    places: AtomicU64,
    busy: AtomicU64,
    assisting: AtomicU64,
}

impl WorkerLoad {
    /// Jobs that may be at work at once; 0 as long as no worker has started.
    pub fn places(&self) -> u64 {
        self.places.load(Ordering::Relaxed)
    }

    /// Jobs at work.
    pub fn busy(&self) -> u64 {
        self.busy.load(Ordering::Relaxed)
    }

    /// Workers that assist with jobs of other processes.
    pub fn assisting(&self) -> u64 {
        self.assisting.load(Ordering::Relaxed)
    }

    pub(super) fn open(&self, places: usize) {
        self.places.store(places as u64, Ordering::Relaxed);
    }

    /// A job is at work until this is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        Busy::counted(self, |load| &load.busy)
    }

    /// A worker assists until this is dropped.
    pub(super) fn begin_to_assist(self: &Arc<Self>) -> Busy {
        Busy::counted(self, |load| &load.assisting)
    }
}

pub(super) struct Busy {
    load: Arc<WorkerLoad>,
    counter: fn(&WorkerLoad) -> &AtomicU64,
}

impl Busy {
    fn counted(load: &Arc<WorkerLoad>, counter: fn(&WorkerLoad) -> &AtomicU64) -> Self {
        counter(load).fetch_add(1, Ordering::Relaxed);
        Self { load: load.clone(), counter }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        (self.counter)(&self.load).fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_busy_until_it_ends() {
        let load = Arc::new(WorkerLoad::default());
        load.open(2);
        let busy = load.begin();
        assert_eq!((load.places(), load.busy()), (2, 1));
        drop(busy);
        assert_eq!(load.busy(), 0);
    }
}
