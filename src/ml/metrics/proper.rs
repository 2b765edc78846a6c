//! How far probabilities are from the truth: proper scores and calibration.

use super::ranking::Ranking;
use super::{ReliabilityBin, Undefined};

/// Bins of the reliability curve and of the expected calibration error.
pub const RELIABILITY_BINS: usize = 10;

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

/// The reliability curve: rows in bins of neighbouring probability and about equal size, empty bins left out.
pub fn reliability(ranking: &Ranking) -> Vec<ReliabilityBin> {
    let bins = bins(ranking, &ranking.unit_counts());
    let filled = bins.iter().filter(|bin| bin.rows > 0);
    filled
        .map(|bin| ReliabilityBin {
            rows: bin.rows as usize,
            mean_probability: bin.probability_sum / bin.rows as f64,
            observed_share: bin.positives as f64 / bin.rows as f64,
        })
        .collect()
}

/// Expected calibration error: the mean distance between probability and observed share over the bins of
/// [`reliability`], weighted by their rows. Takes each sorted row as often as `counts` says. Bins of equal mass,
/// since on rare positives nearly all rows fall into the first of ten bins of equal width.
///
/// # Errors
/// If there are no rows.
pub fn expected_calibration_error(ranking: &Ranking, counts: &[u32]) -> Result<f64, Undefined> {
    let bins = bins(ranking, counts);
    let rows: u64 = bins.iter().map(|bin| bin.rows).sum();
    if rows == 0 {
        return Err(Undefined::NoRows);
    }
    let distance: f64 = bins.iter().map(|bin| (bin.positives as f64 - bin.probability_sum).abs()).sum();
    Ok(distance / rows as f64)
}

fn mean(labels: &[bool], probabilities: &[f64], of: fn(bool, f64) -> f64) -> Result<f64, Undefined> {
    if labels.is_empty() {
        return Err(Undefined::NoRows);
    }
    let sum: f64 = labels.iter().zip(probabilities).map(|(&label, &probability)| of(label, probability)).sum();
    Ok(sum / labels.len() as f64)
}

#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    rows: u64,
    positives: u64,
    probability_sum: f64,
}

/// Bins as those of scikit-learn's `calibration_curve(strategy="quantile")`: a probability on an edge belongs to
/// the lower bin.
fn bins(ranking: &Ranking, counts: &[u32]) -> [Bin; RELIABILITY_BINS] {
    let edges = inner_edges(ranking.scores(), counts);
    let mut bins = [Bin::default(); RELIABILITY_BINS];
    let mut bin = 0;
    for ((&score, &label), &count) in ranking.scores().iter().zip(ranking.labels()).zip(counts) {
        while bin < edges.len() && edges[bin] < score {
            bin += 1;
        }
        bins[bin].rows += u64::from(count);
        bins[bin].positives += u64::from(count) * u64::from(label);
        bins[bin].probability_sum += f64::from(count) * score;
    }
    bins
}

/// The deciles between the least and the greatest score, interpolated linearly. The order of the floating-point
/// operations is NumPy's (`percentile(linspace(0, 1, 11) * 100)`): where a decile falls on a row, rounding
/// decides on which side of the edge that row is.
fn inner_edges(scores: &[f64], counts: &[u32]) -> [f64; RELIABILITY_BINS - 1] {
    let rows: u64 = counts.iter().map(|&count| u64::from(count)).sum();
    let mut walk = Walk { scores, counts, row: 0, passed: 0 };
    std::array::from_fn(|edge| {
        let share = (edge + 1) as f64 * (1.0 / RELIABILITY_BINS as f64) * 100.0 / 100.0;
        let position = rows.saturating_sub(1) as f64 * share;
        let below = walk.at(position.floor() as u64);
        // Looking one further must not move the walk: the next edge may start at the same row.
        let above = walk.clone().at(position.floor() as u64 + 1);
        let (fraction, width) = (position - position.floor(), above - below);
        if fraction >= 0.5 { above - width * (1.0 - fraction) } else { below + width * fraction }
    })
}

/// Finds order statistics of counted scores, each at or after the last.
#[derive(Clone)]
struct Walk<'a> {
    scores: &'a [f64],
    counts: &'a [u32],
    row: usize,
    /// Counted rows before `row`.
    passed: u64,
}

impl Walk<'_> {
    /// The score at this place of the sorted sample, or the last score if the sample is shorter.
    fn at(&mut self, place: u64) -> f64 {
        while self.row + 1 < self.counts.len() && self.passed + u64::from(self.counts[self.row]) <= place {
            self.passed += u64::from(self.counts[self.row]);
            self.row += 1;
        }
        self.scores.get(self.row).copied().unwrap_or(0.0)
    }
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

    #[test]
    fn a_resample_is_binned_as_its_repeated_rows() {
        let labels = [true, false, true, false, true, false, false];
        let scores = [0.9, 0.1, 0.4, 0.35, 0.8, 0.2, 0.6];
        let ranking = Ranking::new(&labels, &scores).unwrap();
        let counts = [0, 3, 1, 2, 0, 5, 0];
        let mut repeated = (Vec::new(), Vec::new());
        for (row, &count) in counts.iter().enumerate() {
            for _ in 0..count {
                repeated.0.push(ranking.labels()[row]);
                repeated.1.push(ranking.scores()[row]);
            }
        }
        let plain = Ranking::new(&repeated.0, &repeated.1).unwrap();
        let expected = expected_calibration_error(&plain, &plain.unit_counts()).unwrap();
        let found = expected_calibration_error(&ranking, &counts).unwrap();
        assert!((found - expected).abs() < 1e-15, "{found} {expected}");
    }
}
