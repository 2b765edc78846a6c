//! Augmentation steps: how training rows are disturbed while they are learnt from.
//!
//! `check/augmentation` reads them from a request and knows every default.

use serde::{Deserialize, Serialize};

/// One augmentation step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AugmentStep {
    #[serde(flatten)]
    pub method: AugmentMethod,
    /// The chance that a row is changed.
    pub probability: f64,
    pub classes: AugmentClasses,
}

/// What a step does. All but `gaussian_noise` are for pictures, whose values are from 0 to 1 while they are disturbed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum AugmentMethod {
    /// Adds normal noise to each scaled numeric column, never to an indicator or a category; a fresh draw every
    /// epoch for networks, one draw for `logistic`. `std` is in units of the column's standard deviation over the
    /// training rows; of pictures, whose every value is disturbed and kept within 0 and 1, it is in units of those.
    GaussianNoise { std: f64 },
    /// Turns a picture counter-clockwise about its centre.
    Rotation { degrees: Span, border: Border },
    /// Exchanges left and right.
    HorizontalFlip,
    /// Exchanges top and bottom.
    VerticalFlip,
    /// Cuts a piece of the picture's size out of the picture with so many pixels of border around it.
    RandomCrop { padding: usize, border: Border },
    /// Cuts a piece out, by its share of the picture's area and its width over its height, and stretches it to the
    /// picture's size.
    RandomResizedCrop { scale: Span, ratio: Span },
    /// Moves a picture along both axes, each by a share of its own of the side.
    Translation { fraction: Span, border: Border },
    /// Enlarges a picture about its centre; below 1, shrinks it.
    Scale { factor: Span, border: Border },
    /// Multiplies all values.
    Brightness { factor: Span },
    /// Multiplies the distance of all values from the picture's mean grey.
    Contrast { factor: Span },
    /// Blurs with a Gaussian whose standard deviation is in pixels.
    GaussianBlur { sigma: Span },
    /// Covers a rectangle of the picture's proportions, anywhere, whose sides are such a share of the picture's.
    Cutout { size: Span, fill: Fill },
    /// Mixes a picture with another training picture (Zhang et al. 2018).
    Mixup { alpha: f64 },
}

impl AugmentMethod {
    /// The name in configurations and reports.
    pub fn name(&self) -> &'static str {
        match self {
            AugmentMethod::GaussianNoise { .. } => "gaussian_noise",
            AugmentMethod::Rotation { .. } => "rotation",
            AugmentMethod::HorizontalFlip => "horizontal_flip",
            AugmentMethod::VerticalFlip => "vertical_flip",
            AugmentMethod::RandomCrop { .. } => "random_crop",
            AugmentMethod::RandomResizedCrop { .. } => "random_resized_crop",
            AugmentMethod::Translation { .. } => "translation",
            AugmentMethod::Scale { .. } => "scale",
            AugmentMethod::Brightness { .. } => "brightness",
            AugmentMethod::Contrast { .. } => "contrast",
            AugmentMethod::GaussianBlur { .. } => "gaussian_blur",
            AugmentMethod::Cutout { .. } => "cutout",
            AugmentMethod::Mixup { .. } => "mixup",
        }
    }

    /// Whether only pictures can be changed so.
    pub fn needs_pictures(&self) -> bool {
        !matches!(self, AugmentMethod::GaussianNoise { .. })
    }
}

/// From one number to another that is not smaller, drawn from evenly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f64; 2]", into = "[f64; 2]")]
pub struct Span {
    pub low: f64,
    pub high: f64,
}

impl From<[f64; 2]> for Span {
    fn from([low, high]: [f64; 2]) -> Self {
        Self { low, high }
    }
}

impl From<Span> for [f64; 2] {
    fn from(Span { low, high }: Span) -> Self {
        [low, high]
    }
}

/// What is seen beyond the edge of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Border {
    /// This value, from 0 (black) to 1, in every channel.
    Value(f64),
    Continued(Continued),
}

/// A picture that goes on beyond its edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Continued {
    /// `a a a | a b c d | d d d`
    Edge,
    /// `c b a | a b c d | d c b`
    Reflect,
}

/// What covers a part of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Fill {
    /// This value, from 0 (black) to 1, in every channel.
    Value(f64),
    Own(OwnFill),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnFill {
    /// The picture's own mean, by channel.
    Mean,
}

/// Whose rows are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AugmentClasses {
    Minority,
    All,
}
