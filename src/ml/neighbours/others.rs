//! How many of the nearest neighbours are of the other class, without finding them all.
//!
//! At least `j` of the `k` nearest rows of x are of the other class if and only if fewer than m = k − j + 1 rows of
//! its own class come before the j-th of the other. Most rows are settled by the m-th of their own class in the block
//! where they lie: no row of the other class is nearer than that. Of the rest, those are kept before whose j-th row of
//! the other class m of their own are found, any m. Of the few that are left then the number is counted: all rows of the
//! other class among the k nearest were within the first limit, and no more than k − j of its own are among them.

use std::cmp::Ordering;

use ndarray::ArrayView2;

use super::best::{Place, order};
use super::search::Ask;
use super::sides::{Sides, members};
use super::{Progress, Reach};
use crate::ml::observe::Stop;

/// After everything that a search can find.
const NOWHERE: Place = (f64::INFINITY, usize::MAX);

/// The rows of which at least so many of the `k` nearest other rows bear another label, ascending, each with how many
/// do; nearer is by (distance, row), as everywhere here. `least` is at least 1, for rows labelled `false` and for those
/// labelled `true`; rows of a class without it are not asked about.
///
/// # Errors
/// The reason why `progress` ended the search.
pub fn others_among_nearest(
    features: ArrayView2<'_, f64>,
    labels: &[bool],
    k: usize,
    least: [Option<usize>; 2],
    progress: &mut Progress<'_>,
) -> Result<Vec<(usize, usize)>, Stop> {
    let members = members(labels);
    count_others(Sides::new(features, &members), &members, k, least, progress)
}

pub(super) fn count_others(
    mut sides: Sides<'_>,
    members: &[Vec<usize>; 2],
    k: usize,
    least: [Option<usize>; 2],
    progress: &mut Progress<'_>,
) -> Result<Vec<(usize, usize)>, Stop> {
    let asked = |class: bool| {
        let least = least[usize::from(class)].filter(|&least| least <= k)?;
        Some(Asked { class, rows: &members[usize::from(class)], k, least })
    };
    let asked: Vec<Asked<'_>> = [false, true].into_iter().filter_map(asked).collect();
    let all: usize = asked.iter().map(|asked| asked.rows.len()).sum();
    let mut done = 0.0;
    // Each class is wanted by several searches one after another, as it may have to be made ready each time.
    let mut near = Vec::new();
    for asked in &asked {
        let share = 0.6 * asked.rows.len() as f64 / all.max(1) as f64;
        near.push(asked.others_within_reach(&mut sides, &mut |part| progress(done + share * part))?);
        done += share;
    }
    let mut counted = Vec::new();
    for (asked, near) in asked.iter().zip(near) {
        let share = 0.4 * asked.rows.len() as f64 / all.max(1) as f64;
        asked.count(&mut sides, near, &mut |part| progress(done + share * part), &mut counted)?;
        done += share;
    }
    counted.sort_unstable();
    progress_to_end(progress)?;
    Ok(counted)
}

fn progress_to_end(progress: &mut Progress<'_>) -> Result<(), Stop> {
    super::ask(&mut || progress(1.0))
}

/// All rows of one class, and what is asked about them.
struct Asked<'a> {
    class: bool,
    rows: &'a [usize],
    k: usize,
    least: usize,
}

/// Rows with enough rows of the other class in reach, by their place among those asked about, and for each the up to k
/// nearest of these, one row's after another's.
#[derive(Default)]
struct Near {
    places: Vec<u32>,
    /// Where the next row's others begin.
    ends: Vec<usize>,
    others: Vec<Place>,
}

impl Near {
    fn push(&mut self, place: usize, others: &[Place]) {
        self.places.push(place as u32);
        self.others.extend_from_slice(others);
        self.ends.push(self.others.len());
    }

    fn others(&self, index: usize) -> &[Place] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.others[start..self.ends[index]]
    }
}

