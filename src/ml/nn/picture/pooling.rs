//! The largest value or the mean of windows, by channel. The way back finds the largest again instead of remembering it;
//! of several it is the first, as in PyTorch.

use super::plan::Map;
use super::window::{Frame, Window};
use crate::ml::kernel::{add_weighted_pixels, largest_pixels, pass_to_largest};

/// A pool between two maps.
pub(super) struct Pool<'a> {
    pub(super) window: Window,
    pub(super) largest: bool,
    pub(super) input: &'a Map,
    pub(super) output: &'a Map,
}

/// Neighbouring windows of a line, by one of their pixels.
struct Seen {
    pixels: usize,
    /// Line and first pixel of the output, and of the input.
    output: [usize; 2],
    input: [usize; 2],
}

impl Pool<'_> {
    /// Calls for each line of windows and each pixel of them.
    fn each(&self, mut visit: impl FnMut(Seen)) {
        let Self { window, input, output, .. } = self;
        let reached = |at: usize, tap: usize| at * window.stride + tap - window.padding;
        for line in 0..output.sides[0] {
            for [y, x] in window.taps() {
                let across = window.inside(x, input.sides[1], output.sides[1]);
                let is_there = window.inside(y, input.sides[0], output.sides[0]).contains(&line);
                if is_there && !across.is_empty() {
                    let at = [reached(line, y), reached(across.start, x)];
                    visit(Seen { pixels: across.len(), output: [line, across.start], input: at });
                }
            }
        }
    }

    /// Padding counts: as zeros of the mean.
    fn share(&self) -> Vec<f32> {
        vec![1.0 / (self.window.kernel[0] * self.window.kernel[1]) as f32; self.output.frame.step]
    }

    /// Of one picture.
    pub(super) fn forward(&self, from: &[f32], to: &mut [f32]) {
        let (input, output) = (&self.input.frame, &self.output.frame);
        for line in 0..self.output.sides[0] {
            let start = if self.largest { f32::NEG_INFINITY } else { 0.0 };
            to[place(output, [line, 0])..][..self.output.sides[1] * output.step].fill(start);
        }
        let share = self.share();
        self.each(|Seen { pixels, output: out, input: at }| {
            let from = (&from[place(input, at)..], self.window.stride * input.step);
            let to = (&mut to[place(output, out)..], output.step);
            if self.largest {
                largest_pixels(pixels, output.step, from, to);
            } else {
                add_weighted_pixels(pixels, from, &share, to);
            }
        });
    }

    /// Of one picture: adds to `d_input`. `from` and `to` are those of the way there, `seen` has room for the output.
    pub(super) fn backward(&self, [from, to]: [&[f32]; 2], d_output: &[f32], seen: &mut [f32], d_input: &mut [f32]) {
        let frames = [&self.input.frame, &self.output.frame, &self.input.d_frame, &self.output.d_frame];
        let [input, output, d_in, d_out] = frames;
        let share = self.share();
        seen.fill(0.0);
        self.each(|Seen { pixels, output: out, input: at }| {
            let slopes = &d_output[place(d_out, out)..];
            let d_to = (&mut d_input[place(d_in, at)..], self.window.stride * d_in.step);
            if self.largest {
                let windows = [&to[place(output, out)..], slopes];
                let values = (&from[place(input, at)..], self.window.stride * input.step);
                let found = &mut seen[place(d_out, out)..];
                pass_to_largest(pixels, output.step, windows, values, found, d_to);
            } else {
                add_weighted_pixels(pixels, (slopes, d_out.step), &share, d_to);
            }
        });
    }
}

fn place(frame: &Frame, [y, x]: [usize; 2]) -> usize {
    frame.place(y as isize, x as isize)
}
