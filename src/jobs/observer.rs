//! The window between a job's thread and the loop that keeps its lease.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::Span;

use super::way;
use crate::clock::{Clock, Timestamp};
use crate::ml::diagnose::Diagnosis;
use crate::ml::nn::CheckpointError;
use crate::ml::observe::{EpochLog, Phase, Stop, TrainObserver, WriteCheckpoint};
use crate::records::{JobId, JobType, PhaseSeconds};
use crate::store::{Beat, News};
use crate::telemetry::{Chain, traces};

/// What the thread writes and the loop reads, and the other way round. Cheap enough to touch at every batch.
pub(super) struct Window {
    stop: AtomicU8,
    /// The bits of an f64; only the thread writes it.
    progress: AtomicU64,
    told: Mutex<Told>,
    checkpoint_is_due: AtomicBool,
    cross_validates: AtomicBool,
    job_type: JobType,
    clock: Arc<dyn Clock>,
}

struct Told {
    phase: Phase,
    phase_started: Timestamp,
    timings: Vec<PhaseSeconds>,
    /// Not yet in the store.
    news: Vec<News>,
    /// The last one written, unless it was taken.
    checkpoint: Option<Written>,
}

/// A checkpoint as bytes.
pub(super) struct Written {
    /// Epochs of the learning curves that belong to it; they were told before it.
    pub(super) epochs: usize,
    pub(super) bytes: Vec<u8>,
}

impl Window {
    pub(super) fn new(clock: Arc<dyn Clock>, job_type: JobType) -> Arc<Self> {
        let told = Told {
            phase: Phase::Loading,
            phase_started: clock.now(),
            timings: Vec::new(),
            news: vec![News::Phase(Phase::Loading)],
            checkpoint: None,
        };
        Arc::new(Self {
            stop: AtomicU8::new(0),
            progress: AtomicU64::new(0),
            told: Mutex::new(told),
            checkpoint_is_due: AtomicBool::new(false),
            cross_validates: AtomicBool::new(false),
            job_type,
            clock,
        })
    }

    /// Asks the thread to stop; the first reason stays.
    pub(super) fn ask_to_stop(&self, stop: Stop) {
        // Another reason may have come first: that one is the answer.
        let _ = self.stop.compare_exchange(0, code(stop), Ordering::SeqCst, Ordering::SeqCst);
    }

    pub(super) fn stop(&self) -> Option<Stop> {
        match self.stop.load(Ordering::Relaxed) {
            1 => Some(Stop::Cancelled),
            2 => Some(Stop::Shutdown),
            3 => Some(Stop::LostLease),
            4 => Some(Stop::OutOfTime),
            _ => None,
        }
    }

    /// Keeps a part of the way for cross-validation.
    pub(super) fn expect_cross_validation(&self) {
        self.cross_validates.store(true, Ordering::Relaxed);
    }

    /// What the store does not know yet. If it cannot be told, the news go back with [`Window::put_back`].
    pub(super) fn beat(&self) -> Beat {
        let mut told = self.told();
        Beat {
            progress: f64::from_bits(self.progress.load(Ordering::Relaxed)),
            news: std::mem::take(&mut told.news),
            timings: told.timings.clone(),
        }
    }

    /// Puts news back, before those that have come meanwhile.
    pub(super) fn put_back(&self, mut news: Vec<News>) {
        let mut told = self.told();
        news.append(&mut told.news);
        told.news = news;
    }

    /// Asks the thread for a checkpoint at its next step.
    pub(super) fn ask_for_checkpoint(&self) {
        self.checkpoint_is_due.store(true, Ordering::Relaxed);
    }

    /// What the thread has written down last, once.
    pub(super) fn take_checkpoint(&self) -> Option<Written> {
        self.told().checkpoint.take()
    }

    /// The checkpoint of the attempt before this one is of no use.
    pub(super) fn begin_anew(&self) {
        self.told().news.push(News::Anew);
    }

    /// Begins a phase; the seconds of the one before it are known from now on.
    pub(super) fn enter(&self, phase: Phase) {
        let now = self.clock.now();
        let mut told = self.told();
        if told.phase != phase {
            let ended = PhaseSeconds { phase: told.phase, seconds: now.seconds_since(told.phase_started) };
            told.timings.push(ended);
            told.news.push(News::Phase(phase));
            told.phase = phase;
            told.phase_started = now;
        }
        drop(told);
        self.set_progress(phase, 0.0);
    }

    /// All timings, the present phase's up to now.
    pub(super) fn timings(&self) -> Vec<PhaseSeconds> {
        let now = self.clock.now();
        let told = self.told();
        let present = PhaseSeconds { phase: told.phase, seconds: now.seconds_since(told.phase_started) };
        told.timings.iter().cloned().chain([present]).collect()
    }

