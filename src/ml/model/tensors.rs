//! Tensors of artifacts, as bytes and back.

use safetensors::tensor::{Dtype, SafeTensors};

use super::artifact::ArtifactError;

/// A card's tensor; see [`Model::to_bytes_with_card`](super::Model::to_bytes_with_card).
pub(super) const CARD: &str = "card";

/// A tensor that is to be written.
pub(super) struct RawTensor {
    pub(super) name: String,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) bytes: Vec<u8>,
}

impl RawTensor {
    pub(super) fn card(card: &[u8]) -> Self {
        Self { name: CARD.to_owned(), dtype: Dtype::U8, shape: vec![card.len()], bytes: card.to_vec() }
    }

    pub(super) fn f64(name: &str, shape: Vec<usize>, values: &[f64]) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { name: name.to_owned(), dtype: Dtype::F64, shape, bytes }
    }
}

/// The values of an f64 tensor, all of them finite.
pub(super) fn read_f64(tensors: &SafeTensors<'_>, name: &str) -> Result<Vec<f64>, ArtifactError> {
    let missing = || ArtifactError::Tensor { name: name.to_owned() };
    let view = tensors.tensor(name).map_err(|_| missing())?;
    if view.dtype() != Dtype::F64 {
        return Err(missing());
    }
    let (chunks, _) = view.data().as_chunks::<8>();
    let values: Vec<f64> = chunks.iter().map(|chunk| f64::from_le_bytes(*chunk)).collect();
    if values.iter().all(|value| value.is_finite()) { Ok(values) } else { Err(missing()) }
}

/// Shape and values of an f32 tensor, which may be anything.
pub(super) fn read_f32(tensors: &SafeTensors<'_>, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
    let view = tensors.tensor(name).ok().filter(|view| view.dtype() == Dtype::F32)?;
    let (chunks, _) = view.data().as_chunks::<4>();
    Some((view.shape().to_vec(), chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect()))
}
