//! What is done to each channel by itself, there and back: batch normalization, what a residual block adds, activation,
//! dropout.

use super::plan::{Finish, Map, Norm};
use crate::ml::config::Activation;
use crate::ml::kernel::{
    Buffer, Dropout, Lines, Then, activate, activate_with_slopes, add_into, channel_moments, drop_units, drop_values,
    finish_channels, keep_active, multiply, normalized_slopes, parametric_relu, parametric_relu_gradient,
    parametric_relu_slopes, pass_lines, slope_moments, stride,
};
use crate::ml::nn::NORM_EPSILON;
use crate::ml::nn::normalization::towards;

/// Some maps of a batch, picture after picture.
#[derive(Clone, Copy)]
pub(super) struct Maps<'a> {
    pub(super) values: &'a [f32],
    pub(super) map: &'a Map,
}

impl<'a> Maps<'a> {
    /// The lines of a picture, and the step from one to the next.
    pub(super) fn picture(&self, picture: usize) -> (&'a [f32], usize) {
        let frame = &self.map.frame;
        (&self.values[picture * frame.size() + frame.place(0, 0)..], frame.line())
    }
}

/// What all pictures of a batch have in common: how they are normalized, there and back.
#[derive(Debug, Clone)]
pub(super) struct FinishState {
    lines: Lines,
    /// Real channels.
    channels: usize,
    /// What each channel is multiplied with, and what is added.
    affine: [Buffer; 2],
    mean: Buffer,
    inverse_deviation: Buffer,
    /// Factors of the way back.
    by: [Buffer; 3],
    /// One over the values of a channel; 0 if running statistics stood in for those of the batch.
    share: f64,
}

/// What the way back needs of the way there, of some pictures, and sums over them.
#[derive(Debug, Clone)]
pub(super) struct FinishRoom {
    /// Two sums for each channel.
    sums: [Vec<f64>; 2],
    /// Derivatives of the output by what went into the activation, where the output does not tell.
    slopes: Option<Buffer>,
    /// What went into parametric ReLU, times the factors of dropout; and the derivatives by its slopes.
    before: Option<[Buffer; 2]>,
    /// Values of a picture in these.
    size: usize,
}

/// One step with all that it reads.
#[derive(Clone, Copy)]
pub(super) struct FinishStep<'a> {
    pub(super) finish: &'a Finish,
    pub(super) state: &'a FinishState,
    pub(super) parameters: &'a [f32],
    pub(super) output: &'a Map,
    pub(super) dropout: Option<Dropout>,
    /// The first picture of a room, among those of the batch.
    pub(super) first: usize,
}

impl FinishRoom {
    /// For up to so many pictures.
    pub(super) fn new(finish: &Finish, output: &Map, pictures: usize) -> Self {
        let (width, size) = (output.lines().channels, output.d_frame.size());
        let sums = || vec![0.0; if finish.norm.is_some() { width } else { 0 }];
        Self {
            sums: [sums(), sums()],
            slopes: finish.keeps_slopes().then(|| Buffer::zeros(size * pictures)),
            before: finish.below.as_ref().map(|_| [Buffer::zeros(size * pictures), Buffer::zeros(width)]),
            size,
        }
    }

    /// Before sums are added to.
    pub(super) fn clear(&mut self) {
        self.sums.iter_mut().for_each(|sums| sums.fill(0.0));
        if let Some([_, below]) = &mut self.before {
            below.fill(0.0);
        }
    }

    /// Adds the values of a picture and their squares, before normalization.
    pub(super) fn measure(&mut self, (values, step): (&[f32], usize), lines: Lines) {
        let [sums, squares] = &mut self.sums;
        channel_moments(lines, (values, step), sums, squares);
    }

