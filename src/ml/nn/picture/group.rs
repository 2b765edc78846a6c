//! Some pictures of a batch on their way there and back, with all that is kept of them. Groups know nothing of each other,
//! so that threads can share them.

mod back;

use std::ops::Range;

use super::convolution::{Filter, Kernel};
use super::finish::{FinishRoom, FinishState, FinishStep, Maps};
use super::plan::{Action, Map, Plan};
use super::pooling::Pool;
use super::route::{Route, Turn};
use crate::ml::kernel::{Buffer, Dropout, TileRoom, dot_rows, stride};
use crate::ml::nn::layout::Layout;
use crate::ml::nn::pass::Batch;

/// Values of the maps of a stretch that stay in the second cache together: pictures go through it so many at a time.
const NEAR: usize = 48 << 10;

/// What a step needs besides its maps, the same for all pictures.
#[derive(Debug, Clone)]
pub(super) enum Ready {
    Convolve(Box<Kernel>),
    Finish(Box<FinishState>),
    Other,
}

/// What all groups read.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub(super) layout: &'a Layout,
    pub(super) plan: &'a Plan,
    pub(super) parameters: &'a [f32],
    pub(super) ready: &'a [Ready],
    /// Where the derivatives by each map are kept.
    pub(super) places: &'a [Option<usize>],
    pub(super) dropouts: &'a [Option<Dropout>],
    /// Whether the values of a batch are measured for its normalization.
    pub(super) measures: bool,
}

/// Room that a thread needs while it works on a group.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    tiles: TileRoom,
    /// Derivatives by the weights of a step, as [`Kernel::gradient`] adds them.
    sums: Vec<Buffer>,
}

/// What a step keeps of the pictures.
#[derive(Debug, Clone)]
enum Room {
    Finish(Box<FinishRoom>),
    /// Pixels that were found to be the largest.
    Pool(Buffer),
    /// Derivatives by the bias.
    Bias(Vec<f64>),
    Nothing,
}

/// Some pictures of a batch.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// Their places in the batch.
    own: Range<usize>,
    /// Of each map, picture after picture.
    values: Vec<Buffer>,
    /// Derivatives of the loss, where the route has their rooms.
    slopes: Vec<Buffer>,
    rooms: Vec<Room>,
    /// Derivatives by the weights.
    gradient: Buffer,
    logits: Buffer,
}

impl Group {
    /// For up to so many pictures.
    pub(super) fn new(layout: &Layout, plan: &Plan, route: &Route, pictures: usize) -> Self {
        let room = |step: &super::Step| {
            let output = &plan.maps[step.output];
            match &step.action {
                Action::Finish(finish) => Room::Finish(Box::new(FinishRoom::new(finish, output, pictures))),
                Action::Pool { largest: true, .. } => Room::Pool(Buffer::zeros(pictures * output.d_frame.size())),
                Action::Convolve(convolution) | Action::Filter(convolution) if convolution.has_bias => {
                    Room::Bias(vec![0.0; stride(output.channels)])
                }
                _ => Room::Nothing,
            }
        };
        let mut slopes = vec![Buffer::default(); route.rooms.iter().flatten().map(|room| room + 1).max().unwrap_or(0)];
        for (map, room) in plan.maps.iter().zip(&route.rooms) {
            if let Some(room) = *room {
                slopes[room] = Buffer::zeros(pictures * map.d_frame.size());
            }
        }
        Self {
            own: 0..0,
            values: plan.maps.iter().map(|map| Buffer::zeros(pictures * map.frame.size())).collect(),
            slopes,
            rooms: plan.steps.iter().map(room).collect(),
            gradient: Buffer::zeros(layout.weights_end),
            logits: Buffer::zeros(pictures),
        }
    }

    /// Before a batch of which it has these pictures.
    pub(super) fn begin(&mut self, own: Range<usize>) {
        self.own = own;
        self.clear();
    }

    fn clear(&mut self) {
        for room in &mut self.rooms {
            match room {
                Room::Finish(room) => room.clear(),
                Room::Bias(sums) => sums.fill(0.0),
                Room::Pool(_) | Room::Nothing => {}
            }
        }
    }

    fn pictures(&self) -> usize {
        self.own.len()
    }

    /// Values of a map, and derivatives in a room.
    pub(super) fn of_map(&self, map: usize, room: usize) -> [&[f32]; 2] {
        [&self.values[map], &self.slopes[room]]
    }

    pub(super) fn gradient(&self) -> &[f32] {
        &self.gradient
    }

    /// Its pictures in the batch, and the logits of the last way there.
    pub(super) fn logits(&self) -> (Range<usize>, &[f32]) {
        (self.own.clone(), &self.logits[..self.pictures()])
    }

    pub(super) fn finish_room(&self, at: usize) -> Option<&FinishRoom> {
        match &self.rooms[at] {
            Room::Finish(room) => Some(room),
            _ => None,
        }
    }

    /// The derivatives by the bias of a step.
    pub(super) fn bias(&self, at: usize) -> &[f64] {
        match &self.rooms[at] {
            Room::Bias(sums) => sums,
            _ => &[],
        }
    }

