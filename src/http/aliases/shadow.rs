//! Shadows: another model is asked what was asked already, after the answer, and the difference is counted.
//!
//! One thread per process does that, behind everything else that wants the processor. In front of it is a queue that is bounded
//! in requests and in bytes; what does not fit is dropped and counted, so that a shadow never slows an answer down. A
//! shadow that fails or panics is counted, and the next request is as any other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::Chosen;
use super::tally::Tally;
use crate::http::AppState;
use crate::http::models::predict::{Asked, Scored, Watch};
use crate::http::models::{Served, find_served};
use crate::jobs;
use crate::records::{ModelId, ShadowCounts, ShadowPair};
use crate::telemetry::Chain;

/// Requests that wait for the shadow.
const MAX_WAITING: usize = 1024;
/// Bytes of those requests' bodies; one that is larger than this is never compared.
const MAX_WAITING_BYTES: usize = 32 << 20;
/// The budget of bytes is counted in these.
const UNIT_BYTES: usize = 1024;
/// How often what was found is written down.
const FLUSH: Duration = Duration::from_secs(5);

/// The queue in front of the shadow, and what came of it; cheap to clone.
#[derive(Clone)]
pub(super) struct Shadows {
    queue: mpsc::Sender<Task>,
    bytes: Arc<Semaphore>,
    tally: Arc<Tally>,
    /// Until somebody works on it.
    waiting: Arc<Mutex<Option<mpsc::Receiver<Task>>>>,
}

/// How the shadows of a process have fared since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct ShadowLoad {
    pub(in crate::http) waiting: u64,
    pub(in crate::http) compared: u64,
    pub(in crate::http) dropped: u64,
    pub(in crate::http) failed: u64,
}

/// A request that was answered and is to be compared.
struct Task {
    pair: ShadowPair,
    alias: String,
    prevalence: Option<f64>,
    asked: Asked,
    /// Probability and whether it is called positive, of each row.
    answered: Vec<(f64, bool)>,
    _bytes: OwnedSemaphorePermit,
}

impl Shadows {
    pub(super) fn new() -> Self {
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        let bytes = Arc::new(Semaphore::new(MAX_WAITING_BYTES / UNIT_BYTES));
        Self { queue, bytes, tally: Arc::default(), waiting: Arc::new(Mutex::new(Some(waiting))) }
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(super) fn load(&self) -> ShadowLoad {
        let [compared, dropped, failed] = self.tally.totals();
        let waiting = self.queue.max_capacity().saturating_sub(self.queue.capacity()) as u64;
        ShadowLoad { waiting, compared, dropped, failed }
    }

    /// Who looks at an answer, if the alias has a shadow.
    pub(super) fn watch(&self, chosen: &Chosen) -> Option<Arc<Watcher>> {
        let record = &chosen.entry.record;
        let shadow = record.shadow.as_ref()?;
        let pair = ShadowPair { alias: record.id, model: chosen.served.record.id, shadow: shadow.id };
        let (alias, prevalence) = (record.name.clone(), record.prevalence);
        let (shadows, served) = (self.clone(), chosen.served.clone());
        Some(Arc::new(Watcher { shadows, served, pair, alias, prevalence, has_seen: AtomicBool::new(false) }))
    }

    /// Takes a request if there is room for it.
    fn try_take(&self, watcher: &Watcher, asked: &Asked, scored: &Scored) -> bool {
        let units = asked.size(&watcher.served).bytes.div_ceil(UNIT_BYTES).max(1);
        let Ok(units) = u32::try_from(units) else { return false };
        // The place first: nothing is copied for want of one.
        let Ok(place) = self.queue.try_reserve() else { return false };
        let Ok(bytes) = self.bytes.clone().try_acquire_many_owned(units) else { return false };
        place.send(Task {
            pair: watcher.pair,
            alias: watcher.alias.clone(),
            prevalence: watcher.prevalence,
            asked: asked.clone(),
            answered: called(scored),
            _bytes: bytes,
        });
        true
    }
}

/// Looks at the answer to one request.
pub(super) struct Watcher {
    shadows: Shadows,
    served: Arc<Served>,
    pair: ShadowPair,
    alias: String,
    prevalence: Option<f64>,
    has_seen: AtomicBool,
}

impl Watcher {
    /// What the prediction calls with its answer.
    pub(super) fn watching(self: &Arc<Self>) -> Watch {
        let watcher = self.clone();
        Arc::new(move |asked: &Asked, scored: &Scored| watcher.see(asked, scored))
    }