    /// The output of a picture.
    pub(super) fn forward(
        &mut self,
        step: FinishStep<'_>,
        (input, skip): (Maps<'_>, Option<Maps<'_>>),
        picture: usize,
        to: &mut [f32],
    ) {
        let FinishStep { finish, state, .. } = step;
        let (lines, frame) = (state.lines, step.output.frame);
        let keeps_slopes = finish.keeps_slopes();
        let then = if finish.activation.is_some() && !keeps_slopes { Then::Relu } else { Then::Nothing };
        let affine = state.affine.each_ref().map(|buffer| &**buffer);
        let to = &mut to[frame.place(0, 0)..];
        let skip = skip.map(|skip| skip.picture(picture));
        finish_channels(lines, input.picture(picture), affine, skip, then, (to, frame.line()));
        if !keeps_slopes && step.dropout.is_none() {
            return;
        }
        let length = lines.pixels * lines.channels;
        for line in 0..lines.lines {
            let values = &mut to[line * frame.line()..][..length];
            let dropout = step.dropout.map(|drawn| drawn.from(((step.first + picture) * lines.lines + line) * length));
            let at = picture * self.size + line * length;
            if let Some(slopes) = &mut self.slopes {
                let before = self.before.as_mut().and_then(|[before, _]| before.get_mut(at..at + length));
                bend(step, values, &mut slopes[at..at + length], before.unwrap_or_default(), dropout);
            } else if let Some(dropout) = dropout {
                drop_values(values, dropout);
            }
        }
    }

    /// From the derivatives by the output of a picture, in place, to those by what went into the activation. Adds what
    /// parametric ReLU and the normalization learn from.
    pub(super) fn backward(
        &mut self,
        step: FinishStep<'_>,
        (input, output): (Maps<'_>, Maps<'_>),
        picture: usize,
        d_output: &mut [f32],
    ) {
        let (lines, own) = (step.state.lines, picture * self.size..(picture + 1) * self.size);
        let length = lines.pixels * lines.channels;
        if let Some([before, below]) = &mut self.before {
            parametric_relu_gradient(d_output, &before[own.clone()], below);
        }
        if let Some(slopes) = &self.slopes {
            multiply(d_output, &slopes[own]);
        } else if step.finish.activation.is_some() {
            let scale = step.dropout.map_or(1.0, |dropout| dropout.scale);
            keep_active(lines, output.picture(picture), scale, (&mut *d_output, length));
        }
        if step.finish.norm.is_some() {
            let [sums, products] = &mut self.sums;
            slope_moments(lines, (d_output, length), input.picture(picture), &step.state.mean, sums, products);
        }
    }
}

impl FinishState {
    pub(super) fn new(output: &Map) -> Self {
        let lines = output.lines();
        let buffer = || Buffer::zeros(lines.channels);
        let mut state = Self {
            lines,
            channels: output.channels,
            affine: [buffer(), buffer()],
            mean: buffer(),
            inverse_deviation: buffer(),
            by: [buffer(), buffer(), buffer()],
            share: 0.0,
        };
        state.affine[0].fill(1.0);
        state
    }