    /// Some pictures at a time, so many that their maps of these steps are near.
    fn parts(&self, plan: &Plan, steps: &[usize], turn: Turn) -> Vec<Range<usize>> {
        let size = |map: usize| plan.maps[map].frame.size();
        let values: usize = steps.iter().map(|&at| size(plan.steps[at].input) + size(plan.steps[at].output)).sum();
        let (pictures, together) = (self.pictures(), (NEAR / values.max(1)).max(1));
        let part = |first: usize| first..pictures.min(first + together);
        let mut parts: Vec<Range<usize>> = (0..pictures).step_by(together).map(part).collect();
        if turn == Turn::Back {
            parts.reverse();
        }
        parts
    }

    /// Takes its pictures through a stretch of steps; the first reads them from the batch.
    pub(super) fn forward(
        &mut self,
        shared: Shared<'_>,
        (stretch, turn): (Range<usize>, Turn),
        batch: Option<Batch<'_>>,
        scratch: &mut Scratch,
    ) {
        let plan = shared.plan;
        for some in self.parts(plan, &stretch.clone().collect::<Vec<_>>(), turn) {
            if let Some(batch) = batch {
                let size = plan.maps[0].frame.size();
                for picture in some.clone() {
                    let from = &batch.values[(self.own.start + picture) * batch.stride..];
                    read_picture(&plan.maps[0], from, &mut self.values[0][picture * size..][..size]);
                }
                self.measure(shared, 0, some.clone());
            }
            for at in stretch.clone() {
                self.step(shared, at, some.clone(), &mut scratch.tiles);
                self.measure(shared, plan.steps[at].output, some.clone());
            }
        }
        if stretch.end == plan.steps.len() {
            let features = &self.values[plan.features][..self.pictures() * plan.maps[plan.features].frame.size()];
            let weights = &shared.parameters[shared.layout.output_weight.clone()];
            let bias = shared.parameters[shared.layout.output_bias.start];
            let pictures = self.pictures();
            dot_rows(features, weights, bias, &mut self.logits[..pictures]);
        }
    }

    /// Adds some pictures to the statistics of what normalizes a map.
    fn measure(&mut self, shared: Shared<'_>, map: usize, some: Range<usize>) {
        if !shared.measures {
            return;
        }
        let plan = shared.plan;
        for (step, room) in plan.steps.iter().zip(&mut self.rooms).filter(|(step, _)| step.input == map) {
            if let (Action::Finish(finish), Room::Finish(room)) = (&step.action, room)
                && finish.norm.is_some()
            {
                let values = Maps { values: &self.values[map], map: &plan.maps[map] };
                some.clone().for_each(|picture| room.measure(values.picture(picture), plan.maps[map].lines()));
            }
        }
    }

    fn step(&mut self, shared: Shared<'_>, at: usize, some: Range<usize>, tiles: &mut TileRoom) {
        let Shared { plan, parameters, .. } = shared;
        let step = &plan.steps[at];
        let (input, output) = (&plan.maps[step.input], &plan.maps[step.output]);
        let mut to = std::mem::take(&mut self.values[step.output]);
        let from = &self.values[step.input];
        let (from_size, to_size) = (input.frame.size(), output.frame.size());
        let each =
            |picture: usize| (&from[picture * from_size..][..from_size], picture * to_size..(picture + 1) * to_size);
        match (&step.action, &shared.ready[at], &mut self.rooms[at]) {
            (Action::Convolve(convolution), Ready::Convolve(kernel), _) => {
                let weights = &parameters[convolution.places.weight.clone()];
                let bias = convolution.places.bias.clone().map(|range| &parameters[range]);
                let (from, to) = (&from[some.start * from_size..], &mut to[some.start * to_size..some.end * to_size]);
                kernel.forward(some.len(), from, (weights, bias), to, tiles);
            }
            (Action::Filter(convolution), ..) => {
                let weights = &parameters[convolution.places.weight.clone()];
                let bias = convolution.places.bias.clone().map(|range| &parameters[range]);
                let filter = Filter { convolution, input, output };
                for (from, own) in some.map(each) {
                    filter.forward(from, weights, bias, &mut to[own]);
                }
            }
            (&Action::Pool { window, largest }, ..) => {
                let pool = Pool { window, largest, input, output };
                for (from, own) in some.map(each) {
                    pool.forward(from, &mut to[own]);
                }
            }
            (Action::Finish(finish), Ready::Finish(state), Room::Finish(room)) => {
                let skip = finish.skip.map(|skip| Maps { values: &self.values[skip], map: &plan.maps[skip] });
                let first = self.own.start;
                let this = FinishStep { finish, state, parameters, output, dropout: shared.dropouts[at], first };
                let input = Maps { values: from, map: input };
                for picture in some {
                    room.forward(this, (input, skip), picture, &mut to[picture * to_size..][..to_size]);
                }
            }
            _ => {}
        }
        self.values[step.output] = to;
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
