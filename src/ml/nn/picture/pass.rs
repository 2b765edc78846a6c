//! One training step of a convolutional network: a batch of pictures there and back.

use std::sync::Arc;

use rayon::prelude::*;

use super::convolution::{Filter, Kernel};
use super::finish::{FinishStep, FinishTrace, Maps, each_picture};
use super::plan::{Action, Map, Plan, Step};
use super::pooling::Pool;
use crate::ml::kernel::{
    Buffer, Dropout, add_into, add_outer_product, channel_sums, dot_rows, spread_rows, stride, threads,
};
use crate::ml::nn::layout::Layout;
use crate::ml::nn::network::Network;
use crate::ml::nn::pass::{Batch, draw_dropout};
use crate::ml::seed::Rng;

/// Multiply-adds of a forward pass below which sharing the work costs more than it saves.
const WORTH_SHARING: u64 = 1 << 21;
/// Groups of pictures whose derivatives by the weights are summed apart, as many threads as can share that work.
pub const GROUPS: usize = 8;

/// The intermediate values of a step, allocated once for the largest batch.
#[derive(Debug, Clone)]
pub struct PicturePass {
    layout: Arc<Layout>,
    is_large: bool,
    /// Whether it predicts, and derivatives are those of predictions.
    evaluates: bool,
    /// Of each map, picture after picture.
    values: Vec<Buffer>,
    /// Derivatives of the loss by them; none by the picture.
    slopes: Vec<Buffer>,
    traces: Vec<Trace>,
    dropouts: Vec<Option<Dropout>>,
    /// Derivatives by the weights, by group.
    groups: Vec<Buffer>,
    /// Sums for each channel, picture by picture.
    sums: Vec<f64>,
    logits: Buffer,
    d_logits: Buffer,
}

/// What a step keeps besides maps.
#[derive(Debug, Clone)]
enum Trace {
    Convolve(Box<Kernel>),
    Finish(Box<FinishTrace>),
    /// Room for the pixels of each picture that were found to be the largest.
    Pool(Buffer),
    Filter,
}

impl Trace {
    fn new(step: &Step, plan: &Plan, rows: usize) -> Self {
        let (input, output) = (&plan.maps[step.input], &plan.maps[step.output]);
        match &step.action {
            Action::Convolve(convolution) => Trace::Convolve(Box::new(Kernel::new(convolution, input, output))),
            Action::Finish(finish) => Trace::Finish(Box::new(FinishTrace::new(finish, output, rows))),
            Action::Pool { largest, .. } => {
                Trace::Pool(Buffer::zeros(if *largest { rows * output.d_frame.size() } else { 0 }))
            }
            Action::Filter(_) => Trace::Filter,
        }
    }
}

impl PicturePass {
    /// For batches of up to `rows` pictures; `None` for a network that reads none.
    pub(in crate::ml::nn) fn new(network: &Network, rows: usize) -> Option<Self> {
        let layout = Arc::clone(network.layout());
        let plan = layout.plan.as_ref()?;
        let widest = plan.maps.iter().map(|map| stride(map.channels)).max().unwrap_or(0);
        Some(Self {
            is_large: Self::shares(plan, rows),
            evaluates: false,
            values: plan.maps.iter().map(|map| Buffer::zeros(rows * map.frame.size())).collect(),
            slopes: plan
                .maps
                .iter()
                .enumerate()
                .map(|(at, map)| Buffer::zeros(if at == 0 { 0 } else { rows * map.d_frame.size() }))
                .collect(),
            traces: plan.steps.iter().map(|step| Trace::new(step, plan, rows)).collect(),
            dropouts: vec![None; plan.steps.len()],
            groups: vec![Buffer::zeros(layout.output_weight.start); GROUPS.min(rows.max(1))],
            sums: vec![0.0; rows * widest],
            logits: Buffer::zeros(rows),
            d_logits: Buffer::zeros(rows),
            layout,
        })
    }

    /// For the derivatives of predictions: by running statistics, without dropout.
    pub(super) fn evaluating(network: &Network) -> Option<Self> {
        Some(Self { evaluates: true, ..Self::new(network, 1)? })
    }

    /// Values of a map and derivatives by it after a way there and back of one picture, each with its frame.
    pub(super) fn of_map(&self, map: usize) -> [&[f32]; 2] {
        [&self.values[map], &self.slopes[map]]
    }

    /// Whether a step with so many pictures is work enough for several threads.
    pub(in crate::ml::nn) fn shares(plan: &Plan, rows: usize) -> bool {
        plan.multiply_adds().saturating_mul(rows as u64) >= WORTH_SHARING
    }

