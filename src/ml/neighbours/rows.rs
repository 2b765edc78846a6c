//! The rows of an index, and where queries come from.

use ndarray::{ArrayView1, ArrayView2};

use crate::ml::kernel::stride;

/// All rows of a matrix, or some.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    features: ArrayView2<'a, f64>,
    members: Option<&'a [usize]>,
}

impl<'a> Rows<'a> {
    pub(super) fn all(features: ArrayView2<'a, f64>) -> Self {
        Self { features, members: None }
    }

    /// `members` are ascending.
    pub(super) fn some(features: ArrayView2<'a, f64>, members: &'a [usize]) -> Self {
        debug_assert!(members.is_sorted_by(|a, b| a < b), "members must be ascending, each once");
        Self { features, members: Some(members) }
    }

    pub(super) fn count(&self) -> usize {
        self.members.map_or(self.features.nrows(), <[usize]>::len)
    }

    pub(super) fn columns(&self) -> usize {
        self.features.ncols()
    }

    /// Values of a placed row: its columns and zeros up to whole vectors, at least one of them.
    pub(super) fn stride(&self) -> usize {
        stride(self.columns().max(1))
    }

    /// The matrix that these are rows of.
    pub(super) fn matrix(&self) -> ArrayView2<'a, f64> {
        self.features
    }

    /// The row of the matrix at a place among these.
    pub(super) fn row(&self, place: usize) -> usize {
        self.members.map_or(place, |members| members[place])
    }

    pub(super) fn features(&self, place: usize) -> ArrayView1<'_, f64> {
        self.features.row(self.row(place))
    }

    pub(super) fn contains(&self, row: usize) -> bool {
        self.members.is_none_or(|members| members.binary_search(&row).is_ok())
    }

    /// The squared distances of rows of the matrix from a point, each summed feature by feature. Several at once, since
    /// each sum is a chain of additions that a processor can only fill by working on others meanwhile.
    pub(super) fn squared_distances<const N: usize>(&self, rows: [usize; N], point: &[f64]) -> [f64; N] {
        let rows = rows.map(|row| self.features.row(row));
        let mut sums = [0.0; N];
        for (feature, coordinate) in point.iter().enumerate() {
            for (sum, row) in sums.iter_mut().zip(&rows) {
                let gap = coordinate - row[feature];
                *sum += gap * gap;
            }
        }
        sums
    }
}

/// What neighbours are asked of.
#[derive(Clone, Copy)]
pub(super) enum Queries<'q> {
    /// Rows of the index's matrix; none is its own neighbour.
    Rows(ArrayView2<'q, f64>, &'q [usize]),
    Points(ArrayView2<'q, f64>),
    /// Where rows of a matrix lie; each may be its own neighbour.
    Places(ArrayView2<'q, f64>, &'q [usize]),
}

impl Queries<'_> {
    pub(super) fn count(&self) -> usize {
        match self {
            Queries::Rows(_, rows) | Queries::Places(_, rows) => rows.len(),
            Queries::Points(points) => points.nrows(),
        }
    }

    pub(super) fn point(&self, query: usize) -> ArrayView1<'_, f64> {
        match self {
            Queries::Rows(features, rows) | Queries::Places(features, rows) => features.row(rows[query]),
            Queries::Points(points) => points.row(query),
        }
    }

    /// The row that must not be found.
    pub(super) fn exclude(&self, query: usize) -> Option<usize> {
        match self {
            Queries::Rows(_, rows) => Some(rows[query]),
            Queries::Points(_) | Queries::Places(..) => None,
        }
    }
}
