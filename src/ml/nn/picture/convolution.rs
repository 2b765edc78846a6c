//! Convolutions there and back, as products over the memory of maps: tile by tile where that takes fewer multiplications,
//! else directly.

use std::ops::Range;

use super::plan::{Convolution, Map};
use super::window::{Frame, Phase, runs};
use crate::ml::kernel::{
    Area, Buffer, LANES, Run, Start, TileRoom, TiledArea, add_pixel_products, add_weighted_pixels, convolve,
    convolve_gradient, stride, transpose,
};

/// A product of patches of one map with pixels of another.
#[derive(Debug, Clone)]
struct Product {
    area: Area,
    runs: Vec<Run>,
    /// The corner of the first patch, and the first pixel.
    corners: [usize; 2],
    /// From picture to picture.
    steps: [usize; 2],
    /// Whether each picture has one pixel: those of several are one line then.
    is_vector: bool,
}

impl Product {
    /// The parts of memory of so many pictures that are worked on together, each with how many they are.
    fn together(&self, pictures: usize) -> impl Iterator<Item = ([usize; 2], Area)> + use<'_> {
        let Self { area, steps, corners, is_vector, .. } = self;
        let parts = if *is_vector { pictures.min(1) } else { pictures };
        let [input, output] = *steps;
        let line = Area { lines: 1, pixels: pictures, input_steps: [0, input], output_steps: [0, output] };
        let area = if *is_vector { line } else { *area };
        (0..parts).map(move |picture| ([picture * input + corners[0], picture * output + corners[1]], area))
    }

    fn multiply(&self, pictures: usize, input: &[f32], weights: &[f32], start: Start<'_>, output: &mut [f32]) {
        let width = self.width(weights);
        for ([from, to], area) in self.together(pictures) {
            convolve(area, &self.runs, &input[from..], weights, width, start, &mut output[to..]);
        }
    }

    fn gradient(&self, pictures: usize, input: &[f32], d_output: &[f32], gradient: &mut [f32]) {
        let width = self.width(gradient);
        for ([from, to], area) in self.together(pictures) {
            convolve_gradient(area, &self.runs, &input[from..], &d_output[to..], width, gradient);
        }
    }

    /// The columns of a matrix with a row for each value of a patch.
    fn width(&self, matrix: &[f32]) -> usize {
        matrix.len() / self.runs.iter().map(|run| run.depth).sum::<usize>().max(1)
    }
}

/// Pixels of the input with the weights that lead back to them.
#[derive(Debug, Clone)]
struct Back {
    product: Product,
    /// Pixels of the window, in the order of the runs.
    taps: Vec<usize>,
    weights: Range<usize>,
}

/// A convolution in tiles: of the input, of the derivatives by the output, and for those by the weights; with the weights
/// of the first two at their positions.
#[derive(Debug, Clone)]
struct Tiles {
    there: (TiledArea, Buffer),
    back: (TiledArea, Buffer),
    gradient: TiledArea,
}

impl Tiles {
    /// `None` where they do not save half of the multiplications, or the sums around them cost as much.
    fn new(convolution: &Convolution, input: &Map, output: &Map) -> Option<Self> {
        let window = convolution.window;
        let fits = window.kernel == [3, 3] && window.stride == 1 && input.frame.step == stride(input.channels);
        let tiles: usize = output.sides.iter().map(|side| side.div_ceil(4)).product();
        let saves = output.sides[0] * output.sides[1] * 9 >= 2 * 36 * tiles;
        if !fits || !saves || input.channels.min(output.channels) < LANES {
            return None;
        }
        let steps = |frame: &Frame| [frame.size(), frame.line(), frame.step];
        let there = TiledArea {
            sides: output.sides,
            input_steps: steps(&input.frame),
            output_steps: steps(&output.frame),
            channels: [input.channels, stride(output.channels)],
        };
        let back = TiledArea {
            sides: input.sides,
            input_steps: steps(&output.d_frame),
            output_steps: steps(&input.d_frame),
            channels: [output.channels, stride(input.channels)],
        };
        let weights = |area: &TiledArea, is_used: bool| Buffer::zeros(if is_used { area.weights() } else { 0 });
        Some(Self {
            there: (there, weights(&there, true)),
            back: (back, weights(&back, !convolution.back.is_empty())),
            gradient: TiledArea { output_steps: steps(&output.d_frame), ..there },
        })
    }
}

/// A convolution with all places in memory worked out.
#[derive(Debug, Clone)]
pub(super) struct Kernel {
    tiles: Option<Tiles>,
    there: Product,
    /// As `there`, to the derivatives by the output.
    gradient: Product,
    back: Vec<Back>,
    /// The weights of the way back: outputs by inputs.
    flipped: Buffer,
    /// Channels of input and output.
    channels: [usize; 2],
    /// Values of the derivatives of a picture by its input.
    d_input: usize,
    /// Lines and values of a line of those, without borders, and the first of them.
    d_lines: ([usize; 2], Frame),
}

