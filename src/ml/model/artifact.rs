//! A model's bytes: one safetensors file whose metadata holds a JSON manifest. Weights and JSON only; nothing in
//! it is executed, and everything in it is checked before use.
//!
//! The manifest says what the tensors mean. The bytes depend on nothing but the model, so that the same job gives
//! the same hash wherever it runs.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::checks::{check_count, check_picture_shape, check_shape, inconsistencies};
use super::tensors::{CARD, RawTensor, read_f32, read_f64};
use super::{Model, Predictor, PredictorKind};
use crate::ml::calibrate::{CalibrationMap, Calibrator, Correction, Knots, LossInverse};
use crate::ml::config::ThresholdRule;
use crate::ml::labels::ClassNames;
use crate::ml::logistic::FittedLogistic;
use crate::ml::nn::{Architecture, Ensemble, Network, NetworkShape, PictureNetworkShape, TensorError};
use crate::ml::preprocess::{FittedPreprocessor, PreprocessError};

/// Larger artifacts are refused before they are read.
pub const MAX_ARTIFACT_BYTES: u64 = 1 << 30;
/// Larger headers, of which each byte may cost ten in memory, are neither read nor written. Those of a model with thousands of
/// columns have a few hundred KiB.
pub const MAX_HEADER_BYTES: u64 = 32 << 20;
/// Changes when an older program could not read the file any more.
const FORMAT_VERSION: u32 = 2;
/// The oldest version that this program reads. Version 1 had no maps on top of a correction but Platt's.
const OLDEST_VERSION: u32 = 1;
const MANIFEST_KEY: &str = "evenkeel";
const LOGISTIC_WEIGHT: &str = "logistic.weight";
const LOGISTIC_INTERCEPT: &str = "logistic.intercept";
const ISOTONIC_POSITIONS: &str = "calibrator.isotonic.positions";
const ISOTONIC_SHARES: &str = "calibrator.isotonic.shares";
/// Longer cards are not read.
pub const MAX_CARD_BYTES: usize = 16 << 20;

/// Bytes that are not a model.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    #[error("the artifact has {found} bytes; at most {MAX_ARTIFACT_BYTES} are read")]
    TooLarge { found: u64 },
    #[error("the header of the artifact has {found} bytes; at most {MAX_HEADER_BYTES} are read")]
    HeaderTooLarge { found: u64 },
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
    #[error("the card has {found} bytes; at most {MAX_CARD_BYTES} are read")]
    CardTooLarge { found: usize },
    #[error("the tensor {name:?} is missing, has another shape or holds a value that is not finite")]
    Tensor { name: String },
    #[error("network {member} cannot be rebuilt")]
    Network {
        member: usize,
        #[source]
        source: TensorError,
    },
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
    /// Of a convolutional network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    picture_network: Option<PictureNetworkShape>,
    /// Networks of that shape.
    members: Option<usize>,
    calibrator: StoredCalibrator,
    preprocessor: FittedPreprocessor,
}

