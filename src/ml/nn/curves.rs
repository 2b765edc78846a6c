//! What a network is worth on the validation rows after each epoch: one sort, one pass.

use super::layout::ParameterKind;
use super::network::Network;
use crate::ml::calibrate::Correction;
use crate::ml::config::Monitor;
use crate::ml::kernel::{cross_entropy, l1_and_squares, stride};
use crate::ml::logit::sigmoid;
use crate::ml::observe::LayerLog;

/// The validation rows as scored after an epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Counts of negatives and positives per distinct logit, from the highest.
    groups: Vec<[u32; 2]>,
    totals: [u64; 2],
    /// Rows of each class with a logit of at least 0.
    called_positive: [u64; 2],
    pub loss: Option<f64>,
    natural: Vec<f64>,
    labels: Vec<bool>,
}

impl Scored {
    /// `correction` turns logits into natural log-odds, for the loss.
    pub fn new(logits: &[f32], labels: &[bool], correction: Correction) -> Self {
        let natural: Vec<f64> = logits.iter().map(|&logit| correction.natural(f64::from(logit))).collect();
        let finite = logits.iter().all(|logit| logit.is_finite());
        let keys: Vec<u64> = if finite { logits.iter().zip(labels).map(key).collect() } else { Vec::new() };
        let keys = sorted(keys);
        let mut groups: Vec<[u32; 2]> = Vec::with_capacity(keys.len());
        let mut last = None;
        for key in keys.into_iter().rev() {
            if last != Some(key >> 1) {
                groups.push([0, 0]);
                last = Some(key >> 1);
            }
            if let Some(group) = groups.last_mut() {
                group[(key & 1) as usize] += 1;
            }
        }
        let count = |class: bool, above: bool| {
            let rows = logits.iter().zip(labels).filter(|(z, label)| **label == class && (!above || **z >= 0.0));
            rows.count() as u64
        };
        Self {
            groups,
            totals: [count(false, false), count(true, false)],
            called_positive: [count(false, true), count(true, true)],
            loss: loss_of(&natural, labels),
            natural,
            labels: labels.to_vec(),
        }
    }

    /// The sum of precision times the rise in recall, over the distinct logits from the highest; `None` without
    /// positives or where a logit is not finite.
    pub fn average_precision(&self) -> Option<f64> {
        let [_, positives] = self.ranked()?;
        let (mut seen, mut found, mut sum) = (0_u64, 0_u64, 0.0);
        for &[negative, positive] in &self.groups {
            seen += u64::from(negative) + u64::from(positive);
            found += u64::from(positive);
            if positive > 0 {
                sum += f64::from(positive) * (found as f64 / seen as f64);
            }
        }
        (positives > 0).then(|| sum / positives as f64)
    }

    /// The share of pairs in the right order, ties counting half; `None` without rows of both classes.
    pub fn roc_auc(&self) -> Option<f64> {
        let [negatives, positives] = self.ranked()?;
        let (mut found, mut twice_ordered) = (0_u64, 0_u128);
        for &[negative, positive] in &self.groups {
            twice_ordered += u128::from(negative) * u128::from(2 * found + u64::from(positive));
            found += u64::from(positive);
        }
        let pairs = negatives as f64 * positives as f64;
        (pairs > 0.0).then(|| twice_ordered as f64 / (2.0 * pairs))
    }

    /// The share of positives with a logit of at least 0: found at the threshold 1/2 of what was taught.
    pub fn recall(&self) -> Option<f64> {
        (self.totals[1] > 0).then(|| self.called_positive[1] as f64 / self.totals[1] as f64)
    }

    /// The share of rows with a logit of at least 0.
    pub fn predicted_positive(&self) -> Option<f64> {
        let rows = self.totals[0] + self.totals[1];
        (rows > 0).then(|| (self.called_positive[0] + self.called_positive[1]) as f64 / rows as f64)
    }

    /// The value that early stopping follows.
    pub fn monitored(&self, monitor: Monitor) -> Option<f64> {
        match monitor {
            Monitor::ValidationLoss => self.loss,
            Monitor::ValidationBrier => self.brier(),
            Monitor::ValidationAveragePrecision => self.average_precision(),
            Monitor::ValidationRocAuc => self.roc_auc(),
            Monitor::ValidationF1 => self.best(|[tp, fp, fn_, _]| 2.0 * tp / (2.0 * tp + fp + fn_)),
            Monitor::ValidationMcc => self.best(|[tp, fp, fn_, tn]| {
                let product = (tp + fp) * (tp + fn_) * (tn + fp) * (tn + fn_);
                if product > 0.0 { (tp * tn - fp * fn_) / product.sqrt() } else { 0.0 }
            }),
            Monitor::ValidationBalancedAccuracy => {
                self.best(|[tp, fp, fn_, tn]| 0.5 * (tp / (tp + fn_) + tn / (tn + fp)))
            }
            Monitor::ValidationGMean => self.best(|[tp, fp, fn_, tn]| (tp / (tp + fn_) * (tn / (tn + fp))).sqrt()),
        }
    }

