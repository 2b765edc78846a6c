//! Causes that only a run shows.

use evenkeel::ml::baseline::{Baseline, BaselineKind};
use evenkeel::ml::config::TrainConfig;
use evenkeel::ml::diagnose::{Code, Diagnosis, Run, Scores, Setting, Severity, check_run};
use evenkeel::ml::labels::{ClassCounts, ClassNames};
use evenkeel::ml::metrics::{ConfusionMatrix, Curves, Report, Verdict};
use evenkeel::ml::observe::{EpochLog, LayerLog, StoppedBy};
use serde_json::{Value, json};

use super::support::{Made, found, number, quick, told};

fn plain() -> Made {
    Made::new(4_000, 12, 1)
}

fn diagnosis_of(request: Value) -> Diagnosis {
    plain().data().examine(&quick(request)).diagnosis
}

#[test]
fn a_run_without_a_finite_loss_has_a_diagnosis_too() {
    let mut large = plain();
    (0..6).for_each(|column| large.numbers_mut(column).iter_mut().for_each(|value| *value *= 1e3));
    let diverging = quick(json!({
        "model": {"activation": "relu"}, "preprocess": {"numeric": {"scale": "none"}},
        "optimizer": {"type": "sgd", "learning_rate": 100.0, "momentum": 0.99}
    }));
    let examined = large.data().examine(&diverging);
    assert_eq!(examined.outcome.unwrap_err().code(), "diverged");
    let finding = found(&examined.diagnosis, Code::Diverged);
    assert_eq!((number(&finding, "learning_rate"), number(&finding, "learning_rate_expected")), (100.0, 0.01));
    found(&examined.diagnosis, Code::UnscaledFeatures);
    assert_eq!(examined.diagnosis.baselines.len(), 3);
}

#[test]
fn a_collapsed_model_is_never_ok() {
    let data = Made::apart(4_000, 30, 0.0, 3).data();
    let examined = data.examine(&quick(json!({"regularization": {"l2": 1.0}})));
    let finding = found(&examined.diagnosis, Code::MajorityCollapse);
    assert_eq!((finding.severity, number(&finding, "share_above_one_half")), (Severity::Error, 0.0));
    assert!(number(&finding, "spread_of_probabilities_over_prevalence") < 0.1);
    assert_ne!(examined.outcome.unwrap().verdict, Verdict::Ok);
}

#[test]
fn ninety_seven_percent_of_right_answers_are_no_success() {
    let data = Made::apart(4_000, 30, 0.5, 3).data();
    let examined = data.examine(&quick(json!({"threshold": {"rule": "fixed", "value": 0.5}})));
    let finding = found(&examined.diagnosis, Code::AccuracyParadox);
    assert!(
        number(&finding, "accuracy") > 0.95
            && number(&finding, "accuracy") <= number(&finding, "accuracy_expected") + 0.005
    );
    assert_ne!(examined.outcome.unwrap().verdict, Verdict::Ok);
}

#[test]
fn a_threshold_problem_is_told_from_a_training_failure() {
    let diagnosis = diagnosis_of(json!({"threshold": {"rule": "fixed", "value": 0.9}}));
    let finding = found(&diagnosis, Code::UnsuitableThreshold);
    assert!(number(&finding, "roc_auc") > 0.8 && number(&finding, "f1") + 0.05 < number(&finding, "f1_expected"));
    for training in [Code::MajorityCollapse, Code::StuckAtBaseRate, Code::UnderFitting, Code::NoSignal] {
        assert!(diagnosis.finding(training).is_none(), "{}", told(&diagnosis));
    }
}

#[test]
fn probabilities_that_weights_have_moved_are_found() {
    let weighted = json!({"loss": {"class_weight": "balanced"}, "calibration": {"method": "none"}});
    let finding = found(&diagnosis_of(weighted), Code::ShiftedProbabilities);
    assert!(number(&finding, "mean_probability_over_prevalence") > 2.0);
    assert_eq!(finding.patch, Some(json!({"calibration": {"method": "prior"}})));
}

#[test]
fn curves_that_cannot_be_compared_are_said() {
    let finding = found(&diagnosis_of(json!({"model": {"dropout": 0.3}})), Code::IncomparableLosses);
    assert_eq!((finding.severity, number(&finding, "differences")), (Severity::Info, 1.0));
}

#[test]
fn a_good_roc_auc_with_few_true_alarms_is_said() {
    let data = Made::apart(30_000, 300, 1.4, 3).data();
    let logistic = json!({"model": {"type": "logistic"}, "evaluation": {"bootstrap": 20}});
    let finding = found(&data.examine(&logistic).diagnosis, Code::OptimisticRocAuc);
    assert!(number(&finding, "roc_auc") > 0.9 && number(&finding, "average_precision") < 0.3);
}

#[test]
fn a_test_set_with_few_positives_is_said() {
    let finding = found(&Made::apart(600, 10, 0.5, 1).data().examine(&quick(json!({}))).diagnosis, Code::SmallTestSet);
    assert!(number(&finding, "recall_interval_half_width") > 0.15);
}

/// Checks of curves that are hard to come by, on curves as they would be.
struct Told {
    config: TrainConfig,
    curves: Vec<EpochLog>,
    logits: Vec<f64>,
}

