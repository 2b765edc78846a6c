//! The linear maps between pixels and the positions of tiles; see [`super`].
//!
//! Along one direction they are, with the points 0, ±√½, ±√2 and infinity, `Bᵀ` from six pixels of the input, `G` from
//! three weights and `Aᵀ` to four pixels of the output. These points round less than the usual whole numbers (Barabasz et
//! al. 2020, "Error analysis and improving the accuracy of Winograd convolution", on choosing points).

use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

use super::super::{LANES, vectorized};
use super::{POSITIONS, SPAN, TILE};

const SQRT_8: f32 = 2.0 * SQRT_2;
const SQRT_1_8: f32 = 0.5 * FRAC_1_SQRT_2;
const THIRD: f32 = 1.0 / 3.0;
const SIXTH: f32 = 1.0 / 6.0;
const SQRT_2_THIRD: f32 = SQRT_2 / 3.0;
const SQRT_2_SIXTH: f32 = SQRT_2 / 6.0;

type Lanes = [f32; LANES];
const ZERO: Lanes = [0.0; LANES];

/// The sixteen values at a place.
#[inline(always)]
fn at(values: &[f32], place: usize) -> Lanes {
    let mut lanes = ZERO;
    lanes.copy_from_slice(&values[place..place + LANES]);
    lanes
}

#[inline(always)]
fn put(values: &mut [f32], place: usize, lanes: Lanes) {
    values[place..place + LANES].copy_from_slice(&lanes);
}

#[inline(always)]
fn add(a: Lanes, b: Lanes) -> Lanes {
    std::array::from_fn(|lane| a[lane] + b[lane])
}

#[inline(always)]
fn sub(a: Lanes, b: Lanes) -> Lanes {
    std::array::from_fn(|lane| a[lane] - b[lane])
}

#[inline(always)]
fn times(factor: f32, a: Lanes) -> Lanes {
    std::array::from_fn(|lane| factor * a[lane])
}

/// `factor · a + b`.
#[inline(always)]
fn fused(factor: f32, a: Lanes, b: Lanes) -> Lanes {
    std::array::from_fn(|lane| factor.mul_add(a[lane], b[lane]))
}

/// `Bᵀ`.
#[inline(always)]
fn of_input([a, b, c, d, e, f]: [Lanes; SPAN]) -> [Lanes; SPAN] {
    let (near, far) = (fused(-2.0, c, e), fused(-0.5, c, e));
    let (odd, even) = (fused(-SQRT_2, b, times(FRAC_1_SQRT_2, d)), fused(-FRAC_1_SQRT_2, b, times(SQRT_2, d)));
    let (first, last) = (add(fused(-2.5, c, a), e), add(fused(-2.5, d, b), f));
    [first, add(near, odd), sub(near, odd), add(far, even), sub(far, even), last]
}

/// `G`.
#[inline(always)]
fn of_weights([a, b, c]: [Lanes; 3]) -> [Lanes; SPAN] {
    let (near, far) = (times(-THIRD, fused(2.0, a, c)), fused(SIXTH, a, times(THIRD, c)));
    let (odd, even) = (times(SQRT_2_THIRD, b), times(SQRT_2_SIXTH, b));
    [a, sub(near, odd), add(near, odd), add(far, even), sub(far, even), c]
}

/// `Gᵀ`.
#[inline(always)]
fn to_weights([a, b, c, d, e, f]: [Lanes; SPAN]) -> [Lanes; 3] {
    let (near, far) = (add(b, c), add(d, e));
    let first = fused(SIXTH, far, fused(-2.0 * THIRD, near, a));
    let middle = fused(SQRT_2_SIXTH, sub(d, e), times(SQRT_2_THIRD, sub(c, b)));
    [first, middle, fused(THIRD, sub(far, near), f)]
}

/// `Aᵀ`.
#[inline(always)]
fn to_output([a, b, c, d, e, f]: [Lanes; SPAN]) -> [Lanes; TILE] {
    let (near, far, odd, even) = (add(b, c), add(d, e), sub(b, c), sub(d, e));
    [
        add(a, add(near, far)),
        fused(SQRT_2, even, times(FRAC_1_SQRT_2, odd)),
        fused(2.0, far, times(0.5, near)),
        fused(SQRT_8, even, fused(SQRT_1_8, odd, f)),
    ]
}

/// `A`.
#[inline(always)]
fn of_output([a, b, c, d]: [Lanes; TILE]) -> [Lanes; SPAN] {
    let (near, far) = (fused(0.5, c, a), fused(2.0, c, a));
    let (odd, even) = (fused(SQRT_1_8, d, times(FRAC_1_SQRT_2, b)), fused(SQRT_8, d, times(SQRT_2, b)));
    [a, add(near, odd), sub(near, odd), add(far, even), sub(far, even), d]
}

/// A line of tiles: where its pixels lie, and where its tiles.
#[derive(Debug, Clone, Copy)]
pub(super) struct Band {
    /// Lines and pixels that there are; what a tile has beyond them is nothing.
    pub lines: usize,
    pub pixels: usize,
    /// From line to line, from pixel to pixel.
    pub steps: [usize; 2],
    pub tiles: usize,
    /// Values of a pixel and of a tile at one position, a multiple of [`LANES`].
    pub channels: usize,
    /// From position to position.
    pub position: usize,
}

