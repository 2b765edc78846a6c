//! The engine of `compare` jobs: several trainings on the same folds, a table of what came of them, and the model of the
//! one that was chosen.

use serde::{Deserialize, Serialize};

use super::engine::{Ended, Produced, Work};
use super::evaluate_job::document;
use super::source::EngineLimits;
use super::train_job::{ended, produced};
use crate::clock::{Clock, SystemClock};
use crate::ml::compare::{Finished, Memory, compare};
use crate::ml::config::{CompareConfig, DatasetFacts};
use crate::ml::nn::{CheckpointError, MAX_CHECKPOINT_BYTES};
use crate::ml::observe::TrainObserver;
use crate::ml::pipeline::{Estimate, TrainInput, estimate};
use crate::records::CompareJob;

pub(super) fn run(
    limits: &EngineLimits,
    work: Work,
    job: &CompareJob,
    observer: &mut dyn TrainObserver,
) -> Result<Produced, Ended> {
    let config = &job.compare;
    let facts = work.dataset.facts();
    let needed = estimate_comparison(config, &facts);
    limits.check_memory(needed.memory_bytes)?;
    let table = limits.load(work.input, &work.dataset, observer)?;
    let input = TrainInput { table, missing_markers: work.dataset.missing_markers.clone() };
    let clock = SystemClock;
    let start = clock.now();
    let seconds = || clock.now().seconds_since(start);
    let mut memory = Notes { earlier: observer.earlier_checkpoint() };
    let parallel = parallel(limits.memory_bytes, &needed);
    let compared = compare(input, config, &mut memory, parallel, &seconds, observer).map_err(ended)?;
    let result = document(&compared.comparison, &work.scratch)?;
    let model = produced(compared.trained)?;
    Ok(Produced { model: Some(Box::new(model)), dataset: None, result: Some(result) })
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
    // The table once more, with the parts of a fold, and the scores in memory and as they are written down.
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

/// Finished units as the checkpoint of the job.
struct Notes {
    earlier: Option<Vec<u8>>,
}

/// A checkpoint of another version of the program may have been made by other rules.
#[derive(Serialize, Deserialize)]
struct Noted {
    version: String,
    finished: Finished,
}

impl Memory for Notes {
    fn recall(&mut self) -> Finished {
        let noted = self.earlier.take().and_then(|bytes| serde_json::from_slice::<Noted>(&bytes).ok());
        let own = noted.filter(|noted| noted.version == env!("CARGO_PKG_VERSION"));
        own.map(|noted| noted.finished).unwrap_or_default()
    }

    fn remember(&mut self, finished: &Finished, observer: &mut dyn TrainObserver) {
        observer.save(&mut || {
            let noted = Noted { version: env!("CARGO_PKG_VERSION").to_owned(), finished: finished.clone() };
            // The members are numbers, texts and lists of them, which all have a JSON form.
            let bytes = serde_json::to_vec(&noted).unwrap_or_default();
            if bytes.len() as u64 > MAX_CHECKPOINT_BYTES {
                return Err(CheckpointError::TooLarge { bytes: bytes.len() as u64 });
            }
            Ok(bytes)
        });
    }
}
