//! The coordinates that a search works in: centred, scaled, and the few axes along which the rows differ most.
//!
//! The axes are the leading principal components of a sample, by orthogonal iteration (G. H. Golub and C. F. Van
//! Loan, "Matrix Computations", 4th ed., section 8.2.4). They need not be exact: a projection on axes that are
//! orthonormal never makes a distance longer, whatever they are, and how far from orthonormal they are is measured.

use ndarray::ArrayView1;

use super::rows::Rows;
use crate::ml::kernel::{AXES, place, project, stride};

/// Unit roundoff of f64.
const UNIT: f64 = f64::EPSILON / 2.0;
/// How often the axes are multiplied by the covariance of the sample.
const ITERATIONS: usize = 4;

pub(super) struct Space {
    /// Padded with zeros to whole vectors, as placed points are.
    centre: Vec<f64>,
    /// A power of two, by which the sample's values come to about 1.
    pub(super) scale: f64,
    /// For each feature its weight in each axis; empty where no axes were asked for.
    axes: Vec<[f64; AXES]>,
    /// How much longer a distance may seem along the axes than it is.
    pub(super) stretch: f64,
    /// How far rounding moves a point along the axes, at most, as a share of its norm.
    pub(super) drift: f64,
}

impl Space {
    pub(super) fn new(rows: &Rows<'_>, with_axes: bool) -> Self {
        let columns = rows.columns();
        let sample = sample(rows, columns);
        let mut space = Self { centre: centre(rows, &sample), scale: 1.0, axes: Vec::new(), stretch: 1.0, drift: 0.0 };
        let mut placed = vec![0.0; sample.len() * rows.stride()];
        for (&row, to) in sample.iter().zip(placed.chunks_exact_mut(rows.stride())) {
            space.place(rows.features(row), to);
        }
        space.scale = power_of_two(placed.iter().fold(0.0, |most: f64, value| most.max(value.abs())));
        placed.iter_mut().for_each(|value| *value *= space.scale);
        if with_axes && columns > 0 && placed.iter().all(|value| value.is_finite()) {
            space.axes = principal_axes(&placed, columns);
            let excess = non_orthonormality(&space.axes);
            let features = columns as f64;
            space.stretch = 1.0 + excess + (features + 32.0) * 2.0 * UNIT;
            space.drift = (AXES as f64).sqrt() * (features + 4.0) * 1.01 * (1.0 + excess) * UNIT;
        }
        space
    }

    pub(super) fn has_axes(&self) -> bool {
        !self.axes.is_empty()
    }

    /// Writes the point's coordinates and gives their norm, which is not finite where they are too large to be used.
    pub(super) fn place(&self, point: ArrayView1<'_, f64>, placed: &mut [f64]) -> f64 {
        placed[point.len()..].fill(0.0);
        match point.as_slice() {
            Some(point) => placed[..point.len()].copy_from_slice(point),
            None => placed.iter_mut().zip(point).for_each(|(to, value)| *to = *value),
        }
        // Norms are used in bounds, from above.
        place(placed, &self.centre, self.scale).sqrt() * 1.000_001
    }

    /// Where a placed point lies along the axes.
    pub(super) fn along(&self, placed: &[f64]) -> [f64; AXES] {
        let mut along = [0.0; AXES];
        project(placed, &self.axes, &mut along);
        along
    }
}

/// Rows spread over all of them, fewer where they are wide.
fn sample(rows: &Rows<'_>, columns: usize) -> Vec<usize> {
    let most = ((1 << 21) / columns.max(1)).clamp(64, 1024);
    let count = rows.count().min(most);
    (0..count).map(|place| place * rows.count() / count).collect()
}

/// The sample's mean, as the way from its first row, so that a constant stays what it is. The first row where the
/// mean overflows.
fn centre(rows: &Rows<'_>, sample: &[usize]) -> Vec<f64> {
    let mut centre = vec![0.0; rows.stride()];
    let Some(&first) = sample.first() else { return centre };
    let first = rows.features(first);
    for &row in sample {
        for ((mean, value), from) in centre.iter_mut().zip(rows.features(row)).zip(first) {
            *mean += (value - from) / sample.len() as f64;
        }
    }
    for (mean, from) in centre.iter_mut().zip(first) {
        *mean = if (*mean + from).is_finite() { *mean + from } else { *from };
    }
    centre
}

/// The power of two by which `most` comes to between 1/2 and 1; 1 where there is none.
fn power_of_two(most: f64) -> f64 {
    if most > 0.0 && most.is_finite() { (-most.log2().ceil()).clamp(-1000.0, 1000.0).exp2() } else { 1.0 }
}

