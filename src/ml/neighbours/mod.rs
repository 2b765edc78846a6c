//! Exact nearest (and farthest) neighbours by Euclidean distance.
//!
//! Squared distances are summed feature by feature in `f64`, and candidates are ordered by
//! (distance, row index), so that the answer is one for all thread counts and all tree shapes. A row is
//! excluded from its own neighbours by its index; dropping the nearest candidate instead, as
//! imbalanced-learn does, drops the twin of a duplicated row and keeps the row itself.
//!
//! Features must be finite, which [`TrainSet`](super::sets::TrainSet) promises; a distance that overflows is
//! infinite and still ordered.

mod best;
mod tree;

use std::ops::ControlFlow;

use ndarray::ArrayView2;
use rayon::prelude::*;

use self::best::Best;
use self::tree::{Tree, Visit};
use super::observe::Stop;

/// What is called between blocks of queries with the share of them that is answered; may end the search.
pub type Progress<'a> = dyn FnMut(f64) -> ControlFlow<Stop> + 'a;

/// A row of the index and how far it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// The row's index in the features that [`Neighbours::new`] was given.
    pub row: usize,
    pub squared_distance: f64,
}

/// Which end of the distances is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Nearest,
    Farthest,
}

/// The neighbours of a list of queries, the same number for each.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    width: usize,
    neighbours: Vec<Neighbour>,
}

impl Found {
    /// The neighbours of the given query, the nearest first (the farthest first for [`Reach::Farthest`]).
    pub fn of(&self, query: usize) -> &[Neighbour] {
        &self.neighbours[query * self.width..(query + 1) * self.width]
    }

    /// How many neighbours each query has: `k`, or fewer where the index has fewer rows.
    pub fn width(&self) -> usize {
        self.width
    }
}

/// Rows among which neighbours are searched.
///
/// Memory: one copy of the features and two bounds per feature for every 64 rows or so.
pub struct Neighbours<'a> {
    features: ArrayView2<'a, f64>,
    tree: Tree,
}

impl<'a> Neighbours<'a> {
    /// Indexes the rows of `features` (rows by features).
    pub fn new(features: ArrayView2<'a, f64>) -> Self {
        Self { features, tree: Tree::new(features) }
    }

    pub fn rows(&self) -> usize {
        self.features.nrows()
    }

    /// The `k` nearest other rows of each of the given rows; a row is never its own neighbour, its duplicates
    /// may be.
    ///
    /// # Errors
    /// The reason why `progress` ended the search.
    pub fn of_rows(&self, rows: &[usize], k: usize, progress: &mut Progress<'_>) -> Result<Found, Stop> {
        let width = k.min(self.rows().saturating_sub(1));
        let answer = |scratch: &mut Scratch, index: usize| {
            let row = rows[index];
            self.search(&self.features.row(row).to_vec(), Reach::Nearest, width, Some(row), scratch)
        };
        self.in_blocks(rows.len(), width, &answer, progress)
    }

    /// The `k` nearest or farthest rows of each of the given points, which have as many features as the rows.
    /// A point that equals a row has it as a neighbour at distance 0.
    ///
    /// # Errors
    /// The reason why `progress` ended the search.
    pub fn of_points(
        &self,
        points: ArrayView2<'_, f64>,
        k: usize,
        reach: Reach,
        progress: &mut Progress<'_>,
    ) -> Result<Found, Stop> {
        debug_assert_eq!(points.ncols(), self.features.ncols());
        let width = k.min(self.rows());
        let answer =
            |scratch: &mut Scratch, index: usize| self.search(&points.row(index).to_vec(), reach, width, None, scratch);
        self.in_blocks(points.nrows(), width, &answer, progress)
    }

    /// Answers the queries block by block, the queries of a block in parallel.
    fn in_blocks(
        &self,
        queries: usize,
        width: usize,
        answer: &(dyn Fn(&mut Scratch, usize) -> Vec<Neighbour> + Sync),
        progress: &mut Progress<'_>,
    ) -> Result<Found, Stop> {
        let mut neighbours = Vec::with_capacity(queries * width);
        let block = self.block_rows();
        for start in (0..queries).step_by(block) {
            ask(progress, start as f64 / queries as f64)?;
            let end = queries.min(start + block);
            let answers: Vec<Vec<Neighbour>> = (start..end)
                .into_par_iter()
                .map_init(Scratch::default, |scratch, index| answer(scratch, index))
                .collect();
            neighbours.extend(answers.into_iter().flatten());
        }
        ask(progress, 1.0)?;
        Ok(Found { width, neighbours })
    }

    /// Queries between two calls of `progress`: even if no part of the tree can be skipped, a block is some
    /// tenths of a second of work.
    fn block_rows(&self) -> usize {
        const BLOCK_OPERATIONS: usize = 200_000_000;
        (BLOCK_OPERATIONS / self.features.len().max(1)).clamp(16, 4096)
    }

