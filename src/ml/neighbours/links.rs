//! Pairs of rows of different classes that are each other's nearest neighbour, without finding all nearest neighbours.
//!
//! Row r of the smaller class and row p of the other are such a pair if p is the nearest to r of its class and r the
//! nearest to p of its own, and no row of either's own class is nearer. What r finds of its class in the block where it
//! lies rules out most p. Of all r that are nearest to the same p only the nearest can be its other end.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use ndarray::ArrayView2;

use super::best::{Place, order};
use super::search::Ask;
use super::sides::{Sides, members};
use super::{Progress, Reach};
use crate::ml::observe::Stop;

/// All such pairs, of which the first is labelled as the fewer rows are (`true` where both are as many); ascending.
///
/// # Errors
/// The reason why `progress` ended the search.
pub fn mutual_nearest_across(
    features: ArrayView2<'_, f64>,
    labels: &[bool],
    progress: &mut Progress<'_>,
) -> Result<Vec<(usize, usize)>, Stop> {
    let members = members(labels);
    pairs(Sides::new(features, &members), &members, progress)
}

pub(super) fn pairs(
    mut sides: Sides<'_>,
    members: &[Vec<usize>; 2],
    progress: &mut Progress<'_>,
) -> Result<Vec<(usize, usize)>, Stop> {
    let class = members[1].len() <= members[0].len();
    let rows = &members[usize::from(class)];
    let nearest = Ask { reach: Reach::Nearest, width: 1, ceilings: None, any: false, home_only: false };

    let mut ceilings: Vec<Place> = vec![(f64::INFINITY, usize::MAX); rows.len()];
    let at_home = Ask { home_only: true, ..nearest };
    sides.search(class, rows, &at_home, &mut |share| progress(0.15 * share), &mut |query, found| {
        found.iter().for_each(|&place| ceilings[query] = place);
    })?;

    // For each row of the other class that is nearest to some row, the nearest of these.
    let mut ends: BTreeMap<usize, Place> = BTreeMap::new();
    let below = Ask { ceilings: Some(&ceilings), ..nearest };
    sides.search(!class, rows, &below, &mut |share| progress(0.15 + 0.6 * share), &mut |query, found| {
        for &(distance, other) in found {
            let place = (distance, rows[query]);
            let end = ends.entry(other).or_insert(place);
            *end = if order(&place, end) == Ordering::Less { place } else { *end };
        }
    })?;
    drop(ceilings);

    let mut pairs: Vec<Pair> = ends.into_iter().map(|(other, (distance, row))| Pair { row, other, distance }).collect();
    let stretches = [0.75..0.85, 0.85..0.92, 0.92..1.0];
    let checks = [(!class, Pair::seen_from_other as End), (class, Pair::seen_from_other), (class, Pair::seen_from_row)];
    for ((among, end), stretch) in checks.into_iter().zip(stretches) {
        let within = |share: f64| progress(stretch.start + (stretch.end - stretch.start) * share);
        keep_unsurpassed(&mut sides, &mut pairs, among, end, within)?;
    }
    let mut pairs: Vec<(usize, usize)> = pairs.into_iter().map(|pair| (pair.row, pair.other)).collect();
    pairs.sort_unstable();
    Ok(pairs)
}

#[derive(Clone, Copy)]
struct Pair {
    row: usize,
    other: usize,
    distance: f64,
}

/// From which end a pair is looked at: that row, and where it sees the other one.
type End = fn(&Pair) -> (usize, Place);

impl Pair {
    fn seen_from_row(&self) -> (usize, Place) {
        (self.row, (self.distance, self.other))
    }

    fn seen_from_other(&self) -> (usize, Place) {
        (self.other, (self.distance, self.row))
    }
}

/// Drops the pairs of which one end has a nearer row among a class than the other end.
fn keep_unsurpassed(
    sides: &mut Sides<'_>,
    pairs: &mut Vec<Pair>,
    among: bool,
    end: End,
    mut progress: impl FnMut(f64) -> std::ops::ControlFlow<Stop>,
) -> Result<(), Stop> {
    let (rows, ceilings): (Vec<usize>, Vec<Place>) = pairs.iter().map(end).unzip();
    let mut surpassed = vec![false; rows.len()];
    let before = Ask { reach: Reach::Nearest, width: 1, ceilings: Some(&ceilings), any: true, home_only: false };
    sides.search(among, &rows, &before, &mut progress, &mut |query, found| surpassed[query] = !found.is_empty())?;
    let mut surpassed = surpassed.into_iter();
    pairs.retain(|_| !surpassed.next().unwrap_or(false));
    Ok(())
}