    fn brier(&self) -> Option<f64> {
        let error = |(&z, &label): (&f64, &bool)| (sigmoid(z) - f64::from(u8::from(label))).powi(2);
        let sum: f64 = self.natural.iter().zip(&self.labels).map(error).sum();
        (!self.labels.is_empty()).then(|| sum / self.labels.len() as f64)
    }

    /// The largest value over all thresholds of a function of tp, fp, fn, tn.
    fn best(&self, function: impl Fn([f64; 4]) -> f64) -> Option<f64> {
        let [negatives, positives] = self.ranked()?.map(|count| count as f64);
        if negatives == 0.0 || positives == 0.0 {
            return None;
        }
        let (mut tp, mut fp, mut best) = (0.0, 0.0, f64::NEG_INFINITY);
        for &[negative, positive] in &self.groups {
            tp += f64::from(positive);
            fp += f64::from(negative);
            best = best.max(function([tp, fp, positives - tp, negatives - fp]));
        }
        Some(best)
    }

    /// The class totals, where the rows could be ranked.
    fn ranked(&self) -> Option<[u64; 2]> {
        (!self.groups.is_empty()).then_some(self.totals)
    }
}

/// The mean cross-entropy, by the vectorized loop: summed in f64 over losses in f32.
fn loss_of(natural: &[f64], labels: &[bool]) -> Option<f64> {
    let logits: Vec<f32> = natural.iter().map(|&logit| logit as f32).collect();
    let signs: Vec<f32> = labels.iter().map(|&label| if label { 1.0 } else { -1.0 }).collect();
    let (mut losses, mut slopes) = (vec![0.0; logits.len()], vec![0.0; logits.len()]);
    cross_entropy(&logits, &signs, &mut losses, &mut slopes);
    let sum: f64 = losses.iter().map(|&loss| f64::from(loss)).sum();
    (!labels.is_empty()).then(|| sum / labels.len() as f64)
}

/// Ascending by all bits but the lowest: three passes of a radix sort where there are enough keys for its tables.
fn sorted(mut keys: Vec<u64>) -> Vec<u64> {
    const DIGIT: u32 = 11;
    const WORTH_TABLES: usize = 1 << 11;
    if keys.len() < WORTH_TABLES {
        keys.sort_unstable();
        return keys;
    }
    let mut from = keys;
    let mut to = vec![0_u64; from.len()];
    for pass in 0..3 {
        let digit = |key: u64| ((key >> (1 + pass * DIGIT)) & ((1 << DIGIT) - 1)) as usize;
        let mut ends = [0_usize; 1 << DIGIT];
        from.iter().for_each(|&key| ends[digit(key)] += 1);
        let mut start = 0;
        for end in &mut ends {
            (*end, start) = (start, start + *end);
        }
        for &key in &from {
            let place = &mut ends[digit(key)];
            to[*place] = key;
            *place += 1;
        }
        std::mem::swap(&mut from, &mut to);
    }
    from
}

/// A number that orders as the logit does, the label below it.
fn key((logit, &label): (&f32, &bool)) -> u64 {
    // Adding zero makes -0 and 0 one value. Of negative numbers all bits are turned over, of others the sign.
    let bits = (logit + 0.0).to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | (1 << 31) };
    (u64::from(ordered) << 1) | u64::from(label)
}

/// Per layer with weights, the output last: how large the last gradient was, how far the last step moved the weights
/// in relation to them.
pub fn layer_logs(before: &[f32], network: &Network, gradient: &[f32], dead_units: &[f64]) -> Vec<LayerLog> {
    let places = network.layout().tensors().iter();
    let weights = places.filter(|place| place.kind == ParameterKind::Weight).map(|place| &place.range);
    weights
        .enumerate()
        .map(|(index, place)| {
            let (old, new) = (&before[place.clone()], &network.parameters()[place.clone()]);
            let moved: f64 = old.iter().zip(new).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
            let size = l1_and_squares(old)[1];
            LayerLog {
                gradient_norm: Some(l1_and_squares(&gradient[place.clone()])[1].sqrt()).filter(|norm| norm.is_finite()),
                update_ratio: (size > 0.0).then(|| (moved / size).sqrt()).filter(|ratio| ratio.is_finite()),
                dead_units: dead_units.get(index).copied(),
            }
        })
        .collect()
}

