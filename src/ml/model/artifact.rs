//! A model's bytes: one safetensors file whose metadata holds a JSON manifest. Weights and JSON only; nothing in
//! it is executed, and everything in it is checked before use.
//!
//! The manifest says what the tensors mean. The bytes depend on nothing but the model, so that the same job gives
//! the same hash wherever it runs.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::{Model, Predictor, PredictorKind};
use crate::ml::calibrate::{CalibrationMap, Calibrator, Correction, Knots, LossInverse};
use crate::ml::config::ThresholdRule;
use crate::ml::labels::ClassNames;
use crate::ml::logistic::FittedLogistic;
use crate::ml::nn::{Ensemble, Network, NetworkShape, TensorError};
use crate::ml::preprocess::{FittedPreprocessor, PreprocessError};

/// Larger artifacts are refused before they are read.
pub const MAX_ARTIFACT_BYTES: u64 = 1 << 30;
/// Changes when an older program could not read the file any more.
const FORMAT_VERSION: u32 = 2;
/// The oldest version that this program reads. Version 1 had no maps on top of a correction but Platt's.
const OLDEST_VERSION: u32 = 1;
const MANIFEST_KEY: &str = "evenkeel";
const LOGISTIC_WEIGHT: &str = "logistic.weight";
const LOGISTIC_INTERCEPT: &str = "logistic.intercept";
const ISOTONIC_POSITIONS: &str = "calibrator.isotonic.positions";
const ISOTONIC_SHARES: &str = "calibrator.isotonic.shares";

