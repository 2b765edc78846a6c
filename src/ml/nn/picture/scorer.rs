//! Prediction of a convolutional network: picture by picture, each with its maps in the cache from the first step to the
//! last.

use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::convolution::{Filter, Kernel};
use super::finish::{FinishInference, Maps};
use super::group::read_picture;
use super::plan::{Action, Map, Plan};
use super::pooling::Pool;
use crate::ml::kernel::{Buffer, TileRoom, dot_rows, threads};
use crate::ml::nn::layout::Layout;
use crate::ml::nn::network::Network;
use crate::ml::nn::pass::Batch;

/// Pictures that a thread takes at a time.
const PICTURES: usize = 4;

/// A network ready to score pictures.
pub(in crate::ml::nn) struct PictureScorer {
    layout: Arc<Layout>,
    parameters: Buffer,
    steps: Vec<Ready>,
    /// Rooms for the maps of a picture, which are given back.
    rooms: Mutex<Vec<Room>>,
}

/// The maps of a picture, and room for tiles of them.
struct Room {
    maps: Vec<Buffer>,
    tiles: TileRoom,
}

/// What a step needs besides the network.
enum Ready {
    Convolve(Box<Kernel>),
    Finish(FinishInference),
    Other,
}

impl PictureScorer {
    /// `None` for a network that reads no pictures.
    pub(in crate::ml::nn) fn new(network: &Network) -> Option<Self> {
        let layout = Arc::clone(network.layout());
        let plan = layout.plan.as_ref()?;
        let ready = plan.steps.iter().map(|step| {
            let (input, output) = (&plan.maps[step.input], &plan.maps[step.output]);
            match &step.action {
                Action::Convolve(convolution) => {
                    let weights = &network.parameters[convolution.places.weight.clone()];
                    Ready::Convolve(Box::new(Kernel::one_way(convolution, input, output, weights)))
                }
                Action::Finish(finish) => {
                    Ready::Finish(FinishInference::new(finish, output, &network.parameters, &network.statistics))
                }
                Action::Filter(_) | Action::Pool { .. } => Ready::Other,
            }
        });
        let steps = ready.collect();
        Some(Self { parameters: network.parameters.clone(), steps, rooms: Mutex::new(Vec::new()), layout })
    }

    /// One logit per picture. A picture's logit depends on that picture alone. On a thread of a pool with several threads
    /// the pictures are shared.
    pub(in crate::ml::nn) fn score(&self, batch: Batch<'_>, logits: &mut [f32]) {
        let weights = &self.parameters[self.layout.output_weight.clone()];
        let bias = self.parameters[self.layout.output_bias.start];
        self.each(batch, logits, 1, |features, logit| dot_rows(features, weights, bias, logit));
    }

    /// What the logit of each picture is an affine function of; rows are padded to whole vectors.
    pub(in crate::ml::nn) fn features(&self, batch: Batch<'_>, features: &mut [f32]) {
        let width = self.layout.output_weight.len();
        self.each(batch, features, width, |found, to| to.copy_from_slice(&found[..to.len()]));
    }

    /// Hands all maps of one picture, as they are after the last step, to `look`.
    pub(super) fn look<T>(&self, plan: &Plan, picture: &[f32], look: impl FnOnce(&[Buffer]) -> T) -> T {
        let mut room = self.room(plan);
        self.run(plan, picture, &mut room);
        let seen = look(&room.maps);
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner).push(room);
        seen
    }

    /// Hands the features of each picture to `take`, with so many values of `out`.
    fn each(&self, batch: Batch<'_>, out: &mut [f32], width: usize, take: impl Fn(&[f32], &mut [f32]) + Sync) {
        let Some(plan) = &self.layout.plan else { return };
        let some = |(part, out): (usize, &mut [f32])| {
            let mut room = self.room(plan);
            for (picture, out) in out.chunks_exact_mut(width).enumerate() {
                let from = (part * PICTURES + picture) * batch.stride;
                self.run(plan, &batch.values[from..], &mut room);
                take(&room.maps[plan.features], out);
            }
            self.rooms.lock().unwrap_or_else(PoisonError::into_inner).push(room);
        };
        if threads() > 1 && batch.rows > 1 {
            out.par_chunks_mut(PICTURES * width).enumerate().for_each(some);
        } else {
            out.chunks_mut(PICTURES * width).enumerate().for_each(some);
        }
    }

    fn room(&self, plan: &Plan) -> Room {
        let kept = self.rooms.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let map = |map: &Map| Buffer::zeros(map.frame.size());
        kept.unwrap_or_else(|| Room { maps: plan.maps.iter().map(map).collect(), tiles: TileRoom::default() })
    }

    /// Takes a picture through all steps.
    fn run(&self, plan: &Plan, picture: &[f32], Room { maps: room, tiles }: &mut Room) {
        let parameters: &[f32] = &self.parameters;
        read_picture(&plan.maps[0], picture, &mut room[0]);
        for (step, ready) in plan.steps.iter().zip(&self.steps) {
            let (input, output) = (&plan.maps[step.input], &plan.maps[step.output]);
            let mut to = std::mem::take(&mut room[step.output]);
            let from = &room[step.input];
            match (&step.action, ready) {
                (Action::Convolve(convolution), Ready::Convolve(kernel)) => {
                    let bias = convolution.places.bias.clone().map(|range| &parameters[range]);
                    let weights = &parameters[convolution.places.weight.clone()];
                    kernel.forward(1, from, (weights, bias), &mut to, tiles);
                }
                (Action::Filter(convolution), _) => {
                    let bias = convolution.places.bias.clone().map(|range| &parameters[range]);
                    let weights = &parameters[convolution.places.weight.clone()];
                    Filter { convolution, input, output }.forward(from, weights, bias, &mut to);
                }
                (&Action::Pool { window, largest }, _) => {
                    Pool { window, largest, input, output }.forward(from, &mut to);
                }
                (Action::Finish(finish), Ready::Finish(inference)) => {
                    let skip = finish.skip.map(|skip| Maps { values: &room[skip], map: &plan.maps[skip] });
                    let from = Maps { values: from, map: input };
                    inference.forward(finish, parameters, (from, skip), output, &mut to);
                }
                _ => {}
            }
            room[step.output] = to;
        }
    }
}
