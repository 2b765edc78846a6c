//! Where chance comes from: one seed per job, an independent named stream per stage.
//!
//! A stage that restarted the job's stream would repeat the draws of another stage (imbalanced-learn does so
//! with an integer `random_state`); naming the stream keeps stages independent of each other, so that adding
//! one does not change the draws of the next.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The generator that every stage draws from.
pub type Rng = ChaCha8Rng;

/// A seed from which independent streams are derived by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream called `name`: the same seed and name always give the same draws.
    pub fn stream(self, name: &str) -> Rng {
        Rng::seed_from_u64(self.derive(name).0)
    }

    /// A seed for a part that has streams of its own, such as the third resampling step.
    pub fn derive(self, name: &str) -> Seed {
        // FNV-1a over the name, mixed with the seed by SplitMix64: cheap, stable across platforms and versions.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in name.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Seed(split_mix(self.0 ^ split_mix(hash)))
    }
}

fn split_mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::Seed;
    use rand::RngCore;

    #[test]
    fn streams_differ_by_name_and_by_seed_and_repeat_for_the_same() {
        let draw = |seed: u64, name: &str| Seed(seed).stream(name).next_u64();
        assert_eq!(draw(42, "split"), draw(42, "split"));
        assert_ne!(draw(42, "split"), draw(42, "smote"));
        assert_ne!(draw(42, "split"), draw(43, "split"));
    }
}
