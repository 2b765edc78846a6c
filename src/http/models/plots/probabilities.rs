//! What probabilities are worth: reliability, scores by class.

use super::{Material, count, nothing, short};
use crate::draw::{Axis, Body, Chart, Dot, Figure, Mark, Role, Ticks};
use crate::ml::dossier::Scores;

/// The 97.5th percentile of the normal distribution.
const NORMAL_95: f64 = 1.959_963_984_540_054;
/// Columns of a histogram.
const COLUMNS: usize = 40;
/// Decimal logarithms of odds beyond this are drawn at the ends.
const FARTHEST: f64 = 8.0;

impl Material {
    /// Observed shares against mean probabilities, in bins of about equally many rows.
    pub(super) fn reliability(&self) -> Figure {
        const TITLE: &str = "Reliability";
        let bins = &self.record.report.curves.reliability;
        if bins.is_empty() {
            return nothing(TITLE, "there are no test rows with probabilities");
        }
        let dot = |bin: &crate::ml::metrics::ReliabilityBin| {
            let [low, high] = wilson(bin.observed_share, bin.rows);
            Dot { x: bin.mean_probability, y: bin.observed_share, low, high }
        };
        let dots: Vec<Dot> = bins.iter().map(dot).collect();
        let end = dots.iter().fold(0.0_f64, |end, dot| end.max(dot.x).max(dot.high)).min(1.0);
        let marks = vec![
            Mark::Dashed {
                name: Some("as predicted".to_owned()),
                role: Role::Muted,
                points: vec![(0.0, 0.0), (end, end)],
            },
            Mark::Dots { name: Some("observed, with 95 % interval".to_owned()), role: Role::First, dots },
        ];
        let axis = |label: &str| Axis { label: label.to_owned(), low: 0.0, high: end, ticks: Ticks::Plain };
        let metric = self.metric("ece", "calibration error");
        Figure {
            title: TITLE.to_owned(),
            subtitle: format!("{}; {metric}", self.test_rows()),
            description: format!(
                "Observed share of positives against mean probability in {} bins; {metric}.",
                bins.len()
            ),
            body: Body::Chart(Chart { x: axis("mean predicted probability"), y: axis("observed share"), marks }),
        }
    }

    /// The scores of each class, each class as shares of its own rows.
    pub(super) fn score_histogram(&self) -> Figure {
        const TITLE: &str = "Scores by class";
        let Some(scores) = self.dossier.as_ref().and_then(|dossier| dossier.test.as_ref()) else {
            return nothing(TITLE, "the scores of the test rows were not kept");
        };
        let classes = &self.record.classes;
        let positives = scores.labels.iter().filter(|&&label| label).count();
        let rows = [scores.rows() - positives, positives];
        let (low, high) = range(scores);
        let edges: Vec<f64> = (0..=COLUMNS).map(|edge| low + (high - low) * edge as f64 / COLUMNS as f64).collect();
        let heights = heights(scores, low, high);
        let tallest = heights.iter().flatten().fold(0.0_f64, |tallest, height| tallest.max(*height));
        let [negative, positive] = heights;
        let named = |label: &str, rows: usize| Some(format!("{label} ({} rows)", count(rows as u64)));
        let threshold = log_odds(self.record.threshold).clamp(low, high);
        let marks = vec![
            Mark::Columns {
                name: named(&classes.negative, rows[0]),
                role: Role::First,
                edges: edges.clone(),
                heights: negative,
            },
            Mark::Columns { name: named(&classes.positive, rows[1]), role: Role::Second, edges, heights: positive },
            Mark::Dashed {
                name: Some(format!("threshold {}", short(self.record.threshold))),
                role: Role::Third,
                points: vec![(threshold, 0.0), (threshold, tallest * 1.05)],
            },
        ];
        let x =
            Axis { label: "predicted probability (even steps in log-odds)".to_owned(), low, high, ticks: Ticks::Odds };
        let y = Axis { label: "share of the class".to_owned(), low: 0.0, high: tallest * 1.05, ticks: Ticks::Plain };
        Figure {
            title: TITLE.to_owned(),
            subtitle: self.test_rows(),
            description: "Histogram of the predicted probabilities of each class, as shares of its rows.".to_owned(),
            body: Body::Chart(Chart { x, y, marks }),
        }
    }
}

/// The decimal logarithm of the odds.
pub(super) fn log_odds(probability: f64) -> f64 {
    (probability.log10() - (1.0 - probability).log10()).clamp(-FARTHEST, FARTHEST)
}

fn range(scores: &Scores) -> (f64, f64) {
    let all = scores.probabilities.iter().map(|&probability| log_odds(probability));
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    match high > low {
        true => (low, high),
        false if low.is_finite() => (low - 1.0, low + 1.0),
        false => (-1.0, 1.0),
    }
}

/// Shares of each class per column, negatives first.
fn heights(scores: &Scores, low: f64, high: f64) -> [Vec<f64>; 2] {
    let mut counts = [vec![0.0; COLUMNS], vec![0.0; COLUMNS]];
    for (&label, &probability) in scores.labels.iter().zip(&scores.probabilities) {
        let place = (log_odds(probability) - low) / (high - low) * COLUMNS as f64;
        counts[usize::from(label)][(place as usize).min(COLUMNS - 1)] += 1.0;
    }
    counts.map(|columns| {
        let total = columns.iter().sum::<f64>().max(1.0);
        columns.into_iter().map(|rows| rows / total).collect()
    })
}

/// The interval of a share at 95 % (Wilson 1927).
fn wilson(share: f64, rows: usize) -> [f64; 2] {
    let rows = rows.max(1) as f64;
    let square = NORMAL_95 * NORMAL_95 / rows;
    let center = (share + square / 2.0) / (1.0 + square);
    let half = (share * (1.0 - share) / rows + square / (4.0 * rows)).sqrt() * NORMAL_95 / (1.0 + square);
    [(center - half).max(0.0), (center + half).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_share_is_wilsons() {
        // The roots x of (p - x)^2 = z^2 x (1 - x) / n, by the formula for quadratic equations.
        let [low, high] = wilson(0.15, 20);
        assert!(
            (low - 0.052_368_745_896_216_6).abs() < 1e-12 && (high - 0.360_418_864_740_757).abs() < 1e-12,
            "{low} {high}"
        );
        assert_eq!(wilson(0.0, 10)[0], 0.0);
    }

    #[test]
    fn shares_of_each_class_sum_to_one_and_certain_scores_are_drawn_at_the_ends() {
        let scores = Scores { labels: vec![true, false, false], probabilities: vec![1.0, 0.0, 0.5] };
        let (low, high) = range(&scores);
        assert_eq!((low, high), (-FARTHEST, FARTHEST));
        for class in heights(&scores, low, high) {
            assert!((class.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
        let one = Scores { labels: vec![true], probabilities: vec![0.5] };
        assert_eq!(range(&one), (-1.0, 1.0));
    }
}