/// Bytes that are not a model.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    #[error("the artifact has {found} bytes; at most {MAX_ARTIFACT_BYTES} are read")]
    TooLarge { found: u64 },
    #[error("the artifact is not a safetensors file")]
    NotSafetensors(#[source] safetensors::SafeTensorError),
    #[error("the artifact has no manifest")]
    NoManifest,
    #[error("the manifest cannot be read")]
    Manifest(#[source] serde_json::Error),
    #[error("the artifact has format version {found}; this program reads {OLDEST_VERSION} to {FORMAT_VERSION}")]
    UnknownVersion { found: u32 },
    #[error("the manifest contradicts itself: {detail}")]
    Inconsistent { detail: String },
    #[error("the tensor {name:?} is missing, has another shape or holds a value that is not finite")]
    Tensor { name: String },
    #[error("the network cannot be rebuilt")]
    Network(#[source] TensorError),
    #[error("the preprocessing in the manifest is not valid")]
    Preprocessor(#[source] PreprocessError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format_version: u32,
    classes: ClassNames,
    threshold_rule: ThresholdRule,
    threshold: f64,
    missing_markers: Vec<String>,
    predictor: PredictorKind,
    network: Option<NetworkShape>,
    /// Networks of that shape.
    members: Option<usize>,
    calibrator: StoredCalibrator,
    preprocessor: FittedPreprocessor,
}

/// A calibrator as this version or an older one wrote it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredCalibrator {
    Present(Calibrator),
    Version1(CalibratorVersion1),
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
enum CalibratorVersion1 {
    None,
    Prior {
        inverse: LossInverse,
        log_odds: f64,
    },
    /// On the logit itself.
    Platt {
        slope: f64,
        intercept: f64,
    },
}

impl StoredCalibrator {
    fn into_calibrator(self, tensors: &SafeTensors<'_>) -> Result<Calibrator, ArtifactError> {
        let mut calibrator = match self {
            StoredCalibrator::Present(calibrator) => calibrator,
            StoredCalibrator::Version1(CalibratorVersion1::None) => Calibrator::of(Correction::None),
            StoredCalibrator::Version1(CalibratorVersion1::Prior { inverse, log_odds }) => {
                Calibrator::of(Correction::Prior { inverse, log_odds })
            }
            StoredCalibrator::Version1(CalibratorVersion1::Platt { slope, intercept }) => {
                let map = CalibrationMap::Platt { slope, intercept };
                Calibrator { map, ..Calibrator::of(Correction::None) }
            }
        };
        if let CalibrationMap::Isotonic { knots } = &mut calibrator.map {
            *knots = Knots::from_parts(read_f64(tensors, ISOTONIC_POSITIONS)?, read_f64(tensors, ISOTONIC_SHARES)?);
        }
        Ok(calibrator)
    }
}

impl Model {
    /// The model as it is stored.
    ///
    /// # Errors
    /// If the manifest or the tensors cannot be written, which a trained model does not lead to.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ArtifactError> {
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            classes: self.classes.clone(),
            threshold_rule: self.threshold_rule.clone(),
            threshold: self.threshold,
            missing_markers: self.missing_markers.clone(),
            predictor: match self.predictor {
                Predictor::Logistic(_) => PredictorKind::Logistic,
                Predictor::Mlp(_) => PredictorKind::Mlp,
            },
            network: match &self.predictor {
                Predictor::Logistic(_) => None,
                Predictor::Mlp(ensemble) => Some(ensemble.first().shape().clone()),
            },
            members: match &self.predictor {
                Predictor::Logistic(_) => None,
                Predictor::Mlp(ensemble) => Some(ensemble.len()),
            },
            calibrator: StoredCalibrator::Present(self.calibrator.clone()),
            preprocessor: self.preprocessor.clone(),
        };
        let manifest = serde_json::to_string(&manifest).map_err(ArtifactError::Manifest)?;
        let tensors = self.raw_tensors();
        let views = tensors
            .iter()
            .map(|raw| TensorView::new(raw.dtype, raw.shape.clone(), &raw.bytes).map(|view| (raw.name.as_str(), view)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(ArtifactError::NotSafetensors)?;
        let metadata = HashMap::from([(MANIFEST_KEY.to_owned(), manifest)]);
        safetensors::serialize(views, Some(metadata)).map_err(ArtifactError::NotSafetensors)
    }

    /// Reads a model from bytes that nobody vouches for.
    ///
    /// # Errors
    /// If anything in the bytes is not as [`Model::to_bytes`] writes it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtifactError> {
        if bytes.len() as u64 > MAX_ARTIFACT_BYTES {
            return Err(ArtifactError::TooLarge { found: bytes.len() as u64 });
        }
        let tensors = SafeTensors::deserialize(bytes).map_err(ArtifactError::NotSafetensors)?;
        let manifest = read_manifest(bytes)?;
        let predictor = read_predictor(&manifest, &tensors)?;
        manifest.preprocessor.validate().map_err(ArtifactError::Preprocessor)?;
        let model = Model {
            classes: manifest.classes,
            threshold_rule: manifest.threshold_rule,
            threshold: manifest.threshold,
            missing_markers: manifest.missing_markers,
            preprocessor: manifest.preprocessor,
            predictor,
            calibrator: manifest.calibrator.into_calibrator(&tensors)?,
        };
        model.check_consistency()?;
        Ok(model)
    }

    fn check_consistency(&self) -> Result<(), ArtifactError> {
        let inconsistent = |detail: String| Err(ArtifactError::Inconsistent { detail });
        let features = self.preprocessor.feature_names().len();
        let inputs = match &self.predictor {
            Predictor::Logistic(logistic) => logistic.weights.len(),
            Predictor::Mlp(ensemble) => ensemble.first().inputs(),
        };
        if inputs != features {
            return inconsistent(format!("{features} features for a predictor of {inputs} inputs"));
        }
        if !self.threshold.is_finite() {
            return inconsistent("the threshold is not finite".to_owned());
        }
        if !self.calibrator.is_valid() {
            return inconsistent(
                "the calibrator is not one: a number is out of its range, or the map does not rise".to_owned(),
            );
        }
        if self.classes.positive == self.classes.negative {
            return inconsistent("both classes have one name".to_owned());
        }
        Ok(())
    }

    fn raw_tensors(&self) -> Vec<RawTensor> {
        let mut tensors = self.predictor_tensors();
        if let CalibrationMap::Isotonic { knots } = &self.calibrator.map {
            for (name, values) in [(ISOTONIC_POSITIONS, knots.positions()), (ISOTONIC_SHARES, knots.shares())] {
                tensors.push(RawTensor::f64(name, vec![values.len()], values));
            }
        }
        tensors
    }

    fn predictor_tensors(&self) -> Vec<RawTensor> {
        match &self.predictor {
            Predictor::Logistic(logistic) => vec![
                RawTensor::f64(LOGISTIC_WEIGHT, vec![logistic.weights.len()], &logistic.weights),
                RawTensor::f64(LOGISTIC_INTERCEPT, vec![1], &[logistic.intercept]),
            ],
            Predictor::Mlp(ensemble) => ensemble
                .members()
                .enumerate()
                .flat_map(|(member, network)| network.tensors().into_iter().map(move |tensor| (member, tensor)))
                .map(|(member, (name, shape, values))| RawTensor {
                    name: format!("member.{member}.{name}"),
                    dtype: Dtype::F32,
                    shape,
                    bytes: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
                })
                .collect(),
        }
    }
}

struct RawTensor {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl RawTensor {
    fn f64(name: &str, shape: Vec<usize>, values: &[f64]) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { name: name.to_owned(), dtype: Dtype::F64, shape, bytes }
    }
}

fn read_manifest(bytes: &[u8]) -> Result<Manifest, ArtifactError> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(ArtifactError::NotSafetensors)?;
    let text = metadata.metadata().as_ref().and_then(|metadata| metadata.get(MANIFEST_KEY));
    let text = text.ok_or(ArtifactError::NoManifest)?;
    // The version is looked at first: a newer manifest may have members that this program does not know.
    let value: serde_json::Value = serde_json::from_str(text).map_err(ArtifactError::Manifest)?;
    let found = value.get("format_version").and_then(serde_json::Value::as_u64).unwrap_or(0);
    if !(u64::from(OLDEST_VERSION)..=u64::from(FORMAT_VERSION)).contains(&found) {
        return Err(ArtifactError::UnknownVersion { found: u32::try_from(found).unwrap_or(u32::MAX) });
    }
    serde_json::from_str(text).map_err(ArtifactError::Manifest)
}

fn read_predictor(manifest: &Manifest, tensors: &SafeTensors<'_>) -> Result<Predictor, ArtifactError> {
    match (manifest.predictor, &manifest.network, manifest.members) {
        (PredictorKind::Logistic, None, None) => {
            let weights = read_f64(tensors, LOGISTIC_WEIGHT)?;
            let intercept = read_f64(tensors, LOGISTIC_INTERCEPT)?;
            let [intercept] = intercept.as_slice() else {
                return Err(ArtifactError::Tensor { name: LOGISTIC_INTERCEPT.to_owned() });
            };
            Ok(Predictor::Logistic(FittedLogistic::from_parameters(weights, *intercept)))
        }
        (PredictorKind::Mlp, Some(shape), Some(members @ 1..)) => {
            let member = |index: usize| {
                let lookup = |name: &str| read_f32(tensors, &format!("member.{index}.{name}"));
                Network::from_tensors(shape, &lookup).map_err(ArtifactError::Network)
            };
            // A claimed number of members costs nothing: the first that is missing ends the reading.
            let others = (1..members).map(member).collect::<Result<Vec<_>, _>>()?;
            Ok(Predictor::Mlp(Ensemble::new(member(0)?, others)))
        }
        _ => Err(ArtifactError::Inconsistent {
            detail: "a network's shape and members belong to an mlp and to nothing else".to_owned(),
        }),
    }
}

fn read_f64(tensors: &SafeTensors<'_>, name: &str) -> Result<Vec<f64>, ArtifactError> {
    let missing = || ArtifactError::Tensor { name: name.to_owned() };
    let view = tensors.tensor(name).map_err(|_| missing())?;
    if view.dtype() != Dtype::F64 {
        return Err(missing());
    }
    let (chunks, _) = view.data().as_chunks::<8>();
    let values: Vec<f64> = chunks.iter().map(|chunk| f64::from_le_bytes(*chunk)).collect();
    if values.iter().all(|value| value.is_finite()) { Ok(values) } else { Err(missing()) }
}

fn read_f32(tensors: &SafeTensors<'_>, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
    let view = tensors.tensor(name).ok().filter(|view| view.dtype() == Dtype::F32)?;
    let (chunks, _) = view.data().as_chunks::<4>();
    Some((view.shape().to_vec(), chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect()))
}
