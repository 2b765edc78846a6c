//! What is done to each channel by itself, there and back: batch normalization, what a residual block adds, activation,
//! dropout.

use rayon::prelude::*;

use super::plan::{Finish, Map, Norm};
use crate::ml::config::Activation;
use crate::ml::kernel::{
    Buffer, Dropout, Lines, Then, activate, activate_with_slopes, channel_moments, drop_units, drop_values,
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
    fn picture(&self, picture: usize) -> (&'a [f32], usize) {
        let frame = &self.map.frame;
        (&self.values[picture * frame.size() + frame.place(0, 0)..], frame.line())
    }
}

/// What the way back needs of the way there, and room to work in.
#[derive(Debug, Clone)]
pub(super) struct FinishTrace {
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
    /// Two sums for each channel, picture by picture, and in all.
    sums: Vec<f64>,
    total: [Vec<f64>; 2],
    /// Derivatives of the output by what went into the activation, where the output does not tell.
    slopes: Option<Buffer>,
    /// What went into parametric ReLU, times the factors of dropout.
    before: Option<Buffer>,
    /// Values of a picture in these two.
    size: usize,
}

/// One step with all that it reads.
#[derive(Clone, Copy)]
pub(super) struct FinishStep<'a> {
    pub(super) finish: &'a Finish,
    pub(super) parameters: &'a [f32],
    pub(super) output: &'a Map,
    pub(super) dropout: Option<Dropout>,
    /// Whether threads share the pictures.
    pub(super) is_shared: bool,
    /// Whether running statistics are taken in place of the batch's, and left as they are.
    pub(super) evaluates: bool,
}

impl FinishTrace {
    /// For up to so many pictures.
    pub(super) fn new(finish: &Finish, output: &Map, pictures: usize) -> Self {
        let lines = output.lines();
        let width = lines.channels;
        let buffer = || Buffer::zeros(width);
        let size = output.d_frame.size();
        let mut trace = Self {
            lines,
            channels: output.channels,
            affine: [buffer(), buffer()],
            mean: buffer(),
            inverse_deviation: buffer(),
            by: [buffer(), buffer(), buffer()],
            share: 0.0,
            sums: vec![0.0; if finish.norm.is_some() { 2 * width * pictures } else { 0 }],
            total: [vec![0.0; width], vec![0.0; width]],
            slopes: finish.keeps_slopes().then(|| Buffer::zeros(size * pictures)),
            before: finish.below.as_ref().map(|_| Buffer::zeros(size * pictures)),
            size,
        };
        trace.affine[0].fill(1.0);
        trace
    }

    /// The output of some maps; batch normalization moves its running statistics.
    pub(super) fn forward(
        &mut self,
        step: FinishStep<'_>,
        statistics: &mut [f32],
        (input, skip): (Maps<'_>, Option<Maps<'_>>),
        pictures: usize,
        to: &mut [f32],
    ) {
        if let Some(norm) = &step.finish.norm {
            self.measure(norm, step, statistics, input, pictures);
        }
        let frame = step.output.frame;
        let (lines, size) = (self.lines, self.size);
        let keeps_slopes = step.finish.keeps_slopes();
        let then = if step.finish.activation.is_some() && !keeps_slopes { Then::Relu } else { Then::Nothing };
        let affine = self.affine.each_ref().map(|buffer| &**buffer);
        let channels = self.channels;
        let one = |picture: usize, to: &mut [f32], slopes: &mut [f32], before: &mut [f32]| {
            let to = &mut to[frame.place(0, 0)..];
            let skip = skip.map(|skip| skip.picture(picture));
            finish_channels(lines, input.picture(picture), affine, skip, then, (to, frame.line()));
            let length = lines.pixels * lines.channels;
            for line in 0..lines.lines {
                let values = &mut to[line * frame.line()..][..length];
                let first = picture * lines.lines * length + line * length;
                let dropout = step.dropout.map(|drawn| drawn.from(first));
                if keeps_slopes {
                    let at = line * length;
                    let before = before.get_mut(at..at + length).unwrap_or_default();
                    bend(step, channels, values, &mut slopes[at..at + length], before, dropout);
                } else if let Some(dropout) = dropout {
                    drop_values(values, dropout);
                }
            }
        };
        let to = &mut to[..pictures * frame.size()];
        let slopes = self.slopes.as_deref_mut().unwrap_or_default();
        let before = self.before.as_deref_mut().unwrap_or_default();
        match (slopes.is_empty(), before.is_empty(), step.is_shared) {
            (true, _, true) => {
                let pictures = to.par_chunks_exact_mut(frame.size()).enumerate();
                pictures.for_each(|(picture, to)| one(picture, to, &mut [], &mut []));
            }
            (true, _, false) => {
                let pictures = to.chunks_exact_mut(frame.size()).enumerate();
                pictures.for_each(|(picture, to)| one(picture, to, &mut [], &mut []));
            }
            (false, true, true) => {
                let pictures = to.par_chunks_exact_mut(frame.size()).zip(slopes.par_chunks_exact_mut(size)).enumerate();
                pictures.for_each(|(picture, (to, slopes))| one(picture, to, slopes, &mut []));
            }
            (false, ..) => {
                for (picture, to) in to.chunks_exact_mut(frame.size()).enumerate() {
                    let own = picture * size..(picture + 1) * size;
                    let before = before.get_mut(own.clone()).unwrap_or_default();
                    one(picture, to, &mut slopes[own], before);
                }
            }
        }
    }

