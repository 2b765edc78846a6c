//! Several networks of one shape, trained from different seeds, whose logits are averaged: less of what a model says
//! is owed to the chance of its initial weights (Lakshminarayanan et al. 2017).

use std::ops::Range;

use ndarray::Array2;

use super::inference::{Prepared, score_blocks};
use super::members::train_all;
use super::network::Network;
use super::pass::Batch;
use super::picture::HeatMap;
use super::picture::scorer::PictureScorer;
use super::rows::{Rows, Source};
use super::trainer::{NetworkError, NetworkTask, TrainedNetwork};
use crate::ml::config::Regularization;
use crate::ml::kernel::stride;
use crate::ml::observe::{StoppedBy, TrainObserver};
use crate::ml::picture::PictureSet;

/// Pictures whose embeddings are computed together.
const BLOCK: usize = 256;

/// At least one network.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble {
    first: Network,
    others: Vec<Network>,
    prepared: Prepared,
}

impl Ensemble {
    pub fn new(first: Network, others: Vec<Network>) -> Self {
        Self { first, others, prepared: Prepared::default() }
    }

    pub fn members(&self) -> impl Iterator<Item = &Network> + Clone {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The member that all others have the shape of.
    pub fn first(&self) -> &Network {
        &self.first
    }

    pub fn len(&self) -> usize {
        1 + self.others.len()
    }

    pub fn is_empty(&self) -> bool {
        false
    }

    /// One logit per row: the mean of the members'.
    pub fn logits(&self, features: &Array2<f64>) -> Vec<f64> {
        let mut logits = self.first.logits(features);
        if self.others.is_empty() {
            return logits;
        }
        for member in &self.others {
            logits.iter_mut().zip(member.logits(features)).for_each(|(sum, logit)| *sum += logit);
        }
        let count = self.len() as f64;
        logits.iter_mut().for_each(|sum| *sum /= count);
        logits
    }

    /// One logit per row of pictures.
    pub fn picture_logits(&self, pictures: &PictureSet) -> Vec<f64> {
        self.logits_by(pictures.len(), |rows, out, stride| {
            for (row, out) in rows.zip(out.chunks_mut(stride.max(1))) {
                pictures.normalized(row, out);
            }
        })
    }

    /// What the logit of the first member is an affine function of, one row per picture; `None` where no member is a
    /// convolutional network.
    pub fn embeddings(&self, pictures: &PictureSet) -> Option<Array2<f64>> {
        let scorer = PictureScorer::new(&self.first)?;
        let (width, padded) = (self.first.features(), stride(self.first.features()));
        let block = BLOCK.min(pictures.len());
        let (mut rows, mut found) = (Rows::zeros(block, self.first.inputs()), vec![0.0; block * padded]);
        let source = Source::Pictures(pictures);
        let mut embeddings = Vec::with_capacity(pictures.len() * width);
        for start in (0..pictures.len()).step_by(BLOCK) {
            let count = BLOCK.min(pictures.len() - start);
            source.copy(start..start + count, &mut rows);
            let found = &mut found[..count * padded];
            scorer.features(Batch { values: rows.slice(0..count), stride: rows.stride(), rows: count }, found);
            let each = found.chunks_exact(padded).flat_map(|row| row.iter().take(width));
            embeddings.extend(each.map(|&value| f64::from(value)));
        }
        Array2::from_shape_vec((pictures.len(), width), embeddings).ok()
    }

    /// Whether [`Ensemble::heat_map`] has an answer.
    pub fn has_heat_map(&self) -> bool {
        HeatMap::is_of(&self.first)
    }

    /// Which part of a picture the logit goes by; `None` where members do not look at pictures part by part.
    pub fn heat_map(&self, pictures: &PictureSet, row: usize) -> Option<HeatMap> {
        let mut picture = vec![0.0; pictures.shape().values()];
        pictures.normalized(row, &mut picture);
        HeatMap::mean(self.members().map(|member| HeatMap::of(member, &picture)).collect::<Option<Vec<_>>>()?)
    }

    /// [`Ensemble::logits`] of `rows` rows whose features `fill` writes, some rows at a time, each row so much after the
    /// one before; what it leaves alone stays 0.
    pub fn logits_by(&self, rows: usize, fill: impl FnMut(Range<usize>, &mut [f32], usize)) -> Vec<f64> {
        let mut logits: Vec<f64> = Vec::with_capacity(rows);
        let mut start = 0;
        score_blocks(self.members(), &self.prepared, self.first.inputs(), rows, fill, |member, found| {
            let found = found.iter().map(|logit| f64::from(*logit));
            if member == 0 {
                start = logits.len();
                logits.extend(found);
            } else {
                logits.iter_mut().skip(start).zip(found).for_each(|(sum, logit)| *sum += logit);
            }
        });
        if !self.others.is_empty() {
            let count = self.len() as f64;
            logits.iter_mut().for_each(|sum| *sum /= count);
        }
        logits
    }

    /// The mean of the members' penalties.
    pub fn penalty(&self, regularization: &Regularization) -> f64 {
        self.members().map(|member| member.penalty(regularization)).sum::<f64>() / self.len() as f64
    }
}

/// An ensemble and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainedEnsemble {
    pub ensemble: Ensemble,
    /// Of the first member, whose learning curves are shown.
    pub epochs_run: usize,
    pub best_epoch: usize,
    pub stopped_by: StoppedBy,
    /// Over all members.
    pub examples_seen: u64,
}

/// Trains as many networks as the configuration asks for. The first is the one that
/// [`train`](super::trainer::train) gives. Where members have tasks of their own, `own` has one for each; these may
/// differ in their rows and what comes of those, and bring no seeds. A run that was interrupted goes on from the checkpoint that the observer has of it, and gives the
/// same networks, to the last bit; from anything else it begins anew.
///
/// # Errors
/// As of [`train`](super::trainer::train).
pub fn train_ensemble(
    task: &NetworkTask<'_>,
    own: &[NetworkTask<'_>],
    observer: &mut dyn TrainObserver,
) -> Result<TrainedEnsemble, NetworkError> {
    let of_member = |member: usize| NetworkTask {
        seed: if member == 0 { task.seed } else { task.seed.derive(&format!("member {member}")) },
        ..*own.get(member).unwrap_or(task)
    };
    let tasks: Vec<NetworkTask<'_>> = (0..task.design.members.max(1)).map(of_member).collect();
    let mut trained = train_all(&tasks, observer)?;
    let examples_seen = trained.iter().map(|member| member.examples_seen).sum();
    // There is at least one.
    let TrainedNetwork { network, epochs_run, best_epoch, stopped_by, .. } = trained.remove(0);
    let others = trained.into_iter().map(|member| member.network).collect();
    Ok(TrainedEnsemble { ensemble: Ensemble::new(network, others), epochs_run, best_epoch, stopped_by, examples_seen })
}