    fn is_shared(&self) -> bool {
        self.is_large && threads() > 1
    }

    /// The logits of a batch; moves the running statistics of `network`, draws dropout from `rng`.
    pub(in crate::ml::nn) fn forward(&mut self, network: &mut Network, batch: Batch<'_>, rng: &mut Rng) -> &[f32] {
        let layout = Arc::clone(&self.layout);
        let Some(plan) = &layout.plan else { return &[] };
        for (step, drawn) in plan.steps.iter().zip(&mut self.dropouts) {
            *drawn = match &step.action {
                Action::Finish(finish) if !self.evaluates => {
                    finish.dropout.and_then(|probability| draw_dropout(probability, rng))
                }
                _ => None,
            };
        }
        self.read(&plan.maps[0], batch);
        for at in 0..plan.steps.len() {
            self.step(plan, at, network, batch.rows);
        }
        let map = &plan.maps[plan.features];
        let features = &self.values[plan.features][..batch.rows * map.frame.size()];
        let weights = &network.parameters[layout.output_weight.clone()];
        dot_rows(features, weights, network.output_bias(), &mut self.logits[..batch.rows]);
        &self.logits[..batch.rows]
    }

    /// Copies the pictures into their frames.
    fn read(&mut self, map: &Map, batch: Batch<'_>) {
        let size = map.frame.size();
        let is_shared = self.is_shared();
        let read = |(picture, to): (usize, &mut [f32])| read_picture(map, &batch.values[picture * batch.stride..], to);
        each_picture(is_shared, &mut self.values[0][..batch.rows * size], size, read);
    }

    fn step(&mut self, plan: &Plan, at: usize, network: &mut Network, rows: usize) {
        let step = &plan.steps[at];
        let (input, output) = (&plan.maps[step.input], &plan.maps[step.output]);
        let is_shared = self.is_shared();
        let Network { parameters, statistics, .. } = network;
        let mut to = std::mem::take(&mut self.values[step.output]);
        let from = &self.values[step.input];
        let (from_size, to_size) = (input.frame.size(), output.frame.size());
        match (&step.action, &mut self.traces[at]) {
            (Action::Convolve(convolution), Trace::Convolve(kernel)) => {
                let weights = &parameters[convolution.places.weight.clone()];
                let bias = convolution.places.bias.clone().map(|range| &parameters[range]);
                let together = kernel.pictures();
                let forward = |(part, to): (usize, &mut [f32])| {
                    let from = &from[part * together * from_size..];
                    kernel.forward(to.len() / to_size, from, weights, bias, to);
                };
                each_part(is_shared, &mut to[..rows * to_size], together * to_size, forward);
            }
            (Action::Filter(convolution), _) => {
                let weights = &parameters[convolution.places.weight.clone()];
                let bias = convolution.places.bias.clone().map(|range| &parameters[range]);
                let filter = Filter { convolution, input, output };
                each_picture(is_shared, &mut to[..rows * to_size], to_size, |(picture, to)| {
                    filter.forward(&from[picture * from_size..], weights, bias, to);
                });
            }
            (&Action::Pool { window, largest }, _) => {
                let pool = Pool { window, largest, input, output };
                each_picture(is_shared, &mut to[..rows * to_size], to_size, |(picture, to)| {
                    pool.forward(&from[picture * from_size..], to);
                });
            }
            (Action::Finish(finish), Trace::Finish(trace)) => {
                let skip = finish.skip.map(|skip| Maps { values: &self.values[skip], map: &plan.maps[skip] });
                let (dropout, evaluates) = (self.dropouts[at], self.evaluates);
                let step = FinishStep { finish, parameters, output, dropout, is_shared, evaluates };
                trace.forward(step, statistics, (Maps { values: from, map: input }, skip), rows, &mut to);
            }
            _ => {}
        }
        self.values[step.output] = to;
    }

    /// The logits of the last forward pass, and room for the derivatives of the loss by them.
    pub(in crate::ml::nn) fn logits_and_slopes(&mut self, rows: usize) -> (&[f32], &mut [f32]) {
        (&self.logits[..rows], &mut self.d_logits[..rows])
    }

