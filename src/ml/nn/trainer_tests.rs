//! Tests of the file beside this one.

use ndarray::Array2;

use super::*;
use crate::ml::calibrate::LossInverse;
use crate::ml::config::{
    Activation, AugmentClasses, AugmentMethod, BatchKind, EarlyStopping, GradientClipping, Initializer, MlpConfig,
    Monitor, Normalization, Schedule, WeightAveraging,
};
use crate::ml::labels::ClassCounts;
use crate::ml::nn::ensemble::train_ensemble;
use crate::ml::nn::loss::{binary_cross_entropy, mean_loss};
use crate::ml::observe::{Phase, Unobserved};

const BCE: Loss = Loss::Bce { class_weight: None, label_smoothing: 0.0 };

/// Everything that a task borrows.
struct Setting {
    train: TrainSet,
    validation: EvalSet,
    model: Design,
    loss: Loss,
    class_weights: ClassWeights,
    regularization: Regularization,
    optimizer: Optimizer,
    training: Training,
    augment: Vec<AugmentStep>,
    seed: u64,
}

impl Setting {
    fn task(&self) -> NetworkTask<'_> {
        NetworkTask {
            train: &self.train,
            validation: &self.validation,
            design: &self.model,
            loss: &self.loss,
            class_weights: self.class_weights,
            regularization: &self.regularization,
            optimizer: &self.optimizer,
            training: &self.training,
            augment: &self.augment,
            noise_scale: &[1.0, 1.0],
            minority_is_positive: true,
            correction: Correction::None,
            seed: Seed(self.seed),
        }
    }

    fn train(&self) -> TrainedNetwork {
        train(&self.task(), &mut Unobserved).unwrap()
    }
}

fn mlp(hidden_layers: Vec<usize>, normalization: Normalization, dropout: f64) -> Design {
    Design::of_mlp(&config(hidden_layers, normalization, dropout), 2)
}

fn config(hidden_layers: Vec<usize>, normalization: Normalization, dropout: f64) -> MlpConfig {
    MlpConfig {
        hidden_layers,
        activation: Activation::Tanh,
        dropout,
        normalization,
        residual: false,
        initializer: Initializer::GlorotUniform,
        prior_bias: true,
        members: 1,
    }
}

fn training(epochs: usize, batch_size: usize) -> Training {
    Training {
        epochs,
        batch_size,
        batches: BatchKind::Shuffled,
        schedule: Schedule::Constant { warm_up_epochs: 0 },
        gradient_clipping: None,
        weight_averaging: None,
        early_stopping: None,
    }
}

fn stopping(monitor: Monitor, patience: usize, restore_best: bool) -> Option<EarlyStopping> {
    Some(EarlyStopping { monitor, patience, min_delta: 0.0, restore_best, start_from_epoch: 1 })
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
        model: mlp(vec![8], Normalization::None, 0.0),
        loss: BCE,
        class_weights: ClassWeights::EQUAL,
        regularization: Regularization { l1: 0.0, l2: 0.0 },
        optimizer: Optimizer::Adam { learning_rate: 0.05, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8 },
        training: training(60, 16),
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
        self.logs.push(log.clone());
        ControlFlow::Continue(())
    }
}

fn rightly_told(setting: &Setting, network: &Network) -> usize {
    let logits = network.logits(setting.validation.features());
    logits.iter().zip(setting.validation.labels()).filter(|(z, label)| (**z > 0.0) == **label).count()
}

#[test]
fn learns_xor_with_every_optimizer() {
    let sgd = Optimizer::Sgd { learning_rate: 0.3, momentum: 0.9, nesterov: true };
    let adamw = Optimizer::Adamw { learning_rate: 0.05, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, weight_decay: 1e-3 };
    let rmsprop = Optimizer::Rmsprop { learning_rate: 0.02, rho: 0.9, momentum: 0.0, epsilon: 1e-8 };
    for optimizer in [setting().optimizer, sgd, adamw, rmsprop] {
        let setting = Setting { optimizer, ..setting() };
        assert_eq!(rightly_told(&setting, &setting.train().network), 64, "{:?}", setting.optimizer);
    }
}

#[test]
fn learns_xor_with_every_kind_of_layer() {
    for activation in Activation::ALL {
        for normalization in [Normalization::None, Normalization::Batch, Normalization::Layer] {
            let config = MlpConfig { activation, residual: true, ..config(vec![16, 16], normalization, 0.05) };
            let model = Design::of_mlp(&config, 2);
            let setting = Setting { model, training: training(150, 16), ..setting() };
            assert_eq!(rightly_told(&setting, &setting.train().network), 64, "{:?}", setting.model);
        }
    }
}

