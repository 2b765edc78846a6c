//! New rows on lines from rows of a class to their neighbours: what SMOTE and its kin share.
//!
//! `x_new = x + u (x_nn − x)`, `u ~ U[0, 1)`. Order of draws: for all new rows an integer s below m k (base row s div
//! k, neighbour s mod k), then all u. A row is kept from being its own neighbour by its index; imbalanced-learn drops
//! the nearest candidate, which differs for duplicated rows.
//!
//! Categories go to the one that most of the k neighbours of the base row have.

use std::borrow::Cow;

use ndarray::{Array2, ArrayView2, Axis, CowArray, Ix2};

use super::categories::Categories;
use super::grow::{Growing, point_between};
use super::{ResampleError, Task};
use crate::ml::neighbours::{Found, Neighbours};
use crate::ml::observe::Stop;
use crate::ml::sets::TrainSet;

/// Where a new row lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Line {
    pub(super) from: usize,
    pub(super) to: usize,
    /// The share of the way.
    pub(super) at: f64,
}

impl Line {
    /// The end that the new row is nearer to, and the first from the middle.
    pub(super) fn nearer(&self) -> usize {
        if self.at > 0.5 { self.to } else { self.from }
    }
}

/// Lines, and for each new row and each column of categories the row that it is taken from.
pub(super) struct Lines {
    pub(super) lines: Vec<Line>,
    pub(super) takes: Vec<usize>,
}

impl Lines {
    pub(super) fn none() -> Self {
        Self { lines: Vec::new(), takes: Vec::new() }
    }

    pub(super) fn append(&mut self, mut other: Lines) {
        self.lines.append(&mut other.lines);
        self.takes.append(&mut other.takes);
    }
}

/// The rows that neighbours are looked for among, ascending, and where they lie.
pub(super) struct Field<'a> {
    pub(super) rows: Cow<'a, [usize]>,
    pub(super) space: CowArray<'a, f64, Ix2>,
}

impl<'a> Field<'a> {
    /// The given rows of the set where their features are.
    pub(super) fn of(set: &'a TrainSet, rows: &'a [usize]) -> Self {
        Self { rows: rows.into(), space: set.features.select(Axis(0), rows).into() }
    }

    /// All rows of the set.
    pub(super) fn all(set: &'a TrainSet) -> Self {
        Self { rows: (0..set.rows()).collect::<Vec<_>>().into(), space: set.features.view().into() }
    }

    /// The `k` nearest others of rows of the field.
    pub(super) fn neighbours(&self, task: &mut Task<'_>, rows: &[usize], k: usize) -> Result<Found, Stop> {
        let places: Vec<usize> = rows.iter().map(|row| self.rows.partition_point(|own| own < row)).collect();
        Neighbours::new(self.space.view()).of_rows(&places, k, task.progress)
    }

    /// The rows that were found for a query.
    pub(super) fn found(&self, found: &Found, query: usize) -> Vec<usize> {
        found.of(query).iter().map(|near| self.rows[near.row]).collect()
    }
}

/// Draws `count` lines from `bases` to their `k` nearest rows of the field, in which the bases are.
pub(super) fn draw_lines(
    task: &mut Task<'_>,
    categories: &Categories,
    bases: &[usize],
    field: &Field<'_>,
    k: usize,
    count: usize,
) -> Result<Lines, Stop> {
    task.draws.restart();
    let below = bases.len() * k;
    let ends = task.draw(count, |draws, _| {
        let index = draws.below(below);
        (index / k, index % k)
    })?;
    let shares = task.draw(count, |draws, _| draws.uniform())?;
    lines_to(task, categories, bases, field, k, &ends, &shares)
}

/// The lines from `bases[b]` to its neighbour `n`, for all (b, n) of `ends`.
pub(super) fn lines_to(
    task: &mut Task<'_>,
    categories: &Categories,
    bases: &[usize],
    field: &Field<'_>,
    k: usize,
    ends: &[(usize, usize)],
    shares: &[f64],
) -> Result<Lines, Stop> {
    let (places, queries) = drawn_bases(bases, ends);
    let found = field.neighbours(task, &queries, k)?;
    let mut lines = Lines { lines: Vec::with_capacity(ends.len()), takes: Vec::new() };
    // A base row is drawn many times over and its neighbours vote once.
    let votes: Vec<Vec<usize>> = if categories.is_empty() {
        Vec::new()
    } else {
        queries.iter().enumerate().map(|(query, &row)| categories.vote(row, &field.found(&found, query))).collect()
    };
    for (&(base, neighbour), &at) in ends.iter().zip(shares) {
        let to = field.rows[found.of(places[base])[neighbour].row];
        lines.lines.push(Line { from: bases[base], to, at });
        lines.takes.extend(votes.get(places[base]).into_iter().flatten());
    }
    Ok(lines)
}

/// For each base its place among those that were drawn, and these.
fn drawn_bases(bases: &[usize], ends: &[(usize, usize)]) -> (Vec<usize>, Vec<usize>) {
    let mut places = vec![usize::MAX; bases.len()];
    for &(base, _) in ends {
        places[base] = 0;
    }
    let mut queries = Vec::new();
    for (place, &row) in places.iter_mut().zip(bases).filter(|(place, _)| **place == 0) {
        *place = queries.len();
        queries.push(row);
    }
    (places, queries)
}

/// Appends a row for each line.
pub(super) fn extend(
    task: &mut Task<'_>,
    set: TrainSet,
    class: bool,
    lines: &Lines,
) -> Result<TrainSet, ResampleError> {
    let groups = set.kinds.categories.clone();
    let known = Ends::of(&set, &lines.lines);
    let mut growing = Growing::new(set, class, lines.lines.len());
    let parents = |index: usize| [lines.lines[index].from, lines.lines[index].to];
    growing.push_all(task, parents, |index, rows, out| {
        let [from, to] = parents(index).map(|row| known.row(rows, row));
        point_between(from, to, lines.lines[index].at, out);
        let takes = lines.takes.get(index * groups.len()..).unwrap_or_default();
        Categories::take(&groups, rows, takes, out);
    })?;
    Ok(growing.finish())
}

/// The rows at the ends of lines. Where they are few, they are copied to one place: each is read many times, and one that lies
/// far from the others is as far from the processor each time.
struct Ends {
    /// Copies, and where among them each row is.
    copies: Option<(Array2<f64>, Vec<u32>)>,
}

impl Ends {
    /// So many rows of the set for each that is copied, at least.
    const FEW: usize = 8;

    fn of(set: &TrainSet, lines: &[Line]) -> Self {
        let (mut places, mut rows) = (vec![u32::MAX; set.rows()], Vec::new());
        for row in lines.iter().flat_map(|line| [line.from, line.to]) {
            if places[row] == u32::MAX {
                if rows.len() >= set.rows() / Self::FEW {
                    return Self { copies: None };
                }
                places[row] = rows.len() as u32;
                rows.push(row);
            }
        }
        Self { copies: Some((set.features.select(Axis(0), &rows), places)) }
    }

    /// A row of the set, which has these rows.
    fn row<'a>(&'a self, rows: ArrayView2<'a, f64>, row: usize) -> &'a [f64] {
        let found = match &self.copies {
            Some((copies, places)) => copies.row(places[row] as usize),
            None => rows.index_axis_move(Axis(0), row),
        };
        // Rows lie one after the other, so that each is a slice.
        found.to_slice().unwrap_or_default()
    }
}
