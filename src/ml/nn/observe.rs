//! How good the scores of an epoch are, whatever the threshold: exact areas, ties counted as one threshold.

/// The areas under the precision-recall and the ROC curve.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Areas {
    average_precision: f64,
    roc_auc: f64,
}

/// `Σ (R_n - R_{n-1}) P_n` over distinct scores, highest first; `None` without a positive row.
pub fn average_precision(labels: &[bool], scores: &[f64]) -> Option<f64> {
    let positives = labels.iter().filter(|&&label| label).count();
    (positives > 0).then(|| areas(labels, scores).average_precision)
}

/// The chance that a positive row scores above a negative one, ties counted half; `None` unless both classes are
/// there.
pub fn roc_auc(labels: &[bool], scores: &[f64]) -> Option<f64> {
    let positives = labels.iter().filter(|&&label| label).count();
    (positives > 0 && positives < labels.len()).then(|| areas(labels, scores).roc_auc)
}

fn areas(labels: &[bool], scores: &[f64]) -> Areas {
    let mut ranked: Vec<(f64, bool)> = scores.iter().copied().zip(labels.iter().copied()).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut true_positives, mut false_positives) = (0.0, 0.0);
    let (mut precision_sum, mut pairs) = (0.0, 0.0);
    for tied in ranked.chunk_by(|a, b| a.0 == b.0) {
        let hits = tied.iter().filter(|(_, label)| *label).count() as f64;
        let misses = tied.len() as f64 - hits;
        pairs += misses * (true_positives + 0.5 * hits);
        true_positives += hits;
        false_positives += misses;
        precision_sum += hits * true_positives / (true_positives + false_positives);
    }
    Areas { average_precision: precision_sum / true_positives, roc_auc: pairs / (true_positives * false_positives) }
}

#[cfg(test)]
mod tests {
    use super::{average_precision, roc_auc};

    /// ```python
    /// from sklearn.metrics import average_precision_score, roc_auc_score
    /// y, s = [1, 0, 1, 0, 0, 1], [.9, .8, .8, .3, .1, .1]
    /// print(average_precision_score(y, s), roc_auc_score(y, s))
    /// ```
    #[test]
    fn ties_are_one_threshold() {
        let (labels, scores) = ([true, false, true, false, false, true], [0.9, 0.8, 0.8, 0.3, 0.1, 0.1]);
        assert!((average_precision(&labels, &scores).unwrap() - 0.722_222_222_222_222_2).abs() < 1e-12);
        assert!((roc_auc(&labels, &scores).unwrap() - 0.666_666_666_666_666_6).abs() < 1e-12);
    }

    #[test]
    fn one_class_has_no_areas() {
        assert_eq!(average_precision(&[false, false], &[0.1, 0.2]), None);
        assert_eq!(roc_auc(&[true], &[0.1]), None);
        assert_eq!(average_precision(&[true], &[0.1]), Some(1.0));
    }
}
