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
//! Memory: k distances per row of the class. Time: that of finding, for each row of the class, its nearest among the
//! additions before it. A stretch of the class looks for them together; those that join on the way are measured one by
//! one against what is left of the stretch.

use std::ops::Range;

use rayon::prelude::*;

use super::{Outcome, RemovalReason, ResampleError, Task, keep, report, rows_of};
use crate::ml::neighbours::{Neighbours, Reach};
use crate::ml::observe::Stop;
use crate::ml::sets::TrainSet;

/// Members that look for the rows of the store together.
const STRETCH: usize = 4096;
/// Members between two calls of the progress.
const BLOCK_ROWS: usize = 512;

pub(super) fn apply(task: &mut Task<'_>, set: TrainSet, k: usize, seeds: usize) -> Result<Outcome, ResampleError> {
    let kept = each_class(task, &set, |task, class| {
        let mut store = Store::new(task, &set, class, k, seeds)?;
        store.walk(task)?;
        Ok(store.chosen())
    })?;
    Ok(keep(task, set, &kept, |_| RemovalReason::Redundant)?)
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
    /// The rows of the class, ascending.
    pub(super) members: Vec<usize>,
    /// The members in the store, by their place among the members, in the order in which they joined.
    pub(super) joined: Vec<usize>,
    nearest: Nearest,
}

/// For each member the up to `width` nearest rows of the store: squared distance, and whether it is of the class.
struct Nearest {
    width: usize,
    counts: Vec<u32>,
    places: Vec<(f64, bool)>,
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
        let seeds = draw_seeds(task, members.len(), seeds);
        let most = minority.len() + seeds.len();
        let k = task.at_most("n_neighbors", k, most, most);
        let nearest = task.part(0.0..0.3, |task| nearest_minority(task, set, &members, &minority, k, class))?;
        let mut store = Self { set, class, members, joined: Vec::new(), nearest };
        for seed in seeds {
            report(task.progress, 0.3)?;
            store.join(seed, 0..store.members.len());
        }
        Ok(store)
    }

    /// The rows that joined, in their order.
    pub(super) fn chosen(&self) -> Vec<usize> {
        self.joined.iter().map(|&place| self.members[place]).collect()
    }

    /// Whether the store takes a member for the other class.
    pub(super) fn misclassifies(&self, place: usize) -> bool {
        let nearest = self.nearest.of(place);
        let own = nearest.iter().filter(|&&(_, own)| own).count();
        let others = nearest.len() - own;
        others > own || (others == own && self.class)
    }

    fn walk(&mut self, task: &mut Task<'_>) -> Result<(), Stop> {
        let is_numpy = task.is_numpy();
        let mut skipped = vec![false; self.members.len()];
        self.joined.iter().for_each(|&place| self.skip(&mut skipped, place, is_numpy));
        let seeds = self.joined.len();
        for start in (0..self.members.len()).step_by(STRETCH) {
            let stretch = start..self.members.len().min(start + STRETCH);
            let done = |place: usize| 0.3 + 0.7 * place as f64 / self.members.len() as f64;
            let (first, last) = (done(start), done(stretch.end));
            task.part(first..last, |task| self.catch_up(task, stretch.clone(), seeds))?;
            for place in stretch.clone() {
                if place % BLOCK_ROWS == 0 {
                    report(task.progress, last)?;
                }
                if !skipped[place] && self.misclassifies(place) {
                    self.join(place, place + 1..stretch.end);
                    self.skip(&mut skipped, place, is_numpy);
                }
            }
        }
        Ok(())
    }

    /// Shows the members of a stretch the rows that joined on the walk before it.
    fn catch_up(&mut self, task: &mut Task<'_>, stretch: Range<usize>, seeds: usize) -> Result<(), Stop> {
        let walked: Vec<usize> = self.joined[seeds..].iter().map(|&place| self.members[place]).collect();
        let index = Neighbours::among(self.set.features.view(), &walked);
        let rows = &self.members[stretch.clone()];
        let found = index.of_places(rows, self.nearest.width, Reach::Nearest, task.progress)?;
        for (query, (count, nearest)) in self.nearest.each(stretch).enumerate() {
            found.of(query).iter().for_each(|near| offer(count, nearest, near.squared_distance));
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

    /// Takes a member into the store and shows it to some members.
    fn join(&mut self, place: usize, seen_by: Range<usize>) {
        let point = self.set.features.row(self.members[place]);
        let (set, rows) = (self.set, &self.members[seen_by.clone()]);
        self.nearest.each_at_once(seen_by).zip(rows).with_min_len(1024).for_each(|((count, nearest), &row)| {
            let gaps = set.features.row(row).into_iter().zip(point).map(|(a, b)| (a - b) * (a - b));
            offer(count, nearest, gaps.sum());
        });
        self.joined.push(place);
    }
}

impl Nearest {
    fn of(&self, place: usize) -> &[(f64, bool)] {
        let start = place * self.width;
        &self.places[start..start + self.counts[place] as usize]
    }

    fn each(&mut self, places: Range<usize>) -> impl Iterator<Item = (&mut u32, &mut [(f64, bool)])> {
        let own = self.width * places.start..self.width * places.end;
        self.counts[places].iter_mut().zip(self.places[own].chunks_exact_mut(self.width))
    }

    fn each_at_once(
        &mut self,
        places: Range<usize>,
    ) -> impl IndexedParallelIterator<Item = (&mut u32, &mut [(f64, bool)])> {
        let own = self.width * places.start..self.width * places.end;
        self.counts[places].par_iter_mut().zip(self.places[own].par_chunks_exact_mut(self.width))
    }
}

/// Puts a row of the class among the nearest, if it is one of them. Of equal distances the row that was there before is
/// nearer.
fn offer(count: &mut u32, nearest: &mut [(f64, bool)], distance: f64) {
    let known = *count as usize;
    let at = nearest[..known].partition_point(|&(other, _)| other <= distance);
    if at < nearest.len() {
        let end = nearest.len().min(known + 1);
        nearest.copy_within(at..end - 1, at + 1);
        nearest[at] = (distance, true);
        *count = end as u32;
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
) -> Result<Nearest, Stop> {
    let index = Neighbours::among(set.features.view(), minority);
    let found = index.of_places(members, k, Reach::Nearest, task.progress)?;
    let width = k.max(1);
    let mut nearest = Nearest {
        width,
        counts: vec![found.width() as u32; members.len()],
        places: vec![(0.0, false); members.len() * width],
    };
    for (query, (_, places)) in nearest.each(0..members.len()).enumerate() {
        let near = found.of(query).iter().map(|near| (near.squared_distance, set.labels[near.row] == class));
        places.iter_mut().zip(near).for_each(|(place, near)| *place = near);
    }
    Ok(nearest)
}
