//! Where a run is, and the chance of an epoch from any place in it on.

use crate::ml::seed::{Rng, Seed};

/// How far a run has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    /// The epoch under way, from 1; one past the last when that has ended.
    pub(super) epoch: usize,
    /// Steps of it that are done.
    pub(super) batch: usize,
    /// The sum of its losses so far.
    pub(super) loss_sum: f64,
    /// How much of the epoch's chance is used.
    pub(super) words: [u64; 2],
}

impl Position {
    pub(super) fn start_of(epoch: usize) -> Self {
        Self { epoch, batch: 0, loss_sum: 0.0, words: [0; 2] }
    }
}

/// Where an epoch's chance comes from. Each epoch has streams of its own, so that one can begin anywhere.
pub(super) struct EpochChance {
    pub(super) augment: Rng,
    pub(super) dropout: Rng,
}

impl EpochChance {
    /// What an epoch's batches are drawn from, all at its start.
    pub(super) fn shuffle(seed: Seed, epoch: usize) -> Rng {
        epoch_stream(seed, "shuffle", epoch)
    }

    /// The streams of an epoch of which so many words are used.
    pub(super) fn of(seed: Seed, epoch: usize, words: [u64; 2]) -> Self {
        let stream = |name: &str, word: u64| {
            let mut rng = epoch_stream(seed, name, epoch);
            rng.set_word_pos(word.into());
            rng
        };
        Self { augment: stream("augment", words[0]), dropout: stream("dropout", words[1]) }
    }

    pub(super) fn words(&self) -> [u64; 2] {
        // An epoch of 2⁶⁴ words would take centuries.
        [&self.augment, &self.dropout].map(|rng| u64::try_from(rng.get_word_pos()).unwrap_or(u64::MAX))
    }
}

fn epoch_stream(seed: Seed, name: &str, epoch: usize) -> Rng {
    seed.derive(name).stream(&format!("epoch {epoch}"))
}
