//! The rows of each class, to search among one class or the other.

use ndarray::ArrayView2;

use super::best::Place;
use super::rows::Queries;
use super::search::Ask;
use super::{Neighbours, Progress};
use crate::ml::observe::Stop;

/// What both classes may take in memory at once; of more, only the one that is searched is kept ready.
const BYTES_AT_ONCE: usize = 128 << 20;

/// Is told the number of a query and what was found for it.
pub(super) type Tell<'t> = dyn FnMut(usize, &[Place]) + 't;

/// The rows of the two classes, negative first, ascending.
pub(super) fn members(labels: &[bool]) -> [Vec<usize>; 2] {
    [false, true].map(|class| (0..labels.len()).filter(|&row| labels[row] == class).collect())
}

/// Searches among the rows of a class.
pub(super) struct Sides<'a> {
    features: ArrayView2<'a, f64>,
    members: &'a [Vec<usize>; 2],
    ready: [Option<Neighbours<'a>>; 2],
    bytes_at_once: usize,
}

impl<'a> Sides<'a> {
    pub(super) fn new(features: ArrayView2<'a, f64>, members: &'a [Vec<usize>; 2]) -> Self {
        Self { features, members, ready: [None, None], bytes_at_once: BYTES_AT_ONCE }
    }

    /// The same with less memory.
    #[cfg(test)]
    pub(super) fn one_at_a_time(self) -> Self {
        Self { bytes_at_once: 0, ..self }
    }

    /// Searches for neighbours of rows of the matrix among a class. No row is its own neighbour.
    ///
    /// # Errors
    /// The reason why `progress` ended the search.
    pub(super) fn search(
        &mut self,
        among: bool,
        rows: &[usize],
        ask: &Ask<'_>,
        progress: &mut Progress<'_>,
        tell: &mut Tell<'_>,
    ) -> Result<(), Stop> {
        let queries = Queries::Rows(self.features, rows);
        self.class(among).search(queries, ask, progress, &mut |query, best| tell(query, best.entries()))
    }

    fn class(&mut self, class: bool) -> &Neighbours<'a> {
        if self.features.len().saturating_mul(size_of::<f32>()) > self.bytes_at_once {
            self.ready[usize::from(!class)] = None;
        }
        let (features, members) = (self.features, &self.members[usize::from(class)]);
        self.ready[usize::from(class)].get_or_insert_with(|| Neighbours::among(features, members))
    }
}