impl Told {
    fn new(request: &Value) -> Self {
        let config = Made::new(1_000, 5, 1).data().config(request);
        let log = |epoch: usize| EpochLog {
            epoch,
            train_loss: Some(0.4 - 0.001 * epoch as f64),
            validation_loss: Some(0.4),
            learning_rate: 0.001,
            gradient_norm: Some(0.5),
            layers: vec![LayerLog { gradient_norm: Some(0.3), update_ratio: Some(1e-3), dead_units: Some(0.0) }; 3],
            ..EpochLog::default()
        };
        Self { config, curves: (1..=20).map(log).collect(), logits: vec![2.0, -4.0, -3.0, -4.0, -3.5] }
    }

    fn diagnosis(&self) -> Diagnosis {
        let classes = ClassNames { positive: "1".to_owned(), negative: "0".to_owned() };
        let labels: Vec<bool> = (0..500).map(|row| row % 5 == 0).collect();
        let logits: Vec<f64> = self.logits.iter().cycle().take(500).copied().collect();
        let probabilities: Vec<f64> = logits.iter().map(|z| 1.0 / (1.0 + (-z).exp())).collect();
        let scores = Scores { labels, logits, probabilities };
        let train = ClassCounts { positive: 300, negative: 1_200 };
        let report = Report {
            computed_on: "test".to_owned(),
            rows: 500,
            positives: 100,
            prevalence: 0.2,
            threshold: 0.5,
            confusion_matrix: ConfusionMatrix { tp: 80, fp: 20, fn_: 20, tn: 380 },
            per_class: Default::default(),
            metrics: Default::default(),
            curves: Curves::default(),
            strength_search: None,
            calibration: None,
            cross_validation: None,
        };
        let constant = Baseline {
            name: BaselineKind::Constant,
            rows: 1_500,
            average_precision: Some(0.2),
            roc_auc: Some(0.5),
            log_loss: Some(0.5),
            relative_log_loss: Some(1.0),
        };
        let run = Run {
            curves: &self.curves,
            epochs_run: self.curves.len(),
            best_epoch: self.curves.len(),
            stopped_by: StoppedBy::EarlyStopping,
            features: 10,
            train: scores.clone(),
            validation: scores.clone(),
            test: scores,
            baselines: &[constant],
            report: &report,
        };
        let setting = Setting { config: &self.config, classes: &classes, train, learnt: None };
        Diagnosis::new(check_run(&setting, &run), Vec::new())
    }
}

#[test]
fn sound_curves_are_left_in_peace() {
    let diagnosis = Told::new(&json!({})).diagnosis();
    assert!(!diagnosis.is_troubled(), "{}", told(&diagnosis));
}

#[test]
fn a_gradient_that_jumps_is_found() {
    let mut run = Told::new(&json!({}));
    run.curves[7].gradient_norm = Some(400.0);
    let finding = found(&run.diagnosis(), Code::ExplodingGradient);
    assert_eq!(
        (number(&finding, "largest_gradient_norm"), number(&finding, "largest_gradient_norm_expected")),
        (400.0, 0.5)
    );
    assert_eq!(finding.patch, Some(json!({"training": {"gradient_clipping": {"type": "norm", "max": 0.5}}})));
}

#[test]
fn a_gradient_that_does_not_arrive_is_found() {
    let mut run = Told::new(&json!({}));
    run.curves.iter_mut().for_each(|log| log.layers[0].gradient_norm = Some(1e-6));
    let finding = found(&run.diagnosis(), Code::VanishingGradient);
    assert!(number(&finding, "first_over_last_gradient") < 1e-4);
}

#[test]
fn units_that_are_dead_are_counted_by_layer() {
    let mut run = Told::new(&json!({}));
    run.curves[19].layers[1].dead_units = Some(0.6);
    assert_eq!(found(&run.diagnosis(), Code::DeadUnits).severity, Severity::Warning);
    run.curves[19].layers[1].dead_units = Some(1.0);
    assert_eq!(found(&run.diagnosis(), Code::DeadUnits).severity, Severity::Error);
}

#[test]
fn a_model_that_is_sure_and_wrong_is_found() {
    let mut run = Told::new(&json!({}));
    run.logits = vec![-40.0, -40.0, 40.0, -40.0, -40.0];
    let finding = found(&run.diagnosis(), Code::SaturatedLogits);
    assert_eq!(number(&finding, "saturated_share"), 1.0);
    assert!(number(&finding, "relative_loss") > 10.0);
    // As sure, and right.
    run.logits = vec![40.0, -40.0, -40.0, -40.0, -40.0];
    assert!(run.diagnosis().finding(Code::SaturatedLogits).is_none());
}

#[test]
fn a_rate_that_the_schedule_took_away_is_found() {
    let mut run = Told::new(&json!({"training": {"schedule": {"type": "exponential", "factor": 0.3}}}));
    for (epoch, log) in run.curves.iter_mut().enumerate() {
        log.learning_rate = 0.001 * 0.3_f64.powi(epoch as i32);
        log.train_loss = Some(0.4 * 0.97_f64.powi(epoch.min(8) as i32));
    }
    let finding = found(&run.diagnosis(), Code::LearningRateVanished);
    assert!(number(&finding, "epochs_without_a_rate") > 0.5);
    assert_eq!(finding.patch, Some(json!({"training": {"schedule": {"type": "constant", "factor": null}}})));
}
