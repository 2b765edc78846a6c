//! How a network is built and trained: layers, loss, optimizer, schedule, stopping.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ml::labels::{ClassCounts, ClassNames, ClassWeights};

/// A multilayer perceptron.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MlpConfig {
    /// Units per hidden layer, from the input on.
    pub hidden_layers: Vec<usize>,
    pub activation: Activation,
    /// The chance that a hidden unit is left out of a training step.
    pub dropout: f64,
    pub normalization: Normalization,
    /// A hidden layer as wide as what comes into it adds its input to its output (He et al. 2016).
    pub residual: bool,
    pub initializer: Initializer,
    /// Start the output bias at the log-odds of the rows as trained, so that the first loss is the entropy of the
    /// prevalence and no epoch is spent on learning it.
    pub prior_bias: bool,
    /// Networks trained from different seeds, whose logits are averaged.
    pub members: usize,
}

/// What a hidden unit makes of its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    Relu,
    LeakyRelu,
    /// ReLU whose slope below zero is learnt per unit, from 0.25 on.
    Prelu,
    Elu,
    Selu,
    Gelu,
    Silu,
    Mish,
    Tanh,
    Sigmoid,
}

impl Activation {
    pub const ALL: [Activation; 10] = [
        Activation::Relu,
        Activation::LeakyRelu,
        Activation::Prelu,
        Activation::Elu,
        Activation::Selu,
        Activation::Gelu,
        Activation::Silu,
        Activation::Mish,
        Activation::Tanh,
        Activation::Sigmoid,
    ];

    /// The name in configurations and artifacts.
    pub fn name(self) -> &'static str {
        match self {
            Activation::Relu => "relu",
            Activation::LeakyRelu => "leaky_relu",
            Activation::Prelu => "prelu",
            Activation::Elu => "elu",
            Activation::Selu => "selu",
            Activation::Gelu => "gelu",
            Activation::Silu => "silu",
            Activation::Mish => "mish",
            Activation::Tanh => "tanh",
            Activation::Sigmoid => "sigmoid",
        }
    }
}

/// Between a layer's affine part and its activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    None,
    /// Each unit over the batch (Ioffe and Szegedy 2015); prediction uses running statistics.
    Batch,
    /// Each row over its units (Ba et al. 2016).
    Layer,
}

/// The distribution that weights are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initializer {
    HeNormal,
    HeUniform,
    GlorotNormal,
    GlorotUniform,
    LecunNormal,
    LecunUniform,
}

/// What is minimized over the training rows, besides the penalties.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Loss {
    /// Binary cross-entropy on logits.
    Bce {
        class_weight: Option<ClassWeight>,
        /// Targets are `y (1 - s) + s / 2` (Szegedy et al. 2016); undone exactly by calibration `prior`.
        label_smoothing: f64,
    },
    /// `-α_t (1 - p_t)^γ ln p_t` (Lin et al. 2017), `α` for positives and `1 - α` for negatives.
    Focal { gamma: f64, alpha: f64 },
    /// `-(1 - p)^γ₊ ln p` and `-p_m^γ₋ ln(1 - p_m)` with `p_m = max(p - margin, 0)` (Ridnik et al. 2021).
    Asymmetric { gamma_positive: f64, gamma_negative: f64, margin: f64 },
    /// Cross-entropy on `z + τ ln(π / (1 - π))` (Menon et al. 2021).
    LogitAdjusted { tau: f64 },
    /// Cross-entropy on `scale · (z ∓ Δ)` with `Δ_c ∝ n_c^(-1/4)`, the larger of both `max_margin` (Cao et al. 2019).
    Ldam { max_margin: f64, scale: f64 },
    /// Cross-entropy with class weights `(1 - β) / (1 - β^n_c)`, normalized to a sum of 2 (Cui et al. 2019).
    ClassBalanced { beta: f64 },
}

