//! Condensed nearest neighbour: keeps the rows of the majority that the others cannot do without.
//!
//! P. E. Hart, "The condensed nearest neighbor rule", IEEE Transactions on Information Theory 14(3), 1968. A store begins
//! with all rows of the minority and `n_seeds_S` drawn rows of the class. The class is walked through in order: a row
//! that its k nearest rows of the store misclassify joins it. Seeds come out first, then the additions. A tie of an even
//! k goes to the lower label, as in scikit-learn.
//!
//! A row once told apart stays so while only its class joins the store, so that one walk is enough. The minority is never
//! condensed. imbalanced-learn draws seeds with replacement, skips rows whose place in the class happens to equal the row
//! number of a chosen one, and with `"all"` condenses the minority to its seeds; `"rng": "numpy"` follows it.
//!
//! Memory: k distances per row of the class. Time: the rows of the class times the additions.

use ndarray::Axis;
use rayon::prelude::*;

use super::{Outcome, RemovalReason, ResampleError, Task, keep, report, rows_of};
use crate::ml::neighbours::{Neighbours, Reach};
use crate::ml::observe::Stop;
use crate::ml::sets::TrainSet;

pub(super) fn apply(task: &mut Task<'_>, set: TrainSet, k: usize, seeds: usize) -> Result<Outcome, ResampleError> {
    let kept = each_class(task, &set, |task, class| {
        let mut store = Store::new(task, &set, class, k, seeds)?;
        store.walk(task)?;
        Ok(store.chosen())
    })?;
    Ok(keep(task.step, &set, &kept, |_| RemovalReason::Redundant))
}

/// The rows that stay, negative ones first: what `select` says of the classes to clean, all of the others.
pub(super) fn each_class(
    task: &mut Task<'_>,
    set: &TrainSet,
    mut select: impl FnMut(&mut Task<'_>, bool) -> Result<Vec<usize>, ResampleError>,
) -> Result<Vec<usize>, ResampleError> {
    let clean = task.plan.classes_to_clean()?;
    let mut kept = Vec::new();
    for class in [false, true] {
        let spared = class == task.minority_of(set) && !task.is_numpy();
        if clean[usize::from(class)] && !spared {
            let from = 0.5 * f64::from(u8::from(class));
            kept.extend(task.part(from..from + 0.5, |task| select(task, class))?);
        } else {
            kept.extend(rows_of(&set.labels, class));
        }
    }
    Ok(kept)
}

/// Rows that are to tell the class apart, and how well they do.
pub(super) struct Store<'a> {
    set: &'a TrainSet,
    class: bool,
    k: usize,
    /// The rows of the class, ascending.
    pub(super) members: Vec<usize>,
    /// The members in the store, by their place among the members, in the order in which they joined.
    pub(super) joined: Vec<usize>,
    /// For each member the up to k nearest rows of the store: squared distance, and whether it is of the class.
    nearest: Vec<Vec<(f64, bool)>>,
}

impl<'a> Store<'a> {
    pub(super) fn new(
        task: &mut Task<'_>,
        set: &'a TrainSet,
        class: bool,
        k: usize,
        seeds: usize,
    ) -> Result<Self, Stop> {
        let members = rows_of(&set.labels, class);
        let minority = rows_of(&set.labels, task.minority_of(set));
        let joined = draw_seeds(task, members.len(), seeds);
        let k = task.at_most("n_neighbors", k, minority.len() + joined.len(), minority.len() + joined.len());
        let nearest = task.part(0.0..0.3, |task| nearest_minority(task, set, &members, &minority, k, class))?;
        let mut store = Self { set, class, k, members, joined: Vec::new(), nearest };
        for seed in joined {
            store.join(seed);
        }
        Ok(store)
    }

    /// The rows that joined, in their order.
    pub(super) fn chosen(&self) -> Vec<usize> {
        self.joined.iter().map(|&place| self.members[place]).collect()
    }

    /// Whether the store takes a member for the other class.
    pub(super) fn misclassifies(&self, place: usize) -> bool {
        let own = self.nearest[place].iter().filter(|&&(_, own)| own).count();
        let others = self.nearest[place].len() - own;
        others > own || (others == own && self.class)
    }

    fn walk(&mut self, task: &mut Task<'_>) -> Result<(), Stop> {
        let is_numpy = task.is_numpy();
        let mut skipped = vec![false; self.members.len()];
        self.joined.iter().for_each(|&place| self.skip(&mut skipped, place, is_numpy));
        for place in 0..self.members.len() {
            let done = 0.3 + 0.7 * place as f64 / self.members.len() as f64;
            if place % 1024 == 0 {
                report(task.progress, done)?;
            }
            if !skipped[place] && self.misclassifies(place) {
                self.join(place);
                self.skip(&mut skipped, place, is_numpy);
                report(task.progress, done)?;
            }
        }
        Ok(())
    }

    /// Notes that the walk is to pass by a member that joined; imbalanced-learn takes its row number for a place.
    fn skip(&self, skipped: &mut [bool], place: usize, is_numpy: bool) {
        let place = if is_numpy { self.members[place] } else { place };
        if let Some(skipped) = skipped.get_mut(place) {
            *skipped = true;
        }
    }

    fn join(&mut self, place: usize) {
        let point = self.set.features.row(self.members[place]);
        let (set, members, k) = (self.set, &self.members, self.k);
        self.nearest.par_iter_mut().zip(members).with_min_len(1024).for_each(|(nearest, &row)| {
            let gaps = set.features.row(row).into_iter().zip(point).map(|(a, b)| (a - b) * (a - b));
            let distance: f64 = gaps.sum();
            // Of equal distances the row that was there before is nearer.
            let at = nearest.partition_point(|&(other, _)| other <= distance);
            if at < k {
                nearest.insert(at, (distance, true));
                nearest.truncate(k);
            }
        });
        self.joined.push(place);
    }
}

/// Places of seeds among `members`, each once; imbalanced-learn can draw one twice.
fn draw_seeds(task: &mut Task<'_>, members: usize, seeds: usize) -> Vec<usize> {
    if task.is_numpy() {
        return task.draws.many_below(members, seeds);
    }
    let mut order = task.draws.permutation(members);
    order.truncate(seeds);
    order
}

fn nearest_minority(
    task: &mut Task<'_>,
    set: &TrainSet,
    members: &[usize],
    minority: &[usize],
    k: usize,
    class: bool,
) -> Result<Vec<Vec<(f64, bool)>>, Stop> {
    let index = set.features.select(Axis(0), minority);
    let points = set.features.select(Axis(0), members);
    let found = Neighbours::new(index.view()).of_points(points.view(), k, Reach::Nearest, task.progress)?;
    let own = |row: usize| set.labels[minority[row]] == class;
    let nearest = |query| found.of(query).iter().map(|near| (near.squared_distance, own(near.row))).collect();
    Ok((0..members.len()).map(nearest).collect())
}
