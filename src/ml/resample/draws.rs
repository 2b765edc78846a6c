//! The two sources of chance of a step.

use rand::Rng as _;
use rand_distr::StandardNormal;

use super::ResampleError;
use super::numpy_rng::NumpyRng;
use crate::ml::config::{ResampleStep, RngKind};
use crate::ml::seed::{Rng, Seed};

pub(super) enum Draws {
    Seeded(Box<Rng>),
    /// The seed and the stream that it began.
    Numpy(u32, Box<NumpyRng>),
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
                Ok(Draws::Numpy(seed, Box::new(NumpyRng::new(seed))))
            }
            RngKind::Default => {
                let seed = step.seed.map_or_else(|| seed.derive(&format!("resample {index}")), Seed);
                Ok(Draws::Seeded(Box::new(seed.stream(step.method.name()))))
            }
        }
    }

    /// Begins NumPy's stream anew, as imbalanced-learn does within its helpers when its `random_state` is an integer;
    /// the default stream goes on.
    pub(super) fn restart(&mut self) {
        if let Draws::Numpy(seed, rng) = self {
            **rng = NumpyRng::new(*seed);
        }
    }

    /// An integer in `0..bound`; 0 where `bound` is 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        match self {
            Draws::Seeded(_) if bound < 2 => 0,
            Draws::Seeded(rng) => rng.random_range(0..bound as u64) as usize,
            Draws::Numpy(_, rng) => rng.below(bound),
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
            Draws::Numpy(_, rng) => rng.uniform(),
        }
    }

    /// A standard normal deviate.
    pub(super) fn normal(&mut self) -> f64 {
        match self {
            Draws::Seeded(rng) => rng.sample(StandardNormal),
            Draws::Numpy(_, rng) => rng.normal(),
        }
    }

    /// A number in `0..=1` from the beta distribution: X / (X + Y) of two gamma deviates. NumPy's draws if both
    /// parameters are above 1.
    pub(super) fn beta(&mut self, a: f64, b: f64) -> f64 {
        let (first, second) = (self.gamma(a), self.gamma(b));
        let sum = first + second;
        // Small parameters can make both underflow; then the distribution is one of 0 and 1.
        if sum > 0.0 { first / sum } else { f64::from(u8::from(self.uniform() < a / (a + b))) }
    }

    /// G. Marsaglia and W. W. Tsang, "A simple method for generating gamma variables", ACM TOMS 26(3), 2000.
    fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            return self.gamma(shape + 1.0) * self.uniform().powf(1.0 / shape);
        }
        let base = shape - 1.0 / 3.0;
        let scale = 1.0 / (9.0 * base).sqrt();
        loop {
            let normal = self.normal();
            let cube = (1.0 + scale * normal).powi(3);
            if cube <= 0.0 {
                continue;
            }
            let uniform = self.uniform();
            let squared = normal * normal;
            if uniform < 1.0 - 0.0331 * squared * squared
                || uniform.ln() < 0.5 * squared + base * (1.0 - cube + cube.ln())
            {
                return base * cube;
            }
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
        ResampleStep {
            method: ResampleMethod::TomekLinks,
            sampling_strategy,
            seed,
            rng,
            keep_integers: false,
            space: None,
        }
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
    fn a_restarted_stream_of_numpy_begins_anew_and_the_default_one_goes_on() {
        for (rng, begins_anew) in [(RngKind::Numpy, true), (RngKind::Default, false)] {
            let mut draws = Draws::new(&step(Some(0), rng), 0, Seed(1)).unwrap();
            let first = draws.many_below(1_000_000, 4);
            draws.restart();
            assert_eq!(draws.many_below(1_000_000, 4) == first, begins_anew);
        }
    }

    #[test]
    fn beta_deviates_are_numpys() {
        let mut draws = Draws::new(&step(Some(42), RngKind::Numpy), 0, Seed(1)).unwrap();
        // g = np.random.RandomState(42); [g.beta(10, 10) for _ in range(3)]
        for expected in [0.5499465562958551, 0.49999864587991805, 0.5577502909738127] {
            assert!((draws.beta(10.0, 10.0) - expected).abs() < 1e-14);
        }
    }

    #[test]
    fn small_parameters_of_beta_give_numbers_near_the_ends() {
        let mut draws = Draws::new(&step(Some(1), RngKind::Default), 0, Seed(1)).unwrap();
        let drawn: Vec<f64> = (0..2_000).map(|_| draws.beta(1e-4, 1e-4)).collect();
        assert!(drawn.iter().all(|share| (0.0..=1.0).contains(share)));
        let high = drawn.iter().filter(|&&share| share > 0.5).count();
        assert!((800..1_200).contains(&high), "{high}");
    }

    #[test]
    fn a_seed_that_numpy_does_not_take_is_refused() {
        for seed in [None, Some(1 << 32)] {
            let refused = Draws::new(&step(seed, RngKind::Numpy), 0, Seed(1)).err();
            assert_eq!(refused, Some(ResampleError::NumpySeed { found: seed }));
        }
    }
}
