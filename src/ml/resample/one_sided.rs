//! One-sided selection: leaves out rows of the majority that one look tells apart, then cleans the border.
//!
//! M. Kubat and S. Matwin, "Addressing the curse of imbalanced training sets: one-sided selection", ICML 1997. A store of
//! the minority and `n_seeds_S` drawn rows of the class classifies the class once, by its k nearest rows; seeds and
//! misclassified rows stay. Of these and the rest, Tomek links are removed. One seed, the default, leaves little more
//! than the rows that lie nearer to the minority than to a single drawn row.
//!
//! Seeds, ties, the minority and `"rng": "numpy"` are as in condensed nearest neighbour.

use super::condensed::{Store, each_class};
use super::{Outcome, RemovalReason, ResampleError, Task, keep, tomek};
use crate::ml::sets::TrainSet;

pub(super) fn apply(task: &mut Task<'_>, set: TrainSet, k: usize, seeds: usize) -> Result<Outcome, ResampleError> {
    let mut clean = task.plan.classes_to_clean()?;
    if !task.is_numpy() {
        clean[usize::from(task.minority_of(&set))] = false;
    }
    let kept = task.part(0.0..0.6, |task| {
        each_class(task, &set, |task, class| {
            let store = Store::new(task, &set, class, k, seeds)?;
            let mut kept = store.chosen();
            let mut joined = vec![false; store.members.len()];
            store.joined.iter().for_each(|&place| joined[place] = true);
            let rest = (0..store.members.len()).filter(|&place| !joined[place]);
            kept.extend(rest.filter(|&place| store.misclassifies(place)).map(|place| store.members[place]));
            Ok(kept)
        })
    })?;
    let mut outcome = task.part(0.6..0.6, |task| keep(task, set, &kept, |_| RemovalReason::Redundant))?;
    let cleaned = task.part(0.6..1.0, |task| tomek::remove_links(task, outcome.set, clean))?;
    outcome.removed.extend(cleaned.removed);
    Ok(Outcome { set: cleaned.set, removed: outcome.removed })
}
