//! Predictions that are the mean over several views of a picture.

use ndarray::Array2;

use super::{Model, Predictor};
use crate::ml::calibrate::Calibrator;
use crate::ml::picture::{PictureSet, Views};
use crate::ml::preprocess::PreprocessError;
use crate::ml::sets::Examples;
use crate::ml::table::ColumnRef;

impl Predictor {
    /// For each row the mean of the logits of its views.
    pub fn logits_of_views(&self, pictures: &PictureSet, views: Views) -> Vec<f64> {
        let nothing = Array2::zeros((pictures.len(), 0));
        let mut sums = vec![0.0; pictures.len()];
        let seen = views.of(&pictures.pictures);
        let count = seen.len().max(1) as f64;
        for view in seen {
            let view = PictureSet { pictures: view, scaling: pictures.scaling.clone() };
            let logits = self.logits(Examples { features: &nothing, pictures: Some(&view) });
            sums.iter_mut().zip(logits).for_each(|(sum, logit)| *sum += logit);
        }
        sums.iter_mut().for_each(|sum| *sum /= count);
        sums
    }
}

impl Model {
    /// Whether a network reads pictures as such, so that it can be asked about views of them.
    pub fn has_views(&self) -> bool {
        self.preprocessor.width() == 0
    }

    /// As [`Model::predict_inputs`], each row by several views of its picture; as that for models without views.
    ///
    /// # Errors
    /// If a column is missing or has another type.
    pub fn predict_views(
        &self,
        inputs: &[ColumnRef<'_>],
        rows: usize,
        calibrator: &Calibrator,
        views: Views,
    ) -> Result<Vec<f64>, PreprocessError> {
        let Some(pictures) = self.preprocessor.prepare(inputs)?.pictures() else {
            return self.predict_inputs(inputs, rows, calibrator);
        };
        Ok(calibrator.probabilities(&self.predictor.logits_of_views(&pictures, views)))
    }
}
