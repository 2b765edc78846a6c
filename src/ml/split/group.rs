//! Rows with the same value stay together.
//!
//! To fill three parts exactly is a packing problem. Groups are taken in a random order that favours large ones,
//! and each goes where it brings rows and positives nearest to their shares. That is repeated a few times and
//! the best result is kept; the seed decides the orders.

use rand::Rng as _;

use super::{Fractions, Part, Parts, SplitError, ranks};
use crate::ml::seed::{Rng, Seed};
use crate::ml::table::Values;

const ATTEMPTS: usize = 8;

pub(super) fn split(labels: &[bool], column: &Values, fractions: Fractions, seed: Seed) -> Result<Parts, SplitError> {
    let (group_of, groups) = ranks(column);
    if groups < 3 {
        return Err(SplitError::TooFewValues { found: groups });
    }
    let sizes = tallies(&group_of, groups, labels);
    let placed = best_of(&sizes, &Part::ALL.map(|part| fractions.of(part)), &mut seed.stream("split group"));
    Ok(Parts::by_row(labels.len(), |row| Part::ALL[placed[group_of[row]]]))
}

/// The part of each row, in `0..shares.len()`, where parts have about these shares of rows and positives and no group is
/// divided.
pub(super) fn divide(
    labels: &[bool],
    column: &Values,
    shares: &[f64],
    chance: &mut Rng,
) -> Result<Vec<usize>, SplitError> {
    let (group_of, groups) = ranks(column);
    if groups < shares.len() {
        return Err(SplitError::TooFewForFolds { found: groups, needed: shares.len() });
    }
    let placed = best_of(&tallies(&group_of, groups, labels), shares, chance);
    Ok(group_of.iter().map(|&group| placed[group]).collect())
}

/// The rows of each class in each group.
fn tallies(group_of: &[usize], groups: usize, labels: &[bool]) -> Vec<Tally> {
    let mut sizes = vec![Tally::default(); groups];
    for (&group, &label) in group_of.iter().zip(labels) {
        sizes[group].add(Tally::of_row(label));
    }
    sizes
}

/// The part of each group, in the best of some attempts.
fn best_of(sizes: &[Tally], shares: &[f64], chance: &mut Rng) -> Vec<usize> {
    let mut best: Option<((usize, f64), Vec<usize>)> = None;
    for _ in 0..ATTEMPTS {
        let (cost, placed) = place(sizes, shares, chance);
        if best.as_ref().is_none_or(|(least, _)| cost < *least) {
            best = Some((cost, placed));
        }
    }
    best.map(|(_, placed)| placed).unwrap_or_default()
}

/// Rows of each class in a group or a part.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    positive: f64,
    negative: f64,
}

impl Tally {
    fn of_row(label: bool) -> Self {
        if label { Self { positive: 1.0, negative: 0.0 } } else { Self { positive: 0.0, negative: 1.0 } }
    }

    fn add(&mut self, other: Tally) {
        self.positive += other.positive;
        self.negative += other.negative;
    }

    fn rows(self) -> f64 {
        self.positive + self.negative
    }

    fn lacks_a_class(self) -> bool {
        self.positive == 0.0 || self.negative == 0.0
    }
}

/// One attempt: the part of each group, and how far the result is from what is wanted, parts that lack a class
/// before all else.
fn place(sizes: &[Tally], shares: &[f64], chance: &mut Rng) -> ((usize, f64), Vec<usize>) {
    let mut total = Tally::default();
    sizes.iter().for_each(|&size| total.add(size));
    let mut filled = vec![Tally::default(); shares.len()];
    let mut placed = vec![0; sizes.len()];
    for group in random_order(sizes, chance) {
        let part = nearest_part(sizes[group], &filled, total, shares);
        filled[part].add(sizes[group]);
        placed[group] = part;
    }
    let lacking = filled.iter().filter(|part| part.lacks_a_class()).count();
    let distance = shares.iter().zip(&filled).map(|(&share, &filled)| distance(filled, total, share));
    ((lacking, distance.sum()), placed)
}

/// Large groups tend to come first, because the small ones that follow even out what those leave.
fn random_order(sizes: &[Tally], chance: &mut Rng) -> Vec<usize> {
    let mut keyed: Vec<(f64, usize)> =
        sizes.iter().enumerate().map(|(group, size)| (size.rows() * chance.random_range(0.5..1.5), group)).collect();
    keyed.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    keyed.into_iter().map(|(_, group)| group).collect()
}

/// The part that comes nearest to its shares by taking the group.
fn nearest_part(size: Tally, filled: &[Tally], total: Tally, shares: &[f64]) -> usize {
    let mut nearest = 0;
    let mut least = f64::INFINITY;
    for (part, (&filled, &share)) in filled.iter().zip(shares).enumerate() {
        let mut after = filled;
        after.add(size);
        let change = distance(after, total, share) - distance(filled, total, share);
        if change < least {
            (nearest, least) = (part, change);
        }
    }
    nearest
}

/// The squared relative gaps between what a part has and its share, of all rows and of positive ones. Relative
/// to the share, so that a small part is not left empty for the sake of a large one.
fn distance(filled: Tally, total: Tally, share: f64) -> f64 {
    let gap = |found: f64, of: f64| {
        let wanted = of * share;
        if wanted > 0.0 { (found - wanted) * (found - wanted) / wanted / of } else { 0.0 }
    };
    gap(filled.rows(), total.rows()) + gap(filled.positive, total.positive)
}
