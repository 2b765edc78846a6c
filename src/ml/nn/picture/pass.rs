//! One training step of a convolutional network: a batch of pictures there and back.
//!
//! The batch is cut into groups. A group takes all steps up to the next normalization with a few pictures at a time, whose
//! maps stay in the cache from step to step; then the groups wait for each other, since normalization needs what all
//! pictures have. So every map goes through memory about once.

use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::convolution::Kernel;
use super::finish::FinishState;
use super::group::{Group, Ready, Scratch, Shared};
use super::plan::{Action, Plan};
use super::route::{Route, Turn, Way};
use crate::ml::kernel::{Buffer, Dropout, add_into, threads};
use crate::ml::nn::layout::Layout;
use crate::ml::nn::network::Network;
use crate::ml::nn::pass::{Batch, draw_dropout};
use crate::ml::seed::Rng;

/// Multiply-adds of a forward pass below which sharing the work costs more than it saves.
const WORTH_SHARING: u64 = 1 << 21;
/// Groups of pictures, as many threads as can share a batch. What is summed over a batch is summed by group first.
pub const GROUPS: usize = 8;

/// The intermediate values of a step, allocated once for the largest batch.
#[derive(Debug, Clone)]
pub struct PicturePass {
    layout: Arc<Layout>,
    route: Route,
    is_large: bool,
    /// Whether it predicts, and derivatives are those of predictions.
    evaluates: bool,
    ready: Vec<Ready>,
    groups: Vec<Group>,
    spare: Spare,
    dropouts: Vec<Option<Dropout>>,
    logits: Buffer,
    d_logits: Buffer,
}

/// What threads need while they work, which is given back.
#[derive(Debug, Default)]
struct Spare(Mutex<Vec<Scratch>>);

impl Spare {
    fn with<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut scratch = kept.unwrap_or_default();
        let done = work(&mut scratch);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        done
    }
}

impl Clone for Spare {
    /// Nothing in there is worth copying.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PicturePass {
    /// For batches of up to `rows` pictures; `None` for a network that reads none.
    pub(in crate::ml::nn) fn new(network: &Network, rows: usize) -> Option<Self> {
        let route = Route::of(network.layout().plan.as_ref()?);
        Self::by_route(network, rows, route)
    }

    fn by_route(network: &Network, rows: usize, route: Route) -> Option<Self> {
        let layout = Arc::clone(network.layout());
        let plan = layout.plan.as_ref()?;
        let groups = GROUPS.min(rows.max(1));
        let group = Group::new(&layout, plan, &route, rows.div_ceil(groups));
        let ready = plan.steps.iter().map(|step| {
            let (input, output) = (&plan.maps[step.input], &plan.maps[step.output]);
            match &step.action {
                Action::Convolve(convolution) => Ready::Convolve(Box::new(Kernel::new(convolution, input, output))),
                Action::Finish(_) => Ready::Finish(Box::new(FinishState::new(output))),
                Action::Filter(_) | Action::Pool { .. } => Ready::Other,
            }
        });
        Some(Self {
            route,
            is_large: Self::shares(plan, rows),
            evaluates: false,
            ready: ready.collect(),
            groups: vec![group; groups],
            spare: Spare::default(),
            dropouts: vec![None; plan.steps.len()],
            logits: Buffer::zeros(rows),
            d_logits: Buffer::zeros(rows),
            layout,
        })
    }

    /// For the derivatives of predictions: by running statistics, without dropout.
    pub(super) fn evaluating(network: &Network) -> Option<Self> {
        let route = Route::of(network.layout().plan.as_ref()?).with_own_rooms();
        Some(Self { evaluates: true, ..Self::by_route(network, 1, route)? })
    }

    /// Values of a map and derivatives by it after a way there and back of one picture, each with its frame.
    pub(super) fn of_map(&self, map: usize) -> [&[f32]; 2] {
        match (self.groups.first(), self.route.rooms[map]) {
            (Some(group), Some(room)) => group.of_map(map, room),
            _ => [&[], &[]],
        }
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
        let (is_shared, each) = (self.is_shared(), batch.rows.div_ceil(self.groups.len()));
        for (at, group) in self.groups.iter_mut().enumerate() {
            group.begin((at * each).min(batch.rows)..((at + 1) * each).min(batch.rows));
        }
        self.read_weights(plan, &network.parameters, Kernel::read);
        for at in 0..self.route.there.len() {
            let stretch = self.route.there[at].clone();
            if at > 0 {
                self.normalize(plan, stretch.start, network, batch.rows);
            }
            let (shared, groups, spare) = self.shared(&layout, plan, &network.parameters);
            let turn = Turn::new(at);
            each_group(is_shared, turn, groups, |group| {
                spare.with(|scratch| {
                    group.forward(shared, (stretch.clone(), turn), (at == 0).then_some(batch), scratch)
                });
            });
        }
        for (own, found) in self.groups.iter().map(Group::logits) {
            self.logits[own].copy_from_slice(found);
        }
        &self.logits[..batch.rows]
    }

