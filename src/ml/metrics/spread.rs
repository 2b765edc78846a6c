//! The interval of each statistic, by the method that was found to cover what it says (`docs/evaluation.md`).
//!
//! Everywhere the classes keep their sizes: an interval says how the number would vary over other rows of the same two
//! classes, at the same prevalence.

use rand_distr::{Beta, Binomial, Distribution};

use super::binomial::{normal_quantile, student_quantile, wilson};
use super::headline::{Resampled, ScoredRows, Statistic, Values, of_matrix};
use super::recalibration::Recalibration;
use super::{Bins, ConfusionMatrix, Ranking};
use crate::ml::logit::{logit, sigmoid};
use crate::ml::seed::Seed;

/// Counts are whole numbers; a drawn share is one of so many parts.
const PARTS: f64 = (1_u64 << 20) as f64;
/// A row of each class whose score says nothing, counted as half a row, for the interval of ROC AUC.
const CHANCE_ROW: (f64, f64) = (0.5, 0.5);

/// What the intervals are made from.
pub(super) struct Spread<'a> {
    pub(super) rows: &'a ScoredRows,
    pub(super) values: &'a Values,
    /// Resamples of the rows, each class from its own.
    pub(super) samples: &'a [Resampled],
    pub(super) confidence: f64,
    pub(super) seed: Seed,
}