    /// Overwrites `gradient` with the derivatives of the loss by every parameter, from those by the logits.
    pub(in crate::ml::nn) fn backward(&mut self, network: &Network, rows: usize, gradient: &mut [f32]) {
        let layout = Arc::clone(&self.layout);
        let Some(plan) = &layout.plan else { return };
        let is_shared = self.is_shared();
        let size = rows * plan.maps[plan.features].frame.size();
        let (features, d_logits) = (&self.values[plan.features][..size], &self.d_logits[..rows]);
        let sum = &mut gradient[layout.output_weight.clone()];
        sum.fill(0.0);
        add_outer_product(d_logits, features, sum);
        gradient[layout.output_bias.start] = d_logits.iter().sum();
        let weights = &network.parameters[layout.output_weight.clone()];
        spread_rows(d_logits, weights, &mut self.slopes[plan.features][..size]);
        self.groups.iter_mut().for_each(|group| group.fill(0.0));
        for at in (0..plan.steps.len()).rev() {
            self.step_back(plan, at, network, rows, gradient);
        }
        self.add_groups(is_shared, &mut gradient[..layout.output_weight.start]);
    }

    fn step_back(&mut self, plan: &Plan, at: usize, network: &Network, rows: usize, gradient: &mut [f32]) {
        let step = &plan.steps[at];
        let (input, output) = (&plan.maps[step.input], &plan.maps[step.output]);
        let is_shared = self.is_shared();
        let parameters: &[f32] = &network.parameters;
        let mut d_input = std::mem::take(&mut self.slopes[step.input]);
        let mut d_output = std::mem::take(&mut self.slopes[step.output]);
        let (from, to) = (&self.values[step.input], &self.values[step.output]);
        let [from_size, to_size] = [input, output].map(|map| map.frame.size());
        let [d_from_size, d_to_size] = [input, output].map(|map| map.d_frame.size());
        let has_input = step.input > 0;
        match (&step.action, &mut self.traces[at]) {
            (Action::Convolve(convolution), Trace::Convolve(kernel)) => {
                let weights = convolution.places.weight.clone();
                if has_input {
                    kernel.refresh(&parameters[weights.clone()]);
                    let together = kernel.pictures();
                    let backward = |(part, d_input): (usize, &mut [f32])| {
                        let d_output = &d_output[part * together * d_to_size..];
                        kernel.backward(d_input.len() / d_from_size, d_output, step.adds, d_input);
                    };
                    let d_input = &mut d_input[..rows * d_from_size];
                    each_part(is_shared, d_input, together * d_from_size, backward);
                }
                let kernel = &*kernel;
                each_group(is_shared, rows, &mut self.groups, |pictures, group| {
                    let (from, d_output) =
                        (&from[pictures.start * from_size..], &d_output[pictures.start * d_to_size..]);
                    kernel.gradient(pictures.len(), from, d_output, &mut group[weights.clone()]);
                });
                let bias = convolution.places.bias.clone().map(|range| &mut gradient[range]);
                sum_bias(&mut self.sums, is_shared, output, rows, &d_output, bias);
            }
            (Action::Filter(convolution), _) => {
                let weights = convolution.places.weight.clone();
                let filter = Filter { convolution, input, output };
                if has_input {
                    each_picture(is_shared, &mut d_input[..rows * d_from_size], d_from_size, |(picture, d_input)| {
                        if !step.adds {
                            d_input.fill(0.0);
                        }
                        filter.backward(&d_output[picture * d_to_size..], &parameters[weights.clone()], d_input);
                    });
                }
                each_group(is_shared, rows, &mut self.groups, |pictures, group| {
                    for picture in pictures {
                        let (from, d_output) = (&from[picture * from_size..], &d_output[picture * d_to_size..]);
                        filter.gradient(from, d_output, &mut group[weights.clone()]);
                    }
                });
                let bias = convolution.places.bias.clone().map(|range| &mut gradient[range]);
                sum_bias(&mut self.sums, is_shared, output, rows, &d_output, bias);
            }
            (&Action::Pool { window, largest }, Trace::Pool(seen)) if has_input => {
                let pool = Pool { window, largest, input, output };
                let backward = |picture: usize, d_input: &mut [f32], seen: &mut [f32]| {
                    if !step.adds {
                        d_input.fill(0.0);
                    }
                    let values = [&from[picture * from_size..], &to[picture * to_size..]];
                    pool.backward(values, &d_output[picture * d_to_size..], seen, d_input);
                };
                let d_input = &mut d_input[..rows * d_from_size];
                if !largest {
                    each_picture(is_shared, d_input, d_from_size, |(picture, d)| backward(picture, d, &mut []));
                } else if is_shared {
                    let seen = seen.par_chunks_exact_mut(d_to_size);
                    let pictures = d_input.par_chunks_exact_mut(d_from_size).zip(seen).enumerate();
                    pictures.for_each(|(picture, (d_input, seen))| backward(picture, d_input, seen));
                } else {
                    let pictures = d_input.chunks_exact_mut(d_from_size).zip(seen.chunks_exact_mut(d_to_size));
                    pictures.enumerate().for_each(|(picture, (d_input, seen))| backward(picture, d_input, seen));
                }
            }
            (Action::Finish(finish), Trace::Finish(trace)) => {
                let [from, to] = [(from, input), (to, output)].map(|(values, map)| Maps { values, map });
                let (dropout, evaluates) = (self.dropouts[at], self.evaluates);
                let this = FinishStep { finish, parameters, output, dropout, is_shared, evaluates };
                trace.backward(this, (from, to), rows, &mut d_output, gradient);
                if has_input {
                    trace.pass_on(this, (from, step.adds), rows, &d_output, &mut d_input);
                }
                if let Some(skip) = finish.skip.filter(|&skip| skip > 0) {
                    // What is added may be what was normalized.
                    let is_input = skip == step.input;
                    let to = if is_input { &mut d_input } else { &mut self.slopes[skip] };
                    trace.pass_on_skipped(this, &plan.maps[skip], rows, &d_output, to);
                }
            }
            _ => {}
        }
        self.slopes[step.input] = d_input;
        self.slopes[step.output] = d_output;
    }

