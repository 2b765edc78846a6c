//! Tests of the file beside this one.

use super::*;
use crate::ml::config::{Activation, AugmentClasses, AugmentMethod, EarlyStopping, Initializer};
use crate::ml::labels::ClassCounts;
use crate::ml::nn::loss::binary_cross_entropy;
use crate::ml::observe::{Phase, Unobserved};

/// Everything that a task borrows.
struct Setting {
    train: TrainSet,
    validation: EvalSet,
    model: ModelConfig,
    class_weights: ClassWeights,
    regularization: Regularization,
    optimizer: Optimizer,
    training: Training,
    augment: Vec<AugmentStep>,
    seed: u64,
}

impl Setting {
    fn task(&self) -> MlpTask<'_> {
        MlpTask {
            train: &self.train,
            validation: &self.validation,
            model: &self.model,
            class_weights: self.class_weights,
            regularization: &self.regularization,
            optimizer: &self.optimizer,
            training: &self.training,
            augment: &self.augment,
            noise_scale: &[1.0, 1.0],
            minority_is_positive: true,
            prior_shift: 0.0,
            seed: Seed(self.seed),
        }
    }

    fn train(&self) -> TrainedNetwork {
        train(&self.task(), &mut Unobserved).unwrap()
    }
}

fn mlp(hidden_layers: Vec<usize>, batch_normalization: bool, dropout: f64) -> ModelConfig {
    let (activation, initializer) = (Activation::Tanh, Initializer::GlorotUniform);
    ModelConfig::Mlp { hidden_layers, activation, dropout, batch_normalization, initializer, prior_bias: true }
}

/// `x₀ x₁ > 0` on a jittered grid: no linear model does better than chance.
fn xor(rows: usize) -> (Array2<f64>, Vec<bool>) {
    let features = Array2::from_shape_fn((rows, 2), |(row, column)| {
        let sign = if (row >> column) & 1 == 0 { 1.0 } else { -1.0 };
        sign + 0.3 * ((row * 7 + column * 3) as f64).sin()
    });
    let labels = features.outer_iter().map(|row| row[0] * row[1] > 0.0).collect();
    (features, labels)
}

fn setting() -> Setting {
    let (features, labels) = xor(64);
    Setting {
        validation: EvalSet::new(features.clone(), labels.clone()),
        train: TrainSet::new(features, labels),
        model: mlp(vec![8], false, 0.0),
        class_weights: ClassWeights::EQUAL,
        regularization: Regularization { l1: 0.0, l2: 0.0 },
        optimizer: Optimizer::Adam { learning_rate: 0.05, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8 },
        training: Training { epochs: 60, batch_size: 16, early_stopping: None },
        augment: vec![],
        seed: 11,
    }
}

/// Keeps the logs; stops at a step or an epoch.
#[derive(Default)]
struct Recorder {
    logs: Vec<EpochLog>,
    fractions: Vec<f64>,
    stop_at_step: Option<usize>,
}

impl TrainObserver for Recorder {
    fn phase(&mut self, _: Phase) -> ControlFlow<Stop> {
        ControlFlow::Continue(())
    }
    fn step(&mut self, fraction: f64) -> ControlFlow<Stop> {
        self.fractions.push(fraction);
        if self.stop_at_step == Some(self.fractions.len()) {
            return ControlFlow::Break(Stop::Cancelled);
        }
        ControlFlow::Continue(())
    }
    fn epoch(&mut self, log: &EpochLog) -> ControlFlow<Stop> {
        self.logs.push(*log);
        ControlFlow::Continue(())
    }
}

