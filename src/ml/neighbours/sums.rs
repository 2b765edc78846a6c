//! Which rows lie nearest to those of an index, without finding the neighbours of all.
//!
//! What a row finds in the block where it lies bounds its sum of distances from above. The wanted number of least bounds
//! bounds the wanted sums, and the nearest of k neighbours is no farther than a k-th of their sum: rows without a
//! neighbour within that are out.

use super::best::Place;
use super::rows::Queries;
use super::search::Ask;
use super::{Neighbours, Progress, Reach, follow, itinerary};
use crate::ml::observe::Stop;

/// More than sums of k distances can differ for rounding.
const MARGIN: f64 = 1.0 + 1e-9;

impl Neighbours<'_> {
    /// The `count` of the given rows of the matrix with the least sums of the distances to the `k` nearest rows of the
    /// index, each as (sum, place among the given rows), in that order. A row of the index is its own neighbour.
    ///
    /// # Errors
    /// The reason why `progress` ended the search.
    pub fn least_sums(
        &self,
        rows: &[usize],
        k: usize,
        count: usize,
        progress: &mut Progress<'_>,
    ) -> Result<Vec<(f64, usize)>, Stop> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let width = k.min(self.rows());
        if width == 0 {
            // No search visits a query that asks for nothing.
            return Ok((0..rows.len().min(count)).map(|place| (0.0, place)).collect());
        }
        let matrix = self.matrix();
        let nearest = Ask { reach: Reach::Nearest, width, ceilings: None, any: false, home_only: false };
        let mut places: Vec<usize> = (0..rows.len()).collect();
        if count < rows.len() {
            let mut sums = vec![f64::INFINITY; rows.len()];
            let at_home = Ask { home_only: true, ..nearest };
            let all = Queries::Places(matrix, rows);
            let index = self.index(&all, &mut || progress(0.0))?;
            // Both searches go the same way.
            let itinerary = itinerary(index, all, &mut || progress(0.0))?;
            follow(index, all, &itinerary, &at_home, &mut |share| progress(0.3 * share), &mut |query, best| {
                if best.is_full() {
                    sums[query] = sum(best.entries());
                }
            })?;
            let (_, &mut most, _) = sums.select_nth_unstable_by(count - 1, f64::total_cmp);
            let nearest_at_most = most * MARGIN / width as f64;
            let ceilings = vec![(nearest_at_most * nearest_at_most * MARGIN, usize::MAX); rows.len()];
            let within = Ask { width: 1, ceilings: Some(&ceilings), any: true, ..nearest };
            places.clear();
            follow(index, all, &itinerary, &within, &mut |share| progress(0.3 + 0.3 * share), &mut |query, best| {
                if best.is_full() {
                    places.push(query);
                }
            })?;
        }
        let near: Vec<usize> = places.iter().map(|&place| rows[place]).collect();
        let mut sums = vec![(0.0, 0); near.len()];
        let near = Queries::Places(matrix, &near);
        self.search(near, &nearest, &mut |share| progress(0.6 + 0.4 * share), &mut |query, best| {
            sums[query] = (sum(best.entries()), places[query]);
        })?;
        sums.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        sums.truncate(count);
        Ok(sums)
    }
}

/// Of the distances, the nearest first.
fn sum(entries: &[Place]) -> f64 {
    entries.iter().map(|&(squared, _)| squared.sqrt()).sum()
}