impl Kernel {
    /// For prediction, which knows no way back and no other weights.
    pub(super) fn one_way(convolution: &Convolution, input: &Map, output: &Map, weights: &[f32]) -> Self {
        let mut kernel = Self::new(&Convolution { back: Vec::new(), ..convolution.clone() }, input, output);
        kernel.read(weights);
        kernel
    }

    pub(super) fn new(convolution: &Convolution, input: &Map, output: &Map) -> Self {
        let (window, phases): (_, &[Phase]) = (convolution.window, &convolution.back);
        let taps: Vec<[usize; 2]> = window.taps().collect();
        let corner = -(window.padding as isize);
        let towards = |frame: &Frame| Product {
            area: Area {
                lines: output.sides[0],
                pixels: output.sides[1],
                input_steps: [window.stride * input.frame.line(), window.stride * input.frame.step],
                output_steps: [frame.line(), frame.step],
            },
            runs: runs(&taps, &input.frame, input.channels),
            corners: [input.frame.place(corner, corner), frame.place(0, 0)],
            steps: [input.frame.size(), frame.size()],
            is_vector: output.is_vector(),
        };
        let mut rows = 0;
        let mut back = Vec::with_capacity(phases.len());
        for phase in phases {
            let offsets: Vec<[usize; 2]> = phase.taps.iter().map(|(offset, _)| *offset).collect();
            let first = phase.first.map(|at| at as isize);
            let (frame, d_frame) = (&output.d_frame, &input.d_frame);
            let product = Product {
                area: Area {
                    lines: phase.sides[0],
                    pixels: phase.sides[1],
                    input_steps: [frame.line(), frame.step],
                    output_steps: [window.stride * d_frame.line(), window.stride * d_frame.step],
                },
                runs: runs(&offsets, frame, output.channels),
                corners: [frame.place(phase.corner[0], phase.corner[1]), d_frame.place(first[0], first[1])],
                steps: [frame.size(), d_frame.size()],
                is_vector: phase.sides == [1, 1] && output.is_vector(),
            };
            let taps: Vec<usize> = phase.taps.iter().map(|(_, [y, x])| y * window.kernel[1] + x).collect();
            let end = rows + taps.len() * output.channels * stride(input.channels);
            back.push(Back { product, taps, weights: rows..end });
            rows = end;
        }
        Self {
            tiles: Tiles::new(convolution, input, output),
            there: towards(&output.frame),
            gradient: towards(&output.d_frame),
            back,
            flipped: Buffer::zeros(rows),
            channels: [input.channels, output.channels],
            d_input: input.d_frame.size(),
            d_lines: (input.sides, input.d_frame),
        }
    }

    /// The output of some pictures, from the weights that were read last.
    pub(super) fn forward(
        &self,
        pictures: usize,
        input: &[f32],
        (weights, bias): (&[f32], Option<&[f32]>),
        output: &mut [f32],
        room: &mut TileRoom,
    ) {
        let start = bias.map_or(Start::Zero, Start::Row);
        let [from, to] = self.there.corners;
        match &self.tiles {
            Some(Tiles { there: (area, spread), .. }) => {
                area.convolve(pictures, &input[from..], spread, start, &mut output[to..], room);
            }
            None => self.there.multiply(pictures, input, weights, start, output),
        }
    }

    /// Reads the weights anew for the way there.
    pub(super) fn read(&mut self, weights: &[f32]) {
        if let Some(Tiles { there: (area, spread), .. }) = &mut self.tiles {
            area.spread_weights(weights, spread);
        }
    }

    /// Reads the weights anew for the way back.
    pub(super) fn read_back(&mut self, weights: &[f32]) {
        let [inputs, outputs] = self.channels;
        let (from, to) = (stride(outputs), stride(inputs));
        for back in &self.back {
            let mut flipped = &mut self.flipped[back.weights.clone()];
            for &tap in &back.taps {
                let (one, rest) = flipped.split_at_mut(outputs * to);
                transpose([inputs, outputs], &weights[tap * inputs * from..], from, one, to);
                flipped = rest;
            }
        }
        if let (Some(Tiles { back: (area, spread), .. }), [_]) = (&mut self.tiles, &*self.back) {
            area.spread_weights(&self.flipped, spread);
        }
    }

    /// The derivatives of some pictures by the input, or what this adds to them.
    pub(super) fn backward(
        &self,
        pictures: usize,
        d_output: &[f32],
        adds: bool,
        d_input: &mut [f32],
        room: &mut TileRoom,
    ) {
        let start = if adds { Start::Present } else { Start::Zero };
        if let (Some(Tiles { back: (area, spread), .. }), [only]) = (&self.tiles, &*self.back) {
            let [from, to] = only.product.corners;
            return area.convolve(pictures, &d_output[from..], spread, start, &mut d_input[to..], room);
        }
        if !adds && self.back.iter().any(|back| back.taps.is_empty()) {
            self.clear(d_input);
        }
        for Back { product, weights, .. } in self.back.iter().filter(|back| !back.taps.is_empty()) {
            product.multiply(pictures, d_output, &self.flipped[weights.clone()], start, d_input);
        }
    }

