//! Convolutions over pictures that lie as lines of pixels, each pixel with all its channels.
//!
//! What a kernel looks at from one place of a picture, its patch, is a few runs of neighbouring values: a line of the
//! kernel is one run, since pixels beside each other lie behind each other. So a convolution is a product of patches with
//! weights, and no patch is copied: the patches of neighbouring pixels are the same memory, begun a step later. Borders of
//! zeros around the picture stand for what lies outside.
//!
//! As in [`matmul`](super::matmul()), a tile of the result stays in registers and each of its values is one chain of fused
//! multiply-adds in the order of the runs, so that the bits depend on nothing else.

use super::{LANES, Level, Start, level};

/// Neighbouring values of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// From the first value of the input, for the first pixel.
    pub from: usize,
    pub depth: usize,
}

/// Pixels of the result in lines, with the steps from pixel to pixel and from line to line in input and output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    pub lines: usize,
    pub pixels: usize,
    /// From line to line, from pixel to pixel.
    pub input_steps: [usize; 2],
    pub output_steps: [usize; 2],
}

/// Values of input and result that fit into the first cache together with some weights.
const NEAR: usize = 5 << 10;

impl Area {
    fn last(&self, [line, pixel]: [usize; 2]) -> usize {
        (self.lines - 1) * line + (self.pixels - 1) * pixel
    }

    fn is_empty(&self) -> bool {
        self.lines == 0 || self.pixels == 0
    }

    /// Lines whose values are near each other.
    fn near_lines(&self) -> usize {
        let line = self.pixels * (self.input_steps[1] + self.output_steps[1]);
        (NEAR / line.max(1)).clamp(1, self.lines.max(1))
    }
}

/// Looks at every length once, so that the loops need not.
#[derive(Clone, Copy)]
struct Checked<'a> {
    area: Area,
    runs: &'a [Run],
    width: usize,
}

impl<'a> Checked<'a> {
    /// `matrix` has a row of `width` values for each value of a patch.
    fn new(area: Area, runs: &'a [Run], width: usize, input: usize, matrix: usize, output: usize) -> Option<Self> {
        if area.is_empty() || width == 0 {
            return None;
        }
        assert!(width.is_multiple_of(LANES) && width <= area.output_steps[1].max(width), "{width} columns");
        assert!(output >= area.last(area.output_steps) + width, "the output is too short");
        let last = area.last(area.input_steps);
        assert!(runs.iter().all(|run| input >= last + run.from + run.depth), "the input is too short");
        let depth: usize = runs.iter().map(|run| run.depth).sum();
        assert!(matrix >= depth * width, "the weights are too short");
        Some(Self { area, runs, width })
    }
}

/// Writes `width` values to each pixel of `output`: `start` plus the product of its patch with `weights`, which have a row
/// of `width` values, a multiple of [`LANES`], for each value of a patch.
///
/// # Panics
/// If a slice is too short.
pub fn convolve(
    area: Area,
    runs: &[Run],
    input: &[f32],
    weights: &[f32],
    width: usize,
    start: Start<'_>,
    output: &mut [f32],
) {
    let Some(checked) = Checked::new(area, runs, width, input.len(), weights.len(), output.len()) else { return };
    if let Start::Row(row) = start {
        assert!(row.len() >= width, "the row to start from is too short");
    }
    match level() {
        // SAFETY: the level says that the processor has these instructions; the lengths were checked.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { checked.convolve_avx512(input, weights, start, output) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { checked.convolve_avx2(input, weights, start, output) },
        _ => checked.convolve_portable(input, weights, start, output),
    }
}

/// Adds the products of each value of a patch with the derivatives by its pixel's result, over all pixels: the
/// derivatives by the weights. Each is one chain over the pixels, line by line.
///
/// # Panics
/// If a slice is too short.
pub fn convolve_gradient(
    area: Area,
    runs: &[Run],
    input: &[f32],
    d_output: &[f32],
    width: usize,
    gradient: &mut [f32],
) {
    let Some(checked) = Checked::new(area, runs, width, input.len(), gradient.len(), d_output.len()) else { return };
    match level() {
        // SAFETY: the level says that the processor has these instructions; the lengths were checked.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { checked.gradient_avx512(input, d_output, gradient) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { checked.gradient_avx2(input, d_output, gradient) },
        _ => checked.gradient_portable(input, d_output, gradient),
    }
}

