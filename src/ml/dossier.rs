//! What stays with a model besides what predicts: its probabilities on validation and test rows with their labels, the
//! mean of its training rows, and what was found out about it. No row of the data is in it.
//!
//! One safetensors file, as the model itself is one: numbers and JSON, checked whole before use.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::config::{DecidedOn, Evaluation};
use super::explain::Explanation;
use super::seed::Seed;

/// Parts with more rows than this are not kept.
pub const MAX_KEPT_ROWS: usize = 5_000_000;
/// Larger files are refused before they are read.
pub const MAX_DOSSIER_BYTES: u64 = 256 << 20;
const FORMAT_VERSION: u32 = 1;
const MANIFEST_KEY: &str = "evenkeel.dossier";
const BACKGROUND: &str = "background";

/// Rows that were scored, in the order of their part.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scores {
    /// `true` is the positive class.
    pub labels: Vec<bool>,
    /// Of the positive class, as predictions give them; as many.
    pub probabilities: Vec<f64>,
}

/// What stays with a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Dossier {
    /// What the threshold is chosen on; `None` where there were too many rows to keep.
    pub validation: Option<Scores>,
    /// What these rows are.
    pub chosen_on: DecidedOn,
    /// What the report is computed on.
    pub test: Option<Scores>,
    /// The mean of each preprocessed column over the training rows, before resampling.
    pub background: Vec<f64>,
    /// How the report's intervals are made, and its seed.
    pub evaluation: Evaluation,
    pub seed: Seed,
    pub explanation: Explanation,
}