impl Band {
    /// The pixels at a place of up to so many lines, zeros beyond the last.
    #[inline(always)]
    fn column<const N: usize>(&self, values: &[f32], place: usize) -> [Lanes; N] {
        if self.lines >= N {
            return std::array::from_fn(|line| at(values, line * self.steps[0] + place));
        }
        std::array::from_fn(|line| if line < self.lines { at(values, line * self.steps[0] + place) } else { ZERO })
    }
}

vectorized! {
    /// From pixels of the input to the positions of its tiles. `near` has room for six lines of the band's columns.
    pub fn spread_input(band: Band, input: &[f32], near: &mut [f32], to: &mut [f32]) {
        let columns = band.tiles * TILE + SPAN - TILE;
        for first in (0..band.channels).step_by(LANES) {
            for column in 0..columns {
                let spread = if column < band.pixels {
                    of_input(band.column(input, column * band.steps[1] + first))
                } else {
                    [ZERO; SPAN]
                };
                for (line, lanes) in spread.into_iter().enumerate() {
                    put(near, (line * columns + column) * LANES, lanes);
                }
            }
            for line in 0..SPAN {
                let near = &near[line * columns * LANES..][..columns * LANES];
                for tile in 0..band.tiles {
                    let six = std::array::from_fn(|column| at(near, (tile * TILE + column) * LANES));
                    for (column, lanes) in of_input(six).into_iter().enumerate() {
                        put(to, (line * SPAN + column) * band.position + tile * band.channels + first, lanes);
                    }
                }
            }
        }
    }
}

vectorized! {
    /// From derivatives by pixels of the output to those by the positions of its tiles.
    pub fn spread_slopes(band: Band, slopes: &[f32], to: &mut [f32]) {
        for first in (0..band.channels).step_by(LANES) {
            for tile in 0..band.tiles {
                let mut down = [[ZERO; TILE]; SPAN];
                for across in 0..TILE {
                    let column = tile * TILE + across;
                    if column < band.pixels {
                        let spread = of_output(band.column(slopes, column * band.steps[1] + first));
                        for (down, lanes) in down.iter_mut().zip(spread) {
                            down[across] = lanes;
                        }
                    }
                }
                for (line, four) in down.into_iter().enumerate() {
                    for (column, lanes) in of_output(four).into_iter().enumerate() {
                        put(to, (line * SPAN + column) * band.position + tile * band.channels + first, lanes);
                    }
                }
            }
        }
    }
}

vectorized! {
    /// From the positions of tiles to pixels of the output: plus what is there, or plus a value for each channel.
    pub fn gather_output(band: Band, from: &[f32], bias: Option<&[f32]>, adds: bool, to: &mut [f32]) {
        for first in (0..band.channels).step_by(LANES) {
            let bias = bias.map(|bias| at(bias, first));
            for tile in 0..band.tiles {
                let place = tile * band.channels + first;
                let mut down = [[ZERO; SPAN]; TILE];
                for column in 0..SPAN {
                    let six = std::array::from_fn(|line| at(from, (line * SPAN + column) * band.position + place));
                    for (down, lanes) in down.iter_mut().zip(to_output(six)) {
                        down[column] = lanes;
                    }
                }
                // Loops of fixed length stay in registers.
                for (line, six) in down.into_iter().enumerate() {
                    for (across, lanes) in to_output(six).into_iter().enumerate() {
                        let column = tile * TILE + across;
                        if line < band.lines && column < band.pixels {
                            let place = line * band.steps[0] + column * band.steps[1] + first;
                            let lanes = match bias {
                                Some(bias) => add(lanes, bias),
                                None if adds => add(lanes, at(to, place)),
                                None => lanes,
                            };
                            put(to, place, lanes);
                        }
                    }
                }
            }
        }
    }
}

vectorized! {
    /// From nine matrices of weights, line by line of the window, to one for each position; `size` is that of a matrix.
    pub fn spread_matrices(size: usize, weights: &[f32], to: &mut [f32]) {
        for place in (0..size).step_by(LANES) {
            let mut down = [[ZERO; 3]; SPAN];
            for column in 0..3 {
                let three = std::array::from_fn(|line| at(weights, (line * 3 + column) * size + place));
                for (down, lanes) in down.iter_mut().zip(of_weights(three)) {
                    down[column] = lanes;
                }
            }
            for (line, three) in down.into_iter().enumerate() {
                for (column, lanes) in of_weights(three).into_iter().enumerate() {
                    put(to, (line * SPAN + column) * size + place, lanes);
                }
            }
        }
    }
}

vectorized! {
    /// Adds to the derivatives by nine matrices what those by the positions are worth.
    pub fn gather_matrices(size: usize, from: &[f32], gradient: &mut [f32]) {
        debug_assert!(from.len() >= POSITIONS * size);
        for place in (0..size).step_by(LANES) {
            let mut down = [[ZERO; SPAN]; 3];
            for column in 0..SPAN {
                let six = std::array::from_fn(|line| at(from, (line * SPAN + column) * size + place));
                for (down, lanes) in down.iter_mut().zip(to_weights(six)) {
                    down[column] = lanes;
                }
            }
            for (line, six) in down.into_iter().enumerate() {
                for (column, lanes) in to_weights(six).into_iter().enumerate() {
                    let place = (line * 3 + column) * size + place;
                    put(gradient, place, add(at(gradient, place), lanes));
                }
            }
        }
    }
}
