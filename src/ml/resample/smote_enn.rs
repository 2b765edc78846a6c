//! SMOTE, then edited nearest neighbours on both classes.
//!
//! G. E. A. P. A. Batista, R. C. Prati and M. C. Monard, "A study of the behavior of several methods for balancing
//! machine learning training data", SIGKDD Explorations 6(1), 2004. `sampling_strategy` is that of SMOTE; editing
//! removes much, and where the classes overlap a class can lose most of its rows.

use super::{Outcome, ResampleError, Task, edited, smote};
use crate::ml::config::KindSel;
use crate::ml::sets::TrainSet;

pub(super) fn apply(
    task: &mut Task<'_>,
    set: TrainSet,
    k: usize,
    edit_k: usize,
    kind: KindSel,
) -> Result<Outcome, ResampleError> {
    let grown = task.part(0.0..0.5, |task| smote::apply(task, set, k))?;
    task.part(0.5..1.0, |task| Ok(edited::edit(task, grown.set, [true, true], edit_k, kind)?))
}
