//! SMOTE, then Tomek links of which both ends are removed.
//!
//! G. E. A. P. A. Batista, R. C. Prati and M. C. Monard, "A study of the behavior of several methods for balancing
//! machine learning training data", SIGKDD Explorations 6(1), 2004. `sampling_strategy` is that of SMOTE; synthetic
//! rows can be removed again, so that the classes end near it, not at it.

use super::{Outcome, ResampleError, Task, smote, tomek};
use crate::ml::sets::TrainSet;

pub(super) fn apply(task: &mut Task<'_>, set: TrainSet, k: usize) -> Result<Outcome, ResampleError> {
    let grown = task.part(0.0..0.5, |task| smote::apply(task, set, k))?;
    task.part(0.5..1.0, |task| Ok(tomek::remove_links(task, grown.set, [true, true])?))
}
