//! How weights start.
//!
//! He et al. 2015 keep the variance of activations through ReLU layers (`2 / fan_in`), LeCun et al. 1998 through
//! linear and self-normalizing ones (`1 / fan_in`), Glorot and Bengio 2010 that of activations and gradients
//! (`2 / (fan_in + fan_out)`).

use rand::Rng as _;
use rand_distr::StandardNormal;

use crate::ml::config::Initializer;
use crate::ml::kernel::stride;
use crate::ml::labels::{ClassCounts, ClassWeights};
use crate::ml::seed::Rng;

/// A larger bias would leave the sigmoid without a slope to come back on.
const MAX_LOG_ODDS: f64 = 15.0;

/// Fills weights `(inputs, outputs)`, rows padded with zeros, scaled by `gain`.
pub fn draw(initializer: Initializer, sides: [usize; 2], gain: f32, to: &mut [f32], rng: &mut Rng) {
    fill_rows(generator(initializer, sides, gain), sides, to, rng);
}

/// The same for weights that are shared: `fans` are how many values go into one of the output, and how many of the output
/// come from one.
pub fn draw_rows(initializer: Initializer, sides: [usize; 2], fans: [usize; 2], to: &mut [f32], rng: &mut Rng) {
    fill_rows(generator(initializer, fans, 1.0), sides, to, rng);
}

fn fill_rows(mut next: impl FnMut(&mut Rng) -> f32, [rows, columns]: [usize; 2], to: &mut [f32], rng: &mut Rng) {
    for row in to.chunks_exact_mut(stride(columns)).take(rows) {
        row.iter_mut().take(columns).for_each(|weight| *weight = next(rng));
    }
}

/// The same for a layer of one output, whose weights are one row of `inputs` numbers.
pub fn draw_vector(initializer: Initializer, [inputs, outputs]: [usize; 2], gain: f32, to: &mut [f32], rng: &mut Rng) {
    let mut next = generator(initializer, [inputs, outputs], gain);
    to.iter_mut().take(inputs).for_each(|weight| *weight = next(rng));
}

/// The log-odds of the positive class among weighted rows: the output of the best constant model.
pub fn prior_log_odds(counts: ClassCounts, weights: ClassWeights) -> f64 {
    let (positive, negative) = (weights.positive * counts.positive as f64, weights.negative * counts.negative as f64);
    (positive.ln() - negative.ln()).clamp(-MAX_LOG_ODDS, MAX_LOG_ODDS)
}

fn generator(initializer: Initializer, [inputs, outputs]: [usize; 2], gain: f32) -> impl FnMut(&mut Rng) -> f32 {
    let he = 2.0 / inputs.max(1) as f32;
    let glorot = 2.0 / (inputs + outputs).max(1) as f32;
    let (variance, normal) = match initializer {
        Initializer::HeNormal => (he, true),
        Initializer::HeUniform => (he, false),
        Initializer::GlorotNormal => (glorot, true),
        Initializer::GlorotUniform => (glorot, false),
        Initializer::LecunNormal => (0.5 * he, true),
        Initializer::LecunUniform => (0.5 * he, false),
    };
    // A uniform distribution on ±limit has variance `limit² / 3`.
    let (deviation, limit) = (gain * variance.sqrt(), gain * (3.0 * variance).sqrt());
    move |rng: &mut Rng| {
        if normal {
            deviation * rng.sample::<f32, _>(StandardNormal)
        } else {
            limit * (2.0 * rng.random::<f32>() - 1.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::seed::Seed;

    #[test]
    fn the_variance_is_that_of_the_paper_and_padding_stays_zero() {
        for (initializer, expected) in [
            (Initializer::HeNormal, 2.0 / 300.0),
            (Initializer::HeUniform, 2.0 / 300.0),
            (Initializer::GlorotNormal, 2.0 / 400.0),
            (Initializer::GlorotUniform, 2.0 / 400.0),
            (Initializer::LecunNormal, 1.0 / 300.0),
            (Initializer::LecunUniform, 1.0 / 300.0),
        ] {
            let mut weights = vec![0.0; 300 * 112];
            draw(initializer, [300, 100], 1.0, &mut weights, &mut Seed(3).stream("init"));
            let variance = weights.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>() / 30_000.0;
            // Five standard errors of a normal variance: 5 * sqrt(2 / 30000) = 4.1 %.
            assert!((variance / expected - 1.0).abs() < 0.041, "{initializer:?} {variance} {expected}");
            assert!(weights.chunks_exact(112).all(|row| row[100..].iter().all(|&weight| weight == 0.0)));
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