    fn set_progress(&self, phase: Phase, fraction: f64) {
        let (start, end) = way::range(self.job_type, phase, self.cross_validates.load(Ordering::Relaxed));
        let reached = start + (end - start) * fraction.clamp(0.0, 1.0);
        let shown = f64::from_bits(self.progress.load(Ordering::Relaxed));
        if reached > shown {
            self.progress.store(reached.to_bits(), Ordering::Relaxed);
        }
    }

    /// The data is plain: a panic of the other side while it held the lock leaves nothing half-done.
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn code(stop: Stop) -> u8 {
    match stop {
        Stop::Cancelled => 1,
        Stop::Shutdown => 2,
        Stop::LostLease => 3,
        Stop::OutOfTime => 4,
    }
}

/// The observer that the job's thread is given.
pub(super) struct WindowObserver {
    window: Arc<Window>,
    phase: Phase,
    /// When the present epoch began: with its phase, or at the end of the one before it.
    epoch_started: Timestamp,
    job: JobId,
    checkpoints: Checkpoints,
    traced: Traced,
}

/// The spans of an attempt and of its present phase.
struct Traced {
    attempt: Span,
    phase: Span,
}

/// What the thread knows of checkpoints.
pub(super) struct Checkpoints {
    /// Where the attempt before this one was.
    pub(super) earlier: Option<Vec<u8>>,
    /// The learning curve up to there.
    pub(super) earlier_epochs: Vec<EpochLog>,
    /// Whether new ones are wanted.
    pub(super) wanted: bool,
}

impl WindowObserver {
    pub(super) fn new(window: Arc<Window>, job: JobId, checkpoints: Checkpoints) -> Self {
        let epoch_started = window.clock.now();
        let traced = Traced { attempt: Span::current(), phase: Span::none() };
        Self { window, phase: Phase::Loading, epoch_started, job, checkpoints, traced }
    }

    fn answer(&self) -> ControlFlow<Stop> {
        self.window.stop().map_or(ControlFlow::Continue(()), ControlFlow::Break)
    }
}

impl TrainObserver for WindowObserver {
    fn phase(&mut self, phase: Phase) -> ControlFlow<Stop> {
        self.phase = phase;
        self.traced.phase = traces::phase_span(&self.traced.attempt, phase.as_str());
        self.epoch_started = self.window.clock.now();
        self.window.enter(phase);
        self.answer()
    }

    fn step(&mut self, fraction: f64) -> ControlFlow<Stop> {
        self.window.set_progress(self.phase, fraction);
        self.answer()
    }

    fn epoch(&mut self, log: &EpochLog) -> ControlFlow<Stop> {
        let now = self.window.clock.now();
        let seconds = now.seconds_since(self.epoch_started);
        self.epoch_started = now;
        let examples_per_second = (seconds > 0.0).then(|| log.examples as f64 / seconds);
        let log = EpochLog { seconds: Some(seconds), examples_per_second, ..log.clone() };
        self.window.told().news.push(News::Epoch(Box::new(log)));
        self.answer()
    }

    fn checkpoint(&mut self, epochs: usize, write: &mut WriteCheckpoint<'_>) {
        let is_due = self.window.checkpoint_is_due.load(Ordering::Relaxed);
        if !self.checkpoints.wanted || !(is_due || self.window.stop() == Some(Stop::Shutdown)) {
            return;
        }
        self.window.checkpoint_is_due.store(false, Ordering::Relaxed);
        match write() {
            Ok(bytes) => self.window.told().checkpoint = Some(Written { epochs, bytes }),
            Err(error) => {
                self.checkpoints.wanted = false;
                tracing::warn!(job = %self.job, error = %Chain(&error), "the job goes on without checkpoints");
            }
        }
    }

    fn diagnosed(&mut self, diagnosis: &Diagnosis) {
        self.window.told().news.push(News::Diagnosis(Box::new(diagnosis.clone())));
    }

    fn earlier_checkpoint(&mut self) -> Option<Vec<u8>> {
        self.checkpoints.earlier.take()
    }

    fn earlier_epochs(&mut self) -> Vec<EpochLog> {
        std::mem::take(&mut self.checkpoints.earlier_epochs)
    }

