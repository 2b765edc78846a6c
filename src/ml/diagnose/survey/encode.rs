//! How well one column alone ranks the rows, whatever its type and shape.

use crate::ml::metrics::roc_auc;

/// Bins that a numeric column is cut into.
const BINS: usize = 64;

/// Each row by the share of positives among the rows of the other half that have its code, so that a code that one row
/// has alone says nothing of that row. The area under the ROC curve of that, about 1/2 where the column says nothing;
/// `None` without rows of both classes.
pub(super) fn encoded_auc(codes: &[u32], labels: &[bool]) -> Option<f64> {
    let distinct = codes.iter().max().map_or(0, |&most| most as usize + 1);
    let halves = halves(labels);
    let mut tallies = [vec![[0_u32; 2]; distinct], vec![[0_u32; 2]; distinct]];
    for ((&code, &label), &half) in codes.iter().zip(labels).zip(&halves) {
        tallies[half][code as usize][usize::from(label)] += 1;
    }
    let positives = labels.iter().filter(|&&label| label).count() as f64;
    let prevalence = positives / labels.len().max(1) as f64;
    let share = |(&code, &half): (&u32, &usize)| {
        let [negative, positive] = tallies[1 - half][code as usize].map(f64::from);
        // One row of the prevalence keeps codes that are hardly there near it.
        (positive + prevalence) / (negative + positive + 1.0)
    };
    let scores: Vec<f64> = codes.iter().zip(&halves).map(share).collect();
    roc_auc(labels, &scores)
}

/// Every second row of each class.
fn halves(labels: &[bool]) -> Vec<usize> {
    let mut seen = [0_usize; 2];
    let half = |&label: &bool| {
        let count = &mut seen[usize::from(label)];
        *count += 1;
        *count % 2
    };
    labels.iter().map(half).collect()
}

/// Quantile bins of numbers, from 1 on; NaN has bin 0.
pub(super) fn binned(values: &[f64], sorted: &[f64]) -> Vec<u32> {
    if sorted.is_empty() {
        return vec![0; values.len()];
    }
    let mut edges: Vec<f64> = (1..BINS).map(|bin| sorted[bin * (sorted.len() - 1) / BINS]).collect();
    edges.dedup();
    let bin = |value: &f64| {
        if value.is_nan() { 0 } else { 1 + edges.partition_point(|edge| edge < value) as u32 }
    };
    values.iter().map(bin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::seed::Seed;
    use rand::Rng;

    #[test]
    fn a_code_of_its_own_for_each_row_says_nothing_and_a_telling_one_says_all() {
        let labels: Vec<bool> = (0..400).map(|row| row % 5 == 0).collect();
        let own: Vec<u32> = (0..400).collect();
        let telling: Vec<u32> = (0..400).map(|row| if row % 5 == 0 { 7 } else { row % 3 }).collect();
        assert_eq!(encoded_auc(&own, &labels), Some(0.5));
        assert_eq!(encoded_auc(&telling, &labels), Some(1.0));
    }

    #[test]
    fn noise_is_near_a_half_also_with_many_codes() {
        let mut rng = Seed(3).stream("noise");
        let labels: Vec<bool> = (0..2_000).map(|_| rng.random_bool(0.1)).collect();
        for codes in [5, 100, 1_000] {
            let drawn: Vec<u32> = (0..2_000).map(|_| rng.random_range(0..codes)).collect();
            let found = encoded_auc(&drawn, &labels).unwrap();
            assert!((found - 0.5).abs() < 0.07, "{codes}: {found}");
        }
    }

    #[test]
    fn numbers_are_cut_where_their_quantiles_are() {
        let values = [f64::NAN, 1.0, 1.0, 2.0, 3.0];
        let bins = binned(&values, &[1.0, 1.0, 2.0, 3.0]);
        assert_eq!(bins[0], 0);
        assert!(bins[1] == bins[2] && bins[2] < bins[3] && bins[3] < bins[4]);
    }
}
