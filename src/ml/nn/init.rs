//! How weights start.
//!
//! He et al. 2015 keep the variance of activations through ReLU layers (`2 / fan_in`), Glorot and Bengio 2010
//! that of activations and gradients through linear ones (`2 / (fan_in + fan_out)`).

use ndarray::Array2;
use rand::Rng as _;
use rand_distr::StandardNormal;

use crate::ml::config::Initializer;
use crate::ml::labels::{ClassCounts, ClassWeights};
use crate::ml::seed::Rng;

/// A larger bias would leave the sigmoid without a slope to come back on.
const MAX_LOG_ODDS: f64 = 15.0;

/// Draws weights of shape `(outputs, inputs)`, scaled by `gain`.
pub fn draw(initializer: Initializer, outputs: usize, inputs: usize, gain: f32, rng: &mut Rng) -> Array2<f32> {
    let he = 2.0 / inputs.max(1) as f32;
    let glorot = 2.0 / (inputs + outputs) as f32;
    match initializer {
        Initializer::HeNormal => normal(outputs, inputs, gain * he.sqrt(), rng),
        Initializer::HeUniform => uniform(outputs, inputs, gain * (3.0 * he).sqrt(), rng),
        Initializer::GlorotNormal => normal(outputs, inputs, gain * glorot.sqrt(), rng),
        Initializer::GlorotUniform => uniform(outputs, inputs, gain * (3.0 * glorot).sqrt(), rng),
    }
}

/// The log-odds of the positive class among weighted rows: the output of the best constant model.
pub fn prior_log_odds(counts: ClassCounts, weights: ClassWeights) -> f64 {
    let (positive, negative) = (weights.positive * counts.positive as f64, weights.negative * counts.negative as f64);
    (positive.ln() - negative.ln()).clamp(-MAX_LOG_ODDS, MAX_LOG_ODDS)
}

fn normal(outputs: usize, inputs: usize, deviation: f32, rng: &mut Rng) -> Array2<f32> {
    Array2::from_shape_simple_fn((outputs, inputs), || deviation * rng.sample::<f32, _>(StandardNormal))
}

/// A uniform distribution on ±limit has variance `limit² / 3`.
fn uniform(outputs: usize, inputs: usize, limit: f32, rng: &mut Rng) -> Array2<f32> {
    Array2::from_shape_simple_fn((outputs, inputs), || limit * (2.0 * rng.random::<f32>() - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::seed::Seed;

    #[test]
    fn the_variance_is_that_of_the_paper() {
        for (initializer, expected) in [
            (Initializer::HeNormal, 2.0 / 300.0),
            (Initializer::HeUniform, 2.0 / 300.0),
            (Initializer::GlorotNormal, 2.0 / 400.0),
            (Initializer::GlorotUniform, 2.0 / 400.0),
        ] {
            let weights = draw(initializer, 100, 300, 1.0, &mut Seed(3).stream("init"));
            let variance = weights.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>() / 30_000.0;
            // Five standard errors of a normal variance: 5 * sqrt(2 / 30000) = 4.1 %.
            assert!((variance / expected - 1.0).abs() < 0.041, "{initializer:?} {variance} {expected}");
        }
    }

    #[test]
    fn the_prior_is_of_the_weighted_rows() {
        let counts = ClassCounts { positive: 10, negative: 990 };
        assert!((prior_log_odds(counts, ClassWeights::EQUAL) - (10.0_f64 / 990.0).ln()).abs() < 1e-12);
        assert!(prior_log_odds(counts, ClassWeights::balanced(counts)).abs() < 1e-12);
        let none = ClassCounts { positive: 0, negative: 5 };
        assert_eq!(prior_log_odds(none, ClassWeights::EQUAL), -MAX_LOG_ODDS);
    }
}