    /// Zeros what no window may fall on.
    fn clear(&self, d_input: &mut [f32]) {
        let ([lines, pixels], frame) = self.d_lines;
        for picture in d_input.chunks_exact_mut(self.d_input) {
            for line in 0..lines {
                picture[frame.place(line as isize, 0)..][..pixels * frame.step].fill(0.0);
            }
        }
    }

    /// Values of what [`Kernel::gradient`] adds to.
    pub(super) fn sums(&self) -> usize {
        self.tiles.as_ref().map_or(0, |tiles| tiles.gradient.weights())
    }

    /// Adds the derivatives by the weights of some pictures: to `gradient`, or to `sums`, which are `first` overwritten and
    /// which [`Kernel::end_gradient`] adds to it.
    pub(super) fn gradient(
        &self,
        pictures: usize,
        [input, d_output]: [&[f32]; 2],
        gradient: &mut [f32],
        (sums, first): (&mut [f32], bool),
        room: &mut TileRoom,
    ) {
        let [from, to] = self.gradient.corners;
        match &self.tiles {
            Some(Tiles { gradient: area, .. }) => {
                let start = if first { Start::Zero } else { Start::Present };
                area.gradient(pictures, [&input[from..], &d_output[to..]], start, sums, room);
            }
            None => self.gradient.gradient(pictures, input, d_output, gradient),
        }
    }

    pub(super) fn end_gradient(&self, sums: &[f32], gradient: &mut [f32]) {
        if let Some(Tiles { gradient: area, .. }) = &self.tiles {
            area.gather_weights(sums, gradient);
        }
    }
}

/// A convolution of each channel by itself, line by line. Windows leave out what lies beyond the picture.
pub(super) struct Filter<'a> {
    pub(super) convolution: &'a Convolution,
    pub(super) input: &'a Map,
    pub(super) output: &'a Map,
}

/// Neighbouring pixels of a line of the output that see theirs of a line of the input by one pixel of the window.
struct Seen {
    tap: usize,
    pixels: usize,
    output: [usize; 2],
    input: [usize; 2],
}

impl Filter<'_> {
    fn seen(&self) -> impl Iterator<Item = Seen> + use<'_> {
        let (window, input, output) = (self.convolution.window, self.input, self.output);
        window.taps().flat_map(move |[y, x]| {
            let across = window.inside(x, input.sides[1], output.sides[1]);
            let lines = window.inside(y, input.sides[0], output.sides[0]);
            lines.filter(move |_| !across.is_empty()).map(move |line| {
                let across = window.inside(x, input.sides[1], output.sides[1]);
                let reached = |at: usize, tap: usize| at * window.stride + tap - window.padding;
                Seen {
                    tap: y * window.kernel[1] + x,
                    pixels: across.len(),
                    output: [line, across.start],
                    input: [reached(line, y), reached(across.start, x)],
                }
            })
        })
    }

    /// Of one picture.
    pub(super) fn forward(&self, from: &[f32], weights: &[f32], bias: Option<&[f32]>, to: &mut [f32]) {
        let (input, output) = (&self.input.frame, &self.output.frame);
        let step = output.step;
        for line in 0..self.output.sides[0] {
            for pixel in to[place(output, [line, 0])..][..self.output.sides[1] * step].chunks_exact_mut(step) {
                match bias {
                    Some(bias) => pixel.copy_from_slice(bias),
                    None => pixel.fill(0.0),
                }
            }
        }
        for Seen { tap, pixels, output: out, input: at } in self.seen() {
            let from = (&from[place(input, at)..], self.convolution.window.stride * input.step);
            let weight = &weights[tap * step..][..step];
            add_weighted_pixels(pixels, from, weight, (&mut to[place(output, out)..], step));
        }
    }

    /// Of one picture; `d_input` has zeros, or what others gave.
    pub(super) fn backward(&self, d_output: &[f32], weights: &[f32], d_input: &mut [f32]) {
        let (input, output) = (&self.input.d_frame, &self.output.d_frame);
        for Seen { tap, pixels, output: out, input: at } in self.seen() {
            let weight = &weights[tap * output.step..][..output.step];
            let to = (&mut d_input[place(input, at)..], self.convolution.window.stride * input.step);
            add_weighted_pixels(pixels, (&d_output[place(output, out)..], output.step), weight, to);
        }
    }

    /// Adds the derivatives of one picture by the weights.
    pub(super) fn gradient(&self, from: &[f32], d_output: &[f32], gradient: &mut [f32]) {
        let (input, output) = (&self.input.frame, &self.output.d_frame);
        for Seen { tap, pixels, output: out, input: at } in self.seen() {
            let from = (&from[place(input, at)..], self.convolution.window.stride * input.step);
            let sums = &mut gradient[tap * output.step..][..output.step];
            add_pixel_products(pixels, from, (&d_output[place(output, out)..], output.step), sums);
        }
    }
}

fn place(frame: &Frame, [y, x]: [usize; 2]) -> usize {
    frame.place(y as isize, x as isize)
}