impl Asked<'_> {
    /// So many rows of its own class before the least number of the other keep a row.
    fn own(&self) -> usize {
        self.k - self.least + 1
    }

    fn nearest(&self, width: usize) -> Ask<'static> {
        Ask { reach: Reach::Nearest, width, ceilings: None, any: false, home_only: false }
    }

    /// Which rows have enough others in front of the m-th of their own class that is in the same block, and these.
    fn others_within_reach(&self, sides: &mut Sides<'_>, progress: &mut Progress<'_>) -> Result<Near, Stop> {
        let own = self.own();
        let mut ceilings = vec![NOWHERE; self.rows.len()];
        let at_home = Ask { home_only: true, ..self.nearest(own) };
        sides.search(self.class, self.rows, &at_home, &mut |share| progress(0.15 * share), &mut |query, found| {
            ceilings[query] = found.get(own - 1).copied().unwrap_or(NOWHERE);
        })?;
        let mut near = Near::default();
        let below = Ask { ceilings: Some(&ceilings), ..self.nearest(self.least) };
        sides.search(
            !self.class,
            self.rows,
            &below,
            &mut |share| progress(0.15 + 0.7 * share),
            &mut |query, found| {
                if found.len() == self.least {
                    near.push(query, found);
                }
            },
        )?;
        if self.least == self.k {
            return Ok(near);
        }
        let rows: Vec<usize> = near.places.iter().map(|&place| self.rows[place as usize]).collect();
        let ceilings: Vec<Place> = near.places.iter().map(|&place| ceilings[place as usize]).collect();
        let within = Ask { ceilings: Some(&ceilings), ..self.nearest(self.k) };
        let mut all = Near::default();
        sides.search(
            !self.class,
            &rows,
            &within,
            &mut |share| progress(0.85 + 0.15 * share),
            &mut |query, found| {
                all.push(near.places[query] as usize, found);
            },
        )?;
        Ok(all)
    }

    /// Appends the rows that have at least the least number, with their number.
    fn count(
        &self,
        sides: &mut Sides<'_>,
        near: Near,
        progress: &mut Progress<'_>,
        counted: &mut Vec<(usize, usize)>,
    ) -> Result<(), Stop> {
        let row = |index: usize| self.rows[near.places[index] as usize];
        let rows: Vec<usize> = (0..near.places.len()).map(row).collect();
        let ceilings: Vec<Place> = (0..rows.len()).map(|index| near.others(index)[self.least - 1]).collect();
        let before = Ask { ceilings: Some(&ceilings), any: true, ..self.nearest(self.own()) };
        let mut outvoted = Vec::new();
        sides.search(self.class, &rows, &before, &mut |share| progress(0.7 * share), &mut |query, found| {
            if found.len() < self.own() {
                outvoted.push(query);
            }
        })?;
        if self.least == self.k {
            counted.extend(outvoted.into_iter().map(|index| (rows[index], self.k)));
            return Ok(());
        }
        let asked: Vec<usize> = outvoted.iter().map(|&index| rows[index]).collect();
        let last = |&index: &usize| near.others(index).last().copied().unwrap_or(NOWHERE);
        let ceilings: Vec<Place> = outvoted.iter().map(last).collect();
        let own = Ask { ceilings: Some(&ceilings), ..self.nearest(self.k - self.least) };
        sides.search(self.class, &asked, &own, &mut |share| progress(0.7 + 0.3 * share), &mut |query, found| {
            let others = near.others(outvoted[query]);
            counted.push((asked[query], among_first(others, found, self.k)));
        })
    }
}

/// How many of the first `k` places of two ordered lists are of the first list.
fn among_first(list: &[Place], other: &[Place], k: usize) -> usize {
    let before = |place: &Place| other.partition_point(|other| order(other, place) == Ordering::Less);
    list.iter().enumerate().take_while(|(index, place)| index + before(place) < k).count()
}

#[cfg(test)]
mod tests {
    use super::among_first;

    #[test]
    fn the_first_places_of_two_lists_are_counted() {
        let list = [(1.0, 4), (2.0, 9), (5.0, 1)];
        assert_eq!(among_first(&list, &[(1.0, 3), (3.0, 0), (6.0, 2)], 3), 2);
        assert_eq!(among_first(&list, &[(1.0, 5), (2.0, 8)], 3), 1);
        assert_eq!(among_first(&list, &[], 3), 3);
        assert_eq!(among_first(&list, &[(0.0, 1)], 1), 0);
    }
}