    fn search(
        &self,
        point: &[f64],
        reach: Reach,
        width: usize,
        exclude: Option<usize>,
        scratch: &mut Scratch,
    ) -> Vec<Neighbour> {
        let mut best = Best::new(width);
        self.tree.search(&Visit { point, reach, exclude }, &mut best, &mut scratch.pending);
        // The tree orders farthest rows by their negated distance.
        best.into_sorted().map(|(key, row)| Neighbour { row, squared_distance: key.abs() }).collect()
    }
}

/// What one thread uses again for each of its queries.
#[derive(Default)]
struct Scratch {
    pending: Vec<(f64, usize)>,
}

fn ask(progress: &mut Progress<'_>, fraction: f64) -> Result<(), Stop> {
    match progress(fraction) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(stop) => Err(stop),
    }
}

#[cfg(test)]
mod tests {
    use super::{Neighbours, Reach};
    use crate::ml::observe::Stop;
    use ndarray::{Array2, array};
    use proptest::prelude::*;
    use std::ops::ControlFlow;

    fn go(_: f64) -> ControlFlow<Stop> {
        ControlFlow::Continue(())
    }

    #[test]
    fn a_row_is_excluded_by_its_index_and_its_twin_is_found() {
        let features = array![[0.0, 0.0], [5.0, 0.0], [0.0, 0.0], [1.0, 0.0]];
        let found = Neighbours::new(features.view()).of_rows(&[0, 2], 2, &mut go).unwrap();
        let rows = |query: usize| found.of(query).iter().map(|near| near.row).collect::<Vec<_>>();
        assert_eq!(rows(0), [2, 3]);
        assert_eq!(rows(1), [0, 3]);
        assert_eq!(found.of(0)[0].squared_distance, 0.0);
    }

    #[test]
    fn ties_go_to_the_lower_index_and_k_is_bounded_by_the_rows() {
        let features = array![[0.0], [1.0], [-1.0], [1.0]];
        let found = Neighbours::new(features.view()).of_rows(&[0], 9, &mut go).unwrap();
        assert_eq!(found.width(), 3);
        assert_eq!(found.of(0).iter().map(|near| near.row).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn a_search_ends_when_it_is_told_to() {
        let features = Array2::<f64>::zeros((10, 2));
        let mut stop = |_: f64| ControlFlow::Break(Stop::Cancelled);
        assert_eq!(Neighbours::new(features.view()).of_rows(&[0], 1, &mut stop), Err(Stop::Cancelled));
    }

    #[test]
    fn distances_that_overflow_are_ordered_last() {
        let features = array![[1e300], [-1e300], [1e300]];
        let found = Neighbours::new(features.view()).of_rows(&[0], 2, &mut go).unwrap();
        assert_eq!(found.of(0)[0].row, 2);
        assert_eq!(found.of(0)[1].squared_distance, f64::INFINITY);
    }

    /// All rows in the order of the definition, by sorting every distance.
    fn by_definition(features: &Array2<f64>, point: &[f64], reach: Reach, exclude: Option<usize>) -> Vec<(f64, usize)> {
        let squared = |row: usize| {
            let terms = features.row(row).into_iter().zip(point).map(|(a, b)| (b - a) * (b - a));
            terms.fold(0.0, |sum, term| sum + term)
        };
        let mut all: Vec<(f64, usize)> =
            (0..features.nrows()).filter(|&row| Some(row) != exclude).map(|row| (squared(row), row)).collect();
        all.sort_by(|a, b| match reach {
            Reach::Nearest => a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)),
            Reach::Farthest => b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)),
        });
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn the_tree_answers_as_sorting_all_distances_does(
            // Few distinct values make ties common; more rows than a leaf holds make the tree branch.
            (columns, values) in (1_usize..5).prop_flat_map(|columns| {
                (Just(columns), prop::collection::vec(-6_i8..6, columns * 300))
            }),
            k in 1_usize..20,
        ) {
            let data: Vec<f64> = values.iter().map(|&value| f64::from(value) * 0.7).collect();
            let features = Array2::from_shape_vec((300, columns), data).unwrap();
            let index = Neighbours::new(features.view());
            let rows: Vec<usize> = (0..300).step_by(17).collect();
            let found = index.of_rows(&rows, k, &mut go).unwrap();
            let far = index.of_points(features.view(), k, Reach::Farthest, &mut go).unwrap();
            for (query, &row) in rows.iter().enumerate() {
                let point = features.row(row).to_vec();
                let near: Vec<(f64, usize)> = found.of(query).iter().map(|n| (n.squared_distance, n.row)).collect();
                prop_assert_eq!(&near[..], &by_definition(&features, &point, Reach::Nearest, Some(row))[..k]);
                let away: Vec<(f64, usize)> = far.of(row).iter().map(|n| (n.squared_distance, n.row)).collect();
                prop_assert_eq!(&away[..], &by_definition(&features, &point, Reach::Farthest, None)[..k]);
            }
        }
    }
}
