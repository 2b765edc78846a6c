//! The loops of a search for neighbours: places along axes, gaps between boxes, and which scores pass a bar.

use super::{LANES, Level, level, vectorized};

/// Axes that boxes are drawn along: two of the widest vectors of f64.
pub const AXES: usize = 16;

/// A box along the axes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extent {
    pub lower: [f64; AXES],
    pub upper: [f64; AXES],
}

impl Extent {
    /// Holds nothing.
    pub const NOTHING: Self = Self { lower: [f64::INFINITY; AXES], upper: [f64::NEG_INFINITY; AXES] };
    /// Holds everything, so that no gap is left to anything.
    pub const EVERYTHING: Self = Self { lower: [f64::NEG_INFINITY; AXES], upper: [f64::INFINITY; AXES] };

    /// Grows to hold a point, too; to everything if that is no number.
    pub fn include(&mut self, along: &[f64; AXES]) {
        if !along.iter().all(|value| value.is_finite()) {
            *self = Self::EVERYTHING;
        }
        for (axis, &value) in along.iter().enumerate() {
            self.lower[axis] = self.lower[axis].min(value);
            self.upper[axis] = self.upper[axis].max(value);
        }
    }
}

/// Many boxes, axis by axis, so that gaps to all of them are found at once.
#[derive(Debug, Clone, Default)]
pub struct Extents {
    count: usize,
    lower: Vec<f64>,
    upper: Vec<f64>,
}

impl Extents {
    /// So many boxes of nothing.
    pub fn new(count: usize) -> Self {
        Self { count, lower: vec![f64::INFINITY; count * AXES], upper: vec![f64::NEG_INFINITY; count * AXES] }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    pub fn set(&mut self, place: usize, extent: &Extent) {
        for axis in 0..AXES {
            self.lower[axis * self.count + place] = extent.lower[axis];
            self.upper[axis * self.count + place] = extent.upper[axis];
        }
    }

    pub fn get(&self, place: usize) -> Extent {
        Extent {
            lower: std::array::from_fn(|axis| self.lower[axis * self.count + place]),
            upper: std::array::from_fn(|axis| self.upper[axis * self.count + place]),
        }
    }

    /// The squared gap between a box and each of these from `first` on: 0 where they meet.
    pub fn gaps(&self, from: &Extent, first: usize, squared: &mut [f64]) {
        gaps(from, [&self.lower, &self.upper], [self.count, first], squared);
    }
}

#[inline(always)]
fn total<const N: usize>(mut lanes: [f64; N]) -> f64 {
    let mut width = N;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
    }
    lanes[0]
}

vectorized! {
    /// Overwrites a point with its way from `centre`, times `scale`, and gives the squared norm. Both are as long, a
    /// multiple of [`LANES`].
    pub fn place(point: &mut [f64], centre: &[f64], scale: f64) -> f64 {
        let mut sums = [0.0; LANES];
        for (values, centre) in point.as_chunks_mut::<LANES>().0.iter_mut().zip(centre.as_chunks::<LANES>().0) {
            for lane in 0..LANES {
                values[lane] = (values[lane] - centre[lane]) * scale;
                sums[lane] += values[lane] * values[lane];
            }
        }
        total(sums)
    }
}

vectorized! {
    /// The coordinates of a point along axes; `axes` has, for each feature, its weight in each of them.
    pub fn project(point: &[f64], axes: &[[f64; AXES]], along: &mut [f64; AXES]) {
        let mut sums = [0.0; AXES];
        for (value, weights) in point.iter().zip(axes) {
            for lane in 0..AXES {
                sums[lane] += value * weights[lane];
            }
        }
        *along = sums;
    }
}

vectorized! {
    /// [`Extents::gaps`]: the ends of all boxes, and how many there are and from which on gaps are wanted.
    pub fn gaps(from: &Extent, ends: [&[f64]; 2], place: [usize; 2], squared: &mut [f64]) {
        let ([lower, upper], [count, first]) = (ends, place);
        squared.fill(0.0);
        for axis in 0..AXES {
            let wanted = axis * count + first..axis * count + first + squared.len();
            let (lower, upper) = (&lower[wanted.clone()], &upper[wanted]);
            for ((squared, &lower), &upper) in squared.iter_mut().zip(lower).zip(upper) {
                let above = lower - from.upper[axis];
                let below = from.lower[axis] - upper;
                let gap = if above > below { above } else { below };
                let gap = if gap > 0.0 { gap } else { 0.0 };
                *squared += gap * gap;
            }
        }
    }
}