    /// The statistics of a batch, and what each channel is multiplied with and what is added.
    fn measure(&mut self, norm: &Norm, step: FinishStep<'_>, statistics: &mut [f32], input: Maps<'_>, pictures: usize) {
        let lines = self.lines;
        let values = pictures * lines.lines * lines.pixels;
        // A single value has no variance.
        let of_batch = values > 1 && !step.evaluates;
        if of_batch {
            self.sum(pictures, step.is_shared, |picture, [sums, squares]| {
                channel_moments(lines, input.picture(picture), sums, squares);
            });
        }
        let [mean, variance] = &norm.running;
        let [batch_mean, batch_variance] = &mut self.total;
        if of_batch {
            let count = values as f64;
            for (mean, square) in batch_mean.iter_mut().zip(batch_variance.iter_mut()) {
                *mean /= count;
                *square = (*square / count - *mean * *mean).max(0.0);
            }
            towards(&mut statistics[mean.clone()], batch_mean, 1.0);
            towards(&mut statistics[variance.clone()], batch_variance, count / (count - 1.0));
            self.share = 1.0 / count;
        } else {
            let known =
                |to: &mut [f64], from: &[f32]| to.iter_mut().zip(from).for_each(|(to, &from)| *to = from.into());
            known(batch_mean, &statistics[mean.clone()]);
            known(batch_variance, &statistics[variance.clone()]);
            self.share = 0.0;
        }
        let [scale, shift] = norm.affine.clone().map(|range| &step.parameters[range]);
        for channel in 0..lines.channels {
            let inverse = 1.0 / (batch_variance[channel] + NORM_EPSILON).sqrt();
            let factor = f64::from(scale[channel]) * inverse;
            self.mean[channel] = batch_mean[channel] as f32;
            self.inverse_deviation[channel] = inverse as f32;
            self.affine[0][channel] = factor as f32;
            self.affine[1][channel] = (f64::from(shift[channel]) - batch_mean[channel] * factor) as f32;
        }
    }

    /// Two sums for each channel over all pictures: by picture, then in their order.
    fn sum(&mut self, pictures: usize, is_shared: bool, add: impl Fn(usize, [&mut [f64]; 2]) + Sync) {
        let width = self.lines.channels;
        let one = |(picture, sums): (usize, &mut [f64])| {
            sums.fill(0.0);
            let (first, second) = sums.split_at_mut(width);
            add(picture, [first, second]);
        };
        let sums = &mut self.sums[..2 * width * pictures];
        if is_shared {
            sums.par_chunks_exact_mut(2 * width).enumerate().for_each(one);
        } else {
            sums.chunks_exact_mut(2 * width).enumerate().for_each(one);
        }
        let [first, second] = &mut self.total;
        first.fill(0.0);
        second.fill(0.0);
        for sums in sums.chunks_exact(2 * width) {
            let (one, other) = sums.split_at(width);
            first.iter_mut().zip(one).for_each(|(total, sum)| *total += sum);
            second.iter_mut().zip(other).for_each(|(total, sum)| *total += sum);
        }
    }

