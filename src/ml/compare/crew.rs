//! The units of a comparison, several at once, and beside others that take from the same board.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::board::Board;
use super::parts::Divided;
use super::unit::{Unit, UnitResult};
use crate::ml::config::CompareConfig;
use crate::ml::observe::{EpochLog, Phase, Stop, TrainObserver};
use crate::ml::pipeline::TrainError;

/// What a run computes with.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) divided: &'a Divided,
    pub(super) config: &'a CompareConfig,
    pub(super) board: &'a dyn Board,
    /// Units at once, at most.
    pub(super) parallel: usize,
    /// Seconds from any start.
    pub(super) clock: &'a (dyn Fn() -> f64 + Sync),
}

/// Computes until every unit is done, by whomever, and answers all results.
pub(super) fn finish_all(
    task: Task<'_>,
    observer: &mut dyn TrainObserver,
) -> Result<BTreeMap<Unit, UnitResult>, TrainError> {
    let crew = Crew::new(task, observer);
    task.board.open(crew.units.len())?;
    loop {
        crew.work()?;
        if crew.is_done() {
            return crew.results();
        }
        crew.look_up()?;
        task.board.wait();
    }
}

/// Computes as long as there are units to take.
pub(super) fn help(task: Task<'_>, observer: &mut dyn TrainObserver) -> Result<(), TrainError> {
    Crew::new(task, observer).work()
}

/// What the threads of a run share.
struct Crew<'a> {
    task: Task<'a>,
    units: Vec<Unit>,
    state: Mutex<State<'a>>,
}

struct State<'a> {
    /// Units that are done, as the board said last.
    finished: usize,
    /// The share that is done of each unit under way here.
    under_way: BTreeMap<usize, f64>,
    /// Why the run ends early.
    ended: Option<TrainError>,
    observer: &'a mut dyn TrainObserver,
}

impl<'a> Crew<'a> {
    fn new(task: Task<'a>, observer: &'a mut dyn TrainObserver) -> Self {
        let state = State { finished: 0, under_way: BTreeMap::new(), ended: None, observer };
        Self { task, units: Unit::all(task.config), state: Mutex::new(state) }
    }

    /// Takes and computes units until there is none to take.
    fn work(&self) -> Result<(), TrainError> {
        rayon::scope(|scope| {
            for _ in 0..self.task.parallel.clamp(1, self.units.len().max(1)) {
                scope.spawn(|_| self.take_one_after_another());
            }
        });
        self.state().ended.take().map_or(Ok(()), Err)
    }

    fn take_one_after_another(&self) {
        while self.state().ended.is_none() {
            match self.take_one() {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    self.state().ended.get_or_insert(error);
                }
            }
        }
    }

    /// False if there is none to take.
    fn take_one(&self) -> Result<bool, TrainError> {
        let taken = self.task.board.take()?;
        self.state().finished = taken.finished;
        let Some(place) = taken.place else { return Ok(false) };
        let Some(unit) = self.units.get(place) else { return Err(stray(place, "is none of the comparison")) };
        let Task { divided, config, board, clock, .. } = self.task;
        let result = unit.run(divided, config, clock, &mut UnitObserver { crew: self, place, phase_share: 0.0 });
        self.state().under_way.remove(&place);
        board.keep(place, result?)?;
        Ok(true)
    }

    fn is_done(&self) -> bool {
        self.state().finished >= self.units.len()
    }

    /// Asks the observer whether to go on, while others compute.
    fn look_up(&self) -> Result<(), TrainError> {
        match self.state().step(self.units.len()) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(stop) => Err(TrainError::Stopped(stop)),
        }
    }

    fn results(&self) -> Result<BTreeMap<Unit, UnitResult>, TrainError> {
        let mut results = BTreeMap::new();
        for (place, &unit) in self.units.iter().enumerate() {
            let result = self.task.board.result(place)?.ok_or_else(|| stray(place, "has no result"))?;
            if !fits(self.task.divided, unit, &result) {
                return Err(stray(place, "has the result of another comparison"));
            }
            results.insert(unit, result);
        }
        Ok(results)
    }

    /// A panic of another unit leaves nothing half-done here.
    fn state(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State<'_> {
    fn step(&mut self, units: usize) -> ControlFlow<Stop> {
        let done = self.finished as f64 + self.under_way.values().sum::<f64>();
        self.observer.step((done / units.max(1) as f64).min(1.0))
    }
}

/// Whether a result can be one of this unit.
fn fits(divided: &Divided, unit: Unit, result: &UnitResult) -> bool {
    result.failure.is_some() || result.log_odds.len() == divided.scored(unit.repeat, unit.fold).len()
}

fn stray(place: usize, what: &str) -> TrainError {
    TrainError::Board { source: format!("part {place} {what}").into() }
}

/// Watches one unit on behalf of the job's observer.
struct UnitObserver<'c, 'a> {
    crew: &'c Crew<'a>,
    place: usize,
    phase_share: f64,
}

impl UnitObserver<'_, '_> {
    /// Why the unit has to stop: for the reason that the run ends for, whatever it is.
    fn told(state: &State<'_>) -> ControlFlow<Stop> {
        match &state.ended {
            None => ControlFlow::Continue(()),
            Some(TrainError::Stopped(stop)) => ControlFlow::Break(*stop),
            Some(_) => ControlFlow::Break(Stop::LostLease),
        }
    }
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
        let mut state = self.crew.state();
        Self::told(&state)?;
        let done = if self.phase_share > 0.0 { self.phase_share } else { 0.9 * fraction };
        let shown = state.under_way.entry(self.place).or_insert(0.0);
        *shown = shown.max(done);
        state.step(self.crew.units.len())
    }

    fn epoch(&mut self, _: &EpochLog) -> ControlFlow<Stop> {
        Self::told(&self.crew.state())
    }
}