    fn see(&self, asked: &Asked, scored: &Scored) {
        self.has_seen.store(true, Ordering::Relaxed);
        if !self.shadows.try_take(self, asked, scored) {
            self.shadows.tally.add(self.pair, &ShadowCounts::dropped());
        }
    }

    /// To be called when the request was answered: an answer that was streamed shows itself to nobody.
    pub(super) fn answered(&self) {
        if !self.has_seen.load(Ordering::Relaxed) {
            self.shadows.tally.add(self.pair, &ShadowCounts::dropped());
        }
    }
}

/// What is called positive, with its probability.
fn called(scored: &Scored) -> Vec<(f64, bool)> {
    let threshold = scored.scale.threshold;
    scored.probabilities.iter().map(|&probability| (probability, probability >= threshold)).collect()
}

/// Starts asking shadows, until the server stops.
///
/// # Errors
/// If the operating system gives no thread.
pub(in crate::http) fn start(state: &AppState) -> std::io::Result<()> {
    let waiting = state.aliases.shadows.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(waiting) = waiting else { return Ok(()) };
    let (next, comparisons) = mpsc::channel(1);
    std::thread::Builder::new().name("shadow".to_owned()).spawn(move || compute(comparisons))?;
    tokio::spawn(write_down(state.clone()));
    tokio::spawn(ask(state.clone(), waiting, next));
    Ok(())
}

/// A shadow and what it is to be asked.
struct Comparison {
    served: Served,
    task: Task,
    reply: oneshot::Sender<ShadowCounts>,
}

/// Finds the models and counts what the thread finds: a thread that runs in idle time must never hold what others wait for.
async fn ask(state: AppState, mut waiting: mpsc::Receiver<Task>, next: mpsc::Sender<Comparison>) {
    loop {
        let task = tokio::select! {
            biased;
            () = state.shutdown.cancelled() => break,
            task = waiting.recv() => task,
        };
        let Some(task) = task else { break };
        let pair = task.pair;
        let counts = match shadow(&state, &task).await {
            Some(served) => {
                let (reply, answer) = oneshot::channel();
                // Neither fails as long as the thread is there, and it is as long as this is.
                let _ = next.send(Comparison { served, task, reply }).await;
                answer.await.unwrap_or_else(|_| ShadowCounts::failed())
            }
            None => ShadowCounts::failed(),
        };
        state.aliases.shadows.tally.add(pair, &counts);
    }
    waiting.close();
    while let Ok(task) = waiting.try_recv() {
        state.aliases.shadows.tally.add(task.pair, &ShadowCounts::dropped());
    }
}

/// The shadow as it would answer for the alias.
async fn shadow(state: &AppState, task: &Task) -> Option<Served> {
    match find_served(state, task.pair.shadow).await {
        Ok(served) => Some(served.by_alias(&task.alias, task.prevalence).uncounted()),
        Err(error) => {
            log(task.pair.shadow, &Chain(&error));
            None
        }
    }
}

/// The thread: computes when nothing else wants the processor.
fn compute(mut comparisons: mpsc::Receiver<Comparison>) {
    jobs::run_when_idle();
    while let Some(Comparison { served, task, reply }) = comparisons.blocking_recv() {
        // Nobody waits any more if the server is stopping.
        let _ = reply.send(compare(&served, &task));
    }
}

/// A panic of the model is its failure and nobody else's.
fn compare(served: &Served, task: &Task) -> ShadowCounts {
    match catch_unwind(AssertUnwindSafe(|| task.asked.score(served))) {
        Ok(Ok(scored)) => ShadowCounts::of(&task.answered, &called(&scored)),
        Ok(Err(error)) => {
            log(task.pair.shadow, &Chain(&error));
            ShadowCounts::failed()
        }
        Err(_) => {
            log(task.pair.shadow, &"it panicked");
            ShadowCounts::failed()
        }
    }
}

fn log(shadow: ModelId, error: &dyn std::fmt::Display) {
    tracing::debug!(model = %shadow, %error, "a shadow could not answer");
}

async fn write_down(state: AppState) {
    loop {
        tokio::select! {
            () = state.shutdown.cancelled() => return,
            () = tokio::time::sleep(FLUSH) => state.aliases.shadows.tally.flush(&state.store).await,
        }
    }
}
