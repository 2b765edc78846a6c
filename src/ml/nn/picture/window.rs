//! Windows over pictures: which pixels of the input a pixel of the output looks at, and the other way round.

use crate::ml::config::MapShape;
use crate::ml::kernel::{LANES, Run};

/// What a convolution or a pool looks at; pixels, the same in both directions but for the sides of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Height and width.
    pub kernel: [usize; 2],
    pub stride: usize,
    /// Beyond each edge of the picture.
    pub padding: usize,
}

impl Window {
    /// The sides of the output of pictures with such sides; `None` if the window is larger than picture and padding.
    pub fn output(&self, sides: [usize; 2]) -> Option<[usize; 2]> {
        MapShape { sides, channels: 1 }.windowed(self.kernel, self.stride, self.padding)
    }

    /// The offsets of a window in the order in which weights lie: line by line.
    pub fn taps(&self) -> impl Iterator<Item = [usize; 2]> + use<> {
        let [height, width] = self.kernel;
        (0..height).flat_map(move |y| (0..width).map(move |x| [y, x]))
    }

    /// The outputs along one direction whose window has its offset `tap` inside a side of the input.
    pub fn inside(&self, tap: usize, side: usize, outputs: usize) -> std::ops::Range<usize> {
        // The input's pixel is `output * stride + tap - padding`.
        let first = self.padding.saturating_sub(tap).div_ceil(self.stride);
        let end = (side + self.padding).saturating_sub(tap).div_ceil(self.stride);
        first.min(outputs)..end.min(outputs).max(first.min(outputs))
    }
}

/// The memory of a map: one value per pixel and channel, pixels with all their channels one after another, lines of them,
/// and a border of zeros around all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    pub sides: [usize; 2],
    /// Values from pixel to pixel.
    pub step: usize,
    /// Pixels on each side.
    pub border: usize,
}

impl Frame {
    /// Values from line to line.
    pub fn line(&self) -> usize {
        (self.sides[1] + 2 * self.border) * self.step
    }

    /// Values of a map, so many that the next begins on a cache line.
    pub fn size(&self) -> usize {
        ((self.sides[0] + 2 * self.border) * self.line()).next_multiple_of(LANES)
    }

    /// Where a pixel of the map lies; coordinates may be negative within the border.
    pub fn place(&self, y: isize, x: isize) -> usize {
        let inside = |at: isize| at.saturating_add_unsigned(self.border).max(0) as usize;
        inside(y) * self.line() + inside(x) * self.step
    }
}

/// The runs that a kernel reads of a frame, relative to the pixel where its offset 0 lies, for `channels` values a pixel.
pub fn runs(taps: &[[usize; 2]], frame: &Frame, channels: usize) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for &[y, x] in taps {
        let from = y * frame.line() + x * frame.step;
        match runs.last_mut() {
            Some(last) if last.from + last.depth == from => last.depth += channels,
            _ => runs.push(Run { from, depth: channels }),
        }
    }
    runs
}

/// The pixels of the input, `stride` apart from the first one on, that the same offsets of windows fall on. Each is a sum
/// over some pixels of the output, side by side with those of its neighbours: the way back is a convolution too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// The first of its pixels.
    pub first: [usize; 2],
    /// Lines and pixels.
    pub sides: [usize; 2],
    /// The first pixel of the output that the first pixel looks at; it may lie in the border.
    pub corner: [isize; 2],
    /// Offsets from there, with the offsets of the window that they are multiplied with.
    pub taps: Vec<([usize; 2], [usize; 2])>,
}

/// Along one direction: the first pixel, how many, the corner, and the offsets with those of the window.
type Direction = (usize, usize, isize, Vec<(usize, usize)>);

fn directions(kernel: usize, window: &Window, side: usize) -> Vec<Direction> {
    let stride = window.stride;
    let phase = |first: usize| {
        // The output that looks at the pixel `first + stride * i` with its offset `tap` is `i + shift`.
        let shift = |tap: usize| (first + window.padding) as isize - tap as isize;
        let taps: Vec<usize> = (0..kernel).rev().filter(|&tap| shift(tap).rem_euclid(stride as isize) == 0).collect();
        let corner = taps.first().map_or(0, |&tap| shift(tap).div_euclid(stride as isize));
        let taps = taps.iter().map(|&tap| ((shift(tap).div_euclid(stride as isize) - corner) as usize, tap)).collect();
        (first, (side - first).div_ceil(stride), corner, taps)
    };
    (0..stride.min(side)).map(phase).collect()
}