#[test]
fn learns_xor_with_every_loss_schedule_batch_and_average() {
    let losses = [
        Loss::Bce { class_weight: None, label_smoothing: 0.1 },
        Loss::Focal { gamma: 2.0, alpha: 0.5 },
        Loss::Asymmetric { gamma_positive: 1.0, gamma_negative: 2.0, margin: 0.05 },
        Loss::LogitAdjusted { tau: 1.0 },
        Loss::Ldam { max_margin: 0.5, scale: 5.0 },
        Loss::ClassBalanced { beta: 0.9 },
    ];
    for loss in losses {
        let setting = Setting { loss, ..setting() };
        assert_eq!(rightly_told(&setting, &setting.train().network), 64, "{:?}", setting.loss);
    }
    let schedules = [
        Schedule::Step { every: 20, factor: 0.5, warm_up_epochs: 2 },
        Schedule::Exponential { factor: 0.98, warm_up_epochs: 0 },
        Schedule::Cosine { final_factor: 0.0, warm_up_epochs: 0 },
        Schedule::OneCycle { rise: 0.3, initial_divisor: 25.0, final_divisor: 1e4 },
        Schedule::ReduceOnPlateau { factor: 0.5, patience: 5, min_factor: 0.01, warm_up_epochs: 1 },
    ];
    for schedule in schedules {
        let setting = Setting { training: Training { schedule, ..training(60, 16) }, ..setting() };
        assert_eq!(rightly_told(&setting, &setting.train().network), 64, "{:?}", setting.training.schedule);
    }
    let kinds = [
        (BatchKind::Stratified, None, None),
        (BatchKind::Balanced, Some(GradientClipping::Norm { max: 1.0 }), None),
        (BatchKind::Shuffled, Some(GradientClipping::Value { max: 0.5 }), Some(WeightAveraging::Ema { decay: 0.9 })),
        (BatchKind::Shuffled, None, Some(WeightAveraging::Swa { start_epoch: 30 })),
    ];
    for (batches, gradient_clipping, weight_averaging) in kinds {
        let training = Training { batches, gradient_clipping, weight_averaging, ..training(60, 16) };
        let setting = Setting { training, ..setting() };
        assert_eq!(rightly_told(&setting, &setting.train().network), 64, "{:?}", setting.training);
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
        let model = mlp(vec![5, 4], Normalization::Batch, 0.3);
        Setting { model, training: training(3, 7), augment: vec![noise.clone()], seed, ..setting() }.train()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).network, run(2).network);
}

#[test]
fn wide_layers_give_the_same_bits_on_any_number_of_threads() {
    let (features, labels) = xor(512);
    let features = Array2::from_shape_fn((512, 64), |(row, column)| features[[row, column % 2]] + column as f64 * 0.01);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let setting = Setting {
            train: TrainSet::new(features.clone(), labels.clone()),
            validation: EvalSet::new(features.clone(), labels.clone()),
            model: Design::of_mlp(&config(vec![192, 192], Normalization::None, 0.2), 64),
            training: training(2, 256),
            ..setting()
        };
        pool.install(|| setting.train().network)
    };
    assert_eq!(run(1), run(2));
    assert_eq!(run(1), run(3));
}

#[test]
fn members_are_averaged_and_the_first_is_the_single_network() {
    let setting = Setting { training: training(5, 16), ..setting() };
    let single = setting.train().network;
    let mut three = setting;
    three.model.members = 3;
    let trained = train_ensemble(&three.task(), &[], &mut Unobserved).unwrap();
    assert_eq!((trained.ensemble.len(), trained.ensemble.first()), (3, &single));
    assert_eq!(trained.examples_seen, 3 * 5 * 64);
    let features = three.validation.features();
    let members: Vec<Vec<f64>> = trained.ensemble.members().map(|member| member.logits(features)).collect();
    assert_ne!(members[0], members[1]);
    for (row, logit) in trained.ensemble.logits(features).into_iter().enumerate() {
        assert_eq!(logit, (members[0][row] + members[1][row] + members[2][row]) / 3.0);
    }
}

