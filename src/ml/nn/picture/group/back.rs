//! The way of a group of pictures back: from the derivatives by logits to those by everything that is learnt.

use std::ops::Range;

use super::super::convolution::Filter;
use super::super::finish::{FinishStep, Maps};
use super::super::plan::Action;
use super::super::pooling::Pool;
use super::super::route::{Turn, Way};
use super::{Group, Ready, Room, Scratch, Shared};
use crate::ml::kernel::{Buffer, add_outer_product, channel_sums, spread_rows};

impl Group {
    /// From the derivatives by the logits of a batch to those by the features.
    pub(in super::super) fn begin_back(&mut self, shared: Shared<'_>, d_logits: &[f32]) {
        self.clear();
        self.gradient.fill(0.0);
        let (map, place) = (&shared.plan.maps[shared.plan.features], shared.layout.output_weight.clone());
        let features = &self.values[shared.plan.features][..self.own.len() * map.frame.size()];
        let (d_logits, weights) = (&d_logits[self.own.clone()], &shared.parameters[place.clone()]);
        add_outer_product(d_logits, features, &mut self.gradient[place]);
        let Some(room) = shared.places[shared.plan.features] else { return };
        for (d_logit, slopes) in d_logits.chunks(1).zip(self.slopes[room].chunks_exact_mut(map.d_frame.size())) {
            spread_rows(d_logit, weights, &mut slopes[map.d_frame.place(0, 0)..][..weights.len()]);
        }
    }

    /// Takes the derivatives by a map out of their room, for as long as others are worked on.
    fn take(&mut self, shared: Shared<'_>, map: usize) -> Buffer {
        shared.places[map].map(|room| std::mem::take(&mut self.slopes[room])).unwrap_or_default()
    }

    fn give_back(&mut self, shared: Shared<'_>, map: usize, slopes: Buffer) {
        if let Some(room) = shared.places[map] {
            self.slopes[room] = slopes;
        }
    }

    /// Takes the derivatives of its pictures back through a stretch of steps.
    pub(in super::super) fn backward(
        &mut self,
        shared: Shared<'_>,
        (stretch, turn): (&[Way], Turn),
        scratch: &mut Scratch,
    ) {
        if self.pictures() == 0 {
            return;
        }
        let convolutions = || {
            stretch.iter().filter_map(|way| match (way, &shared.ready[way.step()]) {
                (&Way::Step(at), Ready::Convolve(kernel)) => Some((at, kernel)),
                _ => None,
            })
        };
        scratch.sums.resize_with(shared.plan.steps.len(), Buffer::default);
        for (at, kernel) in convolutions() {
            if scratch.sums[at].len() < kernel.sums() {
                scratch.sums[at] = Buffer::zeros(kernel.sums());
            }
        }
        let steps: Vec<usize> = stretch.iter().map(Way::step).collect();
        for (part, some) in self.parts(shared.plan, &steps, turn).into_iter().enumerate() {
            for way in stretch {
                match *way {
                    Way::Step(at) => self.step_back(shared, at, (some.clone(), part == 0), scratch),
                    Way::Activation(at) => self.activation_back(shared, at, some.clone()),
                    Way::Normalization(at) => self.normalization_back(shared, at, some.clone()),
                }
            }
        }
        for (at, kernel) in convolutions() {
            if let Action::Convolve(convolution) = &shared.plan.steps[at].action {
                kernel.end_gradient(&scratch.sums[at], &mut self.gradient[convolution.places.weight.clone()]);
            }
        }
    }

