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
    let mut sizes = vec![Tally::default(); groups];
    for (&group, &label) in group_of.iter().zip(labels) {
        sizes[group].add(Tally::of_row(label));
    }
    let mut chance = seed.stream("split group");
    let mut best: Option<((usize, f64), Vec<Part>)> = None;
    for _ in 0..ATTEMPTS {
        let (cost, placed) = place(&sizes, fractions, &mut chance);
        if best.as_ref().is_none_or(|(least, _)| cost < *least) {
            best = Some((cost, placed));
        }
    }
    let placed = best.map(|(_, placed)| placed).unwrap_or_default();
    Ok(Parts::by_row(labels.len(), |row| placed[group_of[row]]))
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
fn place(sizes: &[Tally], fractions: Fractions, chance: &mut Rng) -> ((usize, f64), Vec<Part>) {
    let mut total = Tally::default();
    sizes.iter().for_each(|&size| total.add(size));
    let mut filled = [Tally::default(); 3];
    let mut placed = vec![Part::Train; sizes.len()];
    for group in random_order(sizes, chance) {
        let (index, part) = nearest_part(sizes[group], &filled, total, fractions);
        filled[index].add(sizes[group]);
        placed[group] = part;
    }
    let lacking = filled.iter().filter(|part| part.lacks_a_class()).count();
    let distance = Part::ALL.iter().zip(filled).map(|(&part, filled)| distance(filled, total, fractions.of(part)));
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
fn nearest_part(size: Tally, filled: &[Tally; 3], total: Tally, fractions: Fractions) -> (usize, Part) {
    let mut nearest = (0, Part::Train);
    let mut least = f64::INFINITY;
    for (index, part) in Part::ALL.into_iter().enumerate() {
        let mut after = filled[index];
        after.add(size);
        let share = fractions.of(part);
        let change = distance(after, total, share) - distance(filled[index], total, share);
        if change < least {
            (nearest, least) = ((index, part), change);
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
