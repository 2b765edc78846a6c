//! Which part of a picture a model goes by.

use super::{Model, Predictor};
use crate::ml::nn::HeatMap;
use crate::ml::picture::PictureSet;
use crate::ml::preprocess::PreprocessError;
use crate::ml::table::ColumnRef;

/// Pictures as a model sees them, and where it looks in the first.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub pictures: PictureSet,
    pub map: HeatMap,
}

impl Model {
    /// Whether [`Model::heat_map`] has an answer: the model is a network of convolutions with pixels left before its end.
    pub fn has_heat_map(&self) -> bool {
        matches!(&self.predictor, Predictor::Cnn(ensemble) if ensemble.has_heat_map())
    }

    /// Where the model looks in the picture of the first row of `inputs`, which are as for [`Model::predict_inputs`]; `None` for
    /// a model that does not look at pictures part by part.
    ///
    /// # Errors
    /// If a column is missing or has another type.
    pub fn heat_map(&self, inputs: &[ColumnRef<'_>]) -> Result<Option<Seen>, PreprocessError> {
        let Predictor::Cnn(ensemble) = &self.predictor else { return Ok(None) };
        let Some(pictures) = self.preprocessor.prepare(inputs)?.pictures() else { return Ok(None) };
        Ok(ensemble.heat_map(&pictures, 0).map(|map| Seen { pictures, map }))
    }
}
