//! The nearest centre of each row, round after round, while the centres move.
//!
//! A row keeps its centre as long as its distance from it is below a bound of that from all others, which sinks by as much
//! as the centres move: G. Hamerly, "Making k-means even faster", SDM 2010. Only the other rows are compared with all
//! centres. The answer is that of comparing all: the nearest by (distance, centre).

use ndarray::{Array2, ArrayView1, ArrayView2};
use rayon::prelude::*;

use super::report;
use crate::ml::neighbours::{Neighbours, Progress, Reach};
use crate::ml::observe::Stop;

/// So few centres are compared one by one.
const FEW_CENTRES: usize = 32;
/// Rows between two calls of the progress.
const BLOCK_ROWS: usize = 1 << 16;
/// More than rounding can do to a distance.
const MARGIN: f64 = 1e-9;

pub(super) struct NearestCentres<'a> {
    features: ArrayView2<'a, f64>,
    /// The nearest centre of each row.
    pub(super) of: Vec<u32>,
    /// A bound of the distance of each row from every other centre.
    others: Vec<f64>,
    /// Where the centres were.
    centres: Array2<f64>,
}

/// The nearest centre, and a bound of the distance of the next.
struct Nearest {
    centre: u32,
    others: f64,
}

impl<'a> NearestCentres<'a> {
    pub(super) fn new(features: ArrayView2<'a, f64>) -> Self {
        let rows = features.nrows();
        Self { features, of: vec![0; rows], others: vec![f64::NEG_INFINITY; rows], centres: Array2::zeros((0, 0)) }
    }

    /// Finds the nearest of as many centres as before.
    ///
    /// # Errors
    /// The reason why `progress` ended it.
    pub(super) fn find(&mut self, centres: &Array2<f64>, progress: &mut Progress<'_>) -> Result<(), Stop> {
        let moves = self.moves(centres);
        let rows = self.of.len().max(1) as f64;
        let mut open = Vec::new();
        for start in (0..self.of.len()).step_by(BLOCK_ROWS) {
            report(progress, 0.3 * start as f64 / rows)?;
            open.extend(self.unsettled(start..self.of.len().min(start + BLOCK_ROWS), centres, &moves));
        }
        let index = (centres.nrows() > FEW_CENTRES).then(|| Neighbours::new(centres.view()));
        for (part, rows) in open.chunks(BLOCK_ROWS).enumerate() {
            let share = |part: usize| 0.3 + 0.7 * (part * BLOCK_ROWS) as f64 / open.len() as f64;
            let mut within = |done: f64| progress((share(part) + done * (share(part + 1) - share(part))).min(1.0));
            let found = match &index {
                Some(index) => self.look_up(rows, index, &mut within)?,
                None => self.compare(rows, centres, &mut within)?,
            };
            for (&row, Nearest { centre, others }) in rows.iter().zip(found) {
                self.of[row] = centre;
                self.others[row] = others;
            }
        }
        self.centres.clone_from(centres);
        Ok(())
    }

    /// How far each centre has moved; nothing where there were none.
    fn moves(&self, centres: &Array2<f64>) -> Moves {
        if self.centres.dim() != centres.dim() {
            return Moves { farthest: [(f64::INFINITY, usize::MAX), (f64::INFINITY, usize::MAX)] };
        }
        let mut farthest = [(0.0, usize::MAX); 2];
        for (centre, (before, after)) in self.centres.rows().into_iter().zip(centres.rows()).enumerate() {
            let moved = distance(before, after) * (1.0 + MARGIN);
            if moved > farthest[0].0 {
                farthest = [(moved, centre), farthest[0]];
            } else if moved > farthest[1].0 {
                farthest[1] = (moved, centre);
            }
        }
        Moves { farthest }
    }

    /// Lowers the bounds of some rows, and gives those whose centre another one may have become nearer than.
    fn unsettled(&mut self, rows: std::ops::Range<usize>, centres: &Array2<f64>, moves: &Moves) -> Vec<usize> {
        let (features, of) = (self.features, &self.of);
        let first = rows.start;
        let others = self.others[rows].par_iter_mut().enumerate().with_min_len(1024);
        let open = others.filter_map(|(place, others)| {
            let row = first + place;
            *others -= moves.of_others(of[row] as usize);
            // Comparing all is the only way where the bound says nothing.
            let settled =
                *others > 0.0 && distance(features.row(row), centres.row(of[row] as usize)) * (1.0 + MARGIN) < *others;
            (!settled).then_some(row)
        });
        open.collect()
    }

