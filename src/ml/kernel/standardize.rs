//! Rows of numbers to rows of features.

use super::vectorized;

/// What becomes of each column of numbers: a missing value (NaN) its `fill`, any value
/// `(value - center) / spread`, cut at `±limit`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Standards {
    pub fills: Vec<f64>,
    pub centers: Vec<f64>,
    pub spreads: Vec<f64>,
    pub limits: Vec<f64>,
}

vectorized! {
    /// Writes the features of rows of numbers, which lie `width` apart, to rows that lie `stride` apart. Whether no difference
    /// from a center was too large for a number; where one was, what has been written is of no use.
    pub fn standardize(numbers: &[f64], width: usize, standards: &Standards, out: &mut [f32], stride: usize) -> bool {
        let Standards { fills, centers, spreads, limits } = standards;
        let mut overflows = false;
        for (row, out) in numbers.chunks_exact(width).zip(out.chunks_mut(stride)) {
            let columns = fills.iter().zip(centers).zip(spreads).zip(limits);
            for ((&value, out), (((&fill, &center), &spread), &limit)) in row.iter().zip(out).zip(columns) {
                let value = if value.is_nan() { fill } else { value };
                let gap = value - center;
                overflows |= gap.abs() > f64::MAX;
                *out = (gap / spread).max(-limit).min(limit) as f32;
            }
        }
        !overflows
    }
}
