//! Causes that only a run shows.

use std::ops::ControlFlow;

use evenkeel::ml::baseline::{Baseline, BaselineKind};
use evenkeel::ml::config::TrainConfig;
use evenkeel::ml::diagnose::{Code, Diagnosis, Run, Scores, Setting, Severity, check_run};
use evenkeel::ml::labels::{ClassCounts, ClassNames};
use evenkeel::ml::metrics::{ConfusionMatrix, Curves, Report, Verdict};
use evenkeel::ml::observe::{EpochLog, LayerLog, Phase, Stop, StoppedBy, TrainObserver};
use evenkeel::ml::pipeline::{TrainInput, train};
use serde_json::{Value, json};

use super::support::{Made, found, number, quick, told};
use crate::support::missing_markers;

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
        Self::of(Made::new(1_000, 5, 1).data().config(request))
    }

    fn of_pictures(request: &Value) -> Self {
        Self::of(crate::images::crosses(400).config(request))
    }

    fn of(config: TrainConfig) -> Self {
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

/// Layers of one's own, without anything that keeps gradients up.
fn layers() -> Value {
    json!([
        {"type": "conv", "filters": 4}, {"type": "activation", "function": "sigmoid"},
        {"type": "residual", "layers": [{"type": "depthwise_conv"}, {"type": "activation", "function": "relu"}]},
        {"type": "dropout", "probability": 0.8}, {"type": "dense", "units": 4},
    ])
}

#[test]
fn convolutional_networks_are_looked_at_as_other_networks_are() {
    let small = json!({"model": {"type": "cnn"}});
    let sound = Told::of_pictures(&small).diagnosis();
    assert!(!sound.is_troubled(), "{}", told(&sound));
    for code in [Code::LearningRateTooHigh, Code::LearningRateTooLow, Code::ExplodingGradient, Code::DeadUnits] {
        assert!(sound.checks.iter().any(|check| check.name == code), "{code:?} is not looked at");
    }
    let own = json!({"model": {"type": "cnn", "layers": layers()}});

    let mut run = Told::of_pictures(&own);
    run.curves[19].layers[1].dead_units = Some(1.0);
    let finding = found(&run.diagnosis(), Code::DeadUnits);
    assert_eq!(finding.severity, Severity::Error);
    let patch = finding.patch.unwrap();
    assert_eq!(patch["model"]["layers"][1], json!({"type": "activation", "function": "leaky_relu"}));
    assert_eq!(patch["model"]["layers"][2]["layers"][1]["function"], "leaky_relu");

    let mut run = Told::of_pictures(&own);
    run.curves.iter_mut().for_each(|log| log.layers[0].gradient_norm = Some(1e-6));
    let finding = found(&run.diagnosis(), Code::VanishingGradient);
    assert_eq!(number(&finding, "hidden_layers"), 3.0);
    assert_eq!(finding.patch.unwrap()["model"]["size"], "small");

    let mut run = Told::of_pictures(&small);
    run.curves[3].gradient_norm = Some(400.0);
    found(&run.diagnosis(), Code::ExplodingGradient);
    let mut run = Told::of_pictures(&small);
    run.curves.iter_mut().flat_map(|log| &mut log.layers).for_each(|layer| layer.update_ratio = Some(1e-7));
    run.curves.iter_mut().for_each(|log| (log.train_loss, log.validation_loss) = (Some(0.4), Some(0.5)));
    run.logits = vec![-1.0, -1.5];
    found(&run.diagnosis(), Code::LearningRateTooLow);
}

/// What is held back by dropout within layers, and batches too small for what goes by them.
#[test]
fn layers_within_a_network_are_known_by_what_they_do() {
    let data = crate::images::crosses(400);
    let own = json!({"model": {"type": "cnn", "layers": layers()}, "training": {"epochs": 3}, "evaluation": {"bootstrap": 0}});
    let examined = data.examine(&own);
    let finding = found(&examined.diagnosis, Code::IncomparableLosses);
    assert_eq!(number(&finding, "differences"), 1.0);
    assert!(examined.diagnosis.finding(Code::SmallNormalizedBatches).is_none());
    let small = json!({
        "model": {"type": "cnn"}, "training": {"epochs": 1, "batch_size": 4}, "evaluation": {"bootstrap": 0}});
    let examined = data.examine(&small);
    assert_eq!(number(&found(&examined.diagnosis, Code::SmallNormalizedBatches), "batch_size"), 4.0);
}

/// The last epoch of a run.
#[derive(Default)]
struct Last(EpochLog);

impl TrainObserver for Last {
    fn phase(&mut self, _: Phase) -> ControlFlow<Stop> {
        ControlFlow::Continue(())
    }

    fn step(&mut self, _: f64) -> ControlFlow<Stop> {
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, log: &EpochLog) -> ControlFlow<Stop> {
        self.0 = log.clone();
        ControlFlow::Continue(())
    }
}

/// Each layer with weights has a share of channels that tell nothing; the last one has none.
#[test]
fn dead_channels_are_in_the_learning_curves_of_convolutional_networks() {
    let data = crate::images::crosses(400);
    let shares = |request: &Value| {
        let mut last = Last::default();
        let input = TrainInput { table: data.table.clone(), missing_markers: missing_markers() };
        train(input, &data.config(request), &mut last).unwrap();
        last.0.layers.into_iter().map(|layer| layer.dead_units).collect::<Vec<_>>()
    };
    let training = json!({"epochs": 1});
    let small = shares(&json!({"model": {"type": "cnn"}, "training": training, "evaluation": {"bootstrap": 0}}));
    // A convolution, three pairs of them and two projections, then the logit.
    assert_eq!(small.len(), 10);
    assert!(small[..9].iter().all(|share| share.is_some_and(|share| share < 0.5)), "{small:?}");
    assert_eq!(small[9], None);
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
