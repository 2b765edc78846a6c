//! ROC and precision-recall: areas over all thresholds, and points to draw. Tied scores are one step.

use super::ranking::{Cut, Ranking};
use super::{PrecisionRecallPoint, RocPoint, Undefined};

/// The most points of one curve in a report.
pub const MAX_CURVE_POINTS: usize = 1_000;

/// The area under the ROC curve: the probability that a positive row scores above a negative one, ties counting
/// half (Fawcett 2006, section 7). `None` if a class has no row, a score is not finite or the lengths differ.
pub fn roc_auc(labels: &[bool], scores: &[f64]) -> Option<f64> {
    let ranking = Ranking::new(labels, scores).ok()?;
    Areas::of(&ranking, &ranking.unit_counts()).roc_auc.ok()
}

/// Average precision: the sum of precision times the rise in recall, over the distinct scores from the highest.
/// Stepwise, since the trapezoid between two points of this curve is too large (Davis & Goadrich 2006).
/// `None` if no row is positive, a score is not finite or the lengths differ.
pub fn average_precision(labels: &[bool], scores: &[f64]) -> Option<f64> {
    let ranking = Ranking::new(labels, scores).ok()?;
    Areas::of(&ranking, &ranking.unit_counts()).average_precision.ok()
}

/// Both areas of one sample of the rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Areas {
    pub roc_auc: Result<f64, Undefined>,
    pub average_precision: Result<f64, Undefined>,
}

impl Areas {
    /// Takes each sorted row of `ranking` as often as `counts` says; linear in the rows.
    pub fn of(ranking: &Ranking, counts: &[u32]) -> Self {
        let (mut tp, mut fp) = (0_u64, 0_u64);
        // Twice the number of pairs in the right order, so that a tie, which is half a pair, stays whole.
        let mut twice_ordered = 0_u128;
        let mut precision_sum = 0.0;
        for (positives, negatives) in ranking.groups(counts).rev() {
            twice_ordered += u128::from(negatives) * u128::from(2 * tp + positives);
            tp += positives;
            fp += negatives;
            if positives > 0 {
                precision_sum += positives as f64 * (tp as f64 / (tp + fp) as f64);
            }
        }
        let roc_auc = both_classes(tp, fp).map(|()| twice_ordered as f64 / (2.0 * tp as f64 * fp as f64));
        let average_precision = some_positive(tp, fp).map(|()| precision_sum / tp as f64);
        Self { roc_auc, average_precision }
    }
}

/// # Errors
/// If either class has no row.
pub(super) fn both_classes(positives: u64, negatives: u64) -> Result<(), Undefined> {
    some_positive(positives, negatives)?;
    if negatives == 0 { Err(Undefined::NoNegatives) } else { Ok(()) }
}

fn some_positive(positives: u64, negatives: u64) -> Result<(), Undefined> {
    match (positives, negatives) {
        (0, 0) => Err(Undefined::NoRows),
        (0, _) => Err(Undefined::NoPositives),
        _ => Ok(()),
    }
}

/// The points of the ROC curve by falling threshold, the first predicting nothing; none if a class has no row.
///
/// Points on a straight line between their neighbours are left out, which changes nothing. If more than
/// [`MAX_CURVE_POINTS`] remain, points are kept at even distances along the curve: the area under the kept
/// points is within 0.002 of the exact one. The report's area is always the exact one.
pub fn roc_points(ranking: &Ranking) -> Vec<RocPoint> {
    let cuts = ranking.cuts();
    let Some(&Cut { tp: positives, fp: negatives, .. }) = cuts.last() else { return Vec::new() };
    if both_classes(positives, negatives).is_err() {
        return Vec::new();
    }
    let mut points = vec![RocPoint { threshold: None, false_positive_rate: 0.0, true_positive_rate: 0.0 }];
    points.extend(corners(&cuts).into_iter().map(|cut| RocPoint {
        threshold: Some(cut.score),
        false_positive_rate: cut.fp as f64 / negatives as f64,
        true_positive_rate: cut.tp as f64 / positives as f64,
    }));
    thin(points, MAX_CURVE_POINTS, |point| (point.false_positive_rate + point.true_positive_rate) / 2.0)
}

/// The points of the precision-recall curve by falling threshold; none if no row is positive.
///
/// There is one point for each threshold at which recall rises, and one that accepts all rows: drawn as steps
/// (`precision` holds from the recall before up to `recall`) their area is the average precision. If more than
/// [`MAX_CURVE_POINTS`] remain, points are kept at even distances of recall.
pub fn precision_recall_points(ranking: &Ranking) -> Vec<PrecisionRecallPoint> {
    let cuts = ranking.cuts();
    let positives = cuts.last().map_or(0, |cut| cut.tp);
    if positives == 0 {
        return Vec::new();
    }
    let rises = |index: usize| index == 0 || cuts[index].tp > cuts[index - 1].tp;
    let kept = (0..cuts.len()).filter(|&index| cuts[index].tp > 0 && (rises(index) || index + 1 == cuts.len()));
    let points = kept
        .map(|index| PrecisionRecallPoint {
            threshold: cuts[index].score,
            precision: cuts[index].tp as f64 / (cuts[index].tp + cuts[index].fp) as f64,
            recall: cuts[index].tp as f64 / positives as f64,
        })
        .collect();
    thin(points, MAX_CURVE_POINTS, |point| point.recall)
}