impl Checked<'_> {
    /// One pixel after the other: for processors without vectors of our own, and as the plain version that tests hold the
    /// others against.
    fn convolve_portable(&self, input: &[f32], weights: &[f32], start: Start<'_>, output: &mut [f32]) {
        let Self { area, width, .. } = *self;
        for line in 0..area.lines {
            for pixel in 0..area.pixels {
                let [from, to] = [area.input_steps, area.output_steps].map(|steps| line * steps[0] + pixel * steps[1]);
                let out = &mut output[to..to + width];
                match start {
                    Start::Zero => out.fill(0.0),
                    Start::Row(values) => out.copy_from_slice(&values[..width]),
                    Start::Present => {}
                }
                let mut rows = weights.chunks_exact(width);
                for run in self.runs {
                    for (&value, row) in input[from + run.from..][..run.depth].iter().zip(&mut rows) {
                        out.iter_mut().zip(row).for_each(|(sum, &weight)| *sum = value.mul_add(weight, *sum));
                    }
                }
            }
        }
    }

    fn gradient_portable(&self, input: &[f32], d_output: &[f32], gradient: &mut [f32]) {
        let Self { area, width, .. } = *self;
        for line in 0..area.lines {
            for pixel in 0..area.pixels {
                let [from, to] = [area.input_steps, area.output_steps].map(|steps| line * steps[0] + pixel * steps[1]);
                let slopes = &d_output[to..to + width];
                let mut rows = gradient.chunks_exact_mut(width);
                for run in self.runs {
                    for (&value, row) in input[from + run.from..][..run.depth].iter().zip(&mut rows) {
                        row.iter_mut().zip(slopes).for_each(|(sum, &slope)| *sum = value.mul_add(slope, *sum));
                    }
                }
            }
        }
    }
}