    fn resumed(&mut self, outcome: Result<(), CheckpointError>) {
        match outcome {
            Ok(()) => tracing::info!(job = %self.job, "training goes on from its checkpoint"),
            Err(error) => {
                tracing::warn!(job = %self.job, error = %Chain(&error), "training begins anew");
                self.window.begin_anew();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn observer(window: &Arc<Window>) -> WindowObserver {
        WindowObserver::new(
            window.clone(),
            JobId::new(),
            Checkpoints { earlier: None, earlier_epochs: Vec::new(), wanted: true },
        )
    }

    #[test]
    fn progress_only_rises_and_phases_are_timed() {
        let clock = ManualClock::at(Timestamp::from_micros(0));
        let window = Window::new(Arc::new(clock.clone()), JobType::Train);
        let mut observer = observer(&window);
        assert!(observer.phase(Phase::Loading).is_continue());
        clock.advance(2.0);
        assert!(observer.phase(Phase::Training).is_continue());
        assert!(observer.step(0.5).is_continue());
        let reached = window.beat().progress;
        assert!(observer.step(0.2).is_continue());
        assert_eq!(window.beat().progress, reached);
        clock.advance(3.0);
        let timings = window.timings();
        assert_eq!(
            timings.iter().map(|t| (t.phase, t.seconds)).collect::<Vec<_>>(),
            [(Phase::Loading, 2.0), (Phase::Training, 3.0)]
        );
    }

    #[test]
    fn news_keep_their_order_also_when_they_could_not_be_told() {
        let window = Window::new(Arc::new(ManualClock::at(Timestamp::from_micros(0))), JobType::Train);
        window.enter(Phase::Loading);
        window.enter(Phase::Splitting);
        let untold = window.beat().news;
        window.enter(Phase::Training);
        window.put_back(untold);
        let phases = [Phase::Loading, Phase::Splitting, Phase::Training].map(News::Phase);
        assert_eq!(window.beat().news, phases);
        assert!(window.beat().news.is_empty());
    }

    #[test]
    fn an_epoch_is_timed_from_the_end_of_the_one_before_it() {
        let clock = ManualClock::at(Timestamp::from_micros(0));
        let window = Window::new(Arc::new(clock.clone()), JobType::Train);
        let mut observer = observer(&window);
        clock.advance(5.0);
        assert!(observer.phase(Phase::Training).is_continue());
        for (epoch, seconds) in [(1, 2.0), (2, 0.5)] {
            clock.advance(seconds);
            assert!(observer.epoch(&EpochLog { epoch, examples: 100, ..EpochLog::default() }).is_continue());
        }
        let epochs: Vec<(Option<f64>, Option<f64>)> = window
            .beat()
            .news
            .into_iter()
            .filter_map(
                |news| if let News::Epoch(log) = news { Some((log.seconds, log.examples_per_second)) } else { None },
            )
            .collect();
        assert_eq!(epochs, [(Some(2.0), Some(50.0)), (Some(0.5), Some(200.0))]);
    }

    #[test]
    fn the_first_reason_to_stop_is_the_answer_at_the_next_step() {
        let window = Window::new(Arc::new(ManualClock::at(Timestamp::from_micros(0))), JobType::Train);
        let mut observer = observer(&window);
        window.ask_to_stop(Stop::Cancelled);
        window.ask_to_stop(Stop::Shutdown);
        assert_eq!(observer.step(0.1), ControlFlow::Break(Stop::Cancelled));
    }

    #[test]
    fn a_checkpoint_is_written_when_it_is_asked_for_and_when_the_process_goes_down() {
        let window = Window::new(Arc::new(ManualClock::at(Timestamp::from_micros(0))), JobType::Train);
        let mut observer = observer(&window);
        let mut offer = |byte: u8| observer.checkpoint(byte.into(), &mut || Ok(vec![byte]));
        offer(1);
        assert!(window.take_checkpoint().is_none());
        window.ask_for_checkpoint();
        offer(2);
        offer(3);
        let written = window.take_checkpoint().unwrap();
        assert_eq!((written.epochs, written.bytes), (2, vec![2]));
        assert!(window.take_checkpoint().is_none());
        window.ask_to_stop(Stop::Shutdown);
        offer(4);
        offer(5);
        assert_eq!(window.take_checkpoint().unwrap().bytes, [5]);
    }

    #[test]
    fn a_job_that_has_no_checkpoints_is_not_asked_again() {
        let window = Window::new(Arc::new(ManualClock::at(Timestamp::from_micros(0))), JobType::Train);
        let mut observer = observer(&window);
        let mut asked = 0;
        for _ in 0..3 {
            window.ask_for_checkpoint();
            observer.checkpoint(0, &mut || {
                asked += 1;
                Err(CheckpointError::TooLarge { bytes: 1 })
            });
        }
        assert_eq!(asked, 1);
    }
}