/// The cuts at which the curve changes direction, and the last.
fn corners(cuts: &[Cut]) -> Vec<Cut> {
    let origin = Cut { score: f64::INFINITY, tp: 0, fp: 0 };
    let before = std::iter::once(&origin).chain(cuts);
    let turns = before.zip(cuts).zip(cuts.iter().skip(1)).filter(|((a, b), c)| {
        let (rise, run) = (u128::from(b.tp - a.tp), u128::from(b.fp - a.fp));
        rise * u128::from(c.fp - b.fp) != run * u128::from(c.tp - b.tp)
    });
    turns.map(|((_, b), _)| *b).chain(cuts.last().copied()).collect()
}

/// Keeps at most `max` points, 3 or more: the first, the last, and those that first reach the next of evenly
/// spaced values of `position`, which never falls and ends at 1.
pub(super) fn thin<P: Copy>(points: Vec<P>, max: usize, position: impl Fn(&P) -> f64) -> Vec<P> {
    if points.len() <= max {
        return points;
    }
    let steps = (max - 2) as f64;
    let mut reached = -1.0;
    let last = points.len() - 1;
    let mut kept = Vec::with_capacity(max);
    for (index, point) in points.into_iter().enumerate() {
        let step = (position(&point) * steps).floor().min(steps - 1.0);
        if step > reached || index == last {
            reached = step;
            kept.push(point);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::seed::Seed;
    use rand::Rng;

    /// Scores without ties whose positives lie somewhat higher.
    fn noisy(rows: usize, prevalence: f64) -> (Vec<bool>, Vec<f64>) {
        let mut rng = Seed(7).stream("noisy");
        let labels: Vec<bool> = (0..rows).map(|_| rng.random_bool(prevalence)).collect();
        let scores = labels.iter().map(|&label| 0.3 * f64::from(u8::from(label)) + 0.7 * rng.random::<f64>()).collect();
        (labels, scores)
    }

    fn trapezoid(points: &[RocPoint]) -> f64 {
        let area = |pair: &[RocPoint]| {
            (pair[1].false_positive_rate - pair[0].false_positive_rate)
                * (pair[1].true_positive_rate + pair[0].true_positive_rate)
                / 2.0
        };
        points.windows(2).map(area).sum()
    }

    fn steps(points: &[PrecisionRecallPoint]) -> f64 {
        let recalls = std::iter::once(0.0).chain(points.iter().map(|point| point.recall));
        points.iter().zip(recalls).map(|(point, before)| (point.recall - before) * point.precision).sum()
    }

    #[test]
    fn few_points_keep_the_areas_exactly() {
        let (labels, scores) = noisy(20_000, 0.01);
        let ranking = Ranking::new(&labels, &scores).unwrap();
        let (roc, curve) = (roc_points(&ranking), precision_recall_points(&ranking));
        assert!(roc.len() <= MAX_CURVE_POINTS && curve.len() <= MAX_CURVE_POINTS);
        assert!((trapezoid(&roc) - roc_auc(&labels, &scores).unwrap()).abs() < 1e-12);
        assert!((steps(&curve) - average_precision(&labels, &scores).unwrap()).abs() < 1e-12);
    }

    #[test]
    fn thinning_keeps_the_ends_and_hardly_moves_the_areas() {
        let (labels, scores) = noisy(20_000, 0.4);
        let ranking = Ranking::new(&labels, &scores).unwrap();
        let (roc, curve) = (roc_points(&ranking), precision_recall_points(&ranking));
        // Where only one class has scores the curve is straight and needs no points between its ends.
        assert!((500..=MAX_CURVE_POINTS).contains(&roc.len()), "{}", roc.len());
        assert!((900..=MAX_CURVE_POINTS).contains(&curve.len()), "{}", curve.len());
        assert!((trapezoid(&roc) - roc_auc(&labels, &scores).unwrap()).abs() < 0.002);
        assert!((steps(&curve) - average_precision(&labels, &scores).unwrap()).abs() < 0.002);
        assert_eq!((roc[0].threshold, roc[0].true_positive_rate), (None, 0.0));
        assert_eq!(roc.last().map(|point| (point.false_positive_rate, point.true_positive_rate)), Some((1.0, 1.0)));
        assert_eq!(curve.last().map(|point| point.recall), Some(1.0));
    }

    #[test]
    fn one_class_has_no_roc_curve() {
        assert_eq!(roc_auc(&[true, true], &[0.1, 0.2]), None);
        assert_eq!(average_precision(&[true, true], &[0.1, 0.2]), Some(1.0));
        assert_eq!(average_precision(&[false, false], &[0.1, 0.2]), None);
        assert_eq!(roc_points(&Ranking::new(&[true], &[0.1]).unwrap()), []);
    }
}
