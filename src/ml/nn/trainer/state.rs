//! The state of a run, to be written down and gone on from.

use super::super::averaging::Averager;
use super::super::checkpoint::{Bits, Progress, Snapshot, State};
use super::super::early_stop::EarlyStopper;
use super::super::position::Position;
use super::super::schedule::Plateau;
use super::Trainer;

impl Trainer<'_> {
    /// The state as it is written.
    pub(in super::super) fn snapshot(&self) -> Snapshot<'_> {
        let Plateau { factor, best, waited } = self.schedule.plateau();
        let stopper = self.stopper.as_ref().map(EarlyStopper::state);
        let average = self.averager.as_ref().map(Averager::state);
        let steps_are_done = self.at.batch > 0 && self.at.batch == self.batches.count();
        Snapshot {
            progress: Progress {
                epoch: self.at.epoch,
                batch: self.at.batch,
                loss_sum: Bits::of(self.at.loss_sum),
                words: self.at.words,
                averaged: average.map(|(_, count)| count),
                plateau: (Bits::of(factor), Bits::of(best), waited),
                stopper: stopper.map(|(best, best_epoch, waited)| (best.map(Bits::of), best_epoch, waited)),
                has_best: self.best.is_some(),
                stopped_by: self.stopped_by,
            },
            network: &self.network,
            moments: self.optimizer.moments(),
            average: average.map(|(average, _)| average),
            best: self.best.as_ref(),
            last_step: if steps_are_done { [&self.gradient, &self.before] } else { [&[], &[]] },
        }
    }

    /// Goes on from a state of this very task.
    pub(in super::super) fn resume(&mut self, state: State) {
        let Progress { epoch, batch, loss_sum, words, averaged, plateau, stopper, has_best: _, stopped_by } =
            state.progress;
        self.at = Position { epoch, batch, loss_sum: loss_sum.value(), words };
        self.stopped_by = stopped_by;
        self.network = state.network;
        self.best = state.best;
        self.optimizer.resume(state.moments, (epoch - 1) * self.batches.count() + batch);
        let (factor, best, waited) = plateau;
        self.schedule.resume(Plateau { factor: factor.value(), best: best.value(), waited });
        if let (Some(averager), Some(average), Some(count)) = (&mut self.averager, state.average, averaged) {
            averager.resume(average, count);
        }
        if let (Some(own), Some((best, best_epoch, waited))) = (&mut self.stopper, stopper) {
            own.resume((best.map(Bits::value), best_epoch, waited));
        }
        if let Some([gradient, before]) = state.last_step {
            (self.gradient, self.before) = (gradient, before);
        }
    }
}
