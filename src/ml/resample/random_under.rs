//! Random under-sampling: of each class as many rows as the strategy says, drawn with or without replacement.
//!
//! Without replacement the rows are the beginning of a permutation of the class. Classes that the strategy does
//! not name stay complete and in order.

use super::{Outcome, RemovalReason, ResampleError, Task, keep, rows_of};
use crate::ml::sets::TrainSet;

pub(super) fn apply(task: &mut Task<'_>, set: TrainSet, replacement: bool) -> Result<Outcome, ResampleError> {
    let wanted = task.plan.rows_to_keep()?;
    let kept = select(task, &set.labels, wanted, replacement);
    Ok(keep(task, set, &kept, |_| RemovalReason::NotSelected)?)
}

/// The kept rows, negative ones first, each class in drawn order.
fn select(task: &mut Task<'_>, labels: &[bool], wanted: [Option<usize>; 2], replacement: bool) -> Vec<usize> {
    let mut kept = Vec::new();
    for (class, wanted) in [false, true].into_iter().zip(wanted) {
        let members = rows_of(labels, class);
        match wanted {
            None => kept.extend(members),
            Some(count) if replacement => {
                let drawn = task.draws.many_below(members.len(), count);
                kept.extend(drawn.into_iter().map(|index| members[index]));
            }
            Some(count) => {
                let drawn = task.draws.permutation(members.len());
                kept.extend(drawn.into_iter().take(count).map(|index| members[index]));
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::select;
    use crate::ml::config::{NamedStrategy, ResampleMethod, ResampleStep, RngKind, SamplingStrategy};
    use crate::ml::labels::ClassCounts;
    use crate::ml::resample::Task;
    use crate::ml::resample::draws::Draws;
    use crate::ml::resample::plan::SamplingPlan;
    use crate::ml::seed::Seed;
    use std::ops::ControlFlow;

    // RandomUnderSampler(random_state=0, replacement=True, sampling_strategy={0: 3, 1: 6}).fit(X, y).sample_indices_
    // with the labels of imbalanced-learn's own test. Both classes are drawn, which no ratio asks for.
    #[test]
    fn both_classes_are_drawn_from_one_stream() {
        let labels = [1, 0, 1, 0, 1, 1, 1, 1, 0, 1].map(|label| label == 1);
        let sampling_strategy = SamplingStrategy::Named(NamedStrategy::All);
        let method = ResampleMethod::RandomUnderSampler { replacement: true };
        let step = ResampleStep {
            method,
            sampling_strategy,
            seed: Some(0),
            rng: RngKind::Numpy,
            keep_integers: false,
            space: None,
        };
        let mut task = Task {
            step: 0,
            rng: step.rng,
            keep_integers: false,
            notes: &mut Vec::new(),
            draws: &mut Draws::new(&step, 0, Seed(0)).unwrap(),
            plan: SamplingPlan::new(step.sampling_strategy.clone(), ClassCounts::of(&labels), step.rng).unwrap(),
            progress: &mut |_| ControlFlow::Continue(()),
        };
        assert_eq!(select(&mut task, &labels, [Some(3), Some(6)], true), [1, 3, 1, 5, 5, 5, 2, 5, 7]);
    }
}
