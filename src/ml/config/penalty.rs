//! The penalty on the weights.

use serde::{Deserialize, Serialize};

use super::TrainConfig;

impl TrainConfig {
    /// Folds of the cross-validation that `"strength": "auto"` asks for; each class needs as many training rows.
    pub const STRENGTH_FOLDS: usize = 5;
}

/// The penalty `l1 * sum|w| + l2 * sum w^2` is added to the mean loss of a batch; biases and
/// normalization parameters are exempt. Keras' `L1L2(l1, l2)` is the same; PyTorch's SGD `weight_decay` is
/// `2 * l2`; scikit-learn's `LogisticRegression` has `l2 = (1 - l1_ratio) / (2 C n)` and `l1 = l1_ratio / (C n)`
/// for n training rows; its `MLPClassifier` has `l2 = alpha / (2 batch_size)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Regularization {
    pub l1: f64,
    pub l2: f64,
}

/// A penalty, and how strong it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Penalty {
    #[serde(flatten)]
    pub penalty: Regularization,
    /// `null`: the penalty is as it stands.
    #[serde(default)]
    pub strength: Option<Strength>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// Of `logistic`: cross-validation within the training rows finds by what to multiply `l1` and `l2`.
    Auto,
}