    /// The derivatives by the weights: those of the groups in their order.
    fn add_groups(&self, is_shared: bool, gradient: &mut [f32]) {
        const BLOCK: usize = 1 << 12;
        let add = |(block, to): (usize, &mut [f32])| {
            let place = block * BLOCK..block * BLOCK + to.len();
            for (at, group) in self.groups.iter().enumerate() {
                if at == 0 { to.copy_from_slice(&group[place.clone()]) } else { add_into(to, &group[place.clone()]) }
            }
        };
        each_part(is_shared, gradient, BLOCK, add);
    }
}

/// Copies a picture into its frame.
pub(super) fn read_picture(map: &Map, picture: &[f32], to: &mut [f32]) {
    let (frame, channels) = (map.frame, map.channels);
    let lines = picture.chunks_exact(map.sides[1] * channels).take(map.sides[0]);
    for (line, values) in lines.enumerate() {
        let to = &mut to[frame.place(line as isize, 0)..];
        if frame.step == channels {
            to[..values.len()].copy_from_slice(values);
        } else {
            for (to, pixel) in to.chunks_exact_mut(frame.step).zip(values.chunks_exact(channels)) {
                to[..channels].copy_from_slice(pixel);
            }
        }
    }
}

/// Visits so many values at a time; the last may be fewer.
fn each_part(is_shared: bool, values: &mut [f32], size: usize, visit: impl Fn((usize, &mut [f32])) + Sync + Send) {
    if is_shared {
        values.par_chunks_mut(size).enumerate().for_each(visit);
    } else {
        values.chunks_mut(size).enumerate().for_each(visit);
    }
}

/// Visits each group with its pictures.
fn each_group(
    is_shared: bool,
    pictures: usize,
    groups: &mut [Buffer],
    visit: impl Fn(std::ops::Range<usize>, &mut [f32]) + Sync + Send,
) {
    let each = pictures.div_ceil(groups.len().max(1));
    let own = |group: usize| (group * each).min(pictures)..((group + 1) * each).min(pictures);
    if is_shared {
        groups.par_iter_mut().enumerate().for_each(|(at, group)| visit(own(at), group));
    } else {
        groups.iter_mut().enumerate().for_each(|(at, group)| visit(own(at), group));
    }
}

/// The derivatives by a bias: sums over all pixels, by picture and then in their order.
fn sum_bias(
    sums: &mut [f64],
    is_shared: bool,
    output: &Map,
    pictures: usize,
    d_output: &[f32],
    bias: Option<&mut [f32]>,
) {
    let Some(bias) = bias else { return };
    let (lines, frame) = (output.lines(), output.d_frame);
    let sums = &mut sums[..pictures * lines.channels];
    let add = |(picture, sums): (usize, &mut [f64])| {
        sums.fill(0.0);
        let from = &d_output[picture * frame.size() + frame.place(0, 0)..];
        channel_sums(lines, (from, frame.line()), sums);
    };
    if is_shared {
        sums.par_chunks_exact_mut(lines.channels).enumerate().for_each(add);
    } else {
        sums.chunks_exact_mut(lines.channels).enumerate().for_each(add);
    }
    for (channel, to) in bias.iter_mut().enumerate() {
        *to = sums.chunks_exact(lines.channels).map(|sums| sums[channel]).sum::<f64>() as f32;
    }
}