    fn shared<'a>(
        &'a mut self,
        layout: &'a Layout,
        plan: &'a Plan,
        parameters: &'a [f32],
    ) -> (Shared<'a>, &'a mut [Group], &'a Spare) {
        let Self { route, ready, dropouts, evaluates, groups, spare, .. } = self;
        let places = &route.rooms;
        (Shared { layout, plan, parameters, ready, places, dropouts, measures: !*evaluates }, groups, spare)
    }

    /// Lets every convolution read its weights anew.
    fn read_weights(&mut self, plan: &Plan, parameters: &[f32], read: impl Fn(&mut Kernel, &[f32]) + Sync) {
        let is_shared = self.is_shared();
        let one = |(ready, step): (&mut Ready, &super::Step)| {
            if let (Ready::Convolve(kernel), Action::Convolve(convolution)) = (ready, &step.action) {
                read(kernel, &parameters[convolution.places.weight.clone()]);
            }
        };
        if is_shared {
            self.ready.par_iter_mut().zip(&plan.steps).for_each(one);
        } else {
            self.ready.iter_mut().zip(&plan.steps).for_each(one);
        }
    }

    /// Finds out how a step normalizes the batch, if it does.
    fn normalize(&mut self, plan: &Plan, at: usize, network: &mut Network, pictures: usize) {
        let (Action::Finish(finish), Ready::Finish(state)) = (&plan.steps[at].action, &mut self.ready[at]) else {
            return;
        };
        let Some(norm) = &finish.norm else { return };
        let rooms = (!self.evaluates).then(|| self.groups.iter().filter_map(|group| group.finish_room(at)));
        state.measure(norm, &network.parameters, &mut network.statistics, pictures, rooms);
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
        gradient[layout.output_bias.start] = self.d_logits[..rows].iter().sum();
        self.read_weights(plan, &network.parameters, Kernel::read_back);
        let d_logits = std::mem::take(&mut self.d_logits);
        for at in 0..self.route.back.len() {
            let stretch = self.route.back[at].clone();
            let turn = Turn::new(self.route.there.len() + at);
            let (shared, groups, spare) = self.shared(&layout, plan, &network.parameters);
            each_group(is_shared, turn, groups, |group| {
                if at == 0 {
                    group.begin_back(shared, &d_logits);
                }
                spare.with(|scratch| group.backward(shared, (&stretch, turn), scratch));
            });
            for way in stretch {
                if let Way::Step(at) | Way::Activation(at) = way {
                    self.combine(plan, at, network, gradient);
                }
            }
        }
        self.d_logits = d_logits;
        self.add_groups(is_shared, &mut gradient[..layout.weights_end]);
    }

    /// The derivatives by what a step learns besides weights, and what its normalization passes on.
    fn combine(&mut self, plan: &Plan, at: usize, network: &Network, gradient: &mut [f32]) {
        match (&plan.steps[at].action, &mut self.ready[at]) {
            (Action::Finish(finish), Ready::Finish(state)) => {
                let rooms = self.groups.iter().filter_map(|group| group.finish_room(at));
                state.combine(finish, &network.parameters, rooms, gradient);
            }
            (Action::Convolve(convolution) | Action::Filter(convolution), _) => {
                let Some(bias) = convolution.places.bias.clone() else { return };
                for (channel, to) in gradient[bias].iter_mut().enumerate() {
                    *to = self.groups.iter().filter_map(|group| group.bias(at).get(channel)).sum::<f64>() as f32;
                }
            }
            _ => {}
        }
    }

    /// The derivatives by the weights: those of the groups in their order.
    fn add_groups(&self, is_shared: bool, gradient: &mut [f32]) {
        const BLOCK: usize = 1 << 12;
        let add = |(block, to): (usize, &mut [f32])| {
            let place = block * BLOCK..block * BLOCK + to.len();
            for (at, group) in self.groups.iter().enumerate() {
                let from = &group.gradient()[place.clone()];
                if at == 0 { to.copy_from_slice(from) } else { add_into(to, from) }
            }
        };
        if is_shared {
            gradient.par_chunks_mut(BLOCK).enumerate().for_each(add);
        } else {
            gradient.chunks_mut(BLOCK).enumerate().for_each(add);
        }
    }
}

fn each_group(is_shared: bool, turn: Turn, groups: &mut [Group], visit: impl Fn(&mut Group) + Sync + Send) {
    match (is_shared, turn) {
        (true, Turn::Forth) => groups.par_iter_mut().with_max_len(1).for_each(visit),
        (true, Turn::Back) => groups.par_iter_mut().rev().with_max_len(1).for_each(visit),
        (false, Turn::Forth) => groups.iter_mut().for_each(visit),
        (false, Turn::Back) => groups.iter_mut().rev().for_each(visit),
    }
}
