//! Rows in bins of neighbouring probability: what is said beside what comes true.

use super::binomial::wilson;
use super::ranking::Ranking;
use super::{ReliabilityBin, Undefined};

/// Bins of the reliability curve and of the expected calibration error.
pub const RELIABILITY_BINS: usize = 10;

/// Rows of neighbouring probability.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bin {
    pub rows: u64,
    pub positives: u64,
    pub probability_sum: f64,
}

/// The bins of one sample, some of which may be empty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bins([Bin; RELIABILITY_BINS]);

impl Bins {
    /// About equally many rows in each, as scikit-learn's `calibration_curve(strategy="quantile")`. Takes each sorted row
    /// as often as `counts` says.
    pub fn of_equal_mass(ranking: &Ranking, counts: &[u32]) -> Self {
        Self::between(&inner_edges(ranking.scores(), counts), ranking, counts)
    }

    /// Tenths, as scikit-learn's `calibration_curve(strategy="uniform")`.
    pub fn of_equal_width(ranking: &Ranking, counts: &[u32]) -> Self {
        let width = 1.0 / RELIABILITY_BINS as f64;
        Self::between(&std::array::from_fn(|edge| (edge + 1) as f64 * width), ranking, counts)
    }

    /// A probability on an edge belongs to the lower bin.
    fn between(edges: &[f64; RELIABILITY_BINS - 1], ranking: &Ranking, counts: &[u32]) -> Self {
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
        Self(bins)
    }

    /// Those that have rows.
    pub fn filled(&self) -> impl Iterator<Item = &Bin> {
        self.0.iter().filter(|bin| bin.rows > 0)
    }

    fn rows(&self) -> f64 {
        self.0.iter().map(|bin| bin.rows).sum::<u64>() as f64
    }

    /// Expected calibration error: the mean distance between probability and observed share, weighted by rows.
    ///
    /// # Errors
    /// If there are no rows.
    pub fn calibration_error(&self) -> Result<f64, Undefined> {
        let distance: f64 = self.0.iter().map(|bin| (bin.positives as f64 - bin.probability_sum).abs()).sum();
        self.mean(distance)
    }

    /// Reliability and resolution of the Brier score (Murphy 1973): the mean squared distance of each bin's observed share
    /// from its mean probability, and from the share of all rows. Brier is reliability - resolution + uncertainty, but
    /// for the spread of the probabilities within each bin (Stephenson et al. 2008).
    ///
    /// # Errors
    /// If there are no rows.
    pub fn murphy(&self) -> Result<[f64; 2], Undefined> {
        let positives: u64 = self.0.iter().map(|bin| bin.positives).sum();
        let all = positives as f64 / self.rows().max(1.0);
        let squares = |of: &dyn Fn(&Bin) -> f64| self.filled().map(|bin| of(bin).powi(2) * bin.rows as f64).sum();
        let reliability = squares(&|bin| bin.share() - bin.probability_sum / bin.rows as f64);
        let resolution = squares(&|bin| bin.share() - all);
        Ok([self.mean(reliability)?, self.mean(resolution)?])
    }

    fn mean(&self, sum: f64) -> Result<f64, Undefined> {
        let rows = self.rows();
        if rows == 0.0 { Err(Undefined::NoRows) } else { Ok(sum / rows) }
    }
}

impl Bin {
    fn share(&self) -> f64 {
        self.positives as f64 / self.rows as f64
    }
}

/// The reliability curve: bins of about equal size, empty ones left out, each with the Wilson interval of its share.
pub fn reliability(ranking: &Ranking, confidence: Option<f64>) -> Vec<ReliabilityBin> {
    let bins = Bins::of_equal_mass(ranking, &ranking.unit_counts());
    let shown = |bin: &Bin| ReliabilityBin {
        rows: bin.rows as usize,
        mean_probability: bin.probability_sum / bin.rows as f64,
        observed_share: bin.share(),
        ci: confidence.and_then(|confidence| wilson(bin.positives as f64, bin.rows as f64, confidence)),
    };
    bins.filled().map(shown).collect()
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
        let expected = Bins::of_equal_mass(&plain, &plain.unit_counts()).calibration_error().unwrap();
        let found = Bins::of_equal_mass(&ranking, &counts).calibration_error().unwrap();
        assert!((found - expected).abs() < 1e-15, "{found} {expected}");
    }

    #[test]
    fn the_parts_of_the_brier_score_are_those_of_the_bins() {
        // Two bins are filled: 0.2 with a share of 1/4, 0.8 with a share of 1/2.
        let labels = [true, false, false, false, true, false];
        let ranking = Ranking::new(&labels, &[0.2, 0.2, 0.2, 0.2, 0.8, 0.8]).unwrap();
        let [reliability, resolution] = Bins::of_equal_width(&ranking, &ranking.unit_counts()).murphy().unwrap();
        assert!((reliability - (4.0 * 0.05 * 0.05 + 2.0 * 0.3 * 0.3) / 6.0).abs() < 1e-15);
        assert!((resolution - (4.0 / 144.0 + 2.0 / 36.0) / 6.0).abs() < 1e-15);
        // Equal probabilities within each bin: the parts add up to the Brier score.
        let brier = (0.8 * 0.8 + 3.0 * 0.04 + 0.04 + 0.64) / 6.0;
        assert!((reliability - resolution + 2.0 / 9.0 - brier).abs() < 1e-15);
    }
}
