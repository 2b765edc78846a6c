//! Where the units of a comparison are handed out and their results are kept, so that several can work on one comparison
//! without knowing of each other.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::unit::UnitResult;
use crate::ml::pipeline::TrainError;

/// Hands out units by their places in the order of work. Whoever takes one computes what anybody else would have: the
/// result of a unit depends on nothing but its place. An error ends the run.
pub trait Board: Sync {
    /// Begins with so many units, or goes on where an earlier run of the same comparison ended.
    fn open(&self, units: usize) -> Result<(), TrainError>;

    /// Takes the first unit that nobody has.
    fn take(&self) -> Result<Taken, TrainError>;

    /// Keeps the result of a unit that was taken here. If it has been given to somebody else since, theirs is as good.
    fn keep(&self, place: usize, result: UnitResult) -> Result<(), TrainError>;

    /// The result of a unit; none as long as it has not been computed.
    fn result(&self, place: usize) -> Result<Option<UnitResult>, TrainError>;

    /// Waits a little for units that others have; less if one of them has become free or is done.
    fn wait(&self);
}

/// What a board answers who asks for a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// None if each is done or somebody has it.
    pub place: Option<usize>,
    /// Units that are done.
    pub finished: usize,
}

/// A board of one run.
#[derive(Debug, Default)]
pub struct LocalBoard(Mutex<Local>);

#[derive(Debug, Default)]
struct Local {
    units: usize,
    next: usize,
    finished: BTreeMap<usize, UnitResult>,
}

impl LocalBoard {
    /// One on which some units are done.
    pub fn with(finished: BTreeMap<usize, UnitResult>) -> Self {
        Self(Mutex::new(Local { finished, ..Local::default() }))
    }

    /// Results by the places of their units.
    pub fn finished(&self) -> BTreeMap<usize, UnitResult> {
        self.local().finished.clone()
    }

    /// A panic elsewhere leaves nothing half-done here.
    fn local(&self) -> MutexGuard<'_, Local> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board for LocalBoard {
    fn open(&self, units: usize) -> Result<(), TrainError> {
        self.local().units = units;
        Ok(())
    }

    fn take(&self) -> Result<Taken, TrainError> {
        let mut local = self.local();
        let place = (local.next..local.units).find(|place| !local.finished.contains_key(place));
        local.next = place.map_or(local.units, |place| place + 1);
        Ok(Taken { place, finished: local.finished.len() })
    }

    fn keep(&self, place: usize, result: UnitResult) -> Result<(), TrainError> {
        self.local().finished.insert(place, result);
        Ok(())
    }

    fn result(&self, place: usize) -> Result<Option<UnitResult>, TrainError> {
        Ok(self.local().finished.get(&place).cloned())
    }

    fn wait(&self) {
        std::thread::yield_now();
    }
}