impl Loss {
    /// The name in configurations.
    pub fn name(&self) -> &'static str {
        match self {
            Loss::Bce { .. } => "bce",
            Loss::Focal { .. } => "focal",
            Loss::Asymmetric { .. } => "asymmetric",
            Loss::LogitAdjusted { .. } => "logit_adjusted",
            Loss::Ldam { .. } => "ldam",
            Loss::ClassBalanced { .. } => "class_balanced",
        }
    }

    /// The weight of each class, over the rows that an epoch learns from.
    pub fn class_weights(&self, classes: &ClassNames, counts: ClassCounts) -> ClassWeights {
        match self {
            Loss::Bce { class_weight: Some(ClassWeight::Balanced(_)), .. } => ClassWeights::balanced(counts),
            Loss::Bce { class_weight: Some(ClassWeight::PerLabel(weights)), .. } => {
                let weight = |label: &str| weights.get(label).copied().unwrap_or(1.0);
                ClassWeights { positive: weight(&classes.positive), negative: weight(&classes.negative) }
            }
            Loss::ClassBalanced { beta } => ClassWeights::class_balanced(counts, *beta),
            _ => ClassWeights::EQUAL,
        }
    }

    /// Whether what it teaches can be turned back into probabilities exactly. Where it cannot, probabilities are
    /// recalibrated on validation rows.
    pub fn has_inverse(&self) -> bool {
        !matches!(self, Loss::Asymmetric { .. } | Loss::Ldam { .. })
    }
}

/// Weighs classes, never positions in a batch. The loss of a batch is divided by the sum of its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClassWeight {
    /// N / (2 N_c) over the rows as trained.
    Balanced(BalancedTag),
    /// One weight for each of the two labels.
    PerLabel(BTreeMap<String, f64>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BalancedTag {
    Balanced,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Optimizer {
    Adam {
        learning_rate: f64,
        beta_1: f64,
        beta_2: f64,
        epsilon: f64,
    },
    /// Decoupled weight decay: `w -= learning_rate * weight_decay * w` before each Adam step.
    Adamw {
        learning_rate: f64,
        beta_1: f64,
        beta_2: f64,
        epsilon: f64,
        weight_decay: f64,
    },
    Sgd {
        learning_rate: f64,
        momentum: f64,
        nesterov: bool,
    },
    Rmsprop {
        learning_rate: f64,
        rho: f64,
        momentum: f64,
        epsilon: f64,
    },
}

impl Optimizer {
    /// The rate that a schedule multiplies.
    pub fn learning_rate(&self) -> f64 {
        match *self {
            Optimizer::Adam { learning_rate, .. }
            | Optimizer::Adamw { learning_rate, .. }
            | Optimizer::Sgd { learning_rate, .. }
            | Optimizer::Rmsprop { learning_rate, .. } => learning_rate,
        }
    }

    /// Whether it remembers squares of gradients.
    pub fn has_second_moments(&self) -> bool {
        !matches!(self, Optimizer::Sgd { .. })
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// At most this many passes over the training rows.
    pub epochs: usize,
    pub batch_size: usize,
    pub batches: BatchKind,
    pub schedule: Schedule,
    /// `null`: gradients are taken as they are.
    pub gradient_clipping: Option<GradientClipping>,
    /// `null`: the weights of the last step are those of the epoch.
    pub weight_averaging: Option<WeightAveraging>,
    /// `null`: run all epochs and keep the last weights.
    pub early_stopping: Option<EarlyStopping>,
}

/// How the rows of an epoch are put into batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchKind {
    /// In a random order.
    Shuffled,
    /// In a random order in which every batch has its share of the rarer class.
    Stratified,
    /// Half of each batch is drawn from each class, the rarer one with repetition. This moves the prior, which
    /// calibration `prior` undoes.
    Balanced,
}

/// The learning rate over time, as a multiple of the optimizer's. Every kind but `one_cycle` may warm up: the rate
/// then rises linearly from 0 over the first `warm_up_epochs`, and the schedule counts from their end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Schedule {
    Constant {
        warm_up_epochs: usize,
    },
    /// Times `factor` after every `every` epochs.
    Step {
        every: usize,
        factor: f64,
        warm_up_epochs: usize,
    },
    /// Times `factor` after every epoch.
    Exponential {
        factor: f64,
        warm_up_epochs: usize,
    },
    /// Along half a cosine down to `final_factor` at the last epoch, step by step (Loshchilov and Hutter 2017).
    Cosine {
        final_factor: f64,
        warm_up_epochs: usize,
    },
    /// Up along half a cosine from `1 / initial_divisor` during the first `rise` of all steps, then down to
    /// `1 / (initial_divisor * final_divisor)` (Smith and Topin 2018, as in PyTorch).
    OneCycle {
        rise: f64,
        initial_divisor: f64,
        final_divisor: f64,
    },
    /// Times `factor` whenever the validation loss has not improved for `patience` epochs, not below
    /// `min_factor`.
    ReduceOnPlateau {
        factor: f64,
        patience: usize,
        min_factor: f64,
        warm_up_epochs: usize,
    },
}

impl Schedule {
    /// The name in configurations.
    pub fn name(&self) -> &'static str {
        match self {
            Schedule::Constant { .. } => "constant",
            Schedule::Step { .. } => "step",
            Schedule::Exponential { .. } => "exponential",
            Schedule::Cosine { .. } => "cosine",
            Schedule::OneCycle { .. } => "one_cycle",
            Schedule::ReduceOnPlateau { .. } => "reduce_on_plateau",
        }
    }
}

