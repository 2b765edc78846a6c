//! Metrics, thresholds and prior correction against scikit-learn, brute force and their own invariants.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use evenkeel::ml::calibrate::{Calibrator, Correction, LossInverse, PriorShift};
use evenkeel::ml::config::{Evaluation, ThresholdRule};
use evenkeel::ml::labels::{ClassCounts, ClassNames, ClassWeights};
use evenkeel::ml::metrics::{
    ConfusionMatrix, Metric, Report, ReportInput, Verdict, average_precision, choose, report, roc_auc, verdict,
};
use evenkeel::ml::seed::Seed;
use evenkeel::ml::sets::EvalSet;
use ndarray::Array2;
use proptest::prelude::*;
use serde::Deserialize;

/// How far a metric may be from the reference.
const TOLERANCE: f64 = 1e-9;

/// One entry of `metric-cases.json`; made by `make_metric_cases.py` beside it.
#[derive(Deserialize)]
struct Case {
    name: String,
    labels: String,
    scores: Vec<f64>,
    threshold: f64,
    confusion: ConfusionMatrix,
    f_beta_2: f64,
    metrics: BTreeMap<String, Option<f64>>,
    per_class: BTreeMap<String, BTreeMap<String, Option<f64>>>,
}

impl Case {
    fn labels(&self) -> Vec<bool> {
        self.labels.chars().map(|label| label == '1').collect()
    }
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../data/metric-cases.json")).unwrap()
}

fn eval(labels: &[bool]) -> EvalSet {
    EvalSet::new(Array2::zeros((labels.len(), 0)), labels.to_vec())
}

