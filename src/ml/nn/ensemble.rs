//! Several networks of one shape, trained from different seeds, whose logits are averaged: less of what a model says
//! is owed to the chance of its initial weights (Lakshminarayanan et al. 2017).

use std::ops::ControlFlow;

use ndarray::Array2;

use super::checkpoint::{Keeper, State};
use super::network::Network;
use super::trainer::{Desk, MlpTask, NetworkError, TrainedNetwork, train_from};
use crate::ml::config::Regularization;
use crate::ml::observe::{EpochLog, Phase, Stop, StoppedBy, TrainObserver, WriteCheckpoint};

/// At least one network.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble {
    first: Network,
    others: Vec<Network>,
}

impl Ensemble {
    pub fn new(first: Network, others: Vec<Network>) -> Self {
        Self { first, others }
    }

    pub fn members(&self) -> impl Iterator<Item = &Network> {
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

/// Trains as many networks as the configuration asks for, one after another. The first is the one that
/// [`train`](super::trainer::train) gives. A run that was interrupted goes on from the checkpoint that the observer has
/// of it, and gives the same networks, to the last bit; from anything else it begins anew.
///
/// # Errors
/// As of [`train`](super::trainer::train).
pub fn train_ensemble(task: &MlpTask<'_>, observer: &mut dyn TrainObserver) -> Result<TrainedEnsemble, NetworkError> {
    let members = task.model.members.max(1);
    let keeper = Keeper::new(task);
    let (mut trained, mut start) = go_on_or_begin(&keeper, observer);
    while trained.len() < members {
        let member = trained.len();
        let seed = if member == 0 { task.seed } else { task.seed.derive(&format!("member {member}")) };
        let desk = Desk { keeper: &keeper, finished: &trained };
        let mut observer = MemberObserver { inner: observer, member, members };
        let network = train_from(&MlpTask { seed, ..*task }, start.take(), &desk, &mut observer)?;
        trained.push(network);
    }
    let examples_seen = trained.iter().map(|member| member.examples_seen).sum();
    // There is at least one.
    let TrainedNetwork { network, epochs_run, best_epoch, stopped_by, .. } = trained.remove(0);
    let others = trained.into_iter().map(|member| member.network).collect();
    Ok(TrainedEnsemble { ensemble: Ensemble::new(network, others), epochs_run, best_epoch, stopped_by, examples_seen })
}

/// The members that are trained, and where the next one goes on.
fn go_on_or_begin(keeper: &Keeper<'_>, observer: &mut dyn TrainObserver) -> (Vec<TrainedNetwork>, Option<State>) {
    let Some(bytes) = observer.earlier_checkpoint() else { return (Vec::new(), None) };
    match keeper.read(&bytes) {
        Ok((finished, state)) => {
            observer.resumed(Ok(()));
            (finished, Some(state))
        }
        Err(error) => {
            observer.resumed(Err(error));
            (Vec::new(), None)
        }
    }
}

/// Shows the part of the way that a member is, and the learning curves of the first.
struct MemberObserver<'a> {
    inner: &'a mut dyn TrainObserver,
    member: usize,
    members: usize,
}

impl TrainObserver for MemberObserver<'_> {
    fn phase(&mut self, phase: Phase) -> ControlFlow<Stop> {
        self.inner.phase(phase)
    }

    fn step(&mut self, fraction: f64) -> ControlFlow<Stop> {
        self.inner.step((self.member as f64 + fraction) / self.members as f64)
    }

    fn epoch(&mut self, log: &EpochLog) -> ControlFlow<Stop> {
        if self.member == 0 { self.inner.epoch(log) } else { ControlFlow::Continue(()) }
    }

    fn checkpoint(&mut self, epochs: usize, write: &mut WriteCheckpoint<'_>) {
        self.inner.checkpoint(epochs, write);
    }
}
