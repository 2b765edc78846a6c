//! Convolutions with 3 × 3 weights and stride 1 in fewer multiplications: the minimal filtering `F(4 × 4, 3 × 3)` of
//! Winograd, as in Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks", sections 4.1 and 4.3.
//!
//! The output is cut into tiles of 4 × 4 pixels, each made of 6 × 6 of the input. Input and weights are turned into
//! [`POSITIONS`] values each by sums ([`transforms`]); the product over channels is done at each position by itself, and sums
//! turn the products into pixels: 36 multiplications for 144. Derivatives by the weights go the same way back. A single
//! result has about twice the rounding of the direct sum.
//!
//! Each tile is computed by itself and derivatives by weights are one chain over the tiles of all pictures, so that the bits
//! do not depend on how many are worked on together.

mod transforms;

use super::{Buffer, LANES, Left, Start, matmul, stride};
use transforms::{Band, gather_matrices, gather_output, spread_input, spread_matrices, spread_slopes};

/// Pixels of a side of a tile of the output, and of the input.
const TILE: usize = 4;
const SPAN: usize = 6;
/// Values of a tile of the input; positions that products are taken at.
pub const POSITIONS: usize = SPAN * SPAN;
/// Tiles that are worked on together, unless a line has more: few enough for the second cache.
const TOGETHER: usize = 16;

/// Pictures between two frames of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TiledArea {
    /// Lines and pixels of the output; the input has two more of each.
    pub sides: [usize; 2],
    /// From picture to picture, line to line, pixel to pixel.
    pub input_steps: [usize; 3],
    pub output_steps: [usize; 3],
    /// Channels of the input, and of the output, which are a multiple of [`LANES`]; pixels of the input have theirs padded.
    pub channels: [usize; 2],
}

/// Room for tiles, which grows as needed.
#[derive(Debug, Clone, Default)]
pub struct TileRoom {
    input: Buffer,
    output: Buffer,
    near: Buffer,
}

impl TileRoom {
    fn reserve(&mut self, area: &TiledArea) {
        let [inputs, outputs] = area.positions();
        grow(&mut self.input, POSITIONS * inputs);
        grow(&mut self.output, POSITIONS * outputs);
        grow(&mut self.near, SPAN * (area.across() * TILE + SPAN - TILE) * LANES);
    }
}

fn grow(buffer: &mut Buffer, length: usize) {
    if buffer.len() < length {
        *buffer = Buffer::zeros(length);
    }
}

/// Some lines of tiles, of one picture or of several.
struct Part {
    bands: std::ops::Range<usize>,
    tiles: usize,
}

impl TiledArea {
    /// Values of the weights at all positions.
    pub fn weights(&self) -> usize {
        POSITIONS * self.matrix()
    }

    /// Values of the weights of one pixel of the window.
    fn matrix(&self) -> usize {
        self.channels[0] * self.channels[1]
    }

    /// Tiles of a line of them, and lines of a picture.
    fn across(&self) -> usize {
        self.sides[1].div_ceil(TILE)
    }

    fn down(&self) -> usize {
        self.sides[0].div_ceil(TILE)
    }

    fn bands_together(&self) -> usize {
        (TOGETHER / self.across().max(1)).max(1)
    }

    /// From position to position of input and output. They are not a power of two apart, which would crowd a few lines of
    /// the cache.
    fn positions(&self) -> [usize; 2] {
        let tiles = self.bands_together() * self.across();
        self.channels.map(|channels| tiles * stride(channels) + LANES)
    }

    fn parts(&self, pictures: usize) -> impl Iterator<Item = Part> + use<> {
        let (bands, together, across) = (pictures * self.down(), self.bands_together(), self.across());
        (0..bands).step_by(together).map(move |first| {
            let end = bands.min(first + together);
            Part { bands: first..end, tiles: (end - first) * across }
        })
    }

    /// Of a line of tiles: the place of its first pixel in the input, and itself.
    fn input_band(&self, band: usize) -> (usize, Band) {
        let (picture, line) = (band / self.down(), band % self.down() * TILE);
        let [of_picture, of_line, of_pixel] = self.input_steps;
        let band = Band {
            lines: (self.sides[0] + SPAN - TILE - line).min(SPAN),
            pixels: self.sides[1] + SPAN - TILE,
            steps: [of_line, of_pixel],
            tiles: self.across(),
            channels: stride(self.channels[0]),
            position: self.positions()[0],
        };
        (picture * of_picture + line * of_line, band)
    }

