//! Rows that a step removes, why, and what is left.

use super::{Task, rows_of};
use crate::ml::observe::Stop;
use crate::ml::sets::{Origin, TrainSet};

/// A row that a step removed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Removed {
    /// What the row was; a row that an earlier step had made can be removed too.
    pub origin: Origin,
    /// Counts all steps of the job from 0.
    pub step: u16,
    pub reason: RemovalReason,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RemovalReason {
    /// It and a row of the other class are each other's nearest neighbours.
    TomekLink { other: Origin },
    /// An under-sampler did not draw it or ranked it too low.
    NotSelected,
    /// So many of its nearest neighbours are of the other class.
    Outvoted { other_class: u32, neighbours: u32 },
    /// It is near a row of the minority that the majority outvotes.
    NearMinority { minority: Origin },
    /// The rows that were kept tell its class without it.
    Redundant,
    /// The centre of its cluster, or the row nearest to that, stands for it.
    Clustered,
    /// Cross-validation gives its own class this probability, less than the rows that were kept.
    Hard { probability: f64 },
}

impl RemovalReason {
    /// The name in reports and in the columns of origins.
    pub fn name(self) -> &'static str {
        match self {
            RemovalReason::TomekLink { .. } => "tomek_link",
            RemovalReason::NotSelected => "not_selected",
            RemovalReason::Outvoted { .. } => "outvoted",
            RemovalReason::NearMinority { .. } => "near_minority",
            RemovalReason::Redundant => "redundant",
            RemovalReason::Clustered => "clustered",
            RemovalReason::Hard { .. } => "hard",
        }
    }

    /// The row that had to do with it, if one had.
    pub fn other(self) -> Option<Origin> {
        match self {
            RemovalReason::TomekLink { other } | RemovalReason::NearMinority { minority: other } => Some(other),
            RemovalReason::NotSelected
            | RemovalReason::Outvoted { .. }
            | RemovalReason::Redundant
            | RemovalReason::Clustered
            | RemovalReason::Hard { .. } => None,
        }
    }
}

/// The rows after a method and those that it removed.
pub(super) struct Outcome {
    pub(super) set: TrainSet,
    pub(super) removed: Vec<Removed>,
}

impl Outcome {
    pub(super) fn grown(set: TrainSet) -> Self {
        Self { set, removed: Vec::new() }
    }
}

/// The kept rows in the given order; `why` tells of every other row why it is gone.
pub(super) fn keep(
    task: &mut Task<'_>,
    set: TrainSet,
    kept: &[usize],
    why: impl Fn(usize) -> RemovalReason,
) -> Result<Outcome, Stop> {
    let mut stays = vec![false; set.rows()];
    for &row in kept {
        stays[row] = true;
    }
    let gone = (0..set.rows()).filter(|&row| !stays[row]);
    let removed = gone.map(|row| Removed { origin: set.origins[row], step: task.step, reason: why(row) }).collect();
    Ok(Outcome { set: set.into_selected(kept, &mut || (task.progress)(1.0))?, removed })
}

/// The rows without those that are removed, in their order or with the negative ones first. `gone` are these rows,
/// ascending, and why they go.
pub(super) fn remove(
    task: &mut Task<'_>,
    set: TrainSet,
    gone: &[(usize, RemovalReason)],
    order: RowOrder,
) -> Result<Outcome, Stop> {
    let mut stays = vec![true; set.rows()];
    gone.iter().for_each(|&(row, _)| stays[row] = false);
    let kept: Vec<usize> = match order {
        RowOrder::AsBefore => (0..set.rows()).filter(|&row| stays[row]).collect(),
        RowOrder::NegativeFirst => {
            let classes = [false, true].into_iter().flat_map(|class| rows_of(&set.labels, class));
            classes.filter(|&row| stays[row]).collect()
        }
    };
    let removed = gone.iter().map(|&(row, reason)| Removed { origin: set.origins[row], step: task.step, reason });
    let removed = removed.collect();
    Ok(Outcome { set: set.into_selected(&kept, &mut || (task.progress)(1.0))?, removed })
}

/// In which order rows are that stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowOrder {
    AsBefore,
    NegativeFirst,
}
