//! Columns of pictures: pixels scaled by channel; as features for linear models, as pictures for networks.

use serde::{Deserialize, Serialize};

use super::transform::Feature;
use crate::ml::config::{ImagePreprocess, PictureNormalize};
use crate::ml::picture::{PictureScaling, PictureSet, PictureSpec, Pictures};

/// What was learnt about a column of pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PictureColumn {
    pub(super) name: String,
    pub(super) spec: PictureSpec,
    pub(super) scaling: PictureScaling,
    /// The values of a picture that are features, ascending: those that vary over the training rows. `None`: the pictures
    /// are read as such and there are no features.
    pub(super) features: Option<Vec<u32>>,
}

impl PictureColumn {
    pub(super) fn fit(name: &str, pictures: &Pictures, config: &ImagePreprocess) -> Self {
        let shape = pictures.shape();
        let scaling = match config.normalize {
            PictureNormalize::Standard => PictureScaling::of(pictures),
            PictureNormalize::Unit => PictureScaling::none(shape.channels),
        };
        let features = config.flatten.then(|| varying_values(pictures));
        let spec = PictureSpec { shape, resize: config.resize };
        Self { name: name.to_owned(), spec, scaling, features }
    }

    pub(super) fn width(&self) -> usize {
        self.features.as_ref().map_or(0, Vec::len)
    }

    /// `image[y,x]` of grey pictures, `image[y,x,channel]` of others.
    pub(super) fn feature_name(&self, value: u32) -> String {
        let shape = self.spec.shape;
        let (pixel, channel) = (value as usize / shape.channels, value as usize % shape.channels);
        let (line, column) = (pixel / shape.width, pixel % shape.width);
        match shape.channels {
            1 => format!("{}[{line},{column}]", self.name),
            _ => format!("{}[{line},{column},{channel}]", self.name),
        }
    }

    /// The pixel value that becomes 0, and how much of it becomes 1.
    pub(super) fn scaling_of(&self, value: u32) -> (f64, f64) {
        let channel = value as usize % self.spec.shape.channels;
        let of = |values: &[f64], default: f64| 255.0 * values.get(channel).copied().unwrap_or(default);
        (of(&self.scaling.mean, 0.0), of(&self.scaling.spread, 1.0))
    }

    /// Fills the output columns of one row.
    pub(super) fn write<F: Feature>(&self, picture: &[u8], out: &mut [F]) {
        let channels = self.spec.shape.channels;
        for (out, &value) in out.iter_mut().zip(self.features.iter().flatten()) {
            let pixel = picture.get(value as usize).copied().unwrap_or_default();
            *out = F::of(self.scaling.value(value as usize % channels, pixel));
        }
    }

    /// The pictures as a network reads them; `None` where they are features.
    pub(super) fn set(&self, pictures: &Pictures) -> Option<PictureSet> {
        let set = || PictureSet { pictures: pictures.clone(), scaling: self.scaling.clone() };
        self.features.is_none().then(set)
    }
}

/// The places in a picture where two rows differ.
fn varying_values(pictures: &Pictures) -> Vec<u32> {
    let first = pictures.get(0);
    let mut varies = vec![false; first.len()];
    for row in 1..pictures.len() {
        for ((varies, value), first) in varies.iter_mut().zip(pictures.get(row)).zip(first) {
            *varies |= value != first;
        }
    }
    (0..first.len() as u32).zip(varies).filter_map(|(value, varies)| varies.then_some(value)).collect()
}
