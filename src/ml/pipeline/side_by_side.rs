//! Several runs of one job at a time, on the job's threads, watched by one observer.

use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::error::TrainError;
use crate::ml::observe::{EpochLog, Phase, Stop, TrainObserver};

/// Runs that are held in memory at one time, however many threads there are.
pub(super) const MOST_AT_ONCE: usize = 4;

/// How far a run is when one of its phases begins.
const PHASE_STARTS: [(Phase, f64); 3] =
    [(Phase::Preprocessing, 0.0), (Phase::Resampling, 0.02), (Phase::Training, 0.1)];

/// Does each task, as many at a time as there are threads (at most [`MOST_AT_ONCE`]). The results come in the order of the
/// tasks, and so does the first error; neither depends on the number of threads. The observer is told the share of
/// all work that is done, and nothing of phases, epochs and checkpoints within it.
///
/// # Errors
/// The first of the tasks' errors.
pub(super) fn side_by_side<T: Sync, R: Send>(
    tasks: &[T],
    observer: &mut dyn TrainObserver,
    run: impl Fn(&T, &mut dyn TrainObserver) -> Result<R, TrainError> + Sync,
) -> Result<Vec<R>, TrainError> {
    let shared = Mutex::new(Shared { observer, done: vec![0.0; tasks.len()] });
    let at_once = rayon::current_num_threads().clamp(1, MOST_AT_ONCE);
    let mut results = Vec::with_capacity(tasks.len());
    for (block, tasks) in tasks.chunks(at_once).enumerate() {
        let of_block: Vec<Result<R, TrainError>> = tasks
            .par_iter()
            .enumerate()
            .map(|(place, task)| {
                let mut watch = Watch { shared: &shared, task: block * at_once + place, phase: (0.0, 1.0) };
                let result = run(task, &mut watch)?;
                let _ = watch.reach(1.0);
                Ok(result)
            })
            .collect();
        for result in of_block {
            results.push(result?);
        }
    }
    Ok(results)
}

struct Shared<'a> {
    observer: &'a mut dyn TrainObserver,
    /// The share of each task.
    done: Vec<f64>,
}

/// Watches one task for all.
struct Watch<'a, 'o> {
    shared: &'a Mutex<Shared<'o>>,
    task: usize,
    /// Where the present phase begins and how long it is, as shares of the task.
    phase: (f64, f64),
}

impl Watch<'_, '_> {
    fn reach(&mut self, share: f64) -> ControlFlow<Stop> {
        // A panic elsewhere leaves numbers that are as good as any.
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(done) = shared.done.get_mut(self.task) {
            *done = share.max(*done);
        }
        let all = shared.done.iter().sum::<f64>() / shared.done.len().max(1) as f64;
        shared.observer.step(all)
    }
}

impl TrainObserver for Watch<'_, '_> {
    fn phase(&mut self, phase: Phase) -> ControlFlow<Stop> {
        let place = PHASE_STARTS.iter().position(|(known, _)| *known == phase);
        let start = place.map_or(self.phase.0, |place| PHASE_STARTS[place].1);
        let end = place.and_then(|place| PHASE_STARTS.get(place + 1)).map_or(1.0, |(_, start)| *start);
        self.phase = (start, end - start);
        self.reach(start)
    }

    fn step(&mut self, fraction: f64) -> ControlFlow<Stop> {
        let (start, length) = self.phase;
        self.reach(start + fraction * length)
    }

    fn epoch(&mut self, _: &EpochLog) -> ControlFlow<Stop> {
        self.reach(self.phase.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::observe::Unobserved;

    struct Seen(Vec<f64>, usize);

    impl TrainObserver for Seen {
        fn phase(&mut self, _: Phase) -> ControlFlow<Stop> {
            ControlFlow::Break(Stop::LostLease)
        }
        fn step(&mut self, fraction: f64) -> ControlFlow<Stop> {
            self.0.push(fraction);
            if self.0.len() > self.1 { ControlFlow::Break(Stop::Cancelled) } else { ControlFlow::Continue(()) }
        }
        fn epoch(&mut self, _: &EpochLog) -> ControlFlow<Stop> {
            ControlFlow::Break(Stop::LostLease)
        }
    }

    fn work(task: &usize, observer: &mut dyn TrainObserver) -> Result<usize, TrainError> {
        for phase in [Phase::Preprocessing, Phase::Training] {
            for answer in [observer.phase(phase), observer.step(0.5)] {
                if let ControlFlow::Break(stop) = answer {
                    return Err(TrainError::Stopped(stop));
                }
            }
        }
        Ok(task * 10)
    }

    #[test]
    fn results_keep_their_order_and_progress_never_falls() {
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut seen = Seen(Vec::new(), usize::MAX);
            let found = pool.install(|| side_by_side(&[1, 2, 3, 4, 5], &mut seen, work)).unwrap();
            assert_eq!(found, [10, 20, 30, 40, 50]);
            assert!(seen.0.is_sorted() && seen.0.last().is_some_and(|&last| last == 1.0), "{:?}", seen.0);
        }
    }

    #[test]
    fn the_first_error_in_the_order_of_the_tasks_ends_it() {
        let failing = |task: &usize, _: &mut dyn TrainObserver| match *task {
            0 => Ok(()),
            1 => Err(TrainError::NoFeatures),
            _ => Err(TrainError::NoOptimizer),
        };
        let error = side_by_side(&[0, 1, 2, 0], &mut Unobserved, failing).unwrap_err();
        assert!(matches!(error, TrainError::NoFeatures));
    }

    #[test]
    fn a_wish_to_stop_reaches_every_task() {
        let error = side_by_side(&[1, 2, 3], &mut Seen(Vec::new(), 2), work).unwrap_err();
        assert!(matches!(error, TrainError::Stopped(Stop::Cancelled)));
    }
}
