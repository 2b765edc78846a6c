//! A checked training configuration: every value in range, every default filled in, every column known.
//!
//! [`TrainConfig::check`] turns the JSON of a request into it and reports all mistakes at once, each with its
//! JSON pointer. Nothing else in the program knows a default. What a request leaves out comes back filled in,
//! so that a stored job says exactly what it did.

mod augmentation;
mod check;
mod compare;
mod deciding;
mod learning;
mod limits;
mod penalty;
mod picture_network;
mod reader;
mod resample_table;
mod resampling;
mod strategy;

pub use augmentation::*;
pub use check::{DatasetFacts, FeatureFacts, PictureFacts, check_resample_steps, check_threshold_rule, label_text};
pub use compare::{Candidate, CompareConfig, Folds};
pub use deciding::*;
pub use learning::*;
pub use limits::ConfigLimits;
pub use penalty::{Penalty, Regularization, Strength};
pub use picture_network::{CnnConfig, CnnLayer, CnnSize, LayerError, MapShape, check_layers};
pub use reader::{FieldError, ObjectReader, Range};
pub use resample_table::{ResampleConfig, ResampleNumeric, ResamplePreprocess};
pub use resampling::*;
pub use strategy::{NamedStrategy, SamplingStrategy, UnknownClass};

use serde::{Deserialize, Serialize};

use super::labels::ClassCounts;
use super::picture::{PictureShape, PictureSpec, Resize};

/// Everything that defines a training run besides its data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainConfig {
    /// All chance in the run comes from it. At most 2^53 - 1, so that every JSON reader keeps it exact.
    pub seed: u64,
    pub target: String,
    pub positive_label: String,
    /// Columns that are not used as features.
    pub exclude: Vec<String>,
    /// A numeric column that says how much each training row counts in the loss; never a feature.
    pub sample_weight: Option<String>,
    pub split: Split,
    pub preprocess: Preprocess,
    /// Applied in this order to the training rows only.
    pub resample: Vec<ResampleStep>,
    /// Several models, each of its own draw of the training rows, averaged as one.
    pub bagging: Option<Bagging>,
    /// Applied in this order to the training rows only, after resampling.
    pub augment: Vec<AugmentStep>,
    pub model: ModelConfig,
    pub loss: Loss,
    pub regularization: Penalty,
    /// Of networks; `null` for `logistic`, which has a convex solver of its own.
    pub optimizer: Option<Optimizer>,
    /// Of networks; `null` for `logistic`, which has no epochs.
    pub training: Option<Training>,
    pub calibration: Calibration,
    pub threshold: Threshold,
    pub evaluation: Evaluation,
}

impl TrainConfig {
    /// What pictures are turned into, where there are any.
    pub fn picture_spec(&self) -> Option<PictureSpec> {
        self.preprocess.image.as_ref().map(ImagePreprocess::spec)
    }

    /// The rows per class that an epoch learns from, of these training rows.
    pub fn learnt_counts(&self, counts: ClassCounts) -> ClassCounts {
        let balanced = self.training.as_ref().is_some_and(|training| training.batches == BatchKind::Balanced);
        let larger = counts.positive.max(counts.negative);
        if balanced { ClassCounts { positive: larger, negative: larger } } else { counts }
    }
}

/// How rows are divided into training, validation and test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "strategy", rename_all = "snake_case")]
pub enum Split {
    /// Each part keeps the share of positives; rows are drawn by the seed.
    Stratified { test_fraction: f64, validation_fraction: f64 },
    /// Rows with the same value in `column` stay together; parts are near the fractions and as balanced in
    /// positives as the groups allow.
    Group { column: String, test_fraction: f64, validation_fraction: f64 },
    /// The latest rows by `column` are tested, those before them validate, the earliest train.
    Time { column: String, test_fraction: f64, validation_fraction: f64 },
    /// `column` says `train`, `validation` or `test` for each row.
    Column { column: String },
}