impl Phase {
    /// All pixels of an input with such sides.
    pub fn all(window: &Window, sides: [usize; 2]) -> Vec<Self> {
        let [down, across] = [0, 1].map(|at| directions(window.kernel[at], window, sides[at]));
        let pair = |(y, x): (&Direction, &Direction)| Self {
            first: [y.0, x.0],
            sides: [y.1, x.1],
            corner: [y.2, x.2],
            taps: y.3.iter().flat_map(|a| x.3.iter().map(move |b| ([a.0, b.0], [a.1, b.1]))).collect(),
        };
        down.iter().flat_map(|y| across.iter().map(move |x| (y, x))).map(pair).collect()
    }

    /// How many pixels beyond an output with such sides it looks.
    pub fn border(&self, outputs: [usize; 2]) -> usize {
        let beyond = |at: usize| {
            let farthest = self.taps.iter().map(|(offset, _)| offset[at]).max().unwrap_or(0);
            let end = self.corner[at] + (self.sides[at] + farthest) as isize;
            (-self.corner[at]).max(end - outputs[at] as isize).max(0) as usize
        };
        if self.taps.is_empty() { 0 } else { beyond(0).max(beyond(1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sides_are_those_of_pytorch() {
        // torch.nn.Conv2d(1, 1, k, s, p)(torch.zeros(1, 1, 32, 7)).shape
        for ([kernel, stride, padding], expected) in [
            ([3, 1, 1], [32, 7]),
            ([3, 2, 1], [16, 4]),
            ([5, 1, 0], [28, 3]),
            ([2, 2, 0], [16, 3]),
            ([1, 2, 0], [16, 4]),
        ] {
            let window = Window { kernel: [kernel; 2], stride, padding };
            assert_eq!(window.output([32, 7]), Some(expected));
        }
        assert_eq!(Window { kernel: [9; 2], stride: 1, padding: 0 }.output([32, 7]), None);
    }

    proptest! {
        /// Every pair of an output and an offset that falls on a pixel is there exactly once, and no other.
        #[test]
        fn the_way_back_is_the_way_there(
            kernel in 1_usize..5, stride in 1_usize..5, padding in 0_usize..3, height in 4_usize..9, width in 4_usize..9,
        ) {
            let window = Window { kernel: [kernel; 2], stride, padding };
            let Some(outputs) = window.output([height, width]) else { return Ok(()) };
            let mut there = Vec::new();
            for oy in 0..outputs[0] {
                for ox in 0..outputs[1] {
                    for [ky, kx] in window.taps() {
                        let (y, x) = ((oy * stride + ky).checked_sub(padding), (ox * stride + kx).checked_sub(padding));
                        if let (Some(y), Some(x)) = (y, x) && y < height && x < width {
                            there.push([y, x, oy, ox, ky, kx]);
                        }
                    }
                }
            }
            let mut back = Vec::new();
            for phase in Phase::all(&window, [height, width]) {
                for line in 0..phase.sides[0] {
                    for pixel in 0..phase.sides[1] {
                        for &([dy, dx], [ky, kx]) in &phase.taps {
                            let (oy, ox) = (phase.corner[0] + (line + dy) as isize, phase.corner[1] + (pixel + dx) as isize);
                            let border = phase.border(outputs) as isize;
                            prop_assert!(oy >= -border && oy < outputs[0] as isize + border);
                            prop_assert!(ox >= -border && ox < outputs[1] as isize + border);
                            if (0..outputs[0] as isize).contains(&oy) && (0..outputs[1] as isize).contains(&ox) {
                                let at = [phase.first[0] + line * stride, phase.first[1] + pixel * stride];
                                back.push([at[0], at[1], oy as usize, ox as usize, ky, kx]);
                            }
                        }
                    }
                }
            }
            there.sort_unstable();
            back.sort_unstable();
            prop_assert_eq!(there, back);
            for tap in 0..kernel {
                let inside = window.inside(tap, height, outputs[0]);
                for output in 0..outputs[0] {
                    let pixel = (output * stride + tap).checked_sub(padding);
                    prop_assert_eq!(inside.contains(&output), pixel.is_some_and(|pixel| pixel < height));
                }
            }
        }
    }
}
