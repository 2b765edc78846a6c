//! The penalty `l1 Σ|w| + l2 Σw²` on weights; biases and batch normalization are exempt.
//!
//! It is part of the objective: its derivative, `l1 sign(w) + 2 l2 w`, is added to the gradient before the
//! optimizer sees it. (Weight decay, which is not, is AdamW's.)

use super::network::{Network, ParameterKind};
use crate::ml::config::Regularization;

/// The penalty of the weights.
pub fn value(regularization: &Regularization, network: &Network) -> f64 {
    let (mut absolute, mut squared) = (0.0, 0.0);
    for (_, weights) in network.parameters().iter().filter(|(kind, _)| *kind == ParameterKind::Weight) {
        for weight in weights.iter().map(|&weight| f64::from(weight)) {
            absolute += weight.abs();
            squared += weight * weight;
        }
    }
    regularization.l1 * absolute + regularization.l2 * squared
}

/// Adds the derivative of the penalty to `gradient`, a network of the same shape.
pub fn add_gradient(regularization: &Regularization, network: &Network, gradient: &mut Network) {
    let (l1, l2) = (regularization.l1 as f32, 2.0 * regularization.l2 as f32);
    if l1 == 0.0 && l2 == 0.0 {
        return;
    }
    for ((kind, weights), (_, slopes)) in network.parameters().into_iter().zip(gradient.parameters_mut()) {
        if kind == ParameterKind::Weight {
            for (slope, &weight) in slopes.iter_mut().zip(weights) {
                // `signum` of 0 is 1 in Rust; a weight at 0 is at the minimum of its penalty.
                let sign = if weight == 0.0 { 0.0 } else { weight.signum() };
                *slope += l1 * sign + l2 * weight;
            }
        }
    }
}
