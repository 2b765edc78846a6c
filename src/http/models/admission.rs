//! Who may predict now, who waits, who is sent away: computing is bounded, and so is the line in front of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bounds concurrent predictions. Beyond `limit` of them, running and waiting together, a request is refused at
/// once: a longer line would only make every answer late.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    places: Arc<Semaphore>,
    running: Arc<Semaphore>,
    at_once: usize,
    limit: usize,
    waiting: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
}

/// Somebody in the line, until this is dropped.
struct Waiting(Arc<AtomicU64>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How the line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct QueueLoad {
    pub(in crate::http) running: u64,
    pub(in crate::http) waiting: u64,
    /// Since the process started.
    pub(in crate::http) refused: u64,
}

/// The line is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{limit} predictions are running or waiting, as many as are allowed")]
pub(super) struct Refused {
    pub(super) limit: usize,
}

/// The right to compute; given back when dropped.
#[derive(Debug)]
pub(in crate::http) struct Turn {
    _place: Option<OwnedSemaphorePermit>,
    _running: Option<OwnedSemaphorePermit>,
}

impl Admission {
    /// At most `running` at a time and `limit` with those that wait; each at least 1.
    pub(super) fn new(running: usize, limit: usize) -> Self {
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        let running = running.clamp(1, limit);
        Self {
            places: Arc::new(Semaphore::new(limit)),
            running: Arc::new(Semaphore::new(running)),
            at_once: running,
            limit,
            waiting: Arc::default(),
            refused: Arc::default(),
        }
    }

    pub(super) fn load(&self) -> QueueLoad {
        QueueLoad {
            running: self.at_once.saturating_sub(self.running.available_permits()) as u64,
            waiting: self.waiting.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    fn wait(&self) -> Waiting {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(self.waiting.clone())
    }

    /// Waits for a turn, first come first served.
    ///
    /// # Errors
    /// If too many wait already.
    pub(super) async fn turn(&self) -> Result<Turn, Refused> {
        let refused = Refused { limit: self.limit };
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(refused);
        };
        let _waiting = self.wait();
        // The semaphore is never closed; were it, refusing would be the right answer too.
        let running = self.running.clone().acquire_owned().await.map_err(|_| refused)?;
        Ok(Turn { _place: Some(place), _running: Some(running) })
    }

    /// Waits for a turn without a place in the line: for those who were let in and come again and again.
    pub(super) async fn block_turn(&self) -> Turn {
        let _waiting = self.wait();
        // The semaphore is never closed; were it, nobody would have to wait.
        Turn { _place: None, _running: self.running.clone().acquire_owned().await.ok() }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_runs_one_waits_the_third_is_refused() {
        let admission = Admission::new(1, 2);
        let first = admission.turn().await.unwrap();
        let mut second = Box::pin(admission.turn());
        assert!(second.as_mut().now_or_never().is_none(), "the second waits");
        assert_eq!(admission.turn().await.unwrap_err(), Refused { limit: 2 });
        assert_eq!(admission.load(), QueueLoad { running: 1, waiting: 1, refused: 1 });
        drop(first);
        let second = second.await.unwrap();
        drop(second);
        assert_eq!(admission.load(), QueueLoad { running: 0, waiting: 0, refused: 1 });
        assert!(admission.turn().await.is_ok(), "every place was given back");
    }

    #[tokio::test]
    async fn one_who_leaves_the_line_frees_the_place() {
        let admission = Admission::new(1, 2);
        let _first = admission.turn().await.unwrap();
        let mut waiting = Box::pin(admission.turn());
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(waiting);
        let mut next = Box::pin(admission.turn());
        assert!(next.as_mut().now_or_never().is_none(), "waits instead of being refused");
    }

    #[tokio::test]
    async fn there_is_always_one_turn() {
        assert!(Admission::new(0, 0).turn().await.is_ok());
    }
}