#[test]
fn a_row_of_weight_zero_teaches_nothing() {
    let mut setting = Setting { training: training(3, 64), ..setting() };
    setting.train.weights = Some((0..64).map(|row| if row < 48 { 1.0 } else { 0.0 }).collect());
    let full = setting.train().network;
    for row in 48..64 {
        setting.train.features.row_mut(row).fill(100.0);
    }
    assert_eq!(setting.train().network, full);
    setting.train.weights = None;
    assert_ne!(setting.train().network, full);
}

#[test]
fn the_curves_say_how_each_layer_learns() {
    let config = MlpConfig { activation: Activation::Relu, ..config(vec![6, 4], Normalization::None, 0.0) };
    let mut setting = Setting { model: Design::of_mlp(&config, 2), ..setting() };
    setting.training.epochs = 2;
    let mut recorder = Recorder::default();
    train(&setting.task(), &mut recorder).unwrap();
    let log = &recorder.logs[1];
    assert_eq!((log.layers.len(), log.examples), (3, 64));
    assert!(log.gradient_norm.is_some_and(|norm| norm > 0.0));
    assert!(log.layers.iter().all(|layer| layer.update_ratio.is_some_and(|ratio| (1e-6..1.0).contains(&ratio))));
    assert!(log.layers[..2].iter().all(|layer| layer.dead_units.is_some()) && log.layers[2].dead_units.is_none());
    assert!(log.validation_recall.is_some() && log.validation_predicted_positive.is_some());
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
    setting.training = training(1, 64);
    for class_weights in [ClassWeights::EQUAL, ClassWeights { positive: 3.0, negative: 0.5 }] {
        setting.class_weights = class_weights;
        let task = setting.task();
        let rows = Source::of(task.train.examples());
        let mut trainer = Trainer::new(&task, rows.clone(), rows);
        let rows = trainer.gather(0, &mut Seed(1).stream("augment"));
        let input = Batch { values: trainer.input.slice(0..rows), stride: trainer.input.stride(), rows };
        trainer.pass.forward(&mut trainer.network, input, &mut Seed(1).stream("dropout"));
        let (logits, slopes) = trainer.pass.logits_and_slopes(rows);
        let found = trainer.loss.evaluate(logits, &trainer.labels, &[], slopes).weighted_mean;
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
        setting.training.early_stopping = stopping(Monitor::ValidationLoss, 4, restore_best);
        let mut recorder = Recorder::default();
        let trained = train(&setting.task(), &mut recorder).unwrap();
        assert_eq!(trained.stopped_by, StoppedBy::EarlyStopping);
        assert_eq!(trained.epochs_run, trained.best_epoch + 4);
        assert_eq!(trained.examples_seen, 64 * trained.epochs_run as u64);
        let kept = if restore_best { trained.best_epoch } else { trained.epochs_run };
        let logits = trained.network.logits(setting.validation.features());
        let loss = mean_loss(&logits, setting.validation.labels()).unwrap();
        assert!((loss - recorder.logs[kept - 1].validation_loss.unwrap()).abs() < 1e-6 * loss);
        let best = recorder.logs.iter().filter_map(|log| log.validation_loss).fold(f64::INFINITY, f64::min);
        assert_eq!(recorder.logs[trained.best_epoch - 1].validation_loss, Some(best));
    }
}

#[test]
fn without_validation_rows_all_epochs_are_run_and_the_last_weights_kept() {
    let mut setting = setting();
    setting.validation = EvalSet::new(Array2::zeros((0, 2)), vec![]);
    setting.training.epochs = 5;
    setting.training.early_stopping = stopping(Monitor::ValidationAveragePrecision, 1, true);
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
    let mut setting = Setting { model: mlp(vec![], Normalization::None, 0.0), ..setting() };
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
        let (before, after) =
            (plain.penalty(&setting.regularization), trained.network.penalty(&setting.regularization));
        assert!(after < 0.5 * before, "{after} {before}");
        assert_eq!(recorder.logs.last().unwrap().penalty, Some(after));
    }
}

#[test]
fn validation_loss_is_taken_at_the_natural_prior() {
    let setting = setting();
    let mut task = setting.task();
    task.correction = Correction::Prior { inverse: LossInverse::Identity, log_odds: 2.0 };
    let mut recorder = Recorder::default();
    let trained = train(&task, &mut recorder).unwrap();
    let logits = trained.network.logits(setting.validation.features());
    let rows = logits.iter().zip(setting.validation.labels());
    let expected = rows.map(|(&z, &label)| binary_cross_entropy(z - 2.0, label)).sum::<f64>() / 64.0;
    assert!((recorder.logs.last().unwrap().validation_loss.unwrap() - expected).abs() < 1e-6 * expected);
}
