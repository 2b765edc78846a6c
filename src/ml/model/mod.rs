//! What predicts: preprocessing, a predictor, a calibrator and a threshold, as one thing.

mod artifact;
mod checks;
mod heat;
mod tensors;
mod views;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::calibrate::Calibrator;
use super::config::{Regularization, ThresholdRule};
use super::labels::ClassNames;
use super::logistic::FittedLogistic;
use super::nn::Ensemble;
use super::picture::PictureSpec;
use super::preprocess::{FittedPreprocessor, InputColumn, PreprocessError};
use super::sets::Examples;
use super::table::{ColumnRef, Table};

pub use artifact::{ArtifactError, MAX_ARTIFACT_BYTES, MAX_CARD_BYTES, MAX_HEADER_BYTES, card_of};
pub use heat::Seen;

/// Rows that a linear model scores together.
const BLOCK_ROWS: usize = 256;

/// A trained model.
#[derive(Debug, Clone)]
pub struct Model {
    pub classes: ClassNames,
    pub threshold_rule: ThresholdRule,
    /// A row is predicted positive iff its probability is at least this.
    pub threshold: f64,
    /// What counts as missing in CSV, besides the empty field.
    pub missing_markers: Vec<String>,
    pub preprocessor: FittedPreprocessor,
    pub predictor: Predictor,
    pub calibrator: Calibrator,
}

/// What gives a row its logit.
#[derive(Debug, Clone)]
pub enum Predictor {
    Logistic(FittedLogistic),
    Mlp(Ensemble),
    /// Reads pictures.
    Cnn(Ensemble),
}

/// The kind of a predictor, as the manifest names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictorKind {
    Logistic,
    Mlp,
    Cnn,
}

impl Predictor {
    /// One logit per row. A row's logit does not depend on the rows beside it.
    pub fn logits<'a>(&self, examples: impl Into<Examples<'a>>) -> Vec<f64> {
        let Examples { features, pictures } = examples.into();
        match (self, pictures) {
            (Predictor::Logistic(logistic), _) => logistic.logits(features),
            (Predictor::Mlp(ensemble) | Predictor::Cnn(ensemble), None) => ensemble.logits(features),
            (Predictor::Mlp(ensemble) | Predictor::Cnn(ensemble), Some(pictures)) => ensemble.picture_logits(pictures),
        }
    }

    /// One calibrated probability of the positive class per row.
    pub fn probabilities<'a>(&self, examples: impl Into<Examples<'a>>, calibrator: &Calibrator) -> Vec<f64> {
        self.logits(examples).into_iter().map(|logit| calibrator.probability(logit)).collect()
    }

    /// Multiplications and additions for the logit of one row.
    pub fn multiply_adds(&self) -> u64 {
        match self {
            Predictor::Logistic(logistic) => logistic.weights.len() as u64,
            Predictor::Mlp(ensemble) | Predictor::Cnn(ensemble) => {
                ensemble.members().map(|network| network.multiply_adds()).sum()
            }
        }
    }

    /// `l1 * sum|w| + l2 * sum w^2` over the weights; `None` if it is not finite.
    pub fn penalty(&self, l1: f64, l2: f64) -> Option<f64> {
        let penalty = match self {
            Predictor::Logistic(logistic) => {
                let absolute: f64 = logistic.weights.iter().map(|weight| weight.abs()).sum();
                let square: f64 = logistic.weights.iter().map(|weight| weight * weight).sum();
                l1 * absolute + l2 * square
            }
            Predictor::Mlp(ensemble) | Predictor::Cnn(ensemble) => ensemble.penalty(&Regularization { l1, l2 }),
        };
        penalty.is_finite().then_some(penalty)
    }
}

impl Model {
    /// The columns the model reads.
    pub fn inputs(&self) -> Vec<InputColumn> {
        self.preprocessor.inputs()
    }

    /// What pictures are turned into before the model sees them, if it reads any.
    pub fn picture_spec(&self) -> Option<PictureSpec> {
        self.preprocessor.picture_spec()
    }

    /// The probability of the positive class for each row of `table`, whose columns are found by name.
    ///
    /// # Errors
    /// If a column is missing or has another type.
    pub fn predict(&self, table: &Table) -> Result<Vec<f64>, PreprocessError> {
        self.predict_with(table, &self.calibrator)
    }

    /// As [`Model::predict`], with another calibrator than the model's own: the same at another prevalence.
    ///
    /// # Errors
    /// If a column is missing or has another type.
    pub fn predict_with(&self, table: &Table, calibrator: &Calibrator) -> Result<Vec<f64>, PreprocessError> {
        self.predict_inputs(&self.preprocessor.inputs_in(table)?, table.rows(), calibrator)
    }

    /// As [`Model::predict_with`], of columns in the order of [`Model::inputs`], each of `rows` values. Memory is needed
    /// for the answer and for the features of a few rows.
    ///
    /// # Errors
    /// If a column is missing or has another type.
    pub fn predict_inputs(
        &self,
        inputs: &[ColumnRef<'_>],
        rows: usize,
        calibrator: &Calibrator,
    ) -> Result<Vec<f64>, PreprocessError> {
        let prepared = self.preprocessor.prepare(inputs)?;
        let pictures = prepared.pictures();
        let mut logits = match (&self.predictor, &pictures) {
            (Predictor::Mlp(ensemble) | Predictor::Cnn(ensemble), Some(pictures)) => ensemble.picture_logits(pictures),
            (Predictor::Mlp(ensemble) | Predictor::Cnn(ensemble), None) => {
                ensemble.logits_by(rows, |some, out, stride| prepared.write(some, out, stride))
            }
            (Predictor::Logistic(logistic), _) => {
                let (mut logits, width) = (Vec::with_capacity(rows), self.preprocessor.width());
                for start in (0..rows).step_by(BLOCK_ROWS) {
                    let count = BLOCK_ROWS.min(rows - start);
                    let mut features = vec![0.0; count * width];
                    prepared.write(start..start + count, &mut features, width);
                    // The length is that of the shape.
                    let features = Array2::from_shape_vec((count, width), features).unwrap_or_default();
                    logits.extend(logistic.logits(&features));
                }
                logits
            }
        };
        logits.iter_mut().for_each(|logit| *logit = calibrator.probability(*logit));
        Ok(logits)
    }

    /// The log-odds of each row at the prevalence of the training rows, before any calibration map.
    ///
    /// # Errors
    /// If a column is missing or has another type.
    pub fn natural_log_odds(&self, table: &Table) -> Result<Vec<f64>, PreprocessError> {
        let (features, pictures) = (self.preprocessor.transform(table)?, self.preprocessor.pictures(table)?);
        let natural = |logit| self.calibrator.base.natural(logit);
        let examples = Examples { features: &features, pictures: pictures.as_ref() };
        Ok(self.predictor.logits(examples).into_iter().map(natural).collect())
    }

    /// About how much memory the loaded model holds.
    pub fn size_bytes(&self) -> usize {
        let weights = match &self.predictor {
            Predictor::Logistic(logistic) => logistic.weights.len() * 8,
            Predictor::Mlp(ensemble) | Predictor::Cnn(ensemble) => {
                ensemble.members().map(|network| network.parameters().len() * 4).sum()
            }
        };
        let columns = self.preprocessor.feature_names().iter().map(|name| name.len() + 64).sum::<usize>();
        weights + columns + 4096
    }
}
