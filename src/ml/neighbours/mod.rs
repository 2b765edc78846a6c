//! Exact nearest (and farthest) neighbours by Euclidean distance.
//!
//! Squared distances are summed feature by feature in `f64`, and candidates are ordered by
//! (distance, row index), so that the answer is one for all thread counts. A row is excluded from its own neighbours
//! by its index; dropping the nearest candidate instead, as imbalanced-learn does, drops the twin of a duplicated row
//! and keeps the row itself.
//!
//! Few pairs of rows are measured so: rows lie in blocks of their like ([`order`]), blocks beyond the worst neighbour
//! found so far are skipped, and in the others one matrix product in f32 says which rows may be near enough
//! ([`search`]). Both err on the safe side by a proven bound ([`bound`]); where the data is such that f32 tells
//! nothing, everything is measured.
//!
//! Features must be finite, which [`TrainSet`](super::sets::TrainSet) promises; a distance that overflows is
//! infinite and still ordered.

mod best;
mod bound;
mod index;
mod links;
mod order;
mod others;
mod rows;
mod search;
mod sides;
mod space;
mod sums;
#[cfg(test)]
mod tests;

pub use links::mutual_nearest_across;
pub use others::others_among_nearest;

use std::ops::ControlFlow;
use std::sync::OnceLock;

use ndarray::ArrayView2;
use rayon::prelude::*;

use self::best::Best;
use self::bound::Bound;
use self::index::Index;
use self::rows::{Queries, Rows};
use self::search::{Ask, Group, Scratch};
use super::observe::Stop;

/// What is called every few tenths of a second with the share of the queries that is answered; may end the search.
pub type Progress<'a> = dyn FnMut(f64) -> ControlFlow<Stop> + 'a;

/// What is called while an index is built, which it may end.
type Halt<'a> = dyn FnMut() -> ControlFlow<Stop> + 'a;

/// Below this many values of queries an index without axes is quicker, since it is built more quickly.
const WORTH_AXES: usize = 24_000;
/// Rows that are searched as they lie.
const FEW_ROWS: usize = 512;
/// Multiply-adds between two calls of `progress`, about a tenth of a second of two cores.
const WORK_AT_ONCE: usize = 4_000_000_000;
/// Queries that share their visits of blocks, if there are many for each block; and if there are few, so that the same
/// block is wanted by some in every group, and fetching it from memory is most of a visit.
const GROUP: usize = 48;
const SPARSE_GROUP: usize = 384;
/// Queries before the first call; how much work a query is shows then.
const FIRST_QUERIES: usize = 8;
/// Queries between two calls however little work they are, since their answers lie in memory until then.
const MOST_QUERIES: usize = 1 << 16;

/// A row of the index and how far it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// The row's index in the features that [`Neighbours::new`] or [`Neighbours::among`] was given.
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
/// Memory, from the first search on: half as much as the features of these rows, and while that is prepared
/// another 64 bytes a row.
pub struct Neighbours<'a> {
    rows: Rows<'a>,
    /// What is built when it is first needed, for few queries and for many.
    flat: OnceLock<Index<'a>>,
    axes: OnceLock<Index<'a>>,
}

impl<'a> Neighbours<'a> {
    /// The rows of `features` (rows by features).
    pub fn new(features: ArrayView2<'a, f64>) -> Self {
        Self::of(Rows::all(features))
    }

    /// Some rows of `features`, whose indices are ascending, each once. Neighbours are named by their index in
    /// `features`, and any row of it can be asked for its neighbours among these.
    pub fn among(features: ArrayView2<'a, f64>, members: &'a [usize]) -> Self {
        Self::of(Rows::some(features, members))
    }

    fn of(rows: Rows<'a>) -> Self {
        Self { rows, flat: OnceLock::new(), axes: OnceLock::new() }
    }

    pub fn rows(&self) -> usize {
        self.rows.count()
    }

