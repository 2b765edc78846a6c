//! Log-odds and what is made of them, without overflow; NaN stays NaN.

/// The probability `1 / (1 + e^-z)`. The exponential never overflows, and small probabilities keep all their digits.
pub fn sigmoid(logit: f64) -> f64 {
    let small = (-logit.abs()).exp();
    if logit >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) }
}

/// `ln(1 + e^x)`.
pub fn softplus(x: f64) -> f64 {
    // `f64::max` would return 0 for a NaN and hide it.
    let ramp = if x <= 0.0 { 0.0 } else { x };
    ramp + (-x.abs()).exp().ln_1p()
}

/// The log-odds of a probability; infinite at 0 and 1.
pub fn logit(probability: f64) -> f64 {
    probability.ln() - (-probability).ln_1p()
}