impl Spread<'_> {
    /// One interval per statistic, in the order of [`Statistic::ALL`].
    pub(super) fn intervals(&self) -> [Option<[f64; 2]>; Statistic::ALL.len()] {
        let drawn = self.drawn_matrices();
        let recalibration = Recalibration::of(self.rows.ranking());
        let degrees = self.rarer() - 1.0;
        Statistic::ALL.map(|statistic| {
            let value = self.values[statistic as usize].ok()?;
            if statistic != Statistic::BrierUncertainty && self.rarer() < 2.0 && !is_rate(statistic) {
                return None;
            }
            let interval = match statistic {
                Statistic::AveragePrecision => self.area_of_resamples(statistic, value),
                Statistic::RocAuc => self.roc_auc(),
                Statistic::LogLoss | Statistic::RelativeLogLoss | Statistic::Brier => {
                    self.widened_percentiles(statistic, value).map(|ends| ends.map(|end| end.max(0.0)))
                }
                Statistic::D2LogLoss | Statistic::BrierSkill | Statistic::CalibrationInTheLarge => {
                    self.widened_percentiles(statistic, value)
                }
                Statistic::Ece | Statistic::EceEqualWidth => self.calibration_error(statistic, value),
                Statistic::BrierReliability => self.mirrored(statistic, value),
                Statistic::BrierResolution => self.resolution(statistic, value),
                Statistic::BrierUncertainty => None,
                Statistic::CalibrationSlope => recalibration.slope.ok()?.interval(degrees, self.confidence),
                Statistic::CalibrationIntercept => recalibration.intercept.ok()?.interval(degrees, self.confidence),
                Statistic::Recall | Statistic::Specificity => self.rate(statistic),
                other => self.of_drawn(other, &drawn),
            };
            interval.map(|[low, high]| [low.min(value), high.max(value)])
        })
    }

    /// Rows of the rarer class.
    fn rarer(&self) -> f64 {
        let matrix = self.rows.matrix();
        matrix.positives().min(matrix.negatives()) as f64
    }

    fn tail(&self) -> f64 {
        (1.0 - self.confidence) / 2.0
    }

    /// The sorted values of a statistic over the resamples; `None` if it is undefined in more of them than an interval
    /// leaves out.
    fn sorted(&self, statistic: Statistic) -> Option<Vec<f64>> {
        let of = |sample: &Resampled| sample.get(statistic as usize).and_then(|value| value.ok());
        let mut values: Vec<f64> = self.samples.iter().filter_map(of).collect();
        let undefined = (self.samples.len() - values.len()) as f64;
        if values.is_empty() || undefined > 2.0 * self.tail() * self.samples.len() as f64 {
            return None;
        }
        values.sort_unstable_by(f64::total_cmp);
        Some(values)
    }

    /// Student's quantile for the size of the rarer class, which is where the variance comes from.
    fn student_factor(&self) -> f64 {
        student_quantile(self.rarer() - 1.0, 1.0 - self.tail())
    }

    /// By how much the bootstrap of the rarer class makes a deviation too small.
    fn small_class(&self) -> f64 {
        (self.rarer() / (self.rarer() - 1.0)).sqrt()
    }

    /// The percentiles of the resamples, drawn apart by as much as the bootstrap of few rows is too narrow
    /// (Hesterberg 2015, section 4.4).
    fn widened_percentiles(&self, statistic: Statistic, value: f64) -> Option<[f64; 2]> {
        let sorted = self.sorted(statistic)?;
        let factor = self.student_factor() / normal_quantile(1.0 - self.tail()) * self.small_class();
        let end = |share| value + factor * (quantile(&sorted, share) - value);
        Some([end(self.tail()), end(1.0 - self.tail())])
    }

    /// Student's interval of the log-odds of an area (Boyd, Eng & Page 2013), its error and its bias, which is upward in
    /// small samples, from the bootstrap; of an area of 0 or 1, which no resample moves, the exact one of as many hits as
    /// the rarer class has rows.
    fn area_of_resamples(&self, statistic: Statistic, value: f64) -> Option<[f64; 2]> {
        let sorted = self.sorted(statistic)?;
        if value <= 0.0 || value >= 1.0 {
            let reach = self.tail().powf(self.rarer().recip());
            return Some(if value >= 1.0 { [reach, 1.0] } else { [0.0, 1.0 - reach] });
        }
        let mean = sorted.iter().sum::<f64>() / sorted.len() as f64;
        let unbiased = (2.0 * value - mean).clamp(value / 2.0, (1.0 + value) / 2.0);
        Some(around_log_odds(unbiased, deviation(&sorted), self.student_factor() * self.small_class()))
    }

    /// The normal interval of the log-odds of the area, its variance from the placements of the rows (DeLong et al. 1988).
    /// Half a row at chance is added to each class, as Agresti & Coull (1998) add rows to a share: a few rows that are all
    /// in place would have no variance.
    fn roc_auc(&self) -> Option<[f64; 2]> {
        let [positives, negatives] = placements(self.rows.ranking());
        let [(area, of_positives), (_, of_negatives)] = [moments(&positives), moments(&negatives)];
        let error = (of_positives + of_negatives).sqrt();
        Some(around_log_odds(area, error, normal_quantile(1.0 - self.tail())))
    }

    /// A resample only adds to a distance, so that its upper end, mirrored at the value, is a lower one. The lower end is
    /// also below what is left of the error once that is taken off which right probabilities would show in these bins
    /// (Bröcker & Smith 2007), and so 0 if nothing is.
    fn calibration_error(&self, statistic: Statistic, value: f64) -> Option<[f64; 2]> {
        let sorted = self.sorted(statistic)?;
        let high = value + deviation(&sorted) * normal_quantile(1.0 - self.tail());
        let mirrored = 2.0 * value - quantile(&sorted, 1.0 - self.tail());
        let beyond = value - self.error_of_perfection(statistic);
        Some([mirrored.min(beyond).max(0.0), high.min(1.0)])
    }

    /// The upper percentile of the calibration error where each bin's positives are drawn by its mean probability.
    fn error_of_perfection(&self, statistic: Statistic) -> f64 {
        let ranking = self.rows.ranking();
        let counts = ranking.unit_counts();
        let bins = match statistic {
            Statistic::EceEqualWidth => Bins::of_equal_width(ranking, &counts),
            _ => Bins::of_equal_mass(ranking, &counts),
        };
        let mut chance = self.seed.stream("perfect probabilities");
        let mut draw = || {
            let distance = bins.filled().map(|bin| {
                let share = (bin.probability_sum / bin.rows as f64).clamp(0.0, 1.0);
                let hits = Binomial::new(bin.rows, share).map_or(0, |drawn| drawn.sample(&mut chance));
                (hits as f64 - bin.probability_sum).abs()
            });
            distance.sum::<f64>() / ranking.rows() as f64
        };
        let mut errors: Vec<f64> = (0..self.samples.len()).map(|_| draw()).collect();
        errors.sort_unstable_by(f64::total_cmp);
        quantile(&errors, 1.0 - self.tail())
    }

    /// Both ends of the resamples, mirrored at the value (Efron & Tibshirani 1993, section 13.3's pivot), not below 0.
    fn mirrored(&self, statistic: Statistic, value: f64) -> Option<[f64; 2]> {
        let sorted = self.sorted(statistic)?;
        let end = |share| (2.0 * value - quantile(&sorted, share)).max(0.0);
        Some([end(1.0 - self.tail()), end(self.tail()).min(1.0)])
    }

    /// Resolution lies between 0 and the uncertainty.
    fn resolution(&self, statistic: Statistic, value: f64) -> Option<[f64; 2]> {
        let half = deviation(&self.sorted(statistic)?) * self.student_factor();
        let uncertainty = self.values[Statistic::BrierUncertainty as usize].ok()?;
        Some([(value - half).max(0.0), (value + half).min(uncertainty)])
    }

    fn rate(&self, statistic: Statistic) -> Option<[f64; 2]> {
        let matrix = self.rows.matrix();
        let (hits, rows) = match statistic {
            Statistic::Recall => (matrix.tp, matrix.positives()),
            _ => (matrix.tn, matrix.negatives()),
        };
        wilson(hits as f64, rows as f64, self.confidence)
    }

    /// Matrices with recall and specificity drawn from what the counts leave possible: Jeffreys' beta distributions
    /// (Brown, Cai & DasGupta 2001), the classes as they are.
    fn drawn_matrices(&self) -> Vec<ConfusionMatrix> {
        let ConfusionMatrix { tp, fp, fn_, tn } = self.rows.matrix();
        let share_of = |hits: u64, misses: u64| Beta::new(hits as f64 + 0.5, misses as f64 + 0.5).ok();
        let (Some(recall), Some(specificity)) = (share_of(tp, fn_), share_of(tn, fp)) else { return Vec::new() };
        let mut chance = self.seed.stream("rates");
        let mut part = |share: &Beta<f64>, rows: u64| {
            let whole = rows as f64 * PARTS;
            let hits = (share.sample(&mut chance) * whole).round().clamp(0.0, whole);
            (hits as u64, (whole - hits) as u64)
        };
        let mut draw = |_| {
            let (tp, fn_) = part(&recall, tp + fn_);
            let (tn, fp) = part(&specificity, tn + fp);
            ConfusionMatrix { tp, fp, fn_, tn }
        };
        (0..self.samples.len()).map(&mut draw).collect()
    }

    fn of_drawn(&self, statistic: Statistic, drawn: &[ConfusionMatrix]) -> Option<[f64; 2]> {
        let mut values: Vec<f64> = drawn.iter().filter_map(|&matrix| of_matrix(statistic, matrix).ok()).collect();
        if values.len() < drawn.len() || values.is_empty() {
            return None;
        }
        values.sort_unstable_by(f64::total_cmp);
        Some([quantile(&values, self.tail()), quantile(&values, 1.0 - self.tail())])
    }
}

