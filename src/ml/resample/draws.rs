//! The two sources of chance of a step.

use rand::Rng as _;
use rand_distr::StandardNormal;

use super::ResampleError;
use super::numpy_rng::NumpyRng;
use crate::ml::config::{ResampleStep, RngKind};
use crate::ml::seed::{Rng, Seed};

pub(super) enum Draws {
    Seeded(Box<Rng>),
    Numpy(Box<NumpyRng>),
}

impl Draws {
    /// The chance of the step at `index`. Each step has a stream of its own, so that two equal steps do not
    /// repeat each other's draws; a step's own seed takes the place of the job's.
    ///
    /// # Errors
    /// If `numpy` is asked for without a seed that NumPy takes.
    pub(super) fn new(step: &ResampleStep, index: usize, seed: Seed) -> Result<Self, ResampleError> {
        match step.rng {
            RngKind::Numpy => {
                let seed = step.seed.and_then(|seed| u32::try_from(seed).ok());
                let seed = seed.ok_or(ResampleError::NumpySeed { found: step.seed })?;
                Ok(Draws::Numpy(Box::new(NumpyRng::new(seed))))
            }
            RngKind::Default => {
                let seed = step.seed.map_or_else(|| seed.derive(&format!("resample {index}")), Seed);
                Ok(Draws::Seeded(Box::new(seed.stream(step.method.name()))))
            }
        }
    }

    /// An integer in `0..bound`; 0 where `bound` is 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        match self {
            Draws::Seeded(_) if bound < 2 => 0,
            Draws::Seeded(rng) => rng.random_range(0..bound as u64) as usize,
            Draws::Numpy(rng) => rng.below(bound),
        }
    }

    /// `count` integers in `0..bound`.
    pub(super) fn many_below(&mut self, bound: usize, count: usize) -> Vec<usize> {
        (0..count).map(|_| self.below(bound)).collect()
    }

    /// A number in `0..1`.
    pub(super) fn uniform(&mut self) -> f64 {
        match self {
            Draws::Seeded(rng) => rng.random(),
            Draws::Numpy(rng) => rng.uniform(),
        }
    }

    /// A standard normal deviate.
    pub(super) fn normal(&mut self) -> f64 {
        match self {
            Draws::Seeded(rng) => rng.sample(StandardNormal),
            Draws::Numpy(rng) => rng.normal(),
        }
    }

    /// `0..count` in random order: Fisher and Yates from the top, which is NumPy's order of draws.
    pub(super) fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::Draws;
    use crate::ml::config::{NamedStrategy, ResampleMethod, ResampleStep, RngKind, SamplingStrategy};
    use crate::ml::resample::ResampleError;
    use crate::ml::seed::Seed;

    fn step(seed: Option<u64>, rng: RngKind) -> ResampleStep {
        let sampling_strategy = SamplingStrategy::Named(NamedStrategy::Auto);
        ResampleStep { method: ResampleMethod::TomekLinks { sampling_strategy }, seed, rng }
    }

    #[test]
    fn equal_steps_at_different_places_draw_differently_unless_they_name_a_seed() {
        let draw =
            |seed, index| Draws::new(&step(seed, RngKind::Default), index, Seed(1)).unwrap().many_below(1_000_000, 4);
        assert_ne!(draw(None, 0), draw(None, 1));
        assert_eq!(draw(None, 1), draw(None, 1));
        assert_eq!(draw(Some(5), 0), draw(Some(5), 1));
    }

    #[test]
    fn permutations_are_numpys() {
        let mut draws = Draws::new(&step(Some(0), RngKind::Numpy), 0, Seed(1)).unwrap();
        // np.random.RandomState(0).permutation(10).tolist()
        assert_eq!(draws.permutation(10), [2, 8, 4, 9, 1, 6, 7, 3, 0, 5]);
    }

    #[test]
    fn a_seed_that_numpy_does_not_take_is_refused() {
        for seed in [None, Some(1 << 32)] {
            let refused = Draws::new(&step(seed, RngKind::Numpy), 0, Seed(1)).err();
            assert_eq!(refused, Some(ResampleError::NumpySeed { found: seed }));
        }
    }
}