/// Bounds a step's gradient, penalties included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum GradientClipping {
    /// The whole gradient is scaled down to this Euclidean norm.
    Norm { max: f64 },
    /// Each derivative is kept within ± this.
    Value { max: f64 },
}

/// Weights averaged over steps; validation, early stopping and the model use the average.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum WeightAveraging {
    /// An exponential moving average that keeps the share `decay` of itself at each step; in step t at most
    /// `(1 + t) / (10 + t)`, so that the start is forgotten.
    Ema { decay: f64 },
    /// The mean of the weights at the end of each epoch from `start_epoch` on (Izmailov et al. 2018).
    Swa { start_epoch: usize },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EarlyStopping {
    pub monitor: Monitor,
    /// Stop after this many epochs without an improvement.
    pub patience: usize,
    /// A smaller change is not an improvement.
    pub min_delta: f64,
    /// Go back to the weights of the best epoch.
    pub restore_best: bool,
    /// Epochs before this one, counted from 1, neither improve nor cost patience.
    pub start_from_epoch: usize,
}

/// What early stopping follows; each is of the validation rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Monitor {
    ValidationLoss,
    ValidationBrier,
    ValidationAveragePrecision,
    ValidationRocAuc,
    /// This and the following: the best value over all thresholds.
    ValidationF1,
    ValidationMcc,
    ValidationBalancedAccuracy,
    ValidationGMean,
}

impl Monitor {
    pub const ALL: [Monitor; 8] = [
        Monitor::ValidationLoss,
        Monitor::ValidationBrier,
        Monitor::ValidationAveragePrecision,
        Monitor::ValidationRocAuc,
        Monitor::ValidationF1,
        Monitor::ValidationMcc,
        Monitor::ValidationBalancedAccuracy,
        Monitor::ValidationGMean,
    ];

    /// The name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Monitor::ValidationLoss => "validation_loss",
            Monitor::ValidationBrier => "validation_brier",
            Monitor::ValidationAveragePrecision => "validation_average_precision",
            Monitor::ValidationRocAuc => "validation_roc_auc",
            Monitor::ValidationF1 => "validation_f1",
            Monitor::ValidationMcc => "validation_mcc",
            Monitor::ValidationBalancedAccuracy => "validation_balanced_accuracy",
            Monitor::ValidationGMean => "validation_g_mean",
        }
    }

    /// Whether less is better.
    pub fn falls(self) -> bool {
        matches!(self, Monitor::ValidationLoss | Monitor::ValidationBrier)
    }
}
