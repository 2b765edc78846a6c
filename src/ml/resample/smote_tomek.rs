//! SMOTE, then Tomek links of which both ends are removed.
//!
//! G. E. A. P. A. Batista, R. C. Prati and M. C. Monard, "A study of the behavior of several methods for balancing
//! machine learning training data", SIGKDD Explorations 6(1), 2004. `sampling_strategy` is that of SMOTE; synthetic
//! rows can be removed again, so that the classes end near it, not at it.

use super::{ResampleError, Resampled, Task, smote, tomek};
use crate::ml::sets::TrainSet;

pub(super) fn apply(task: &mut Task<'_>, set: TrainSet, k: usize) -> Result<Resampled, ResampleError> {
    let (step, plan) = (task.step, task.plan);
    let grown = {
        let mut first = |share: f64| (task.progress)(0.5 * share);
        let mut part = Task { step, plan, draws: &mut *task.draws, progress: &mut first };
        smote::apply(&mut part, set, k)?
    };
    let mut second = |share: f64| (task.progress)(0.5 + 0.5 * share);
    let mut part = Task { step, plan, draws: &mut *task.draws, progress: &mut second };
    Ok(tomek::remove_links(&mut part, &grown.set, [true, true])?)
}
