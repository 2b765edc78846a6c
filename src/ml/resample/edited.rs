//! Edited nearest neighbours, once, repeatedly, and with growing neighbourhoods.
//!
//! A row of a class to clean stays if its k nearest rows agree with it: with `all` if each of them has its class, with
//! `mode` if no more of them have the other class. All rows are judged on the same set and removed together.
//!
//! - once: D. L. Wilson, "Asymptotic properties of nearest neighbor rules using edited data", IEEE Transactions on
//!   Systems, Man, and Cybernetics 2(3), 1972;
//! - repeatedly, until a pass removes nothing, and with k = 1, 2, ...: I. Tomek, "An experiment with the edited
//!   nearest-neighbor rule", IEEE Transactions on Systems, Man, and Cybernetics 6(6), 1976.
//!
//! Passes also end when the other class has fewer rows than the minority had at first, or a class is gone; the pass
//! that did it counts, as in imbalanced-learn.
//!
//! An even k can tie with `mode`. A tie is no majority against a row, which stays; imbalanced-learn gives ties to the
//! lower label, which `"rng": "numpy"` follows. There each pass also finds its classes to clean by its own counts.

use super::plan::SamplingPlan;
use super::{Outcome, RemovalReason, Removed, ResampleError, RowOrder, Task, remove};
use crate::ml::config::{KindSel, RngKind};
use crate::ml::neighbours::others_among_nearest;
use crate::ml::observe::Stop;
use crate::ml::sets::TrainSet;

pub(super) fn once(task: &mut Task<'_>, set: TrainSet, k: usize, kind: KindSel) -> Result<Outcome, ResampleError> {
    let clean = task.plan.classes_to_clean()?;
    Ok(edit(task, set, clean, k, kind)?)
}

pub(super) fn repeatedly(
    task: &mut Task<'_>,
    set: TrainSet,
    k: usize,
    kind: KindSel,
    max_passes: usize,
) -> Result<Outcome, ResampleError> {
    task.plan.classes_to_clean()?;
    let mut passes = Passes::new(task, set);
    for pass in 0..max_passes {
        // Most passes are the first; each later one gets half of what is left of the progress.
        let stretch = halving(pass)..halving(pass + 1);
        let before = passes.set.rows();
        task.part(stretch, |task| passes.edit(task, k, kind))?;
        if passes.set.rows() == before || passes.minority_leads() || passes.class_vanished() {
            break;
        }
    }
    Ok(passes.outcome())
}

pub(super) fn all_knn(
    task: &mut Task<'_>,
    set: TrainSet,
    k: usize,
    kind: KindSel,
    allow_minority: bool,
) -> Result<Outcome, ResampleError> {
    task.plan.classes_to_clean()?;
    let mut passes = Passes::new(task, set);
    for pass in 1..=k {
        let stretch = (pass - 1) as f64 / k as f64..pass as f64 / k as f64;
        task.part(stretch, |task| passes.edit(task, pass, kind))?;
        if passes.minority_leads() && !allow_minority || passes.class_vanished() {
            break;
        }
    }
    Ok(passes.outcome())
}

/// 0, 1/2, 3/4, ...
fn halving(pass: usize) -> f64 {
    1.0 - 0.5_f64.powi(pass.min(60) as i32)
}

/// What is left after some passes.
struct Passes {
    set: TrainSet,
    removed: Vec<Removed>,
    minority: bool,
    /// Rows of the minority before the first pass.
    of_minority: usize,
}

impl Passes {
    fn new(task: &Task<'_>, set: TrainSet) -> Self {
        let minority = task.minority_of(&set);
        Self { of_minority: set.class_counts().of_class(minority), set, removed: Vec::new(), minority }
    }

    fn edit(&mut self, task: &mut Task<'_>, k: usize, kind: KindSel) -> Result<(), ResampleError> {
        if task.is_numpy() {
            task.plan = SamplingPlan::new(task.plan.strategy.clone(), self.set.class_counts(), task.rng)?;
        }
        let clean = task.plan.classes_to_clean()?;
        let Outcome { set, removed } = edit(task, self.set.take(), clean, k, kind)?;
        self.set = set;
        self.removed.extend(removed);
        Ok(())
    }

    fn minority_leads(&self) -> bool {
        let others = self.set.class_counts().of_class(!self.minority);
        others > 0 && others < self.of_minority
    }

    fn class_vanished(&self) -> bool {
        let counts = self.set.class_counts();
        counts.positive == 0 || counts.negative == 0
    }

    fn outcome(self) -> Outcome {
        Outcome { set: self.set, removed: self.removed }
    }
}

/// Removes the rows of the classes to clean that their neighbours do not agree with. Negative rows come first.
pub(super) fn edit(
    task: &mut Task<'_>,
    set: TrainSet,
    clean: [bool; 2],
    k: usize,
    kind: KindSel,
) -> Result<Outcome, Stop> {
    let gone = disagreeing(task, &set, clean, k, kind)?;
    remove(task, set, &gone, RowOrder::NegativeFirst)
}

/// The rows of the classes to clean that their neighbours do not agree with, ascending, and why.
pub(super) fn disagreeing(
    task: &mut Task<'_>,
    set: &TrainSet,
    clean: [bool; 2],
    k: usize,
    kind: KindSel,
) -> Result<Vec<(usize, RemovalReason)>, Stop> {
    let k = task.at_most("n_neighbors", k, set.rows() - 1, set.rows());
    // From how many neighbours of the other class on a row has to go.
    let enough = [false, true].map(|class| match kind {
        _ if !clean[usize::from(class)] => None,
        KindSel::All => Some(1),
        KindSel::Mode => (1..=k).find(|&others| is_outvoted(others, k, class, task.rng)),
    });
    let gone = others_among_nearest(set.features.view(), &set.labels, k, enough, task.progress)?;
    let neighbours = k as u32;
    let reason =
        |(row, others): (usize, usize)| (row, RemovalReason::Outvoted { other_class: others as u32, neighbours });
    Ok(gone.into_iter().map(reason).collect())
}

/// Whether `other_class` of `voters` rows outvote a row of the given class.
pub(super) fn is_outvoted(other_class: usize, voters: usize, class: bool, rng: RngKind) -> bool {
    // imbalanced-learn gives a tie to the lower label.
    let loses_ties = class && rng == RngKind::Numpy;
    2 * other_class > voters || (2 * other_class == voters && loses_ties)
}

#[cfg(test)]
mod tests {
    use super::{halving, is_outvoted};
    use crate::ml::config::RngKind;

    #[test]
    fn ties_keep_a_row_and_in_imbalanced_learn_the_lower_label() {
        assert!(is_outvoted(2, 3, true, RngKind::Default) && is_outvoted(2, 3, false, RngKind::Default));
        assert!(!is_outvoted(1, 2, true, RngKind::Default) && !is_outvoted(1, 2, false, RngKind::Default));
        assert!(is_outvoted(1, 2, true, RngKind::Numpy) && !is_outvoted(1, 2, false, RngKind::Numpy));
    }

    #[test]
    fn the_progress_of_many_passes_rises_to_one() {
        assert!((0..100).map(halving).is_sorted() && halving(0) == 0.0 && halving(100) <= 1.0);
    }
}