    fn compare(
        &self,
        rows: &[usize],
        centres: &Array2<f64>,
        progress: &mut Progress<'_>,
    ) -> Result<Vec<Nearest>, Stop> {
        report(progress, 0.0)?;
        let nearest = |&row: &usize| {
            let [(_, centre), (next, _)] = two_nearest(self.features.row(row), centres);
            Nearest { centre, others: below(next) }
        };
        Ok(rows.par_iter().with_min_len(256).map(nearest).collect())
    }

    fn look_up(
        &self,
        rows: &[usize],
        index: &Neighbours<'_>,
        progress: &mut Progress<'_>,
    ) -> Result<Vec<Nearest>, Stop> {
        let points = self.features.select(ndarray::Axis(0), rows);
        let found = index.of_points(points.view(), 2, Reach::Nearest, progress)?;
        let nearest = |query: usize| match found.of(query) {
            [first, second] => Nearest { centre: first.row as u32, others: below(second.squared_distance) },
            _ => Nearest { centre: 0, others: f64::NEG_INFINITY },
        };
        Ok((0..rows.len()).map(nearest).collect())
    }
}

/// A bound of a distance, from its square.
fn below(squared: f64) -> f64 {
    squared.sqrt() * (1.0 - MARGIN)
}

/// The two centres that moved farthest.
struct Moves {
    farthest: [(f64, usize); 2],
}

impl Moves {
    /// How far any centre but this one has moved at most.
    fn of_others(&self, centre: usize) -> f64 {
        let [(most, which), (next, _)] = self.farthest;
        if which == centre { next } else { most }
    }
}

/// The two nearest centres with their squared distances, by (distance, centre); the second is infinitely far away if there
/// is none.
fn two_nearest(point: ArrayView1<'_, f64>, centres: &Array2<f64>) -> [(f64, u32); 2] {
    let mut nearest = [(f64::INFINITY, 0); 2];
    for (centre, place) in centres.rows().into_iter().enumerate() {
        let squared = squared_distance(point, place);
        if squared < nearest[0].0 {
            nearest = [(squared, centre as u32), nearest[0]];
        } else if squared < nearest[1].0 {
            nearest[1] = (squared, centre as u32);
        }
    }
    nearest
}

fn squared_distance(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> f64 {
    a.into_iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

fn distance(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> f64 {
    squared_distance(a, b).sqrt()
}

#[cfg(test)]
mod tests {
    use super::NearestCentres;
    use ndarray::Array2;
    use proptest::prelude::*;
    use std::ops::ControlFlow;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn wherever_the_centres_go_each_row_has_the_nearest(
            rows in 1_usize..300,
            columns in 0_usize..4,
            centres in 1_usize..60,
            coarse: bool,
            step in 0.0_f64..0.5,
            seed: u32,
        ) {
            let value = |index: usize| {
                let bits = ((index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(seed)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11;
                let value = bits as f64 / (1_u64 << 52) as f64 - 1.0;
                if coarse { (3.0 * value).round() } else { value }
            };
            let features = Array2::from_shape_fn((rows, columns), |(row, column)| value(row * columns + column));
            let mut nearest = NearestCentres::new(features.view());
            for round in 0..6 {
                let places = Array2::from_shape_fn((centres, columns), |(centre, column)| {
                    let from = 100_000 + centre * columns + column;
                    value(from) + step * round as f64 * value(from + 50_000 * (1 + round % 3))
                });
                nearest.find(&places, &mut |_| ControlFlow::Continue(())).unwrap();
                for row in 0..rows {
                    let squared = |centre: usize| -> f64 {
                        let gaps = features.row(row).into_iter().zip(places.row(centre));
                        gaps.map(|(a, b)| (a - b) * (a - b)).sum()
                    };
                    let expected = (0..centres).min_by(|&a, &b| squared(a).total_cmp(&squared(b)).then(a.cmp(&b)));
                    prop_assert_eq!(nearest.of[row] as usize, expected.unwrap());
                }
            }
        }
    }
}
