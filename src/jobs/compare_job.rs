//! The engine of `compare` jobs: several trainings on the same folds, a table of what came of them, and the model of the
//! one that was chosen.

use std::fs::File;

use super::engine::{Ended, Produced, Work};
use super::evaluate_job::document;
use super::parts::Parts;
use super::source::EngineLimits;
use super::train_job::{ended, produced};
use crate::clock::{Clock, SystemClock};
use crate::ml::compare::{self, Board, LocalBoard, Means, Taken, UnitResult, compare};
use crate::ml::config::{CompareConfig, DatasetFacts};
use crate::ml::kernel::level;
use crate::ml::observe::{Stop, TrainObserver};
use crate::ml::pipeline::{Estimate, TrainError, TrainInput, estimate};
use crate::records::{CompareJob, DatasetRecord};
use crate::store::{TakePart, Written};

/// A comparison whose results may be larger is not shared out: they pass through the database.
const MAX_PART_BYTES: u64 = 64 << 20;

pub(super) fn run(
    limits: &EngineLimits,
    work: Work,
    job: &CompareJob,
    observer: &mut dyn TrainObserver,
) -> Result<Produced, Ended> {
    let Work { job: record, dataset, input, scratch, parts, .. } = work;
    let (input, parallel) = load(limits, input, &dataset, job, observer)?;
    let board: Box<dyn Board> = if is_shared(dataset.rows) {
        Box::new(SharedBoard { parts })
    } else {
        tracing::warn!(job = %record.id, rows = dataset.rows, "too many rows for the job to be shared out");
        Box::new(LocalBoard::default())
    };
    let clock = seconds();
    let means = Means { board: board.as_ref(), parallel, clock: &clock };
    let compared = compare(input, &job.compare, means, observer).map_err(ended)?;
    let result = document(&compared.comparison, &scratch)?;
    let model = produced(compared.trained)?;
    Ok(Produced { model: Some(Box::new(model)), dataset: None, result: Some(result) })
}

/// Computes parts of a comparison that another worker runs.
pub(super) fn assist(
    limits: &EngineLimits,
    work: Work,
    job: &CompareJob,
    observer: &mut dyn TrainObserver,
) -> Result<(), Ended> {
    let Work { dataset, input, parts, .. } = work;
    let (input, parallel) = load(limits, input, &dataset, job, observer)?;
    let clock = seconds();
    let means = Means { board: &SharedBoard { parts }, parallel, clock: &clock };
    compare::assist(input, &job.compare, means, observer).map_err(ended)
}

/// Programs whose results go together to the bit: loops compiled for other instructions round differently.
pub(super) fn program() -> String {
    format!("{} {:?}", env!("CARGO_PKG_VERSION"), level())
}

fn is_shared(rows: u64) -> bool {
    UnitResult::most_bytes(rows) <= MAX_PART_BYTES
}

/// The rows, and how many trainings there are threads and memory for at once.
fn load(
    limits: &EngineLimits,
    input: File,
    dataset: &DatasetRecord,
    job: &CompareJob,
    observer: &mut dyn TrainObserver,
) -> Result<(TrainInput, usize), Ended> {
    let needed = estimate_comparison(&job.compare, &dataset.facts());
    limits.check_memory(needed.memory_bytes)?;
    let table = limits.load(input, dataset, job.compare.picture_spec(), observer)?;
    let input = TrainInput { table, missing_markers: dataset.missing_markers.clone() };
    Ok((input, parallel(limits.memory_bytes, &needed)))
}

fn seconds() -> impl Fn() -> f64 + Sync {
    let start = SystemClock.now();
    move || SystemClock.now().seconds_since(start)
}

/// As many trainings at once as there are threads and memory for.
fn parallel(memory_bytes: u64, needed: &Estimate) -> usize {
    let fit = memory_bytes / needed.memory_bytes.max(1);
    usize::try_from(fit).unwrap_or(usize::MAX).clamp(1, rayon::current_num_threads().max(1))
}

/// What a comparison will need: one training at a time, of the candidate that needs most, and the scores of all.
pub fn estimate_comparison(config: &CompareConfig, facts: &DatasetFacts) -> Estimate {
    let estimates = config.candidates.iter().map(|candidate| estimate(&candidate.train, facts));
    let largest = estimates.clone().max_by_key(|estimate| estimate.memory_bytes);
    let work = estimates.map(|estimate| estimate.multiply_adds).fold(0, u64::saturating_add);
    let repeats = config.cross_validation.repeats as u64;
    let folds = config.cross_validation.folds as u64;
    let rows = facts.rows as u64;
    // The table once more, with the parts of a fold, and the scores in memory and as text.
    let table = rows.saturating_mul(facts.columns.len() as u64 + 1).saturating_mul(16);
    let scores = rows.saturating_mul(repeats).saturating_mul(config.candidates.len() as u64).saturating_mul(4 + 16);
    let Estimate { memory_bytes, train_rows, features, parameters, .. } =
        largest.unwrap_or(Estimate { memory_bytes: 0, train_rows: 0, features: 0, parameters: 0, multiply_adds: 0 });
    Estimate {
        memory_bytes: [memory_bytes, table, scores].into_iter().fold(0, u64::saturating_add),
        train_rows,
        features,
        parameters,
        multiply_adds: work.saturating_mul(repeats.saturating_mul(folds)),
    }
}

/// The parts of the job, as the comparison sees them.
struct SharedBoard {
    parts: Parts,
}

impl Board for SharedBoard {
    fn open(&self, units: usize) -> Result<(), TrainError> {
        match self.parts.open(units as u64, &program()).map_err(unshared)? {
            Written::Done => Ok(()),
            Written::LostLease => Err(TrainError::Stopped(Stop::LostLease)),
        }
    }

    fn take(&self) -> Result<Taken, TrainError> {
        match self.parts.take().map_err(unshared)? {
            TakePart::Taken { part, standing } => {
                let place = usize::try_from(part).map_err(unshared)?;
                Ok(Taken { place: Some(place), finished: standing.finished as usize })
            }
            TakePart::NoneFree(standing) => Ok(Taken { place: None, finished: standing.finished as usize }),
            TakePart::Gone => Err(TrainError::Stopped(Stop::LostLease)),
        }
    }

    fn keep(&self, place: usize, result: UnitResult) -> Result<(), TrainError> {
        let result = serde_json::to_string(&result).map_err(unshared)?;
        // Who had the part for too long has lost it; somebody else's result will be the same.
        self.parts.finish(place as u64, &result).map(|_| ()).map_err(unshared)
    }

    fn result(&self, place: usize) -> Result<Option<UnitResult>, TrainError> {
        let kept = self.parts.result(place as u64).map_err(unshared)?;
        kept.map(|result| serde_json::from_str(&result).map_err(unshared)).transpose()
    }

    fn wait(&self) {
        self.parts.wait();
    }
}

fn unshared(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TrainError {
    TrainError::Board { source: error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_results_stay_in_the_process() {
        assert!(is_shared(1_000_000) && is_shared(12_000_000));
        assert!(!is_shared(13_000_000) && !is_shared(u64::MAX));
    }
}
