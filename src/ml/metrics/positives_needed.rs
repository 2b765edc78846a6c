//! How many positive rows an estimate needs to be as sure as one wishes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Metric;
use super::binomial::wilson;

/// More rows than this are not counted out.
const MOST: u64 = 1 << 40;
/// Metrics whose interval narrows with the positives, where those are the rarer class.
const METRICS: [&str; 4] = ["recall", "average_precision", "roc_auc", "f1"];

/// How many positives it would take to know a metric within `half_width`, if it stays what it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PositivesNeeded {
    pub metric: String,
    pub value: Option<f64>,
    /// Half the width of the present interval.
    pub present_half_width: Option<f64>,
    pub half_width: f64,
    pub positives: usize,
    /// In all, at the same prevalence; `null` where there is no interval to go by.
    pub needed: Option<u64>,
    /// Beyond those there are.
    pub more: Option<u64>,
}

/// Of recall by its binomial distribution; of the others by the width of their interval, which falls with the square root of
/// the positives.
pub(super) fn positives_needed(
    metrics: &BTreeMap<String, Metric>,
    positives: usize,
    half_width: f64,
    confidence: f64,
) -> Vec<PositivesNeeded> {
    let of = |name: &str| {
        let metric = metrics.get(name)?;
        let present = metric.ci.map(|[low, high]| (high - low) / 2.0);
        let needed = match (name, metric.value) {
            ("recall", Some(share)) => rows_for(share, half_width, confidence),
            (_, Some(_)) => present.map(|present| {
                let needed = (positives as f64 * (present / half_width).powi(2)).ceil();
                needed.min(MOST as f64) as u64
            }),
            (_, None) => None,
        };
        Some(PositivesNeeded {
            metric: name.to_owned(),
            value: metric.value,
            present_half_width: present,
            half_width,
            positives,
            needed,
            more: needed.map(|needed| needed.saturating_sub(positives as u64)),
        })
    };
    METRICS.iter().filter_map(|name| of(name)).collect()
}

/// The least number of rows for which the Wilson interval of a share is narrow enough.
fn rows_for(share: f64, half_width: f64, confidence: f64) -> Option<u64> {
    let narrow = |rows: u64| {
        let interval = wilson(share * rows as f64, rows as f64, confidence);
        interval.is_some_and(|[low, high]| high - low <= 2.0 * half_width)
    };
    let (mut too_few, mut enough) = (0, 1);
    while !narrow(enough) {
        (too_few, enough) = (enough, enough * 2);
        if enough > MOST {
            return None;
        }
    }
    while enough - too_few > 1 {
        let middle = too_few + (enough - too_few) / 2;
        if narrow(middle) { enough = middle } else { too_few = middle }
    }
    Some(enough)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recall_of_a_half_within_a_tenth_takes_some_ninety_positives() {
        // 1.96^2 / 4 / 0.01 = 96.04 by the normal interval; Wilson's is a little narrower.
        let rows = rows_for(0.5, 0.1, 0.95).unwrap();
        assert!((90..=96).contains(&rows), "{rows}");
        let width = |rows: u64| wilson(0.5 * rows as f64, rows as f64, 0.95).map(|[low, high]| high - low).unwrap();
        assert!(width(rows) <= 0.2 && width(rows - 1) > 0.2);
        assert!(rows_for(1.0, 0.01, 0.95).unwrap() > 100);
    }

    #[test]
    fn other_metrics_go_by_the_width_of_their_interval() {
        let metric = Metric { value: Some(0.4), reason: None, no_skill: None, ci: Some([0.2, 0.6]) };
        let found = positives_needed(&BTreeMap::from([("average_precision".to_owned(), metric)]), 10, 0.1, 0.95);
        assert_eq!((found.len(), found[0].needed, found[0].more), (1, Some(40), Some(30)));
    }
}