vectorized! {
    /// Writes `point - centre` to `moved`, rounded to f32, and gives the squared norm of what was written. All three
    /// are as long, a multiple of [`LANES`].
    pub fn recentre(point: &[f64], centre: &[f64], moved: &mut [f32]) -> f64 {
        let mut sums = [0.0; LANES];
        let chunks = point.as_chunks::<LANES>().0.iter().zip(centre.as_chunks::<LANES>().0);
        for ((point, centre), moved) in chunks.zip(moved.as_chunks_mut::<LANES>().0) {
            for lane in 0..LANES {
                let value = (point[lane] - centre[lane]) as f32;
                moved[lane] = value;
                sums[lane] += f64::from(value) * f64::from(value);
            }
        }
        total(sums)
    }
}

/// For each row of `scores`, which are `width` apart, a multiple of [`LANES`], whether any score is at least its bar.
pub fn rows_that_pass(scores: &[f32], width: usize, bars: &[f32], pass: &mut [bool]) {
    let rows = scores.chunks_exact(width.max(1)).zip(bars).zip(pass);
    match level() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => rows.for_each(|((row, &bar), pass)| {
            // SAFETY: the level says that the processor has these instructions.
            *pass = unsafe { passes_avx512(row, bar) };
        }),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => rows.for_each(|((row, &bar), pass)| {
            // SAFETY: as above.
            *pass = unsafe { passes_avx2(row, bar) };
        }),
        _ => rows.for_each(|((row, &bar), pass)| *pass = passes(row, bar)),
    }
}

