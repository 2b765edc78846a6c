//! All units, several at once, each result remembered as soon as it is there.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::parts::Divided;
use super::unit::{Unit, UnitResult};
use crate::ml::config::CompareConfig;
use crate::ml::observe::{EpochLog, Phase, Stop, TrainObserver};
use crate::ml::pipeline::TrainError;

/// Results by the place of their unit in the order of work.
pub type Finished = BTreeMap<usize, UnitResult>;

/// Keeps finished units for the next run, should this one be interrupted.
pub trait Memory: Send {
    /// What an earlier run has finished.
    fn recall(&mut self) -> Finished;

    /// All that is finished by now; called after every unit.
    fn remember(&mut self, finished: &Finished, observer: &mut dyn TrainObserver);
}

/// What the units of a run share.
struct Shared<'a> {
    next: AtomicUsize,
    state: Mutex<State<'a>>,
}

struct State<'a> {
    finished: Finished,
    /// The share that is done of each unit under way.
    under_way: BTreeMap<usize, f64>,
    total: usize,
    stopped: Option<Stop>,
    memory: &'a mut dyn Memory,
    observer: &'a mut dyn TrainObserver,
}

pub(super) fn run(
    divided: &Divided,
    config: &CompareConfig,
    memory: &mut dyn Memory,
    parallel: usize,
    clock: &(dyn Fn() -> f64 + Sync),
    observer: &mut dyn TrainObserver,
) -> Result<BTreeMap<Unit, UnitResult>, TrainError> {
    let units = Unit::all(config);
    let mut finished = memory.recall();
    finished.retain(|&place, result| units.get(place).is_some_and(|unit| fits(divided, *unit, result)));
    let total = units.len();
    let state = State { finished, under_way: BTreeMap::new(), total, stopped: None, memory, observer };
    let shared = Shared { next: AtomicUsize::new(0), state: Mutex::new(state) };
    rayon::scope(|scope| {
        for _ in 0..parallel.clamp(1, total.max(1)) {
            scope.spawn(|_| shared.work(&units, divided, config, clock));
        }
    });
    let state = shared.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(stop) = state.stopped {
        return Err(TrainError::Stopped(stop));
    }
    Ok(state.finished.into_iter().filter_map(|(place, result)| Some((*units.get(place)?, result))).collect())
}

/// Whether a remembered result can be one of this unit.
fn fits(divided: &Divided, unit: Unit, result: &UnitResult) -> bool {
    result.failure.is_some() || result.log_odds.len() == divided.scored(unit.repeat, unit.fold).len()
}

impl<'b> Shared<'b> {
    /// Takes one unit after another until there is none or the run is stopped.
    fn work(&self, units: &[Unit], divided: &Divided, config: &CompareConfig, clock: &(dyn Fn() -> f64 + Sync)) {
        loop {
            let place = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(unit) = units.get(place) else { return };
            if self.state().finished.contains_key(&place) {
                continue;
            }
            let mut observer = UnitObserver { shared: self, place, phase_share: 0.0 };
            if observer.step(0.0).is_break() {
                return;
            }
            match unit.run(divided, config, clock, &mut observer) {
                Ok(result) => self.finish(place, result),
                // The observer has noted why.
                Err(_) => return,
            }
        }
    }

    fn finish(&self, place: usize, result: UnitResult) {
        let mut state = self.state();
        let State { finished, under_way, memory, observer, .. } = &mut *state;
        under_way.remove(&place);
        finished.insert(place, result);
        memory.remember(finished, *observer);
    }

    /// A panic of another unit leaves nothing half-done here.
    fn state(&self) -> MutexGuard<'_, State<'b>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches one unit on behalf of the job's observer.
struct UnitObserver<'a, 'b> {
    shared: &'a Shared<'b>,
    place: usize,
    phase_share: f64,
}

impl TrainObserver for UnitObserver<'_, '_> {
    fn phase(&mut self, phase: Phase) -> ControlFlow<Stop> {
        // Nearly all of the time goes into training.
        self.phase_share = match phase {
            Phase::Calibrating | Phase::Thresholding | Phase::Evaluating => 0.95,
            _ => 0.0,
        };
        self.step(0.0)
    }

    fn step(&mut self, fraction: f64) -> ControlFlow<Stop> {
        let mut state = self.shared.state();
        if let Some(stop) = state.stopped {
            return ControlFlow::Break(stop);
        }
        let done = if self.phase_share > 0.0 { self.phase_share } else { 0.9 * fraction };
        let shown = state.under_way.entry(self.place).or_insert(0.0);
        *shown = shown.max(done);
        let progress =
            (state.finished.len() as f64 + state.under_way.values().sum::<f64>()) / state.total.max(1) as f64;
        let flow = state.observer.step(progress);
        if let ControlFlow::Break(stop) = flow {
            state.stopped = Some(stop);
        }
        flow
    }

    fn epoch(&mut self, _: &EpochLog) -> ControlFlow<Stop> {
        self.shared.state().stopped.map_or(ControlFlow::Continue(()), ControlFlow::Break)
    }
}