/// The loops over tiles, for vectors of one width. A tile is `M` pixels, or values of a patch, by `V` vectors.
#[cfg(target_arch = "x86_64")]
macro_rules! tiled {
    ($convolve:ident, $gradient:ident, $features:literal, $vector:ty, $lanes:literal, $zero:ident, $load:ident,
     $store:ident, $splat:ident, $fma:ident, [$($height:literal),+], [$($depth:literal),+]) => {
        impl Checked<'_> {
            /// # Safety
            /// The processor has the features, and the slices are long enough, as `new` makes sure.
            #[target_feature(enable = $features)]
            unsafe fn $convolve(&self, input: &[f32], weights: &[f32], start: Start<'_>, output: &mut [f32]) {
                /// # Safety
                /// As of the function around it, for `M` pixels and `V` vectors from the given places on.
                #[inline]
                #[target_feature(enable = $features)]
                unsafe fn tile<const M: usize, const V: usize>(
                    this: &Checked<'_>,
                    input: *const f32,
                    weights: *const f32,
                    start: (Start<'_>, usize),
                    output: *mut f32,
                ) {
                    use std::arch::x86_64::*;
                    let (input_step, output_step) = (this.area.input_steps[1], this.area.output_steps[1]);
                    // SAFETY: the caller's.
                    unsafe {
                        let mut sums: [[$vector; V]; M] = [[$zero(); V]; M];
                        for (row, sums) in sums.iter_mut().enumerate() {
                            for (vector, sum) in sums.iter_mut().enumerate() {
                                match start.0 {
                                    Start::Zero => {}
                                    Start::Row(values) => *sum = $load(values.as_ptr().add(start.1 + vector * $lanes)),
                                    Start::Present => *sum = $load(output.add(row * output_step + vector * $lanes)),
                                }
                            }
                        }
                        let mut row_of_weights = weights;
                        for run in this.runs {
                            let patch = input.add(run.from);
                            for step in 0..run.depth {
                                let mut right: [$vector; V] = [$zero(); V];
                                for (vector, value) in right.iter_mut().enumerate() {
                                    *value = $load(row_of_weights.add(vector * $lanes));
                                }
                                row_of_weights = row_of_weights.add(this.width);
                                for (row, sums) in sums.iter_mut().enumerate() {
                                    let left = $splat(*patch.add(row * input_step + step));
                                    for (sum, &value) in sums.iter_mut().zip(&right) {
                                        *sum = $fma(left, value, *sum);
                                    }
                                }
                            }
                        }
                        for (row, sums) in sums.iter().enumerate() {
                            for (vector, &sum) in sums.iter().enumerate() {
                                $store(output.add(row * output_step + vector * $lanes), sum);
                            }
                        }
                    }
                }

                /// # Safety
                /// As of the function around it, for `V` vectors from `column` on.
                #[inline]
                #[target_feature(enable = $features)]
                unsafe fn panel<const V: usize>(
                    this: &Checked<'_>,
                    input: *const f32,
                    weights: *const f32,
                    start: (Start<'_>, usize),
                    output: *mut f32,
                ) {
                    let Area { lines, pixels, input_steps, output_steps } = this.area;
                    for line in 0..lines {
                        let mut pixel = 0;
                        while pixel < pixels {
                            // SAFETY: the caller's; no tile goes beyond the pixels of the line.
                            unsafe {
                                let from = input.add(line * input_steps[0] + pixel * input_steps[1]);
                                let to = output.add(line * output_steps[0] + pixel * output_steps[1]);
                                let rest = pixels - pixel;
                                $(if rest >= $height {
                                    tile::<$height, V>(this, from, weights, start, to);
                                    pixel += $height;
                                    continue;
                                })+
                            }
                        }
                    }
                }

                let mut column = 0;
                while column < self.width {
                    // SAFETY: the caller's; no panel goes beyond the columns, which are a multiple of sixteen.
                    unsafe {
                        let (weights, output) = (weights.as_ptr().add(column), output.as_mut_ptr().add(column));
                        if self.width - column >= 2 * $lanes {
                            panel::<2>(self, input.as_ptr(), weights, (start, column), output);
                            column += 2 * $lanes;
                        } else {
                            panel::<1>(self, input.as_ptr(), weights, (start, column), output);
                            column += $lanes;
                        }
                    }
                }
            }

            /// # Safety
            /// As of the function above.
            #[target_feature(enable = $features)]
            unsafe fn $gradient(&self, input: &[f32], d_output: &[f32], gradient: &mut [f32]) {
                /// # Safety
                /// As of the function around it, for `M` values of a patch and `V` vectors, over so many lines.
                #[inline]
                #[target_feature(enable = $features)]
                unsafe fn tile<const M: usize, const V: usize>(
                    this: &Checked<'_>,
                    lines: usize,
                    input: *const f32,
                    d_output: *const f32,
                    gradient: *mut f32,
                ) {
                    use std::arch::x86_64::*;
                    let Area { pixels, input_steps, output_steps, .. } = this.area;
                    // SAFETY: the caller's.
                    unsafe {
                        let mut sums: [[$vector; V]; M] = [[$zero(); V]; M];
                        for (row, sums) in sums.iter_mut().enumerate() {
                            for (vector, sum) in sums.iter_mut().enumerate() {
                                *sum = $load(gradient.add(row * this.width + vector * $lanes));
                            }
                        }
                        for line in 0..lines {
                            let mut patch = input.add(line * input_steps[0]);
                            let mut slopes = d_output.add(line * output_steps[0]);
                            for _ in 0..pixels {
                                let mut right: [$vector; V] = [$zero(); V];
                                for (vector, value) in right.iter_mut().enumerate() {
                                    *value = $load(slopes.add(vector * $lanes));
                                }
                                for (row, sums) in sums.iter_mut().enumerate() {
                                    let left = $splat(*patch.add(row));
                                    for (sum, &value) in sums.iter_mut().zip(&right) {
                                        *sum = $fma(left, value, *sum);
                                    }
                                }
                                // Past the last pixel they point nowhere, and nobody reads there.
                                patch = patch.wrapping_add(input_steps[1]);
                                slopes = slopes.wrapping_add(output_steps[1]);
                            }
                        }
                        for (row, sums) in sums.iter().enumerate() {
                            for (vector, &sum) in sums.iter().enumerate() {
                                $store(gradient.add(row * this.width + vector * $lanes), sum);
                            }
                        }
                    }
                }

                /// # Safety
                /// As of the function around it, for `V` vectors from a column on.
                #[inline]
                #[target_feature(enable = $features)]
                unsafe fn panel<const V: usize>(
                    this: &Checked<'_>,
                    lines: usize,
                    input: *const f32,
                    d_output: *const f32,
                    gradient: *mut f32,
                ) {
                    let mut first = 0;
                    for run in this.runs {
                        let mut row = 0;
                        while row < run.depth {
                            // SAFETY: the caller's; no tile goes beyond the run.
                            unsafe {
                                let from = input.add(run.from + row);
                                let to = gradient.add((first + row) * this.width);
                                let rest = run.depth - row;
                                $(if rest >= $depth {
                                    tile::<$depth, V>(this, lines, from, d_output, to);
                                    row += $depth;
                                    continue;
                                })+
                            }
                        }
                        first += run.depth;
                    }
                }

                let Area { lines, input_steps, output_steps, .. } = self.area;
                let together = self.area.near_lines();
                let mut line = 0;
                while line < lines {
                    let count = together.min(lines - line);
                    let mut column = 0;
                    while column < self.width {
                        // SAFETY: the caller's; no panel goes beyond the columns, which are a multiple of sixteen.
                        unsafe {
                            let from = input.as_ptr().add(line * input_steps[0]);
                            let slopes = d_output.as_ptr().add(line * output_steps[0] + column);
                            let to = gradient.as_mut_ptr().add(column);
                            if self.width - column >= 2 * $lanes {
                                panel::<2>(self, count, from, slopes, to);
                                column += 2 * $lanes;
                            } else {
                                panel::<1>(self, count, from, slopes, to);
                                column += $lanes;
                            }
                        }
                    }
                    line += count;
                }
            }
        }
    };
}

// At most twelve rows of two vectors of sixteen: 24 sums and two values of the matrix are 26 of 32 registers.
#[cfg(target_arch = "x86_64")]
tiled!(
    convolve_avx512,
    gradient_avx512,
    "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma",
    __m512,
    16,
    _mm512_setzero_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_set1_ps,
    _mm512_fmadd_ps,
    [8, 7, 6, 5, 4, 3, 2, 1],
    [12, 8, 4, 3, 2, 1]
);
// At most six rows of two vectors of eight: 12 sums, two values of the matrix and one of a patch are 15 of 16 registers.
#[cfg(target_arch = "x86_64")]
tiled!(
    convolve_avx2,
    gradient_avx2,
    "avx2,fma",
    __m256,
    8,
    _mm256_setzero_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    _mm256_fmadd_ps,
    [6, 4, 3, 2, 1],
    [6, 4, 3, 2, 1]
);

#[cfg(test)]
#[path = "convolve_tests.rs"]
mod tests;
