//! How two models differ on the same rows: percentile intervals of the paired stratified bootstrap.

use std::collections::BTreeMap;

use rand::Rng as _;
use rayon::prelude::*;
use serde::Serialize;

use super::headline::{ScoredRows, Statistic, Values, of_matrix};
use super::{ConfusionMatrix, Undefined};
use crate::ml::seed::Seed;

/// A model's scores of rows that another has scored too.
#[derive(Debug, Clone, Copy)]
pub struct PairedScores<'a> {
    /// Of the positive class, in the order of the rows.
    pub probabilities: &'a [f64],
    /// A row is predicted positive iff its probability is at least this.
    pub threshold: f64,
}

/// The second value minus the first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PairedDifference {
    pub difference: f64,
    /// `None` without a bootstrap, or where one of the values is undefined in too many samples.
    pub ci: Option<[f64; 2]>,
    /// Whether the interval has 0 in it; `None` without one.
    pub noise: Option<bool>,
}

/// The difference of every named statistic that both models have. Each sample draws rows, the same for both models, with
/// replacement within each class; as the rows are paired, what makes rows hard for both cancels out.
///
/// # Errors
/// If there is not one probability per label for each model.
pub fn paired_differences(
    labels: &[bool],
    models: [PairedScores<'_>; 2],
    bootstrap: usize,
    confidence: f64,
    seed: Seed,
) -> Result<BTreeMap<&'static str, PairedDifference>, Undefined> {
    let [first, second] = models;
    let pair = [Sorted::new(labels, first)?, Sorted::new(labels, second)?];
    let values = [pair[0].rows.values(), pair[1].rows.values()];
    let classes: [Vec<usize>; 2] =
        [false, true].map(|class| (0..labels.len()).filter(|&row| labels.get(row) == Some(&class)).collect());
    let samples: Vec<[Values; 2]> = (0..bootstrap)
        .into_par_iter()
        .map(|sample| {
            let counts = drawn(&classes, labels.len(), seed.derive(&format!("paired {sample}")));
            [pair[0].values_of(&counts), pair[1].values_of(&counts)]
        })
        .collect();
    let named = Statistic::ALL.into_iter().filter_map(|statistic| {
        let difference = difference(&values, statistic)?;
        let ci = central(&samples, statistic, confidence);
        let noise = ci.map(|[low, high]| low <= 0.0 && 0.0 <= high);
        Some((statistic.name()?, PairedDifference { difference, ci, noise }))
    });
    Ok(named.collect())
}

/// Scored rows, and where each row went when they were sorted.
struct Sorted {
    rows: ScoredRows,
    order: Vec<usize>,
    threshold: f64,
}

impl Sorted {
    fn new(labels: &[bool], scores: PairedScores<'_>) -> Result<Self, Undefined> {
        let rows = ScoredRows::new(labels, scores.probabilities, scores.threshold)?;
        let mut order: Vec<usize> = (0..labels.len()).collect();
        // As the ranking sorts; rows with equal scores and labels are as good as each other.
        order.sort_by(|&one, &two| {
            let of = |row: usize| (scores.probabilities.get(row).copied().unwrap_or(0.0), labels.get(row).copied());
            of(one).0.total_cmp(&of(two).0).then(of(one).1.cmp(&of(two).1))
        });
        Ok(Self { rows, order, threshold: scores.threshold })
    }

    fn values_of(&self, counts: &[u32]) -> Values {
        let sorted: Vec<u32> = self.order.iter().map(|&row| counts.get(row).copied().unwrap_or(0)).collect();
        let (resampled, matrix) = (self.rows.resampled(&sorted), self.matrix(&sorted));
        Statistic::ALL
            .map(|statistic| resampled.get(statistic as usize).copied().unwrap_or_else(|| of_matrix(statistic, matrix)))
    }