/// `placed` has a row of the sample per stride.
fn principal_axes(placed: &[f64], columns: usize) -> Vec<[f64; AXES]> {
    let rows = || placed.chunks_exact(stride(columns)).map(|row| &row[..columns]);
    let mut variances = vec![0.0; columns];
    for row in rows() {
        variances.iter_mut().zip(row).for_each(|(sum, value)| *sum += value * value);
    }
    let mut widest: Vec<usize> = (0..columns).collect();
    widest.sort_by(|&a, &b| f64::total_cmp(&variances[b], &variances[a]));
    let mut axes = vec![[0.0; AXES]; columns];
    for (axis, &feature) in widest.iter().take(AXES).enumerate() {
        axes[feature][axis] = 1.0;
    }
    for _ in 0..ITERATIONS {
        let mut next = vec![[0.0; AXES]; columns];
        for row in rows() {
            let mut along = [0.0; AXES];
            project(row, &axes, &mut along);
            for (sums, value) in next.iter_mut().zip(row) {
                (0..AXES).for_each(|axis| sums[axis] += value * along[axis]);
            }
        }
        axes = next;
        orthonormalize(&mut axes);
    }
    axes
}

/// Gram and Schmidt's, twice; an axis that depends on those before it becomes zero.
fn orthonormalize(axes: &mut [[f64; AXES]]) {
    let dot = |axes: &[[f64; AXES]], a: usize, b: usize| axes.iter().map(|row| row[a] * row[b]).sum::<f64>();
    for axis in 0..AXES {
        let before = dot(axes, axis, axis).sqrt();
        for earlier in (0..axis).chain(0..axis) {
            let shared = dot(axes, axis, earlier);
            axes.iter_mut().for_each(|row| row[axis] -= shared * row[earlier]);
        }
        let norm = dot(axes, axis, axis).sqrt();
        let factor = if norm > 1e-9 * before { 1.0 / norm } else { 0.0 };
        axes.iter_mut().for_each(|row| row[axis] *= factor);
    }
}

/// The Frobenius norm of what the axes' products differ by from 1 with themselves and 0 with each other: a bound of
/// how much their projection lengthens.
fn non_orthonormality(axes: &[[f64; AXES]]) -> f64 {
    let mut squares = 0.0;
    for a in 0..AXES {
        for b in 0..AXES {
            let product: f64 = axes.iter().map(|row| row[a] * row[b]).sum();
            // An axis of zeros shortens only.
            let wanted = if a == b && product > 0.5 { 1.0 } else { 0.0 };
            squares += (product - wanted) * (product - wanted);
        }
    }
    squares.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    fn space(features: &Array2<f64>) -> Space {
        Space::new(&Rows::all(features.view()), true)
    }

    #[test]
    fn axes_are_orthonormal_and_the_first_is_the_direction_of_most_variance() {
        // Almost all variance lies along (3, 4).
        let features = Array2::from_shape_fn((500, 2), |(row, column)| {
            let along = (row as f64 * 0.37).sin() * 10.0;
            let across = (row as f64 * 1.71).cos() * 0.1;
            if column == 0 { 3.0 * along + across } else { 4.0 * along - across }
        });
        let space = space(&features);
        assert!((space.axes[0][0].abs() - 0.6).abs() < 0.01 && (space.axes[1][0].abs() - 0.8).abs() < 0.01);
        assert!(non_orthonormality(&space.axes) < 1e-14);
        assert!(space.stretch < 1.0 + 1e-13);
    }

    #[test]
    fn columns_that_repeat_others_add_no_axis() {
        let features = Array2::from_shape_fn((300, 5), |(row, column)| ((row * (1 + column % 2)) % 17) as f64);
        let axes = space(&features).axes;
        let used = (0..AXES).filter(|&axis| axes.iter().any(|row| row[axis] != 0.0));
        assert_eq!(used.count(), 2);
    }

    #[test]
    fn values_come_to_about_one_and_constants_stay_zero() {
        for factor in [1e-200, 1e-3, 1.0, 7e9, 1e150] {
            let features =
                Array2::from_shape_fn((100, 2), |(row, column)| if column == 0 { row as f64 * factor } else { 5.0 });
            let space = space(&features);
            let mut placed = vec![0.0; stride(2)];
            let norm = space.place(features.row(0), &mut placed);
            assert!((0.25..=1.0).contains(&norm), "{factor}: {norm}");
            assert_eq!(placed[1..], vec![0.0; stride(2) - 1]);
        }
    }
}