/// A manifest of any version.
#[derive(Deserialize)]
struct Versioned {
    #[serde(default)]
    format_version: u32,
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
        self.write(None)
    }

    /// The model with a card, a JSON document that [`Model::from_bytes`] leaves aside and [`card_of`] gives back.
    ///
    /// # Errors
    /// As of [`Model::to_bytes`].
    pub fn to_bytes_with_card(&self, card: &[u8]) -> Result<Vec<u8>, ArtifactError> {
        self.write(Some(card))
    }

    fn write(&self, card: Option<&[u8]>) -> Result<Vec<u8>, ArtifactError> {
        let (ensemble, kind) = match &self.predictor {
            Predictor::Logistic(_) => (None, PredictorKind::Logistic),
            Predictor::Mlp(ensemble) => (Some(ensemble), PredictorKind::Mlp),
            Predictor::Cnn(ensemble) => (Some(ensemble), PredictorKind::Cnn),
        };
        let (network, picture_network) = match ensemble.map(|ensemble| ensemble.first().architecture().clone()) {
            Some(Architecture::Mlp(shape)) => (Some(shape), None),
            Some(Architecture::Cnn(shape)) => (None, Some(shape)),
            None => (None, None),
        };
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            classes: self.classes.clone(),
            threshold_rule: self.threshold_rule.clone(),
            threshold: self.threshold,
            missing_markers: self.missing_markers.clone(),
            predictor: kind,
            network,
            picture_network,
            members: ensemble.map(Ensemble::len),
            calibrator: StoredCalibrator::Present(self.calibrator.clone()),
            preprocessor: self.preprocessor.clone(),
        };
        let manifest = serde_json::to_string(&manifest).map_err(ArtifactError::Manifest)?;
        let mut tensors = self.raw_tensors();
        tensors.extend(card.map(RawTensor::card));
        let views = tensors
            .iter()
            .map(|raw| TensorView::new(raw.dtype, raw.shape.clone(), &raw.bytes).map(|view| (raw.name.as_str(), view)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(ArtifactError::NotSafetensors)?;
        let metadata = HashMap::from([(MANIFEST_KEY.to_owned(), manifest)]);
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(ArtifactError::NotSafetensors)?;
        check_header(&bytes)?;
        Ok(bytes)
    }

    /// Reads a model from bytes that nobody vouches for.
    ///
    /// # Errors
    /// If anything in the bytes is not as [`Model::to_bytes`] writes it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtifactError> {
        if bytes.len() as u64 > MAX_ARTIFACT_BYTES {
            return Err(ArtifactError::TooLarge { found: bytes.len() as u64 });
        }
        check_header(bytes)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(ArtifactError::NotSafetensors)?;
        let manifest = read_manifest(bytes)?;
        if let Some(shape) = &manifest.network {
            check_shape(shape, manifest.members.unwrap_or(1), bytes.len())?;
        }
        if let Some(shape) = &manifest.picture_network {
            check_picture_shape(shape, manifest.members.unwrap_or(1), bytes.len())?;
        }
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
        let found = inconsistencies(&model);
        if !found.is_empty() {
            return Err(ArtifactError::Inconsistent { detail: found.join("; ") });
        }
        let own = model.raw_tensors().len() + usize::from(tensors.tensor(CARD).is_ok());
        check_count(own, tensors.len())?;
        Ok(model)
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
            Predictor::Mlp(ensemble) | Predictor::Cnn(ensemble) => ensemble
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

/// The card of an artifact, if it has one. Whether it says anything that makes sense is for the reader to find out.
///
/// # Errors
/// If the bytes are no safetensors file, or the card is too long.
pub fn card_of(bytes: &[u8]) -> Result<Option<Vec<u8>>, ArtifactError> {
    check_header(bytes)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(ArtifactError::NotSafetensors)?;
    let Some(view) = tensors.tensor(CARD).ok().filter(|view| view.dtype() == Dtype::U8) else { return Ok(None) };
    let found = view.data().len();
    if found > MAX_CARD_BYTES { Err(ArtifactError::CardTooLarge { found }) } else { Ok(Some(view.data().to_vec())) }
}

/// Whether the header, whose length the file begins with, is one to read.
fn check_header(bytes: &[u8]) -> Result<(), ArtifactError> {
    let found = bytes.first_chunk::<8>().map_or(0, |length| u64::from_le_bytes(*length));
    if found > MAX_HEADER_BYTES { Err(ArtifactError::HeaderTooLarge { found }) } else { Ok(()) }
}

fn read_manifest(bytes: &[u8]) -> Result<Manifest, ArtifactError> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(ArtifactError::NotSafetensors)?;
    let text = metadata.metadata().as_ref().and_then(|metadata| metadata.get(MANIFEST_KEY));
    let text = text.ok_or(ArtifactError::NoManifest)?;
    // The version is looked at first: a newer manifest may have members that this program does not know.
    let Versioned { format_version: found } = serde_json::from_str(text).map_err(ArtifactError::Manifest)?;
    if !(OLDEST_VERSION..=FORMAT_VERSION).contains(&found) {
        return Err(ArtifactError::UnknownVersion { found });
    }
    serde_json::from_str(text).map_err(ArtifactError::Manifest)
}

fn read_predictor(manifest: &Manifest, tensors: &SafeTensors<'_>) -> Result<Predictor, ArtifactError> {
    let networks = (&manifest.network, &manifest.picture_network);
    match (manifest.predictor, networks, manifest.members) {
        (PredictorKind::Logistic, (None, None), None) => {
            let weights = read_f64(tensors, LOGISTIC_WEIGHT)?;
            let intercept = read_f64(tensors, LOGISTIC_INTERCEPT)?;
            let [intercept] = intercept.as_slice() else {
                return Err(ArtifactError::Tensor { name: LOGISTIC_INTERCEPT.to_owned() });
            };
            Ok(Predictor::Logistic(FittedLogistic::from_parameters(weights, *intercept)))
        }
        (PredictorKind::Mlp, (Some(shape), None), Some(members @ 1..)) => {
            let read = |lookup: &Lookup<'_>| Network::from_tensors(shape, lookup);
            read_ensemble(tensors, members, read).map(Predictor::Mlp)
        }
        (PredictorKind::Cnn, (None, Some(shape)), Some(members @ 1..)) => {
            let read = |lookup: &Lookup<'_>| Network::from_picture_tensors(shape, lookup);
            read_ensemble(tensors, members, read).map(Predictor::Cnn)
        }
        _ => Err(ArtifactError::Inconsistent {
            detail: "a network's shape and members belong to a network of that kind and to nothing else".to_owned(),
        }),
    }
}

/// Finds a tensor of a network by its name.
type Lookup<'a> = dyn Fn(&str) -> Option<(Vec<usize>, Vec<f32>)> + 'a;

fn read_ensemble(
    tensors: &SafeTensors<'_>,
    members: usize,
    read: impl Fn(&Lookup<'_>) -> Result<Network, TensorError>,
) -> Result<Ensemble, ArtifactError> {
    let member = |index: usize| {
        let lookup = |name: &str| read_f32(tensors, &format!("member.{index}.{name}"));
        read(&lookup).map_err(|source| ArtifactError::Network { member: index, source })
    };
    // A claimed number of members costs nothing: the first that is missing ends the reading.
    let others = (1..members).map(member).collect::<Result<Vec<_>, _>>()?;
    Ok(Ensemble::new(member(0)?, others))
}