    /// The counts of a sample that takes each sorted row so often.
    fn matrix(&self, counts: &[u32]) -> ConfusionMatrix {
        let ranking = self.rows.ranking();
        let mut matrix = ConfusionMatrix::default();
        for ((&score, &label), &count) in ranking.scores().iter().zip(ranking.labels()).zip(counts) {
            let cell = match (score >= self.threshold, label) {
                (true, true) => &mut matrix.tp,
                (true, false) => &mut matrix.fp,
                (false, true) => &mut matrix.fn_,
                (false, false) => &mut matrix.tn,
            };
            *cell += u64::from(count);
        }
        matrix
    }
}

/// How often each row is drawn.
fn drawn(classes: &[Vec<usize>; 2], rows: usize, seed: Seed) -> Vec<u32> {
    let mut chance = seed.stream("rows");
    let mut counts = vec![0; rows];
    for members in classes {
        for _ in 0..members.len() {
            let row = members.get(chance.random_range(0..members.len())).copied().unwrap_or(0);
            if let Some(count) = counts.get_mut(row) {
                *count += 1;
            }
        }
    }
    counts
}

fn difference(values: &[Values; 2], statistic: Statistic) -> Option<f64> {
    let [first, second] = values;
    let of = |values: &Values| values.get(statistic as usize).and_then(|value| value.ok());
    Some(of(second)? - of(first)?)
}

fn central(samples: &[[Values; 2]], statistic: Statistic, confidence: f64) -> Option<[f64; 2]> {
    let mut found: Vec<f64> = samples.iter().filter_map(|sample| difference(sample, statistic)).collect();
    let undefined = (samples.len() - found.len()) as f64;
    if found.is_empty() || undefined > (1.0 - confidence) * samples.len() as f64 {
        return None;
    }
    found.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    let quantile = |share| crate::ml::table::stats::quantile_of_sorted(&found, share);
    Some([quantile(tail)?, quantile(1.0 - tail)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(shift: f64) -> (Vec<bool>, Vec<f64>) {
        let labels: Vec<bool> = (0..200).map(|row| row % 5 == 0).collect();
        let score = |row: usize| {
            let noise = (row as f64 * 0.618_033_988_749).fract();
            (noise * 0.6 + if row.is_multiple_of(5) { shift } else { 0.0 }).min(1.0)
        };
        (labels, (0..200).map(score).collect())
    }

    #[test]
    fn a_model_differs_from_itself_by_nothing() {
        let (labels, probabilities) = scores(0.2);
        let own = PairedScores { probabilities: &probabilities, threshold: 0.5 };
        let found = paired_differences(&labels, [own, own], 50, 0.95, Seed(1)).unwrap();
        let is_nothing = |one: &PairedDifference| one.difference == 0.0 && one.ci.is_none_or(|ci| ci == [0.0, 0.0]);
        assert!(found.values().all(is_nothing), "{found:?}");
        assert_eq!(found["roc_auc"].noise, Some(true));
    }

    #[test]
    fn a_better_model_is_told_from_noise() {
        let (labels, weak) = scores(0.1);
        let (_, strong) = scores(0.35);
        let of = |probabilities| PairedScores { probabilities, threshold: 0.5 };
        let found = paired_differences(&labels, [of(&weak), of(&strong)], 200, 0.95, Seed(1)).unwrap();
        let auc = found["roc_auc"];
        assert!(auc.difference > 0.1 && auc.noise == Some(false), "{auc:?}");
        let back = paired_differences(&labels, [of(&strong), of(&weak)], 200, 0.95, Seed(1)).unwrap();
        assert_eq!(back["roc_auc"].difference, -auc.difference);
    }

    #[test]
    fn without_a_bootstrap_there_is_no_interval() {
        let (labels, probabilities) = scores(0.2);
        let own = PairedScores { probabilities: &probabilities, threshold: 0.5 };
        let found = paired_differences(&labels, [own, own], 0, 0.95, Seed(1)).unwrap();
        assert!(found.values().all(|one| one.ci.is_none() && one.noise.is_none()));
        let short = PairedScores { probabilities: &probabilities[1..], threshold: 0.5 };
        assert!(paired_differences(&labels, [own, short], 0, 0.95, Seed(1)).is_err());
    }
}