    /// The statistics of a batch of so many pictures whose sums the rooms have, and what each channel is multiplied with
    /// and what is added. Without rooms running statistics are taken, and left as they are.
    pub(super) fn measure<'a>(
        &mut self,
        norm: &Norm,
        parameters: &[f32],
        statistics: &mut [f32],
        pictures: usize,
        rooms: Option<impl Iterator<Item = &'a FinishRoom>>,
    ) {
        let values = pictures * self.lines.lines * self.lines.pixels;
        let [mean, variance] = &norm.running;
        // A single value has no variance.
        let [batch_mean, batch_variance] = match rooms.filter(|_| values > 1) {
            Some(rooms) => {
                let count = values as f64;
                let [mut sums, mut squares] = self.total(rooms);
                for (mean, square) in sums.iter_mut().zip(&mut squares) {
                    *mean /= count;
                    *square = (*square / count - *mean * *mean).max(0.0);
                }
                towards(&mut statistics[mean.clone()], &sums, 1.0);
                towards(&mut statistics[variance.clone()], &squares, count / (count - 1.0));
                self.share = 1.0 / count;
                [sums, squares]
            }
            None => {
                self.share = 0.0;
                [mean, variance].map(|range| statistics[range.clone()].iter().map(|&value| value.into()).collect())
            }
        };
        let [scale, shift] = norm.affine.clone().map(|range| &parameters[range]);
        for channel in 0..self.lines.channels {
            let inverse = 1.0 / (batch_variance[channel] + NORM_EPSILON).sqrt();
            let factor = f64::from(scale[channel]) * inverse;
            self.mean[channel] = batch_mean[channel] as f32;
            self.inverse_deviation[channel] = inverse as f32;
            self.affine[0][channel] = factor as f32;
            self.affine[1][channel] = (f64::from(shift[channel]) - batch_mean[channel] * factor) as f32;
        }
    }

    /// The sums of all rooms, in their order.
    fn total<'a>(&self, rooms: impl Iterator<Item = &'a FinishRoom>) -> [Vec<f64>; 2] {
        let mut totals = [vec![0.0; self.lines.channels], vec![0.0; self.lines.channels]];
        for room in rooms {
            for (total, sums) in totals.iter_mut().zip(&room.sums) {
                total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
            }
        }
        totals
    }

    /// After [`FinishRoom::backward`] of all pictures: what the normalization passes on, and what it learns from.
    pub(super) fn combine<'a>(
        &mut self,
        finish: &Finish,
        parameters: &[f32],
        rooms: impl Iterator<Item = &'a FinishRoom> + Clone,
        gradient: &mut [f32],
    ) {
        if let Some(below) = &finish.below {
            let to = &mut gradient[below.range.clone()];
            to.fill(0.0);
            rooms.clone().filter_map(|room| room.before.as_ref()).for_each(|[_, sums]| add_into(to, sums));
        }
        let Some(norm) = &finish.norm else { return };
        let [sums, products] = self.total(rooms);
        let scale = &parameters[norm.affine[0].clone()];
        for channel in 0..self.lines.channels {
            let inverse = f64::from(self.inverse_deviation[channel]);
            let by_slope = f64::from(scale[channel]) * inverse;
            self.by[0][channel] = by_slope as f32;
            self.by[1][channel] = (-by_slope * inverse * inverse * products[channel] * self.share) as f32;
            self.by[2][channel] = (-by_slope * sums[channel] * self.share) as f32;
            gradient[norm.affine[0].start + channel] = (products[channel] * inverse) as f32;
            gradient[norm.affine[1].start + channel] = sums[channel] as f32;
        }
    }

    /// After [`FinishState::combine`]: the derivatives by the input of a picture, or what this adds to them.
    pub(super) fn pass_on(
        &self,
        finish: &Finish,
        (input, adds): (Maps<'_>, bool),
        picture: usize,
        d_output: &[f32],
        d_input: &mut [f32],
    ) {
        let (lines, frame) = (self.lines, input.map.d_frame);
        let slopes = (d_output, lines.pixels * lines.channels);
        let to = (&mut d_input[frame.place(0, 0)..], frame.line());
        if finish.norm.is_some() {
            let [by_slope, by_distance, offset] = &self.by;
            let by = [&*self.mean, by_slope, by_distance, offset];
            normalized_slopes(lines, slopes, input.picture(picture), by, adds, to);
        } else {
            pass_lines(lines, slopes, adds, to);
        }
    }

    /// The derivatives by what was added of a picture, or what this adds to them.
    pub(super) fn pass_on_skipped(&self, finish: &Finish, skip: &Map, d_output: &[f32], d_skip: &mut [f32]) {
        let (lines, frame) = (self.lines, skip.d_frame);
        let to = (&mut d_skip[frame.place(0, 0)..], frame.line());
        pass_lines(lines, (d_output, lines.pixels * lines.channels), finish.skip_adds, to);
    }
}