/// Whether a statistic has an interval from however few rows.
fn is_rate(statistic: Statistic) -> bool {
    statistic as usize > Statistic::CalibrationIntercept as usize
}

/// For each row of a class, the share of the other class that it is on the right side of, ties counting half: of the
/// positives, then of the negatives.
fn placements(ranking: &Ranking) -> [Vec<f64>; 2] {
    let counts = ranking.unit_counts();
    let groups: Vec<(u64, u64)> = ranking.groups(&counts).collect();
    let positives: u64 = groups.iter().map(|group| group.0).sum();
    let negatives = ranking.rows() as u64 - positives;
    let (mut positives_below, mut negatives_below) = (0, 0);
    let mut placements = [Vec::new(), Vec::new()];
    for (of_group, others) in groups {
        let of_positive = (negatives_below as f64 + others as f64 / 2.0) / negatives as f64;
        let of_negative = 1.0 - (positives_below as f64 + of_group as f64 / 2.0) / positives as f64;
        placements[0].extend((0..of_group).map(|_| of_positive));
        placements[1].extend((0..others).map(|_| of_negative));
        (positives_below, negatives_below) = (positives_below + of_group, negatives_below + others);
    }
    placements
}

/// The mean of values and one [`CHANCE_ROW`], and the variance of that mean.
fn moments(values: &[f64]) -> (f64, f64) {
    let (chance, weight) = CHANCE_ROW;
    let total = values.len() as f64 + weight;
    let mean = (values.iter().sum::<f64>() + weight * chance) / total;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares + weight * (chance - mean).powi(2)) / total / (total - 1.0))
}

fn around_log_odds(value: f64, error: f64, factor: f64) -> [f64; 2] {
    let (centre, half) = (logit(value), factor * error / (value * (1.0 - value)));
    [centre - half, centre + half].map(sigmoid)
}

fn deviation(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (count - 1.0).max(1.0)).sqrt()
}

/// Linear interpolation between order statistics, as NumPy's default; 0 of no values.
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * sorted.len().saturating_sub(1) as f64;
    let at = |index: usize| sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0);
    let below = position.floor() as usize;
    at(below) + (at(below + 1) - at(below)) * (position - position.floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        // np.quantile([1, 2, 4, 8], [0.1, 0.5, 0.95])
        let sorted = [1.0, 2.0, 4.0, 8.0];
        for (share, expected) in [(0.1, 1.3), (0.5, 3.0), (0.95, 7.4)] {
            assert!((quantile(&sorted, share) - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn the_mean_placement_of_either_class_is_the_area() {
        let labels = [true, false, true, false, true, false, false];
        let scores = [0.9, 0.1, 0.4, 0.4, 0.2, 0.2, 0.6];
        let area = crate::ml::metrics::roc_auc(&labels, &scores).unwrap();
        for placements in placements(&Ranking::new(&labels, &scores).unwrap()) {
            let mean = placements.iter().sum::<f64>() / placements.len() as f64;
            assert!((mean - area).abs() < 1e-15, "{mean} {area}");
        }
    }
}