    /// From the derivatives by the output, in place, to those by what went into the activation. What parametric ReLU and
    /// the normalization learn from is written to `gradient`.
    pub(super) fn backward(
        &mut self,
        step: FinishStep<'_>,
        (input, output): (Maps<'_>, Maps<'_>),
        pictures: usize,
        d_output: &mut [f32],
        gradient: &mut [f32],
    ) {
        let (lines, size) = (self.lines, self.size);
        let d_output = &mut d_output[..pictures * size];
        let length = lines.pixels * lines.channels;
        if let (Some(below), Some(before)) = (&step.finish.below, &self.before) {
            parametric_relu_gradient(d_output, &before[..pictures * size], &mut gradient[below.range.clone()]);
        }
        let slopes = self.slopes.as_deref().unwrap_or_default();
        let is_relu = step.finish.activation.is_some() && slopes.is_empty();
        let scale = step.dropout.map_or(1.0, |dropout| dropout.scale);
        let mask = |(picture, d_output): (usize, &mut [f32])| {
            if is_relu {
                keep_active(lines, output.picture(picture), scale, (d_output, length));
            } else if !slopes.is_empty() {
                multiply(d_output, &slopes[picture * size..][..size]);
            }
        };
        if step.is_shared {
            d_output.par_chunks_exact_mut(size).enumerate().for_each(mask);
        } else {
            d_output.chunks_exact_mut(size).enumerate().for_each(mask);
        }
        let Some(norm) = &step.finish.norm else { return };
        let (d_output, mean) = (&*d_output, std::mem::take(&mut self.mean));
        self.sum(pictures, step.is_shared, |picture, [sums, products]| {
            let slopes = (&d_output[picture * size..][..size], length);
            slope_moments(lines, slopes, input.picture(picture), &mean, sums, products);
        });
        self.mean = mean;
        let scale = &step.parameters[norm.affine[0].clone()];
        let [sums, products] = &self.total;
        for channel in 0..lines.channels {
            let inverse = f64::from(self.inverse_deviation[channel]);
            let by_slope = f64::from(scale[channel]) * inverse;
            self.by[0][channel] = by_slope as f32;
            self.by[1][channel] = (-by_slope * inverse * inverse * products[channel] * self.share) as f32;
            self.by[2][channel] = (-by_slope * sums[channel] * self.share) as f32;
            gradient[norm.affine[0].start + channel] = (products[channel] * inverse) as f32;
            gradient[norm.affine[1].start + channel] = sums[channel] as f32;
        }
    }

    /// After [`FinishTrace::backward`]: the derivatives by the input, or what this adds to them.
    pub(super) fn pass_on(
        &self,
        step: FinishStep<'_>,
        (input, adds): (Maps<'_>, bool),
        pictures: usize,
        d_output: &[f32],
        d_input: &mut [f32],
    ) {
        let (lines, size, frame) = (self.lines, self.size, input.map.d_frame);
        let length = lines.pixels * lines.channels;
        let [by_slope, by_distance, offset] = &self.by;
        let one = |(picture, to): (usize, &mut [f32])| {
            let slopes = (&d_output[picture * size..][..size], length);
            let to = (&mut to[frame.place(0, 0)..], frame.line());
            if step.finish.norm.is_some() {
                let by = [&*self.mean, by_slope, by_distance, offset];
                normalized_slopes(lines, slopes, input.picture(picture), by, adds, to);
            } else {
                pass_lines(lines, slopes, adds, to);
            }
        };
        each_picture(step.is_shared, &mut d_input[..pictures * frame.size()], frame.size(), one);
    }

    /// After [`FinishTrace::backward`]: the derivatives by what was added, or what this adds to them.
    pub(super) fn pass_on_skipped(
        &self,
        step: FinishStep<'_>,
        skip: &Map,
        pictures: usize,
        d_output: &[f32],
        d_skip: &mut [f32],
    ) {
        let (lines, size, frame) = (self.lines, self.size, skip.d_frame);
        let length = lines.pixels * lines.channels;
        let one = |(picture, to): (usize, &mut [f32])| {
            let to = (&mut to[frame.place(0, 0)..], frame.line());
            pass_lines(lines, (&d_output[picture * size..][..size], length), step.finish.skip_adds, to);
        };
        each_picture(step.is_shared, &mut d_skip[..pictures * frame.size()], frame.size(), one);
    }
}

/// Visits the memory of each picture.
pub(super) fn each_picture(
    is_shared: bool,
    values: &mut [f32],
    size: usize,
    visit: impl Fn((usize, &mut [f32])) + Sync + Send,
) {
    if is_shared {
        values.par_chunks_exact_mut(size).enumerate().for_each(visit);
    } else {
        values.chunks_exact_mut(size).enumerate().for_each(visit);
    }
}

/// Activation and dropout of a line, with their slopes.
fn bend(
    step: FinishStep<'_>,
    channels: usize,
    values: &mut [f32],
    slopes: &mut [f32],
    before: &mut [f32],
    dropout: Option<Dropout>,
) {
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
            clear_padding(activation, channels, values);
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

/// What prediction does in place of [`FinishTrace::forward`].
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