    fn output_band(&self, band: usize) -> (usize, Band) {
        let (picture, line) = (band / self.down(), band % self.down() * TILE);
        let [of_picture, of_line, of_pixel] = self.output_steps;
        let band = Band {
            lines: (self.sides[0] - line).min(TILE),
            pixels: self.sides[1],
            steps: [of_line, of_pixel],
            tiles: self.across(),
            channels: self.channels[1],
            position: self.positions()[1],
        };
        (picture * of_picture + line * of_line, band)
    }

    /// The weights at each position. `weights` has for each pixel of the window a row of outputs for each input.
    ///
    /// # Panics
    /// If a slice is too short.
    pub fn spread_weights(&self, weights: &[f32], to: &mut [f32]) {
        spread_matrices(self.matrix(), weights, to);
    }

    /// The output of some pictures: the convolution, plus `start`. `weights` are those at the positions.
    ///
    /// # Panics
    /// If a slice is too short.
    pub fn convolve(
        &self,
        pictures: usize,
        input: &[f32],
        weights: &[f32],
        start: Start<'_>,
        output: &mut [f32],
        room: &mut TileRoom,
    ) {
        room.reserve(self);
        let ([inputs, outputs], [from, to]) = (self.channels, self.positions());
        let (bias, adds) = match start {
            Start::Zero => (None, false),
            Start::Row(row) => (Some(row), false),
            Start::Present => (None, true),
        };
        for Part { bands, tiles } in self.parts(pictures) {
            self.spread(bands.clone(), input, room);
            for at in 0..POSITIONS {
                let left = Left { values: &room.input[at * from..], row_step: stride(inputs), depth_step: 1 };
                let weights = &weights[at * self.matrix()..];
                let products = &mut room.output[at * to..];
                matmul([tiles, inputs, outputs], left, weights, outputs, Start::Zero, products, outputs);
            }
            for (at, band) in bands.enumerate() {
                let (place, band) = self.output_band(band);
                let from = &room.output[at * band.tiles * outputs..];
                gather_output(band, from, bias, adds, &mut output[place..]);
            }
        }
    }

    fn spread(&self, bands: std::ops::Range<usize>, input: &[f32], room: &mut TileRoom) {
        for (at, band) in bands.enumerate() {
            let (place, band) = self.input_band(band);
            let to = &mut room.input[at * band.tiles * band.channels..];
            spread_input(band, &input[place..], &mut room.near, to);
        }
    }

    /// Adds the derivatives by the weights at all positions, from those by the output, to what `start` says: zero, or what is
    /// there.
    ///
    /// # Panics
    /// If a slice is too short.
    pub fn gradient(
        &self,
        pictures: usize,
        [input, d_output]: [&[f32]; 2],
        mut start: Start<'_>,
        sums: &mut [f32],
        room: &mut TileRoom,
    ) {
        room.reserve(self);
        let ([inputs, outputs], [from, to]) = (self.channels, self.positions());
        for Part { bands, tiles } in self.parts(pictures) {
            self.spread(bands.clone(), input, room);
            for (at, band) in bands.enumerate() {
                let (place, band) = self.output_band(band);
                spread_slopes(band, &d_output[place..], &mut room.output[at * band.tiles * outputs..]);
            }
            for at in 0..POSITIONS {
                let left = Left { values: &room.input[at * from..], row_step: 1, depth_step: stride(inputs) };
                let slopes = &room.output[at * to..];
                let sums = &mut sums[at * self.matrix()..];
                matmul([inputs, tiles, outputs], left, slopes, outputs, start, sums, outputs);
            }
            start = Start::Present;
        }
    }

    /// Adds the derivatives by the weights to `gradient`, from those at all positions.
    ///
    /// # Panics
    /// If a slice is too short.
    pub fn gather_weights(&self, sums: &[f32], gradient: &mut [f32]) {
        gather_matrices(self.matrix(), sums, gradient);
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