    fn matrix(&self) -> ArrayView2<'a, f64> {
        self.rows.matrix()
    }

    /// The `k` nearest other rows of each of the given rows; a row is never its own neighbour, its duplicates
    /// may be.
    ///
    /// # Errors
    /// The reason why `progress` ended the search.
    pub fn of_rows(&self, rows: &[usize], k: usize, progress: &mut Progress<'_>) -> Result<Found, Stop> {
        let own = usize::from(rows.iter().any(|&row| self.rows.contains(row)));
        let width = k.min(self.rows().saturating_sub(own));
        self.find(Queries::Rows(self.rows.matrix(), rows), Reach::Nearest, width, progress)
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
        debug_assert_eq!(points.ncols(), self.rows.columns());
        self.find(Queries::Points(points), reach, k.min(self.rows()), progress)
    }

    /// The `k` nearest or farthest rows of the places where the given rows of the matrix lie, as those of points:
    /// a row that is in the index has itself as a neighbour at distance 0.
    ///
    /// # Errors
    /// The reason why `progress` ended the search.
    pub fn of_places(
        &self,
        rows: &[usize],
        k: usize,
        reach: Reach,
        progress: &mut Progress<'_>,
    ) -> Result<Found, Stop> {
        self.find(Queries::Places(self.rows.matrix(), rows), reach, k.min(self.rows()), progress)
    }

    fn find(
        &self,
        queries: Queries<'_>,
        reach: Reach,
        width: usize,
        progress: &mut Progress<'_>,
    ) -> Result<Found, Stop> {
        let nothing = Neighbour { row: 0, squared_distance: 0.0 };
        let mut neighbours = vec![nothing; queries.count() * width];
        let ask = Ask { reach, width, ceilings: None, any: false, home_only: false };
        self.search(queries, &ask, progress, &mut |query, best| {
            let places = neighbours[query * width..].iter_mut().zip(best.entries());
            // The farthest are ordered by their negated distance.
            places.for_each(|(to, &(key, row))| *to = Neighbour { row, squared_distance: key.abs() });
        })?;
        Ok(Found { width, neighbours })
    }

    /// Answers all queries, and tells each with what was found for it to `tell`, in no particular order.
    fn search(
        &self,
        queries: Queries<'_>,
        wanted: &Ask<'_>,
        progress: &mut Progress<'_>,
        tell: &mut dyn FnMut(usize, &Best),
    ) -> Result<(), Stop> {
        if queries.count() == 0 || wanted.width == 0 || self.rows() == 0 {
            return ask(&mut || progress(1.0));
        }
        let index = self.index(&queries, &mut || progress(0.0))?;
        let itinerary = itinerary(index, queries, &mut || progress(0.0))?;
        follow(index, queries, &itinerary, wanted, progress, tell)
    }

    fn index(&self, queries: &Queries<'_>, halt: &mut Halt<'_>) -> Result<&Index<'a>, Stop> {
        let values = queries.count().saturating_mul(self.rows.columns() + 16);
        let with_axes = self.axes.get().is_some() || (values > WORTH_AXES && self.rows() > FEW_ROWS);
        let cell = if with_axes { &self.axes } else { &self.flat };
        if let Some(index) = cell.get() {
            return Ok(index);
        }
        let index = Index::new(self.rows, with_axes, halt)?;
        Ok(cell.get_or_init(|| index))
    }
}

/// Answers queries in the order of their itinerary, in parts between which `progress` is asked.
fn follow(
    index: &Index<'_>,
    queries: Queries<'_>,
    itinerary: &[(u32, u32)],
    wanted: &Ask<'_>,
    progress: &mut Progress<'_>,
    tell: &mut dyn FnMut(usize, &Best),
) -> Result<(), Stop> {
    let bound = index.bound(wanted.reach);
    let most = if itinerary.len() < 16 * index.blocks() { SPARSE_GROUP } else { GROUP };
    let (mut done, mut next) = (0, FIRST_QUERIES);
    while done < itinerary.len() {
        ask(&mut || progress(done as f64 / itinerary.len() as f64))?;
        let part = &itinerary[done..itinerary.len().min(done + next)];
        let group = part.len().div_ceil(rayon::current_num_threads().max(2)).min(most);
        let answers: Vec<_> = part
            .par_chunks(group)
            .map_init(
                || Scratch::new(index, group),
                |scratch, part| Group::new(index, &bound, wanted, queries, part, scratch).answer(),
            )
            .collect();
        let mut work = 0;
        for (members, part) in answers {
            members.iter().for_each(|member| tell(member.query, &member.best));
            work += part;
        }
        done += part.len();
        let affordable = WORK_AT_ONCE / (work / part.len()).max(1);
        next = affordable.clamp(2, 4 * next).min(MOST_QUERIES);
    }
    ask(&mut || progress(1.0))
}

impl Index<'_> {
    fn bound(&self, reach: Reach) -> Bound {
        Bound {
            reach,
            columns: self.rows.columns() as f64,
            scale: self.space.scale,
            stretch: self.space.stretch,
            drift: self.space.drift,
            spread: self.spread,
        }
    }
}

/// Each query after the block in which it lies, block by block, so that near queries are answered together.
fn itinerary(index: &Index<'_>, queries: Queries<'_>, halt: &mut Halt<'_>) -> Result<Vec<(u32, u32)>, Stop> {
    const AT_ONCE: usize = 1 << 18;
    let mut itinerary: Vec<(u32, u32)> = (0..queries.count() as u32).map(|query| (0, query)).collect();
    if index.tree.blocks() > 1 {
        for part in itinerary.chunks_mut(AT_ONCE) {
            ask(halt)?;
            let placed = || vec![0.0; index.rows.stride()];
            part.par_iter_mut().with_min_len(256).for_each_init(placed, |placed, (home, query)| {
                index.space.place(queries.point(*query as usize), placed);
                *home = index.tree.home(&index.space.along(placed)) as u32;
            });
        }
        itinerary.par_sort_unstable();
    }
    Ok(itinerary)
}

fn ask(halt: &mut Halt<'_>) -> Result<(), Stop> {
    match halt() {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(stop) => Err(stop),
    }
}