#[test]
fn learns_xor_with_every_optimizer_and_with_batch_normalization_and_dropout() {
    let sgd = Optimizer::Sgd { learning_rate: 0.3, momentum: 0.9, nesterov: true };
    let adamw = Optimizer::Adamw { learning_rate: 0.05, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, weight_decay: 1e-3 };
    for setting in [
        setting(),
        Setting { optimizer: sgd, ..setting() },
        Setting { optimizer: adamw, ..setting() },
        Setting { model: mlp(vec![16, 8], true, 0.1), ..setting() },
    ] {
        let logits = setting.train().network.logits(setting.validation.features());
        let right = logits.iter().zip(setting.validation.labels()).filter(|(z, label)| (**z > 0.0) == **label).count();
        assert_eq!(right, 64, "{:?} {:?}", setting.optimizer, setting.model);
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_seed_others() {
    let noise = AugmentStep {
        method: AugmentMethod::GaussianNoise { std: 0.1 },
        probability: 0.5,
        classes: AugmentClasses::All,
    };
    let run = |seed| {
        let training = Training { epochs: 3, batch_size: 7, early_stopping: None };
        let model = mlp(vec![5, 4], true, 0.3);
        Setting { model, training, augment: vec![noise.clone()], seed, ..setting() }.train()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).network, run(2).network);
}

#[test]
fn noise_is_drawn_afresh_each_epoch_and_changes_what_is_learnt() {
    let (once, twice) = (Seed(1).derive("augment").stream("epoch 1"), Seed(1).derive("augment").stream("epoch 2"));
    assert_ne!(once, twice);
    let noise = AugmentStep {
        method: AugmentMethod::GaussianNoise { std: 0.5 },
        probability: 1.0,
        classes: AugmentClasses::All,
    };
    assert_ne!(Setting { augment: vec![noise], ..setting() }.train().network, setting().train().network);
}

#[test]
fn the_first_loss_is_the_entropy_of_the_effective_prior() {
    let mut setting = setting();
    setting.train.labels = (0..64).map(|row| row % 16 == 0).collect();
    setting.training = Training { epochs: 1, batch_size: 64, early_stopping: None };
    for class_weights in [ClassWeights::EQUAL, ClassWeights { positive: 3.0, negative: 0.5 }] {
        setting.class_weights = class_weights;
        let task = setting.task();
        let mut trainer = Trainer::new(&task).unwrap();
        let rows = trainer.gather(0);
        trainer.pass.forward(&mut trainer.network, trainer.input.view(), &mut trainer.dropout_rng);
        let (logits, slopes) = trainer.pass.logits_and_slopes(rows);
        let found = batch_loss(logits, &trainer.labels, class_weights, slopes).weighted_mean;
        let prior = class_weights.positive * 4.0 / class_weights.total(ClassCounts { positive: 4, negative: 60 });
        let entropy = -prior * prior.ln() - (1.0 - prior) * (1.0 - prior).ln();
        assert!((found / entropy - 1.0).abs() < 0.05, "{found} {entropy}");
    }
}

#[test]
fn early_stopping_restores_the_best_epoch_and_counts_from_one() {
    let mut setting = setting();
    // Labels of the validation rows are wrong, so that validation gets worse as training gets better.
    let wrong = setting.train.labels.iter().map(|label| !label).collect();
    setting.validation = EvalSet::new(setting.train.features.clone(), wrong);
    for restore_best in [true, false] {
        let stopping = EarlyStopping { monitor: Monitor::ValidationLoss, patience: 4, min_delta: 0.0, restore_best };
        setting.training.early_stopping = Some(stopping);
        let mut recorder = Recorder::default();
        let trained = train(&setting.task(), &mut recorder).unwrap();
        assert_eq!(trained.stopped_by, StoppedBy::EarlyStopping);
        assert_eq!(trained.epochs_run, trained.best_epoch + 4);
        assert_eq!(trained.examples_seen, 64 * trained.epochs_run as u64);
        let kept = if restore_best { trained.best_epoch } else { trained.epochs_run };
        let logits = trained.network.logits(setting.validation.features());
        let loss = mean_loss(&logits, setting.validation.labels(), 0.0);
        assert_eq!(loss, recorder.logs[kept - 1].validation_loss);
        let best = recorder.logs.iter().filter_map(|log| log.validation_loss).fold(f64::INFINITY, f64::min);
        assert_eq!(recorder.logs[trained.best_epoch - 1].validation_loss, Some(best));
    }
}

#[test]
fn without_validation_rows_all_epochs_are_run_and_the_last_weights_kept() {
    let mut setting = setting();
    setting.validation = EvalSet::new(Array2::zeros((0, 2)), vec![]);
    setting.training.epochs = 5;
    let monitor = Monitor::ValidationAveragePrecision;
    setting.training.early_stopping = Some(EarlyStopping { monitor, patience: 1, min_delta: 0.0, restore_best: true });
    let mut recorder = Recorder::default();
    let trained = train(&setting.task(), &mut recorder).unwrap();
    assert_eq!((trained.epochs_run, trained.best_epoch, trained.stopped_by), (5, 5, StoppedBy::Epochs));
    assert!(recorder.logs.iter().all(|log| log.validation_loss.is_none() && log.train_loss.is_some()));
}

#[test]
fn the_observer_stops_it_within_one_batch_and_fractions_rise_to_one() {
    let setting = setting();
    let mut recorder = Recorder { stop_at_step: Some(3), ..Recorder::default() };
    assert_eq!(train(&setting.task(), &mut recorder), Err(NetworkError::Stopped(Stop::Cancelled)));
    assert_eq!(recorder.fractions.len(), 3);

    let mut recorder = Recorder::default();
    train(&setting.task(), &mut recorder).unwrap();
    assert!(recorder.fractions.is_sorted() && recorder.fractions.last() == Some(&1.0));
    // Four batches and one block of validation rows per epoch.
    assert_eq!(recorder.fractions.len(), 60 * 5);
}

#[test]
fn a_run_that_diverges_says_so() {
    let mut setting = Setting { model: mlp(vec![], false, 0.0), ..setting() };
    setting.regularization.l2 = 1.0;
    setting.optimizer = Optimizer::Sgd { learning_rate: 1e30, momentum: 0.0, nesterov: false };
    let error = train(&setting.task(), &mut Unobserved).unwrap_err();
    assert!(matches!(error, NetworkError::Diverged { .. }), "{error:?}");
    assert!(error.to_string().contains("learning rate"));
}

#[test]
fn tasks_that_make_no_sense_are_refused() {
    let mut one_class = setting();
    one_class.train.labels = vec![true; 64];
    let error = train(&one_class.task(), &mut Unobserved).unwrap_err();
    assert_eq!(error, NetworkError::OneClass { positive: 64, negative: 0 });

    let logistic = Setting { model: ModelConfig::Logistic { tolerance: 1e-8, max_iterations: 1 }, ..setting() };
    assert_eq!(train(&logistic.task(), &mut Unobserved), Err(NetworkError::NotAnMlp { found: "logistic" }));

    let narrow = Setting { validation: EvalSet::new(Array2::zeros((1, 3)), vec![true]), ..setting() };
    let error = train(&narrow.task(), &mut Unobserved).unwrap_err();
    assert_eq!(error, NetworkError::UnequalFeatures { train: 2, validation: 3 });
}

#[test]
fn l1_and_l2_shrink_weights_and_are_in_the_log() {
    let plain = setting().train().network;
    for regularization in [Regularization { l1: 0.05, l2: 0.0 }, Regularization { l1: 0.0, l2: 0.05 }] {
        let setting = Setting { regularization, ..setting() };
        let mut recorder = Recorder::default();
        let trained = train(&setting.task(), &mut recorder).unwrap();
        let (before, after) = (
            penalty::value(&setting.regularization, &plain),
            penalty::value(&setting.regularization, &trained.network),
        );
        assert!(after < 0.5 * before, "{after} {before}");
        assert_eq!(recorder.logs.last().unwrap().penalty, Some(after));
    }
}

#[test]
fn validation_loss_is_taken_at_the_natural_prior() {
    let setting = setting();
    let mut task = setting.task();
    task.prior_shift = 2.0;
    let mut recorder = Recorder::default();
    let trained = train(&task, &mut recorder).unwrap();
    let logits = trained.network.logits(setting.validation.features());
    let rows = logits.iter().zip(setting.validation.labels());
    let expected = rows.map(|(&z, &label)| binary_cross_entropy(z - 2.0, label)).sum::<f64>() / 64.0;
    assert_eq!(recorder.logs.last().unwrap().validation_loss, Some(expected));
}