impl Split {
    /// The name in configurations and reports.
    pub fn strategy(&self) -> &'static str {
        match self {
            Split::Stratified { .. } => "stratified",
            Split::Group { .. } => "group",
            Split::Time { .. } => "time",
            Split::Column { .. } => "column",
        }
    }

    /// The share of the rows that test, where the split is by shares.
    pub fn test_fraction(&self) -> Option<f64> {
        match self {
            Split::Stratified { test_fraction, .. }
            | Split::Group { test_fraction, .. }
            | Split::Time { test_fraction, .. } => Some(*test_fraction),
            Split::Column { .. } => None,
        }
    }

    /// The column that steers the split, which is never a feature.
    pub fn column(&self) -> Option<&str> {
        match self {
            Split::Stratified { .. } => None,
            Split::Group { column, .. } | Split::Time { column, .. } | Split::Column { column } => Some(column),
        }
    }

    /// The share of the rows that are not tested which validates.
    pub fn validation_share(&self) -> f64 {
        match *self {
            Split::Stratified { test_fraction, validation_fraction }
            | Split::Group { test_fraction, validation_fraction, .. }
            | Split::Time { test_fraction, validation_fraction, .. } => validation_fraction / (1.0 - test_fraction),
            // There are no folds by a column.
            Split::Column { .. } => 0.25,
        }
    }
}

/// From columns to numbers; fitted on training rows only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preprocess {
    pub numeric: NumericPreprocess,
    pub categorical: CategoricalPreprocess,
    /// Of datasets of pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImagePreprocess>,
}

/// From pictures of any size to pixels of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImagePreprocess {
    /// Height and width.
    pub size: [usize; 2],
    pub resize: Resize,
    pub color: PictureColor,
    pub normalize: PictureNormalize,
    /// Whether each pixel value is a feature of its own beside the other columns, as linear models have it; networks read
    /// the picture, and nothing but the picture.
    pub flatten: bool,
}

impl ImagePreprocess {
    /// What every picture is turned into.
    pub fn spec(&self) -> PictureSpec {
        let [height, width] = self.size;
        PictureSpec { shape: PictureShape { height, width, channels: self.color.channels() }, resize: self.resize }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PictureColor {
    Grey,
    Rgb,
}

impl PictureColor {
    /// Values per pixel.
    pub fn channels(self) -> usize {
        match self {
            PictureColor::Grey => 1,
            PictureColor::Rgb => 3,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PictureNormalize {
    /// Subtract the mean and divide by the standard deviation of the channel, over all pixels of the training rows.
    Standard,
    /// From 0 to 1.
    Unit,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumericPreprocess {
    pub impute: NumericImpute,
    /// What missing values become when `impute` is `constant`.
    pub fill_value: f64,
    /// Adds a 0/1 column for each numeric column with missing training values.
    pub missing_indicator: bool,
    pub scale: Scale,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumericImpute {
    Median,
    Mean,
    MostFrequent,
    Constant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Subtract the mean, divide by the population standard deviation.
    Standard,
    /// Subtract the median, divide by the interquartile range.
    Robust,
    /// To 0..=1 over the training rows.
    MinMax,
    None,
}

/// Categorical and boolean columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CategoricalPreprocess {
    pub encode: Encode,
    pub impute: CategoricalImpute,
    /// What missing values become when `impute` is `constant`.
    pub fill_value: String,
    /// Categories with fewer training rows than this share one column, the rare bucket, which is also where a
    /// category never seen in training goes. 0 or 1: no rare bucket, and an unseen category is all zeros.
    pub min_frequency: usize,
    /// At most this many columns for one column of categories, the most frequent first; the others are rare.
    pub max_categories: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encode {
    OneHot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CategoricalImpute {
    /// Missing is a category of its own.
    Indicator,
    MostFrequent,
    Constant,
}

/// Several models in place of one, their logits averaged; each learns from what these steps make of the training rows,
/// by a seed of its own (balanced bagging: Wallace et al. 2011; EasyEnsemble without its boosting: Liu et al. 2009).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bagging {
    pub members: usize,
    /// Applied in this order, after `resample`.
    pub resample: Vec<ResampleStep>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ModelConfig {
    Logistic {
        /// Stops when no coordinate of the (sub)gradient of the mean objective is larger.
        tolerance: f64,
        max_iterations: usize,
    },
    Mlp(MlpConfig),
    /// Of datasets of pictures.
    Cnn(CnnConfig),
}

impl ModelConfig {
    pub fn name(&self) -> &'static str {
        match self {
            ModelConfig::Logistic { .. } => "logistic",
            ModelConfig::Mlp(_) => "mlp",
            ModelConfig::Cnn(_) => "cnn",
        }
    }

    /// Whether it reads pictures as such, and nothing else of their rows; other models read their pixels as features.
    pub fn reads_pictures(&self) -> bool {
        match self {
            ModelConfig::Logistic { .. } => false,
            ModelConfig::Mlp(_) | ModelConfig::Cnn(_) => true,
        }
    }
}
