//! How far probabilities are from the truth: proper scores.

use super::Undefined;

/// The loss of one row in nats. A probability of exactly 0 or 1 is moved by one machine epsilon, as
/// scikit-learn does for f64: a sure mistake costs 36.04 and not infinity.
pub fn log_loss_of(label: bool, probability: f64) -> f64 {
    let of_truth = if label { probability } else { 1.0 - probability };
    -of_truth.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
}

/// The squared error of one row; its mean is the Brier score.
pub fn squared_error_of(label: bool, probability: f64) -> f64 {
    (probability - f64::from(u8::from(label))).powi(2)
}

/// Mean binary cross-entropy in nats.
///
/// # Errors
/// If there are no rows.
pub fn log_loss(labels: &[bool], probabilities: &[f64]) -> Result<f64, Undefined> {
    mean(labels, probabilities, log_loss_of)
}

/// Mean squared error of the probabilities.
///
/// # Errors
/// If there are no rows.
pub fn brier(labels: &[bool], probabilities: &[f64]) -> Result<f64, Undefined> {
    mean(labels, probabilities, squared_error_of)
}

/// The log loss of giving every row the prevalence, in nats; 0 for a single class.
pub fn base_rate_entropy(prevalence: f64) -> f64 {
    let term = |share: f64| if share > 0.0 { -share * share.ln() } else { 0.0 };
    term(prevalence) + term(1.0 - prevalence)
}

fn mean(labels: &[bool], probabilities: &[f64], of: fn(bool, f64) -> f64) -> Result<f64, Undefined> {
    if labels.is_empty() {
        return Err(Undefined::NoRows);
    }
    let sum: f64 = labels.iter().zip(probabilities).map(|(&label, &probability)| of(label, probability)).sum();
    Ok(sum / labels.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sure_mistake_costs_as_much_as_in_scikit_learn() {
        // sklearn.metrics.log_loss([1], [0.0], labels=[0, 1])
        assert!((log_loss(&[true], &[0.0]).unwrap() - 36.043_653_389_117_15).abs() < 1e-9);
        assert_eq!(log_loss(&[], &[]), Err(Undefined::NoRows));
    }

    #[test]
    fn entropy_of_one_percent() {
        // p = 0.01; -(p * np.log(p) + (1 - p) * np.log(1 - p))
        assert!((base_rate_entropy(0.01) - 0.056_001_534_354_847_345).abs() < 1e-15);
        assert_eq!(base_rate_entropy(1.0), 0.0);
    }
}