/// Activation and dropout of a line, with their slopes.
fn bend(step: FinishStep<'_>, values: &mut [f32], slopes: &mut [f32], before: &mut [f32], dropout: Option<Dropout>) {
    match (&step.finish.below, step.finish.activation) {
        (Some(below), _) => {
            let below = &step.parameters[below.range.clone()];
            before.copy_from_slice(values);
            let pixels = values.chunks_exact_mut(below.len()).zip(slopes.chunks_exact_mut(below.len()));
            for ((values, slopes), before) in pixels.zip(before.chunks_exact(below.len())) {
                parametric_relu_slopes(before, below, slopes);
                parametric_relu(values, below);
            }
        }
        (None, Some(activation)) => {
            activate_with_slopes(activation, values, slopes);
            clear_padding(activation, step.state.channels, values);
        }
        (None, None) => slopes.fill(1.0),
    }
    if let Some(dropout) = dropout {
        drop_units(values, slopes, dropout);
        drop_values(before, dropout);
    }
}

/// Zeros what an activation that is not 0 at 0 wrote beside the channels.
fn clear_padding(activation: Activation, channels: usize, values: &mut [f32]) {
    if activation == Activation::Sigmoid && !channels.is_multiple_of(stride(1)) {
        values.chunks_exact_mut(stride(channels)).for_each(|pixel| pixel[channels..].fill(0.0));
    }
}

/// What prediction does in place of [`FinishRoom::forward`].
pub(super) struct FinishInference {
    affine: [Buffer; 2],
}

impl FinishInference {
    pub(super) fn new(finish: &Finish, output: &Map, parameters: &[f32], statistics: &[f32]) -> Self {
        let width = stride(output.channels);
        let mut affine = [Buffer::zeros(width), Buffer::zeros(width)];
        affine[0].fill(1.0);
        if let Some(norm) = &finish.norm {
            let [scale, shift] = norm.affine.clone().map(|range| &parameters[range]);
            let [mean, variance] = norm.running.clone().map(|range| &statistics[range]);
            for channel in 0..width {
                let deviation = (f64::from(variance[channel]) + NORM_EPSILON).sqrt();
                let factor = f64::from(scale[channel]) / deviation;
                affine[0][channel] = factor as f32;
                affine[1][channel] = (f64::from(shift[channel]) - f64::from(mean[channel]) * factor) as f32;
            }
        }
        Self { affine }
    }

    /// Factor and offset of each channel.
    pub(super) fn affine(&self) -> [&[f32]; 2] {
        self.affine.each_ref().map(|buffer| &**buffer)
    }

    /// Of one picture.
    pub(super) fn forward(
        &self,
        finish: &Finish,
        parameters: &[f32],
        (input, skip): (Maps<'_>, Option<Maps<'_>>),
        map: &Map,
        to: &mut [f32],
    ) {
        let (lines, frame) = (map.lines(), map.frame);
        let is_relu = finish.activation == Some(Activation::Relu);
        let then = if is_relu { Then::Relu } else { Then::Nothing };
        let to = &mut to[frame.place(0, 0)..];
        let skip = skip.map(|skip| skip.picture(0));
        finish_channels(lines, input.picture(0), self.affine(), skip, then, (to, frame.line()));
        let Some(activation) = finish.activation.filter(|_| !is_relu) else { return };
        for line in 0..lines.lines {
            let values = &mut to[line * frame.line()..][..lines.pixels * lines.channels];
            match &finish.below {
                Some(below) => {
                    let below = &parameters[below.range.clone()];
                    values.chunks_exact_mut(below.len()).for_each(|pixel| parametric_relu(pixel, below));
                }
                None => {
                    activate(activation, values);
                    clear_padding(activation, map.channels, values);
                }
            }
        }
    }
}
