//! Follows the events of one job: those there are, then those that come, until the job has ended.

use std::collections::VecDeque;
use std::time::Duration;

use futures::{Stream, stream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::records::JobId;
use crate::store::{EventKind, JobEvent, Store, StoreError};

/// Events fetched at a time.
const BATCH: u32 = 256;
/// Writes of workers in other processes ring no alarm here; they are seen this late at most.
const POLL: Duration = Duration::from_secs(1);

/// Where events come from.
pub(super) trait EventLog: Send + 'static {
    /// Events with a higher sequence than `after`, in order; a full batch at most.
    fn after(&self, after: u64) -> impl Future<Output = Result<Vec<JobEvent>, StoreError>> + Send;

    /// Whether there will never be another event.
    fn is_over(&self) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// The events of a stored job.
pub(super) struct StoredLog {
    pub(super) store: Store,
    pub(super) job: JobId,
}

impl EventLog for StoredLog {
    async fn after(&self, after: u64) -> Result<Vec<JobEvent>, StoreError> {
        self.store.events(self.job, after, BATCH).await
    }

    async fn is_over(&self) -> Result<bool, StoreError> {
        Ok(self.store.job(self.job).await?.is_none_or(|job| job.status.is_terminal()))
    }
}

/// One listener's place in the events of a job.
pub(super) struct Follower<L> {
    log: L,
    after: u64,
    fetched: VecDeque<JobEvent>,
    /// Rings on every job write of this process.
    alarm: watch::Receiver<u64>,
    shutdown: CancellationToken,
    ended: bool,
    /// Ask whether the job is over. Its last event says so as well, but a listener who already has that one, or
    /// whose events were swept, would wait for ever.
    ask_whether_over: bool,
    poll: Duration,
}

impl<L: EventLog> Follower<L> {
    /// Starts behind the event with the sequence `after`; 0 starts at the beginning.
    pub(super) fn new(log: L, after: u64, alarm: watch::Receiver<u64>, shutdown: CancellationToken) -> Self {
        Self { log, after, fetched: VecDeque::new(), alarm, shutdown, ended: false, ask_whether_over: true, poll: POLL }
    }

    /// Each event once, in order. Ends with the job, with the server, or with an error of the log; a listener that
    /// comes back with the last sequence it saw misses nothing.
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<JobEvent, StoreError>> + Send {
        stream::unfold(self, |mut follower| async move {
            let event = follower.next().await.transpose()?;
            follower.ended |= event.is_err();
            Some((event, follower))
        })
    }

    async fn next(&mut self) -> Result<Option<JobEvent>, StoreError> {
        while !self.ended && !self.shutdown.is_cancelled() {
            if let Some(event) = self.fetched.pop_front() {
                self.after = event.sequence;
                self.ended = ends_the_job(&event);
                return Ok(Some(event));
            }
            self.alarm.mark_unchanged();
            // Asked before fetching: what is written in between is fetched then, or seen in the next round.
            let over = std::mem::take(&mut self.ask_whether_over) && self.log.is_over().await?;
            self.fetched.extend(self.log.after(self.after).await?);
            if self.fetched.is_empty() {
                self.ended = over;
                if !over {
                    self.wait().await;
                }
            } else {
                self.ask_whether_over = over;
            }
        }
        Ok(None)
    }

    async fn wait(&mut self) {
        let rung = async {
            if self.alarm.changed().await.is_err() {
                // Nobody can ring any more; polling goes on.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = rung => {}
            () = tokio::time::sleep(self.poll) => self.ask_whether_over = true,
            () = self.shutdown.cancelled() => {}
        }
    }
}

/// Whether the event says that the job has reached a status it never leaves.
fn ends_the_job(event: &JobEvent) -> bool {
    let status = event.data.get("status").and_then(serde_json::Value::as_str);
    event.kind == EventKind::Status
        && status.is_some_and(|status| status.parse().is_ok_and(crate::records::JobStatus::is_terminal))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures::{FutureExt, StreamExt};
    use serde_json::json;

    use super::*;
    use crate::clock::Timestamp;

    /// A log in memory.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<(Vec<JobEvent>, bool)>>);

    impl Shared {
        fn write(&self, kind: EventKind, data: serde_json::Value) {
            let mut log = self.0.lock().unwrap();
            let sequence = log.0.len() as u64 + 1;
            log.1 |= data["status"] == "succeeded";
            log.0.push(JobEvent { sequence, kind, at: Timestamp::from_micros(0), data });
        }
    }

    impl EventLog for Shared {
        async fn after(&self, after: u64) -> Result<Vec<JobEvent>, StoreError> {
            let log = self.0.lock().unwrap();
            Ok(log.0.iter().filter(|event| event.sequence > after).take(2).cloned().collect())
        }

        async fn is_over(&self) -> Result<bool, StoreError> {
            Ok(self.0.lock().unwrap().1)
        }
    }

    fn follow(
        log: &Shared,
        after: u64,
    ) -> (watch::Sender<u64>, CancellationToken, impl Stream<Item = Result<JobEvent, StoreError>>) {
        let (ring, alarm) = watch::channel(0);
        let shutdown = CancellationToken::new();
        let mut follower = Follower::new(log.clone(), after, alarm, shutdown.clone());
        follower.poll = Duration::from_millis(2);
        (ring, shutdown, follower.into_stream())
    }

    fn three_events() -> Shared {
        let log = Shared::default();
        log.write(EventKind::Status, json!({"status": "queued"}));
        log.write(EventKind::Status, json!({"status": "running"}));
        log.write(EventKind::Epoch, json!({"epoch": 1}));
        log
    }

    #[tokio::test]
    async fn a_finished_job_is_replayed_and_the_stream_ends() {
        let log = three_events();
        log.write(EventKind::Status, json!({"status": "succeeded"}));
        let (_ring, _shutdown, stream) = follow(&log, 0);
        let sequences: Vec<u64> = stream.map(|event| event.unwrap().sequence).collect().await;
        assert_eq!(sequences, [1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn a_listener_goes_on_where_it_was() {
        let log = three_events();
        log.write(EventKind::Status, json!({"status": "succeeded"}));
        let (_ring, _shutdown, stream) = follow(&log, 3);
        let sequences: Vec<u64> = stream.map(|event| event.unwrap().sequence).collect().await;
        assert_eq!(sequences, [4]);
        let (_ring, _shutdown, stream) = follow(&log, 4);
        assert_eq!(stream.count().await, 0, "who has the last event gets an end, not silence");
    }

    #[tokio::test]
    async fn a_running_job_is_waited_for() {
        let log = three_events();
        let (ring, _shutdown, stream) = follow(&log, 2);
        let mut stream = Box::pin(stream);
        assert_eq!(stream.next().await.unwrap().unwrap().sequence, 3);
        assert!(stream.next().now_or_never().is_none());
        log.write(EventKind::Status, json!({"status": "succeeded"}));
        ring.send(1).unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap().sequence, 4);
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn what_another_process_writes_is_polled_for() {
        let log = three_events();
        let (ring, _shutdown, stream) = follow(&log, 3);
        drop(ring);
        let mut stream = Box::pin(stream);
        assert!(stream.next().now_or_never().is_none());
        log.write(EventKind::Status, json!({"status": "succeeded"}));
        assert_eq!(stream.next().await.unwrap().unwrap().sequence, 4);
    }

    #[tokio::test]
    async fn the_stream_of_a_job_whose_events_were_swept_ends() {
        let log = three_events();
        let (_ring, _shutdown, stream) = follow(&log, 3);
        let mut stream = Box::pin(stream);
        assert!(stream.next().now_or_never().is_none());
        log.0.lock().unwrap().1 = true;
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn shutdown_ends_the_stream() {
        let log = three_events();
        let (_ring, shutdown, stream) = follow(&log, 3);
        let mut stream = Box::pin(stream);
        assert!(stream.next().now_or_never().is_none());
        shutdown.cancel();
        assert!(stream.next().await.is_none());
    }
}
