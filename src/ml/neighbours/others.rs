//! Whether the other class is among the nearest neighbours, without finding them all.
//!
//! At least `j` of the `k` nearest rows of x are of the other class if and only if fewer than m = k − j + 1 rows of
//! its own class come before the j-th of the other. Most rows are settled by the m-th of their own class in the block
//! where they lie: no row of the other class is nearer than that. Of the rest, those are kept before whose j-th row of
//! the other class m of their own are found, any m.

use ndarray::ArrayView2;

use super::best::Place;
use super::rows::Queries;
use super::search::Ask;
use super::{Neighbours, Progress, Reach};
use crate::ml::observe::Stop;

/// For each of `rows`, whether at least `others` of its `k` nearest other rows bear another label than itself;
/// nearer is by (distance, row), as everywhere here. `others` is at least 1, for rows
/// labelled `false` and for those labelled `true`.
///
/// # Errors
/// The reason why `progress` ended the search.
pub fn others_among_nearest(
    features: ArrayView2<'_, f64>,
    labels: &[bool],
    rows: &[usize],
    k: usize,
    others: [usize; 2],
    progress: &mut Progress<'_>,
) -> Result<Vec<bool>, Stop> {
    let of_class = |class: bool| (0..labels.len()).filter(|&row| labels[row] == class).collect::<Vec<usize>>();
    let members = [of_class(false), of_class(true)];
    let classes = [Neighbours::among(features, &members[0]), Neighbours::among(features, &members[1])];
    let mut among = vec![false; rows.len()];
    let mut done = 0;
    for class in [false, true] {
        let places: Vec<usize> = (0..rows.len()).filter(|&place| labels[rows[place]] == class).collect();
        let queries: Vec<usize> = places.iter().map(|&place| rows[place]).collect();
        let sides = Sides { own: &classes[usize::from(class)], other: &classes[usize::from(!class)], features };
        let mut part = |share: f64| progress((done as f64 + share * queries.len() as f64) / rows.len().max(1) as f64);
        let found = sides.others_among(&queries, k, others[usize::from(class)], &mut part)?;
        places.iter().zip(found).for_each(|(&place, found)| among[place] = found);
        done += queries.len();
    }
    Ok(among)
}

/// The two classes, seen from one.
struct Sides<'s, 'a> {
    own: &'s Neighbours<'a>,
    other: &'s Neighbours<'a>,
    features: ArrayView2<'a, f64>,
}

/// Is told the number of a query and what was found for it.
type Tell<'t> = dyn FnMut(usize, &[Place]) + 't;

/// After everything that a search can find.
const NOWHERE: Place = (f64::INFINITY, usize::MAX);

impl Sides<'_, '_> {
    fn others_among(
        &self,
        queries: &[usize],
        k: usize,
        others: usize,
        progress: &mut Progress<'_>,
    ) -> Result<Vec<bool>, Stop> {
        let mut among = vec![false; queries.len()];
        if others > k {
            return Ok(among);
        }
        let own = k - others + 1;
        let nearest = Ask { reach: Reach::Nearest, width: own, ceilings: None, any: false, home_only: false };

        let mut ceilings = vec![NOWHERE; queries.len()];
        let at_home = Ask { home_only: true, ..nearest };
        self.ask(self.own, queries, &at_home, &mut |share| progress(0.1 * share), &mut |query, found| {
            ceilings[query] = found.get(own - 1).copied().unwrap_or(NOWHERE);
        })?;

        let mut reached = vec![NOWHERE; queries.len()];
        let below = Ask { width: others, ceilings: Some(&ceilings), ..nearest };
        self.ask(self.other, queries, &below, &mut |share| progress(0.1 + 0.6 * share), &mut |query, found| {
            reached[query] = found.get(others - 1).copied().unwrap_or(NOWHERE);
        })?;

        let open: Vec<usize> = (0..queries.len()).filter(|&query| reached[query] != NOWHERE).collect();
        let rows: Vec<usize> = open.iter().map(|&query| queries[query]).collect();
        let ceilings: Vec<Place> = open.iter().map(|&query| reached[query]).collect();
        let before = Ask { ceilings: Some(&ceilings), any: true, ..nearest };
        open.iter().for_each(|&query| among[query] = true);
        self.ask(self.own, &rows, &before, &mut |share| progress(0.7 + 0.3 * share), &mut |query, found| {
            among[open[query]] = found.len() < own;
        })?;
        Ok(among)
    }

    fn ask(
        &self,
        side: &Neighbours<'_>,
        rows: &[usize],
        ask: &Ask<'_>,
        progress: &mut Progress<'_>,
        tell: &mut Tell<'_>,
    ) -> Result<(), Stop> {
        let queries = Queries::Rows(self.features, rows);
        side.search(queries, ask, progress, &mut |query, best| tell(query, best.entries()))
    }
}