/// Bytes that are not a dossier.
#[derive(Debug, thiserror::Error)]
pub enum DossierError {
    #[error("the file is not a safetensors file")]
    NotSafetensors(#[source] safetensors::SafeTensorError),
    #[error("the manifest cannot be read")]
    Manifest(#[source] serde_json::Error),
    #[error("the file has no manifest of version {FORMAT_VERSION}")]
    NoManifest,
    #[error("the tensor {name:?} is missing, has another shape or holds a value that it cannot have")]
    Tensor { name: String },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format_version: u32,
    validation: bool,
    /// Earlier versions kept the validation rows only.
    #[serde(default)]
    chosen_on: DecidedOn,
    test: bool,
    evaluation: Evaluation,
    seed: u64,
    explanation: Explanation,
}

impl Scores {
    /// The scores of a part, if it is not too large to be kept.
    pub fn kept(labels: &[bool], probabilities: &[f64]) -> Option<Self> {
        let few = labels.len() <= MAX_KEPT_ROWS && labels.len() == probabilities.len();
        few.then(|| Self { labels: labels.to_vec(), probabilities: probabilities.to_vec() })
    }

    pub fn rows(&self) -> usize {
        self.labels.len()
    }
}

impl Dossier {
    /// About how much memory it holds.
    pub fn size_bytes(&self) -> usize {
        let rows: usize = [&self.validation, &self.test].into_iter().flatten().map(Scores::rows).sum();
        let explained = self.explanation.importance.columns.len() * 128
            + self.explanation.partial_dependence.columns.iter().map(|one| 128 + one.points.len() * 96).sum::<usize>();
        rows * 9 + self.background.len() * 8 + explained + 4096
    }

    /// The file.
    ///
    /// # Errors
    /// If it cannot be written, which training does not lead to.
    pub fn to_bytes(&self) -> Result<Vec<u8>, DossierError> {
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            validation: self.validation.is_some(),
            chosen_on: self.chosen_on,
            test: self.test.is_some(),
            evaluation: self.evaluation.clone(),
            seed: self.seed.0,
            explanation: self.explanation.clone(),
        };
        let manifest = serde_json::to_string(&manifest).map_err(DossierError::Manifest)?;
        let mut tensors = vec![(BACKGROUND.to_owned(), Dtype::F64, bytes_of(&self.background))];
        for (part, scores) in [("validation", &self.validation), ("test", &self.test)] {
            let Some(scores) = scores else { continue };
            let labels = scores.labels.iter().map(|&label| u8::from(label)).collect();
            tensors.push((format!("{part}.labels"), Dtype::U8, labels));
            tensors.push((format!("{part}.probabilities"), Dtype::F64, bytes_of(&scores.probabilities)));
        }
        let views = tensors
            .iter()
            .map(|(name, dtype, bytes)| {
                let size = if *dtype == Dtype::F64 { 8 } else { 1 };
                Ok((name.as_str(), TensorView::new(*dtype, vec![bytes.len() / size], bytes)?))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(DossierError::NotSafetensors)?;
        let metadata = HashMap::from([(MANIFEST_KEY.to_owned(), manifest)]);
        safetensors::serialize(views, Some(metadata)).map_err(DossierError::NotSafetensors)
    }

    /// Reads a dossier from bytes that nobody vouches for.
    ///
    /// # Errors
    /// If anything in the bytes is not as [`Dossier::to_bytes`] writes it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DossierError> {
        let tensors = SafeTensors::deserialize(bytes).map_err(DossierError::NotSafetensors)?;
        let manifest = read_manifest(bytes)?;
        let part = |name: &str, there: bool| there.then(|| read_scores(&tensors, name)).transpose();
        Ok(Self {
            validation: part("validation", manifest.validation)?,
            chosen_on: manifest.chosen_on,
            test: part("test", manifest.test)?,
            background: read_f64(&tensors, BACKGROUND, f64::is_finite)?,
            evaluation: manifest.evaluation,
            seed: Seed(manifest.seed),
            explanation: manifest.explanation,
        })
    }
}

fn read_manifest(bytes: &[u8]) -> Result<Manifest, DossierError> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(DossierError::NotSafetensors)?;
    let text = metadata.metadata().as_ref().and_then(|metadata| metadata.get(MANIFEST_KEY));
    let value: serde_json::Value =
        serde_json::from_str(text.ok_or(DossierError::NoManifest)?).map_err(DossierError::Manifest)?;
    if value.get("format_version").and_then(serde_json::Value::as_u64) != Some(u64::from(FORMAT_VERSION)) {
        return Err(DossierError::NoManifest);
    }
    serde_json::from_value(value).map_err(DossierError::Manifest)
}

fn read_scores(tensors: &SafeTensors<'_>, part: &str) -> Result<Scores, DossierError> {
    let name = format!("{part}.labels");
    let view = tensors.tensor(&name).ok().filter(|view| view.dtype() == Dtype::U8);
    let labels = view.filter(|view| view.data().iter().all(|&byte| byte <= 1));
    let labels: Vec<bool> = labels.ok_or(DossierError::Tensor { name })?.data().iter().map(|&byte| byte == 1).collect();
    let name = format!("{part}.probabilities");
    let probabilities = read_f64(tensors, &name, |value| (0.0..=1.0).contains(&value))?;
    if probabilities.len() != labels.len() {
        return Err(DossierError::Tensor { name });
    }
    Ok(Scores { labels, probabilities })
}

fn read_f64(tensors: &SafeTensors<'_>, name: &str, allowed: fn(f64) -> bool) -> Result<Vec<f64>, DossierError> {
    let wrong = || DossierError::Tensor { name: name.to_owned() };
    let view = tensors.tensor(name).ok().filter(|view| view.dtype() == Dtype::F64).ok_or_else(wrong)?;
    let (chunks, _) = view.data().as_chunks::<8>();
    let values: Vec<f64> = chunks.iter().map(|chunk| f64::from_le_bytes(*chunk)).collect();
    if values.iter().all(|&value| allowed(value)) { Ok(values) } else { Err(wrong()) }
}

fn bytes_of(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::explain::{Importance, PartialDependence};

    fn dossier() -> Dossier {
        let scores = Scores { labels: vec![true, false, true], probabilities: vec![0.25, 0.0, 1.0] };
        Dossier {
            validation: Some(scores.clone()),
            chosen_on: DecidedOn::OutOfFold,
            test: Some(Scores { labels: vec![false], probabilities: vec![0.5] }),
            background: vec![1.5, -2.0],
            evaluation: Evaluation { bootstrap: 7, confidence: 0.9, cross_validation: None },
            seed: Seed(3),
            explanation: Explanation {
                importance: Importance::none(0.9, "too few rows".to_owned()),
                partial_dependence: PartialDependence::none(0),
            },
        }
    }

    #[test]
    fn a_dossier_reads_back() {
        let dossier = dossier();
        assert_eq!(Dossier::from_bytes(&dossier.to_bytes().unwrap()).unwrap(), dossier);
        let without = Dossier { validation: None, test: None, ..dossier };
        assert_eq!(Dossier::from_bytes(&without.to_bytes().unwrap()).unwrap(), without);
    }

    #[test]
    fn bytes_that_are_none_are_refused() {
        assert!(matches!(Dossier::from_bytes(b"nothing"), Err(DossierError::NotSafetensors(_))));
        let mut forged = dossier();
        forged.test = Some(Scores { labels: vec![true], probabilities: vec![1.5] });
        assert!(matches!(Dossier::from_bytes(&forged.to_bytes().unwrap()), Err(DossierError::Tensor { .. })));
        forged.test = Some(Scores { labels: vec![true, false], probabilities: vec![0.5] });
        assert!(matches!(Dossier::from_bytes(&forged.to_bytes().unwrap()), Err(DossierError::Tensor { .. })));
        let bytes = dossier().to_bytes().unwrap();
        for length in (0..bytes.len()).step_by(7) {
            assert!(Dossier::from_bytes(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
        }
    }

    #[test]
    fn parts_with_too_many_rows_are_not_kept() {
        assert!(Scores::kept(&[true], &[0.5]).is_some());
        let rows = MAX_KEPT_ROWS + 1;
        assert_eq!(Scores::kept(&vec![false; rows], &vec![0.5; rows]), None);
    }
}