/// The plain version, which tests hold the others against.
fn passes(row: &[f32], bar: f32) -> bool {
    row.iter().fold(false, |any, &score| any | (score >= bar))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn passes_avx512(row: &[f32], bar: f32) -> bool {
    use std::arch::x86_64::*;
    let bar = _mm512_set1_ps(bar);
    let mut any = 0;
    for vector in row.as_chunks::<LANES>().0 {
        // SAFETY: the chunk has sixteen values.
        let vector = unsafe { _mm512_loadu_ps(vector.as_ptr()) };
        any |= _mm512_cmp_ps_mask::<_CMP_GE_OQ>(vector, bar);
    }
    any != 0
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn passes_avx2(row: &[f32], bar: f32) -> bool {
    use std::arch::x86_64::*;
    let bar = _mm256_set1_ps(bar);
    let mut any = _mm256_setzero_ps();
    for vector in row.as_chunks::<8>().0 {
        // SAFETY: the chunk has eight values.
        let vector = unsafe { _mm256_loadu_ps(vector.as_ptr()) };
        any = _mm256_or_ps(any, _mm256_cmp_ps::<_CMP_GE_OQ>(vector, bar));
    }
    _mm256_movemask_ps(any) != 0
}

vectorized! {
    /// The largest score in each lane: of the scores at places that are the same modulo [`LANES`].
    pub fn largest_in_lanes(scores: &[f32]) -> [f32; LANES] {
        let mut most = [f32::NEG_INFINITY; LANES];
        for vector in scores.as_chunks::<LANES>().0 {
            for (most, &score) in most.iter_mut().zip(vector) {
                *most = if score > *most { score } else { *most };
            }
        }
        most
    }
}

vectorized! {
    /// Appends the scores that are at least `bar`, each with its place; there are a multiple of [`LANES`].
    pub fn scores_that_pass(scores: &[f32], bar: f32, found: &mut Vec<(f32, usize)>) {
        for (chunk, vector) in scores.as_chunks::<LANES>().0.iter().enumerate() {
            if vector.iter().fold(false, |any, &score| any | (score >= bar)) {
                let passing = vector.iter().enumerate().filter(|&(_, &score)| score >= bar);
                found.extend(passing.map(|(lane, &score)| (score, chunk * LANES + lane)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(range: std::ops::Range<usize>) -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec(-9.0..9.0_f64, range)
    }

    fn extent(ends: &[f64]) -> Extent {
        let (a, b) = ends.split_at(AXES);
        let lower = std::array::from_fn(|lane| a[lane].min(b[lane]));
        Extent { lower, upper: std::array::from_fn(|lane| a[lane].max(b[lane])) }
    }

    proptest! {
        #[test]
        fn a_projection_is_the_sum_over_features(point in values(1..40)) {
            let axes: Vec<[f64; AXES]> =
                (0..point.len()).map(|row| std::array::from_fn(|axis| (row * 7 + axis * 3 % 11) as f64 - 5.0)).collect();
            let mut along = [0.0; AXES];
            project(&point, &axes, &mut along);
            for (axis, found) in along.into_iter().enumerate() {
                let plain = point.iter().zip(&axes).fold(0.0, |sum, (value, weights)| sum + value * weights[axis]);
                prop_assert_eq!(found, plain);
            }
        }

        #[test]
        fn a_gap_is_the_least_distance_between_two_boxes(ends in values(2 * AXES..2 * AXES + 1), point in values(AXES..AXES + 1)) {
            let (other, mut point) = (extent(&ends), extent(&[&point[..], &point[..]].concat()));
            let mut extents = Extents::new(3);
            extents.set(1, &other);
            extents.set(2, &Extent::EVERYTHING);
            let mut squared = [f64::NAN; 2];
            extents.gaps(&point, 1, &mut squared);
            let nearest = |lane: usize| point.lower[lane].clamp(other.lower[lane], other.upper[lane]);
            let plain: f64 = (0..AXES).map(|lane| (point.lower[lane] - nearest(lane)).powi(2)).sum();
            prop_assert!((squared[0] - plain).abs() <= 1e-12 * plain);
            prop_assert_eq!(squared[1], 0.0);
            prop_assert_eq!(extents.get(1), other);
            point.include(&[f64::NAN; AXES]);
            extents.gaps(&point, 1, &mut squared);
            prop_assert_eq!(squared, [0.0; 2]);
        }

        #[test]
        fn a_placed_point_is_scaled_and_measured(point in values(32..33), centre in values(32..33)) {
            let mut placed = point.clone();
            let norm = place(&mut placed, &centre, 0.25);
            for ((point, centre), placed) in point.iter().zip(&centre).zip(&placed) {
                prop_assert_eq!((point - centre) * 0.25, *placed);
            }
            let plain: f64 = placed.iter().map(|value| value * value).sum();
            prop_assert!((norm - plain).abs() <= 1e-12 * plain);
        }

        #[test]
        fn a_moved_point_is_rounded_and_measured(point in values(32..33), centre in values(32..33)) {
            let mut moved = [0.0_f32; 32];
            let norm = recentre(&point, &centre, &mut moved);
            for ((point, centre), moved) in point.iter().zip(&centre).zip(moved) {
                prop_assert_eq!((point - centre) as f32, moved);
            }
            let plain: f64 = moved.iter().map(|&value| f64::from(value).powi(2)).sum();
            prop_assert!((norm - plain).abs() <= 1e-12 * plain);
        }

        #[test]
        fn scores_at_the_bar_pass(vectors in 1_usize..12, seed: u32, bar in -1.0..1.0_f32) {
            let width = vectors * LANES;
            let mut scores: Vec<f32> = (0..3 * width as u32)
                .map(|i| ((i.wrapping_mul(2_654_435_761) ^ seed) % 1_000) as f32 / 400.0 - 1.2)
                .collect();
            scores[width] = bar;
            let bars = [bar, bar, f32::INFINITY];
            let mut pass = [false; 3];
            rows_that_pass(&scores, width, &bars, &mut pass);
            for (row, &bar) in bars.iter().enumerate() {
                let line = &scores[row * width..(row + 1) * width];
                let plain: Vec<(f32, usize)> =
                    line.iter().enumerate().filter(|(_, score)| **score >= bar).map(|(place, &score)| (score, place)).collect();
                let most = largest_in_lanes(line);
                for (lane, &most) in most.iter().enumerate() {
                    let plain = line.iter().skip(lane).step_by(LANES).copied().fold(f32::NEG_INFINITY, f32::max);
                    prop_assert_eq!(most, plain);
                }
                let mut found = Vec::new();
                scores_that_pass(line, bar, &mut found);
                prop_assert_eq!(pass[row], !plain.is_empty());
                prop_assert_eq!(passes(line, bar), pass[row]);
                #[cfg(target_arch = "x86_64")]
                if level() >= Level::Avx2 {
                    // SAFETY: the processor has the instructions.
                    prop_assert_eq!(unsafe { passes_avx2(line, bar) }, pass[row]);
                }
                prop_assert_eq!(found, plain);
            }
            prop_assert!(pass[1]);
        }
    }

    #[test]
    fn a_box_grows_around_what_it_includes() {
        let mut grown = Extent::NOTHING;
        grown.include(&[1.0; AXES]);
        grown.include(&[-2.0; AXES]);
        assert_eq!(grown, Extent { lower: [-2.0; AXES], upper: [1.0; AXES] });
    }
}