fn report_of(labels: &[bool], probabilities: &[f64], threshold: f64, bootstrap: usize) -> Report {
    let input = ReportInput {
        eval: &eval(labels),
        probabilities,
        threshold,
        classes: &ClassNames { positive: "1".into(), negative: "0".into() },
        evaluation: &Evaluation { bootstrap, confidence: 0.95, cross_validation: None },
        seed: Seed(42),
    };
    report(&input, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn assert_metric(found: &Metric, expected: Option<f64>, what: &str) {
    match (found.value, expected) {
        (Some(found), Some(expected)) => {
            assert!((found - expected).abs() < TOLERANCE, "{what}: {found}, not {expected}")
        }
        (None, None) => assert!(found.reason.is_some(), "{what}: undefined without a reason"),
        (found, expected) => assert_eq!(found, expected, "{what}"),
    }
}

#[test]
fn every_metric_is_that_of_scikit_learn() {
    for case in cases() {
        let report = report_of(&case.labels(), &case.scores, case.threshold, 0);
        assert_eq!(report.confusion_matrix, case.confusion, "{}", case.name);
        let f_beta = report.confusion_matrix.f_beta(2.0).unwrap();
        assert!((f_beta - case.f_beta_2).abs() < TOLERANCE, "{}", case.name);
        let names: Vec<&String> = report.metrics.keys().collect();
        assert_eq!(names, case.metrics.keys().collect::<Vec<_>>(), "{}", case.name);
        for (name, &expected) in &case.metrics {
            // Probabilities of exactly 0 and 1 leave a recalibration no curvature that doubles could resolve.
            if name.starts_with("calibration_") && case.name == "sure and wrong" {
                continue;
            }
            assert_metric(&report.metrics[name], expected, &format!("{} of {}", name, case.name));
        }
    }
}

#[test]
fn each_class_is_that_of_scikit_learn() {
    for case in cases() {
        let report = report_of(&case.labels(), &case.scores, case.threshold, 0);
        for (label, expected) in &case.per_class {
            let class = &report.per_class[label];
            let found = [
                ("precision", &class.precision),
                ("recall", &class.recall),
                ("f1", &class.f1),
                ("specificity", &class.specificity),
            ];
            for (name, found) in found {
                assert_metric(found, expected[name], &format!("{name} of class {label} of {}", case.name));
            }
            assert_eq!(Some(class.support as f64), expected["support"], "{}", case.name);
        }
    }
}

#[test]
fn one_class_gives_reasons_and_no_made_up_numbers() {
    let report = report_of(&[false; 5], &[0.1, 0.2, 0.7, 0.4, 0.4], 0.5, 50);
    for (name, reason) in [
        ("roc_auc", "no row is positive"),
        ("average_precision", "no row is positive"),
        ("recall", "no row is positive"),
        ("balanced_accuracy", "no row is positive"),
        ("mcc", "no row is positive"),
        ("brier_skill", "no row is positive"),
    ] {
        let metric = &report.metrics[name];
        assert_eq!((metric.value, metric.reason.as_deref(), metric.ci), (None, Some(reason), None), "{name}");
    }
    assert_eq!(report.metrics["precision"].value, Some(0.0));
    assert_eq!(report.metrics["specificity"].value, Some(0.8));
    assert!(report.curves.roc.is_empty() && report.curves.precision_recall.is_empty());
    assert_eq!(verdict(&report, &[0.1, 0.2, 0.7, 0.4, 0.4]), Verdict::NoSkill);
}

#[test]
fn no_rows_and_no_numbers_are_told_apart() {
    let reason = |report: &Report| report.metrics["accuracy"].reason.clone();
    assert_eq!(reason(&report_of(&[], &[], 0.5, 10)).as_deref(), Some("there are no rows"));
    let broken = report_of(&[true, false], &[0.5, f64::NAN], 0.5, 10);
    assert_eq!(reason(&broken).as_deref(), Some("the score of row 1 (counted from 0) is not a finite number"));
    assert!(broken.metrics.values().all(|metric| metric.value.is_none()));
}

#[test]
fn no_skill_is_what_a_constant_reaches() {
    let labels: Vec<bool> = (0..40).map(|row| row % 4 == 0).collect();
    let report = report_of(&labels, &[0.25; 40], 0.25, 0);
    for name in ["average_precision", "roc_auc", "log_loss", "relative_log_loss", "brier", "brier_skill"] {
        let metric = &report.metrics[name];
        assert!((metric.value.unwrap() - metric.no_skill.unwrap()).abs() < 1e-12, "{name}");
    }
    for name in ["f1", "precision", "g_mean", "balanced_accuracy"] {
        let metric = &report.metrics[name];
        assert!((metric.value.unwrap() - metric.no_skill.unwrap()).abs() < 1e-12, "{name}");
    }
    assert_eq!(report.metrics["accuracy"].no_skill, Some(0.75));
    assert_eq!(report.metrics["ece"].no_skill, None);
}

#[test]
fn intervals_hold_their_values() {
    for case in cases().iter().filter(|case| case.labels.len() >= 500) {
        let report = report_of(&case.labels(), &case.scores, case.threshold, 300);
        // Class sizes are kept, so that the uncertainty of the Brier score does not vary.
        assert_eq!(report.metrics["brier_uncertainty"].ci, None);
        for (name, metric) in report.metrics.iter().filter(|(name, _)| *name != "brier_uncertainty") {
            let ([low, high], value) = (metric.ci.unwrap(), metric.value.unwrap());
            let holds = low <= value && value <= high && low < high;
            assert!(holds, "{name} of {}: {value} outside {low}..{high}", case.name);
        }
        assert_eq!(report, report_of(&case.labels(), &case.scores, case.threshold, 300), "the seed decides");
    }
}

#[test]
fn a_model_is_judged_by_its_ranking() {
    let of = |name: &str, bootstrap: usize| {
        let case = cases().into_iter().find(|case| case.name == name).unwrap();
        verdict(&report_of(&case.labels(), &case.scores, case.threshold, bootstrap), &case.scores)
    };
    for bootstrap in [0, 200] {
        assert_eq!(of("no ties", bootstrap), Verdict::Ok);
        assert_eq!(of("perfect", bootstrap), Verdict::Ok);
        assert_eq!(of("inverted", bootstrap), Verdict::NoSkill);
        assert_eq!(of("sure and wrong", bootstrap), Verdict::NoSkill);
        assert_eq!(of("all tied, none positive", bootstrap), Verdict::Degenerate);
    }
    let labels = [true, false, true, false];
    let one_class = report_of(&labels, &[0.9, 0.1, 0.8, 0.2], 0.95, 0);
    assert_eq!(verdict(&one_class, &[0.9, 0.1, 0.8, 0.2]), Verdict::Degenerate);
}

#[test]
fn the_report_is_the_contracts_json() {
    let json = serde_json::to_value(report_of(&[true, false, true], &[0.9, 0.2, 0.4], 0.5, 0)).unwrap();
    assert_eq!(json["confusion_matrix"], serde_json::json!({"tp": 1, "fp": 0, "fn": 1, "tn": 1}));
    assert_eq!(json["computed_on"], "test");
    assert_eq!(json["metrics"]["recall"], serde_json::json!({"value": 0.5, "no_skill": null, "ci": null}));
    assert_eq!(json["curves"]["roc"][0]["threshold"], serde_json::Value::Null);
}

/// Up to 40 rows, scores with many ties, 0 and 1 among them.
fn rows() -> impl Strategy<Value = (Vec<bool>, Vec<f64>)> {
    let row = (any::<bool>(), 0_u32..=12);
    proptest::collection::vec(row, 1..40)
        .prop_map(|rows| rows.into_iter().map(|(label, score)| (label, f64::from(score) / 12.0)).unzip())
}

/// All that a threshold in 0..=1 can do: one value in each gap between scores, and the scores themselves.
fn all_thresholds(scores: &[f64]) -> Vec<f64> {
    let mut values = scores.to_vec();
    values.extend([0.0, 1.0]);
    values.extend(scores.iter().map(|score| score.next_up().min(1.0)));
    values
}

fn rules() -> Vec<ThresholdRule> {
    vec![
        ThresholdRule::MaxFBeta { beta: 1.0 },
        ThresholdRule::MaxFBeta { beta: 2.0 },
        ThresholdRule::MaxMcc,
        ThresholdRule::MaxBalancedAccuracy,
        ThresholdRule::MinCost { false_positive: 1.0, false_negative: 7.0 },
        ThresholdRule::MinCost { false_positive: 3.0, false_negative: 1.0 },
        ThresholdRule::RecallAtPrecision { precision: 0.6 },
        ThresholdRule::PrecisionAtRecall { recall: 0.7 },
        ThresholdRule::AlertRate { fraction: 0.3 },
    ]
}

/// What the rule makes the most of at this threshold; `None` where its condition does not hold.
fn merit(rule: &ThresholdRule, labels: &[bool], scores: &[f64], threshold: f64) -> Option<f64> {
    let counts = ConfusionMatrix::at(labels, scores, threshold);
    match *rule {
        ThresholdRule::Fixed { .. } => None,
        ThresholdRule::MaxFBeta { beta } => counts.f_beta(beta).ok(),
        ThresholdRule::MaxMcc => Some(counts.mcc().unwrap_or(0.0)),
        ThresholdRule::MaxBalancedAccuracy => counts.balanced_accuracy().ok(),
        ThresholdRule::MinCost { false_positive, false_negative } => {
            Some(-(counts.fp as f64 * false_positive) - counts.fn_ as f64 * false_negative)
        }
        ThresholdRule::RecallAtPrecision { precision } => {
            counts.precision().ok().filter(|&reached| reached >= precision).and(counts.recall().ok())
        }
        ThresholdRule::PrecisionAtRecall { recall } => {
            counts.recall().ok().filter(|&reached| reached >= recall).and(counts.precision().ok())
        }
        ThresholdRule::AlertRate { fraction } => {
            let rate = counts.predicted_positive() as f64 / counts.total() as f64;
            Some(rate).filter(|&rate| rate <= fraction)
        }
    }
}

proptest! {
    #[test]
    fn a_threshold_is_as_good_as_the_best_of_all((labels, scores) in rows()) {
        let counts = ClassCounts::of(&labels);
        prop_assume!(counts.positive > 0 && counts.negative > 0);
        for rule in rules() {
            let chosen = choose(&rule, &eval(&labels), &scores);
            prop_assert!((0.0..=1.0).contains(&chosen.value));
            let of = |threshold| merit(&rule, &labels, &scores, threshold);
            let best = all_thresholds(&scores).into_iter().filter_map(of).max_by(f64::total_cmp);
            prop_assert_eq!(chosen.met, best.is_some(), "{:?}", rule);
            if let Some(best) = best {
                let found = of(chosen.value);
                prop_assert!(found.is_some_and(|found| (found - best).abs() < 1e-12), "{:?}: {:?}, not {}", rule, found, best);
            } else {
                prop_assert!(chosen.note.is_some());
            }
        }
    }

    #[test]
    fn ranking_metrics_ignore_monotone_maps((labels, scores) in rows()) {
        let mapped: Vec<f64> = scores.iter().map(|score| (3.0 * score - 7.0).exp()).collect();
        prop_assert_eq!(roc_auc(&labels, &scores), roc_auc(&labels, &mapped));
        prop_assert_eq!(average_precision(&labels, &scores), average_precision(&labels, &mapped));
    }

    #[test]
    fn roc_auc_is_the_share_of_ordered_pairs((labels, scores) in rows()) {
        let of = |class: bool| labels.iter().zip(&scores).filter(move |(label, _)| **label == class).map(|(_, score)| *score);
        let pair = |positive: f64, negative: f64| if positive > negative { 1.0 } else if positive == negative { 0.5 } else { 0.0 };
        let sum: f64 = of(true).flat_map(|positive| of(false).map(move |negative| pair(positive, negative))).sum();
        let pairs = (of(true).count() * of(false).count()) as f64;
        match roc_auc(&labels, &scores) {
            Some(area) => prop_assert!((area - sum / pairs).abs() < 1e-12),
            None => prop_assert_eq!(pairs, 0.0),
        }
    }

    #[test]
    fn counts_add_up_and_metrics_stay_in_range((labels, scores) in rows(), threshold in 0.0..=1.0) {
        let report = report_of(&labels, &scores, threshold, 20);
        let (matrix, counts) = (report.confusion_matrix, ClassCounts::of(&labels));
        prop_assert_eq!((matrix.positives() as usize, matrix.negatives() as usize), (counts.positive, counts.negative));
        prop_assert_eq!(report.curves.reliability.iter().map(|bin| bin.rows).sum::<usize>(), labels.len());
        for (name, metric) in &report.metrics {
            prop_assert_eq!(metric.value.is_none(), metric.reason.is_some());
            let signed = name.starts_with("calibration_") || name.starts_with("d2_");
            let losses = ["log_loss", "relative_log_loss", "brier", "brier_skill", "mcc"];
            let unbounded = signed || losses.contains(&name.as_str());
            for value in metric.value.into_iter().chain(metric.ci.into_iter().flatten()) {
                prop_assert!(value.is_finite() && (unbounded || (0.0..=1.0).contains(&value)), "{}: {}", name, value);
            }
            prop_assert!(metric.ci.is_none_or(|[low, high]| low <= high));
        }
    }

    /// A model that learnt the shifted odds exactly gives the true probability back after the correction.
    #[test]
    fn prior_correction_recovers_probabilities(
        probability in 0.001_f64..0.999,
        before in (1_usize..5_000, 1_usize..5_000),
        after in (1_usize..5_000, 1_usize..5_000),
        weights in (0.01_f64..100.0, 0.01_f64..100.0),
    ) {
        let counts = |(positive, negative): (usize, usize)| ClassCounts { positive, negative };
        let class_weights = ClassWeights { positive: weights.0, negative: weights.1 };
        let shift = PriorShift::between(counts(before), counts(after), class_weights).unwrap();
        // Each class is seen as often as its rows were multiplied, times its weight.
        let seen_positive = probability * weights.0 * after.0 as f64 / before.0 as f64;
        let seen_negative = (1.0 - probability) * weights.1 * after.1 as f64 / before.1 as f64;
        let correction = Correction::Prior { inverse: LossInverse::Identity, log_odds: shift.log_odds };
        let corrected = Calibrator::of(correction).probability((seen_positive / seen_negative).ln());
        prop_assert!((corrected - probability).abs() < 1e-12);
    }
}