/// The share of units whose output is the same for every row: they tell the next layer nothing.
pub fn dead_share(outputs: &[f32], units: usize) -> f64 {
    let width = stride(units);
    let mut rows = outputs.chunks_exact(width);
    let Some(first) = rows.next() else { return 0.0 };
    let mut varies = vec![false; units];
    for row in rows {
        for ((varies, &value), &first) in varies.iter_mut().zip(row).zip(first) {
            *varies |= (value - first).abs() > 1e-6;
        }
    }
    varies.iter().filter(|&&varies| !varies).count() as f64 / units.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::metrics::{average_precision, brier, roc_auc};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn areas_are_those_of_the_report(rows in prop::collection::vec((-4_i32..4, any::<bool>()), 1..60)) {
            let logits: Vec<f32> = rows.iter().map(|(logit, _)| *logit as f32 * 0.5).collect();
            let labels: Vec<bool> = rows.iter().map(|(_, label)| *label).collect();
            let scored = Scored::new(&logits, &labels, Correction::None);
            let exact: Vec<f64> = logits.iter().map(|&logit| f64::from(logit)).collect();
            let close = |a: Option<f64>, b: Option<f64>| match (a, b) {
                (Some(a), Some(b)) => (a - b).abs() < 1e-12,
                (a, b) => a == b,
            };
            prop_assert!(close(scored.average_precision(), average_precision(&labels, &exact)));
            prop_assert!(close(scored.roc_auc(), roc_auc(&labels, &exact)));
            let probabilities: Vec<f64> = exact.iter().map(|&logit| sigmoid(logit)).collect();
            prop_assert!(close(scored.monitored(Monitor::ValidationBrier), brier(&labels, &probabilities).ok()));
        }
    }

    /// Logits 2, 1, 0, -1 of a positive, a negative, a positive and a negative: the cut after the third row has
    /// tp 2, fp 1, fn 0, tn 1; the cut after the first has tp 1, fp 0, fn 1, tn 2.
    #[test]
    fn threshold_metrics_are_the_best_over_all_cuts() {
        let scored = Scored::new(&[2.0, 1.0, 0.0, -1.0], &[true, false, true, false], Correction::None);
        let of = |monitor| scored.monitored(monitor).unwrap();
        assert!((of(Monitor::ValidationF1) - 0.8).abs() < 1e-12);
        assert!((of(Monitor::ValidationMcc) - 1.0 / 3.0_f64.sqrt()).abs() < 1e-12);
        assert!((of(Monitor::ValidationBalancedAccuracy) - 0.75).abs() < 1e-12);
        assert!((of(Monitor::ValidationGMean) - 0.5_f64.sqrt()).abs() < 1e-12);
        assert_eq!((scored.recall(), scored.predicted_positive()), (Some(1.0), Some(0.75)));
    }

    #[test]
    fn nothing_is_claimed_of_broken_or_missing_rows() {
        let broken = Scored::new(&[f32::NAN, 1.0], &[true, false], Correction::None);
        assert!(broken.average_precision().is_none() && broken.loss.is_some_and(f64::is_nan));
        let empty = Scored::new(&[], &[], Correction::None);
        assert!(Monitor::ALL.into_iter().all(|monitor| empty.monitored(monitor).is_none()));
        assert_eq!((empty.recall(), empty.predicted_positive()), (None, None));
    }

    #[test]
    fn many_keys_are_in_the_order_of_few() {
        let value = |row: u32| (row.wrapping_mul(2_654_435_761) >> 8) as f32 / 1e6 - 8.0;
        let keys: Vec<u64> = (0..5_000).map(|row| key((&value(row % 4_000), &(row % 3 == 0)))).collect();
        let (mut expected, found) = (keys.clone(), sorted(keys));
        expected.sort_unstable();
        assert_eq!(
            found.iter().map(|key| key >> 1).collect::<Vec<_>>(),
            expected.iter().map(|key| key >> 1).collect::<Vec<_>>()
        );
        let positives = |keys: &[u64]| keys.iter().filter(|&&key| key & 1 == 1).count();
        assert_eq!(positives(&found), positives(&expected));
    }

    #[test]
    fn a_unit_that_never_varies_is_dead() {
        let mut outputs = vec![0.0; 3 * 16];
        (outputs[0], outputs[16], outputs[32]) = (1.0, 2.0, 1.0);
        (outputs[1], outputs[17], outputs[33]) = (5.0, 5.0, 5.0);
        assert_eq!(dead_share(&outputs, 4), 0.75);
        assert_eq!(dead_share(&[], 4), 0.0);
    }
}
