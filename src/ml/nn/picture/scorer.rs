//! Prediction of a convolutional network: picture by picture, each with its maps in the cache from the first step to the
//! last.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::convolution::{Filter, Kernel};
use super::finish::{FinishInference, Maps};
use super::pass::read_picture;
use super::plan::{Action, Plan};
use super::pooling::Pool;
use crate::ml::kernel::{Buffer, dot_rows, stride, threads};
use crate::ml::nn::network::Network;
use crate::ml::nn::pass::Batch;

/// Pictures that a thread takes at a time.
const PICTURES: usize = 4;

/// A network ready to score pictures.
pub(in crate::ml::nn) struct PictureScorer<'a> {
    network: &'a Network,
    plan: &'a Plan,
    steps: Vec<Ready>,
    /// Rooms for the maps of a picture, which are given back.
    rooms: Mutex<Vec<Vec<Buffer>>>,
}

/// What a step needs besides the network.
enum Ready {
    Convolve(Box<Kernel>),
    Finish(FinishInference),
    Other,
}

impl<'a> PictureScorer<'a> {
    /// `None` for a network that reads no pictures.
    pub(in crate::ml::nn) fn new(network: &'a Network) -> Option<Self> {
        let plan = network.layout().plan.as_ref()?;
        let ready = plan.steps.iter().map(|step| {
            let (input, output) = (&plan.maps[step.input], &plan.maps[step.output]);
            match &step.action {
                Action::Convolve(convolution) => Ready::Convolve(Box::new(Kernel::one_way(convolution, input, output))),
                Action::Finish(finish) => {
                    Ready::Finish(FinishInference::new(finish, output, &network.parameters, &network.statistics))
                }
                Action::Filter(_) | Action::Pool { .. } => Ready::Other,
            }
        });
        Some(Self { network, plan, steps: ready.collect(), rooms: Mutex::new(Vec::new()) })
    }

    /// One logit per picture. A picture's logit depends on that picture alone. On a thread of a pool with several threads
    /// the pictures are shared.
    pub(in crate::ml::nn) fn score(&self, batch: Batch<'_>, logits: &mut [f32]) {
        let weights = &self.network.parameters[self.network.layout().output_weight.clone()];
        let bias = self.network.output_bias();
        self.each(batch, logits, 1, |features, logit| dot_rows(features, weights, bias, logit));
    }

    /// What the logit of each picture is an affine function of; rows are padded to whole vectors.
    pub(in crate::ml::nn) fn features(&self, batch: Batch<'_>, features: &mut [f32]) {
        let width = stride(self.plan.maps[self.plan.features].channels);
        self.each(batch, features, width, |found, to| to.copy_from_slice(&found[..to.len()]));
    }

    /// Hands the features of each picture to `take`, with so many values of `out`.
    fn each(&self, batch: Batch<'_>, out: &mut [f32], width: usize, take: impl Fn(&[f32], &mut [f32]) + Sync) {
        let some = |(part, out): (usize, &mut [f32])| {
            let mut room = self.room();
            for (picture, out) in out.chunks_exact_mut(width).enumerate() {
                let from = (part * PICTURES + picture) * batch.stride;
                self.run(&batch.values[from..], &mut room);
                take(&room[self.plan.features], out);
            }
            self.rooms.lock().unwrap_or_else(PoisonError::into_inner).push(room);
        };
        if threads() > 1 && batch.rows > 1 {
            out.par_chunks_mut(PICTURES * width).enumerate().for_each(some);
        } else {
            out.chunks_mut(PICTURES * width).enumerate().for_each(some);
        }
    }

    fn room(&self) -> Vec<Buffer> {
        let kept = self.rooms.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| self.plan.maps.iter().map(|map| Buffer::zeros(map.frame.size())).collect())
    }

    /// Takes a picture through all steps.
    fn run(&self, picture: &[f32], room: &mut [Buffer]) {
        let Self { network, plan, .. } = self;
        let parameters: &[f32] = &network.parameters;
        read_picture(&plan.maps[0], picture, &mut room[0]);
        for (step, ready) in plan.steps.iter().zip(&self.steps) {
            let (input, output) = (&plan.maps[step.input], &plan.maps[step.output]);
            let mut to = std::mem::take(&mut room[step.output]);
            let from = &room[step.input];
            match (&step.action, ready) {
                (Action::Convolve(convolution), Ready::Convolve(kernel)) => {
                    let bias = convolution.places.bias.clone().map(|range| &parameters[range]);
                    kernel.forward(1, from, &parameters[convolution.places.weight.clone()], bias, &mut to);
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
