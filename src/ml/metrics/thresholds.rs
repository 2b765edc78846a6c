//! What every threshold would do on one set of rows, at their own prevalence or at another.

use serde::Serialize;

use super::curve::thin;
use super::prevalence::ClassScale;
use super::ranking::Ranking;
use super::threshold::{Candidate, candidates};
use super::{ConfusionMatrix, Undefined};

/// What a mistake costs, in any unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Costs {
    pub false_positive: f64,
    pub false_negative: f64,
}

/// One threshold: the exact counts on the rows, and what follows from them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThresholdPoint {
    /// Between the lowest accepted score and the next lower one; in `0..=1`.
    pub threshold: f64,
    /// The lowest score that is predicted positive; none where no row is.
    pub lowest_accepted: Option<f64>,
    pub counts: ConfusionMatrix,
    pub rates: Rates,
    /// The mean cost of a row.
    pub cost_per_row: f64,
}

/// Rates at one threshold, each a number or the reason why there is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    pub precision: Result<f64, Undefined>,
    pub recall: Result<f64, Undefined>,
    pub specificity: Result<f64, Undefined>,
    pub alert_rate: Result<f64, Undefined>,
    pub accuracy: Result<f64, Undefined>,
    pub balanced_accuracy: Result<f64, Undefined>,
    pub f1: Result<f64, Undefined>,
    pub g_mean: Result<f64, Undefined>,
    pub mcc: Result<f64, Undefined>,
}

/// A point for every threshold that parts the rows differently, from the highest to the lowest; if there are more
/// than `max_points` (3 or more), the first, the last and those that first reach the next of evenly spaced values of
/// the mean of recall and false-positive rate.
///
/// # Errors
/// If there is no row.
pub fn threshold_points(
    ranking: &Ranking,
    scale: ClassScale,
    costs: Costs,
    max_points: usize,
) -> Result<Vec<ThresholdPoint>, Undefined> {
    let kept = thin(candidates(&ranking.cuts())?, max_points, position);
    Ok(kept.into_iter().map(|candidate| ThresholdPoint::of(candidate, scale, costs)).collect())
}

/// What a threshold does on the rows of a ranking.
pub fn point_at(ranking: &Ranking, threshold: f64, scale: ClassScale, costs: Costs) -> ThresholdPoint {
    let first = ranking.scores().partition_point(|&score| score < threshold);
    let mut counts = ConfusionMatrix::default();
    for (row, &label) in ranking.labels().iter().enumerate() {
        counts.add(label, row >= first, 1);
    }
    let candidate = Candidate { value: threshold, lowest: ranking.scores().get(first).copied(), counts };
    ThresholdPoint::of(candidate, scale, costs)
}

/// Which share of the classes is accepted, each class counting half; of one class only, which share of its rows.
fn position(candidate: &Candidate) -> f64 {
    let counts = candidate.counts;
    let rate = |accepted: u64, rows: u64| accepted as f64 / rows as f64;
    match (counts.positives(), counts.negatives()) {
        (0, negatives) => rate(counts.fp, negatives),
        (positives, 0) => rate(counts.tp, positives),
        (positives, negatives) => (rate(counts.tp, positives) + rate(counts.fp, negatives)) / 2.0,
    }
}

impl ThresholdPoint {
    fn of(candidate: Candidate, scale: ClassScale, costs: Costs) -> Self {
        let scaled = scale.apply(candidate.counts);
        let cost = scaled.fp as f64 * costs.false_positive + scaled.fn_ as f64 * costs.false_negative;
        Self {
            threshold: candidate.value,
            lowest_accepted: candidate.lowest,
            counts: candidate.counts,
            rates: Rates::of(scaled),
            cost_per_row: cost / scaled.total().max(1) as f64,
        }
    }
}

impl Rates {
    fn of(counts: ConfusionMatrix) -> Self {
        let alert_rate = match counts.total() {
            0 => Err(Undefined::NoRows),
            rows => Ok(counts.predicted_positive() as f64 / rows as f64),
        };
        Self {
            precision: counts.precision(),
            recall: counts.recall(),
            specificity: counts.specificity(),
            alert_rate,
            accuracy: counts.accuracy(),
            balanced_accuracy: counts.balanced_accuracy(),
            f1: counts.f1(),
            g_mean: counts.g_mean(),
            mcc: counts.mcc(),
        }
    }

    /// Every rate by its name.
    pub fn named(&self) -> [(&'static str, Result<f64, Undefined>); 9] {
        [
            ("precision", self.precision),
            ("recall", self.recall),
            ("specificity", self.specificity),
            ("alert_rate", self.alert_rate),
            ("accuracy", self.accuracy),
            ("balanced_accuracy", self.balanced_accuracy),
            ("f1", self.f1),
            ("g_mean", self.g_mean),
            ("mcc", self.mcc),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSTS: Costs = Costs { false_positive: 1.0, false_negative: 5.0 };

    #[test]
    fn every_distinct_score_is_a_point_and_so_is_none_at_all() {
        let ranking = Ranking::new(&[false, true, false, true], &[0.1, 0.4, 0.4, 0.8]).unwrap();
        let points = threshold_points(&ranking, ClassScale::NATURAL, COSTS, 100).unwrap();
        let found: Vec<_> = points.iter().map(|p| (p.lowest_accepted, p.counts.tp, p.counts.fp)).collect();
        assert_eq!(found, [(None, 0, 0), (Some(0.8), 1, 0), (Some(0.4), 2, 1), (Some(0.1), 2, 2)]);
        assert_eq!(points[0].rates.precision, Err(Undefined::NonePredictedPositive));
        assert_eq!(points.iter().map(|p| p.cost_per_row).collect::<Vec<_>>(), [2.5, 1.25, 0.25, 0.5]);
        for point in &points {
            assert_eq!(*point, point_at(&ranking, point.threshold, ClassScale::NATURAL, COSTS));
        }
    }

    #[test]
    fn another_prevalence_changes_precision_and_cost_and_no_count() {
        let ranking = Ranking::new(&[false, true, false, true], &[0.1, 0.4, 0.4, 0.8]).unwrap();
        let rare = ClassScale::to_prevalence(2, 2, 0.1).unwrap();
        let point = point_at(&ranking, 0.4, rare, COSTS);
        assert_eq!(point.counts, ConfusionMatrix { tp: 2, fp: 1, fn_: 0, tn: 1 });
        // 0.1 * 1 / (0.1 * 1 + 0.9 * 0.5), and 0.9 * 0.5 * 1
        assert!((point.rates.precision.unwrap() - 2.0 / 11.0).abs() < 1e-10);
        assert!((point.cost_per_row - 0.45).abs() < 1e-10);
    }

    #[test]
    fn many_points_are_thinned_and_keep_their_ends() {
        let labels: Vec<bool> = (0..5_000).map(|row| row % 50 == 0).collect();
        let scores: Vec<f64> = (0..5_000).map(|row| f64::from(row) / 5_001.0).collect();
        let ranking = Ranking::new(&labels, &scores).unwrap();
        let points = threshold_points(&ranking, ClassScale::NATURAL, COSTS, 200).unwrap();
        assert!((100..=200).contains(&points.len()), "{}", points.len());
        assert_eq!((points[0].threshold, points[points.len() - 1].threshold), (1.0, 0.0));
    }
}
