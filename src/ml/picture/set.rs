//! Pictures with what their pixels mean to a model.

use serde::{Deserialize, Serialize};

use super::{PictureShape, Pictures};

/// How pixel values become what a model reads: `(value / 255 - mean) / spread`, by channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureScaling {
    pub mean: Vec<f64>,
    /// Positive.
    pub spread: Vec<f64>,
}

impl PictureScaling {
    /// Leaves values from 0 to 1 as they are.
    pub fn none(channels: usize) -> Self {
        Self { mean: vec![0.0; channels], spread: vec![1.0; channels] }
    }

    /// The mean and the population standard deviation of each channel over all rows. A channel that never varies keeps
    /// its spread.
    pub fn of(pictures: &Pictures) -> Self {
        let channels = pictures.shape().channels;
        // Whole numbers, so that the sums are exact in any order.
        let mut sums = vec![[0_u128; 2]; channels];
        for row in 0..pictures.len() {
            for pixel in pictures.get(row).chunks_exact(channels) {
                for (sum, &value) in sums.iter_mut().zip(pixel) {
                    sum[0] += u128::from(value);
                    sum[1] += u128::from(value) * u128::from(value);
                }
            }
        }
        let count = (pictures.len() * pictures.shape().height * pictures.shape().width).max(1) as f64;
        let mean = |sum: &[u128; 2]| sum[0] as f64 / count;
        let spread = |sum: &[u128; 2]| {
            let variance = sum[1] as f64 / count - mean(sum) * mean(sum);
            if variance > 1e-9 { variance.sqrt() / 255.0 } else { 1.0 }
        };
        Self { mean: sums.iter().map(|sum| mean(sum) / 255.0).collect(), spread: sums.iter().map(spread).collect() }
    }

    /// Turns values from 0 to 1 into what the model reads, in place.
    pub fn apply(&self, picture: &mut [f32]) {
        for pixel in picture.chunks_exact_mut(self.mean.len().max(1)) {
            for ((value, mean), spread) in pixel.iter_mut().zip(&self.mean).zip(&self.spread) {
                *value = (*value - *mean as f32) / *spread as f32;
            }
        }
    }

    /// What the model reads for a value from 0 to 1 in a channel.
    pub fn scaled(&self, channel: usize, value: f64) -> f64 {
        let of = |values: &[f64], default: f64| values.get(channel).copied().unwrap_or(default);
        (value - of(&self.mean, 0.0)) / of(&self.spread, 1.0)
    }

    /// What the model reads for a pixel value in a channel.
    pub fn value(&self, channel: usize, value: u8) -> f64 {
        self.scaled(channel, f64::from(value) / 255.0)
    }
}

/// One picture per row, ready for a network.
#[derive(Debug, Clone, PartialEq)]
pub struct PictureSet {
    pub pictures: Pictures,
    pub scaling: PictureScaling,
}

impl PictureSet {
    pub fn shape(&self) -> PictureShape {
        self.pictures.shape()
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    /// The given rows, in the given order; a row may appear more than once.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self { pictures: self.pictures.select(rows), scaling: self.scaling.clone() }
    }

    /// A row's values from 0 to 1, line by line, pixel by pixel.
    pub fn unit(&self, row: usize, to: &mut [f32]) {
        to.iter_mut().zip(self.pictures.get(row)).for_each(|(to, &value)| *to = f32::from(value) / 255.0);
    }

    /// A row as the model reads it. What there is of `to` beyond the picture is padding and stays as it is: scaled, it would
    /// be more than nothing, and weights that are none would be learnt for it.
    pub fn normalized(&self, row: usize, to: &mut [f32]) {
        let (to, _) = to.split_at_mut(self.shape().values().min(to.len()));
        self.unit(row, to);
        self.scaling.apply(to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaled_channels_have_mean_zero_and_deviation_one() {
        let shape = PictureShape { height: 1, width: 2, channels: 3 };
        let pixels = vec![0, 10, 7, 255, 20, 7, 0, 30, 7, 255, 40, 7];
        let pictures = Pictures::new(shape, pixels).unwrap();
        let scaling = PictureScaling::of(&pictures);
        assert_eq!((scaling.mean[0], scaling.spread[0], scaling.spread[2]), (0.5, 0.5, 1.0));
        let set = PictureSet { pictures, scaling };
        let mut padded = [0.0; 9];
        set.normalized(1, &mut padded);
        let [row @ .., a, b, c] = padded;
        assert_eq!([a, b, c], [0.0; 3], "padding is nothing");
        assert_eq!([row[0], row[3], row[2], row[5]], [-1.0, 1.0, 0.0, 0.0]);
        // (30, 40) of 10, 20, 30, 40: mean 25, deviation sqrt(125).
        assert!((f64::from(row[1]) - 5.0 / 125.0_f64.sqrt()).abs() < 1e-6, "{row:?}");
        assert!((f64::from(row[4]) - set.scaling.value(1, 40)).abs() < 1e-6, "{row:?}");
    }
}