    /// `first` tells the first pictures of the group.
    fn step_back(&mut self, shared: Shared<'_>, at: usize, (some, first): (Range<usize>, bool), scratch: &mut Scratch) {
        let Shared { plan, parameters, .. } = shared;
        let step = &plan.steps[at];
        let (input, output) = (&plan.maps[step.input], &plan.maps[step.output]);
        let (mut d_input, d_output) = (self.take(shared, step.input), self.take(shared, step.output));
        let (from, to) = (&self.values[step.input], &self.values[step.output]);
        let [from_size, to_size] = [input, output].map(|map| map.frame.size());
        let [d_from_size, d_to_size] = [input, output].map(|map| map.d_frame.size());
        let has_input = step.input > 0;
        let own = |picture: usize| picture * d_from_size..(picture + 1) * d_from_size;
        match (&step.action, &shared.ready[at]) {
            (Action::Convolve(convolution), Ready::Convolve(kernel)) => {
                let (pictures, Scratch { tiles, sums }) = (some.len(), scratch);
                let d_output = &d_output[some.start * d_to_size..];
                if has_input {
                    let d_input = &mut d_input[some.start * d_from_size..some.end * d_from_size];
                    kernel.backward(pictures, d_output, step.adds, d_input, tiles);
                }
                let gradient = &mut self.gradient[convolution.places.weight.clone()];
                let sides = [&from[some.start * from_size..], d_output];
                kernel.gradient(pictures, sides, gradient, (&mut sums[at], first), tiles);
            }
            (Action::Filter(convolution), _) => {
                let (filter, places) = (Filter { convolution, input, output }, &convolution.places);
                for picture in some.clone() {
                    let (from, d_output) = (&from[picture * from_size..], &d_output[picture * d_to_size..]);
                    if has_input {
                        let d_input = &mut d_input[own(picture)];
                        if !step.adds {
                            d_input.fill(0.0);
                        }
                        filter.backward(d_output, &parameters[places.weight.clone()], d_input);
                    }
                    filter.gradient(from, d_output, &mut self.gradient[places.weight.clone()]);
                }
            }
            (&Action::Pool { window, largest }, _) if has_input => {
                let pool = Pool { window, largest, input, output };
                for picture in some.clone() {
                    let seen = match &mut self.rooms[at] {
                        Room::Pool(seen) => &mut seen[picture * d_to_size..][..d_to_size],
                        _ => &mut [],
                    };
                    let d_input = &mut d_input[own(picture)];
                    if !step.adds {
                        d_input.fill(0.0);
                    }
                    let values = [&from[picture * from_size..], &to[picture * to_size..]];
                    pool.backward(values, &d_output[picture * d_to_size..], seen, d_input);
                }
            }
            _ => {}
        }
        if let Room::Bias(sums) = &mut self.rooms[at] {
            let (lines, frame) = (output.lines(), output.d_frame);
            for picture in some {
                let from = &d_output[picture * frame.size() + frame.place(0, 0)..];
                channel_sums(lines, (from, frame.line()), sums);
            }
        }
        self.give_back(shared, step.input, d_input);
        self.give_back(shared, step.output, d_output);
    }

    fn activation_back(&mut self, shared: Shared<'_>, at: usize, some: Range<usize>) {
        let Shared { plan, parameters, .. } = shared;
        let step = &plan.steps[at];
        let (input, output) = (&plan.maps[step.input], &plan.maps[step.output]);
        let mut d_output = self.take(shared, step.output);
        let (Action::Finish(finish), Ready::Finish(state), Room::Finish(room)) =
            (&step.action, &shared.ready[at], &mut self.rooms[at])
        else {
            return;
        };
        let [from, to] =
            [(step.input, input), (step.output, output)].map(|(at, map)| Maps { values: &self.values[at], map });
        let first = self.own.start;
        let this = FinishStep { finish, state, parameters, output, dropout: shared.dropouts[at], first };
        let size = output.d_frame.size();
        for picture in some {
            room.backward(this, (from, to), picture, &mut d_output[picture * size..][..size]);
        }
        self.give_back(shared, step.output, d_output);
    }

    fn normalization_back(&mut self, shared: Shared<'_>, at: usize, some: Range<usize>) {
        let plan = shared.plan;
        let step = &plan.steps[at];
        let (input, output) = (&plan.maps[step.input], &plan.maps[step.output]);
        let (Action::Finish(finish), Ready::Finish(state)) = (&step.action, &shared.ready[at]) else { return };
        let (size, d_from_size) = (output.d_frame.size(), input.d_frame.size());
        let (d_output, mut d_input) = (self.take(shared, step.output), self.take(shared, step.input));
        if step.input > 0 {
            let from = Maps { values: &self.values[step.input], map: input };
            for picture in some.clone() {
                let to = &mut d_input[picture * d_from_size..][..d_from_size];
                state.pass_on(finish, (from, step.adds), picture, &d_output[picture * size..][..size], to);
            }
        }
        // What is added may be what was normalized.
        self.give_back(shared, step.input, d_input);
        let is_elsewhere = |skip: &usize| *skip > 0 && shared.places[*skip] != shared.places[step.output];
        if let Some(skip) = finish.skip.filter(is_elsewhere) {
            let mut d_skip = self.take(shared, skip);
            let (map, d_size) = (&plan.maps[skip], plan.maps[skip].d_frame.size());
            for picture in some {
                let to = &mut d_skip[picture * d_size..][..d_size];
                state.pass_on_skipped(finish, map, &d_output[picture * size..][..size], to);
            }
            self.give_back(shared, skip, d_skip);
        }
        self.give_back(shared, step.output, d_output);
    }
}
