//! Rows in boxes: a k-d tree whose leaves store their rows column by column.
//!
//! J. L. Bentley, "Multidimensional binary search trees used for associative searching", CACM 18(9), 1975.
//! A box is skipped only if its bound is beyond the worst candidate kept. The bound is summed in the order in
//! which distances are, and rounding is monotone, so that it never passes a distance inside the box: the search
//! is exact in floating point, not just in real numbers. In many dimensions nothing is skipped and the search
//! is the scan of all rows, which the column layout lets the compiler vectorise.

use ndarray::ArrayView2;

use super::Reach;
use super::best::Best;

/// Rows per leaf at most. Larger leaves scan faster, smaller ones skip more.
const LEAF_ROWS: usize = 64;

/// One query.
pub(super) struct Visit<'a> {
    pub(super) point: &'a [f64],
    pub(super) reach: Reach,
    /// A row that is not to be found.
    pub(super) exclude: Option<usize>,
}

pub(super) struct Tree {
    /// The root is the last; children come before their parents.
    nodes: Vec<Node>,
    /// Row indices, leaf by leaf.
    order: Vec<usize>,
    /// The features of `order`, leaf by leaf, within a leaf column by column.
    values: Vec<f64>,
    columns: usize,
}

struct Node {
    /// The smallest and largest value of each feature.
    lower: Vec<f64>,
    upper: Vec<f64>,
    body: Body,
}

enum Body {
    /// A range of `order`.
    Leaf {
        start: usize,
        end: usize,
    },
    Branch {
        left: usize,
        right: usize,
    },
}

impl Tree {
    pub(super) fn new(features: ArrayView2<'_, f64>) -> Self {
        let mut order: Vec<usize> = (0..features.nrows()).collect();
        let mut tree = Self {
            nodes: Vec::with_capacity(2 * features.nrows().div_ceil(LEAF_ROWS / 2)),
            order: Vec::new(),
            values: Vec::with_capacity(features.len()),
            columns: features.ncols(),
        };
        if !order.is_empty() {
            tree.grow(features, &mut order, 0);
        }
        tree.order = order;
        tree
    }

    /// Offers to `best` every row that may belong there, keyed by squared distance ([`Reach::Farthest`]: its
    /// negative). `pending` is working space.
    pub(super) fn search(&self, visit: &Visit<'_>, best: &mut Best, pending: &mut Vec<(f64, usize)>) {
        pending.clear();
        if let Some(root) = self.nodes.len().checked_sub(1) {
            pending.push((f64::NEG_INFINITY, root));
        }
        while let Some((bound, index)) = pending.pop() {
            // A box at exactly the limit may hold a row of the same distance and a lower index.
            if bound > best.limit() {
                continue;
            }
            match self.nodes[index].body {
                Body::Leaf { start, end } => self.scan(start..end, visit, best),
                Body::Branch { left, right } => {
                    let left = (self.nodes[left].bound(visit), left);
                    let right = (self.nodes[right].bound(visit), right);
                    // The better box is pushed last and visited first, so that the limit falls early.
                    pending.extend(if left.0 <= right.0 { [right, left] } else { [left, right] });
                }
            }
        }
    }

    /// Adds the node of the given rows, the first of which is at `start` in `order`; returns its index.
    fn grow(&mut self, features: ArrayView2<'_, f64>, rows: &mut [usize], start: usize) -> usize {
        let (lower, upper) = bounds(features, rows);
        let body = if rows.len() <= LEAF_ROWS {
            for column in features.columns() {
                self.values.extend(rows.iter().map(|&row| column[row]));
            }
            Body::Leaf { start, end: start + rows.len() }
        } else {
            let middle = rows.len() / 2;
            if let Some(column) = widest(&lower, &upper) {
                let column = features.column(column);
                rows.select_nth_unstable_by(middle, |&a, &b| column[a].total_cmp(&column[b]).then(a.cmp(&b)));
            }
            let (near, far) = rows.split_at_mut(middle);
            let left = self.grow(features, near, start);
            Body::Branch { left, right: self.grow(features, far, start + middle) }
        };
        self.nodes.push(Node { lower, upper, body });
        self.nodes.len() - 1
    }

    fn scan(&self, range: std::ops::Range<usize>, visit: &Visit<'_>, best: &mut Best) {
        let rows = &self.order[range.clone()];
        let values = &self.values[range.start * self.columns..range.end * self.columns];
        let mut distances = [0.0_f64; LEAF_ROWS];
        let distances = &mut distances[..rows.len()];
        for (column, coordinate) in values.chunks_exact(rows.len()).zip(visit.point) {
            for (distance, value) in distances.iter_mut().zip(column) {
                let gap = coordinate - value;
                *distance += gap * gap;
            }
        }
        for (&distance, &row) in distances.iter().zip(rows) {
            let key = keyed(distance, visit.reach);
            if key <= best.limit() && visit.exclude != Some(row) {
                best.offer(key, row);
            }
        }
    }
}

impl Node {
    /// No row in the box has a smaller key.
    fn bound(&self, visit: &Visit<'_>) -> f64 {
        let sides = self.lower.iter().zip(&self.upper).zip(visit.point);
        let squared = sides.fold(0.0, |sum, ((lower, upper), coordinate)| {
            let gap = match visit.reach {
                Reach::Nearest => (lower - coordinate).max(coordinate - upper).max(0.0),
                Reach::Farthest => (coordinate - lower).max(upper - coordinate),
            };
            sum + gap * gap
        });
        keyed(squared, visit.reach)
    }
}

fn keyed(squared: f64, reach: Reach) -> f64 {
    match reach {
        Reach::Nearest => squared,
        Reach::Farthest => -squared,
    }
}

fn bounds(features: ArrayView2<'_, f64>, rows: &[usize]) -> (Vec<f64>, Vec<f64>) {
    let mut lower = vec![f64::INFINITY; features.ncols()];
    let mut upper = vec![f64::NEG_INFINITY; features.ncols()];
    for &row in rows {
        for ((value, lower), upper) in features.row(row).iter().zip(&mut lower).zip(&mut upper) {
            *lower = lower.min(*value);
            *upper = upper.max(*value);
        }
    }
    (lower, upper)
}

/// The feature with the widest range; none where all rows are equal.
fn widest(lower: &[f64], upper: &[f64]) -> Option<usize> {
    let mut widest = None;
    let mut width = 0.0;
    for (column, (lower, upper)) in lower.iter().zip(upper).enumerate() {
        if upper - lower > width {
            (widest, width) = (Some(column), upper - lower);
        }
    }
    widest
}
