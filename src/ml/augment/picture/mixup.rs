//! Mixing a picture with another one (Zhang et al. 2018), without mixing labels.
//!
//! Mixup learns from `λ x + (1 - λ) x'` with the loss `λ L(y) + (1 - λ) L(y')`, λ from Beta(α, α). Both rows are drawn
//! alike, so that the second half of the sum is the first one with the rows exchanged and 1 - λ for λ: on average the
//! same is learnt from `y` alone with λ weighed by itself, which is λ from Beta(α + 1, α) (Huszár 2017, "mixup:
//! Data-dependent Data Augmentation"). That holds for every loss and keeps labels what they are.

use rand::Rng as _;
use rand_distr::Beta;

use crate::ml::config::AugmentClasses;
use crate::ml::picture::Pictures;
use crate::ml::seed::Rng;

/// The pictures that others are mixed with.
#[derive(Debug, Clone)]
pub(super) struct Partners {
    pictures: Pictures,
    /// The rows of each class, negatives first.
    classes: [Vec<u32>; 2],
    /// Whether classes are learnt from equally often, whatever their rows.
    balanced: bool,
}

impl Partners {
    pub(super) fn new(pictures: Pictures, labels: &[bool], balanced: bool) -> Self {
        let of_class = |class: bool| {
            let rows = (0_u32..).zip(labels).filter(|(_, label)| **label == class);
            rows.map(|(row, _)| row).collect::<Vec<u32>>()
        };
        Self { pictures, classes: [of_class(false), of_class(true)], balanced }
    }

    /// A row and its label, as likely as it is learnt from; of `classes: minority` only rows of the rarer class are mixed,
    /// and with each other.
    pub(super) fn draw(&self, classes: AugmentClasses, minority: bool, rng: &mut Rng) -> Option<(usize, bool)> {
        let [negatives, positives] = &self.classes;
        let both = negatives.len() + positives.len();
        let label = match classes {
            AugmentClasses::Minority => minority,
            AugmentClasses::All if self.balanced => rng.random(),
            AugmentClasses::All => rng.random_range(0..both.max(1)) >= negatives.len(),
        };
        let rows = if label { positives } else { negatives };
        let row = *rows.get(rng.random_range(0..rows.len().max(1)))?;
        Some((row as usize, label))
    }

    /// The values of a row from 0 to 1.
    pub(super) fn read(&self, row: usize, to: &mut [f32]) {
        to.iter_mut().zip(self.pictures.get(row)).for_each(|(to, &value)| *to = f32::from(value) / 255.0);
    }
}

/// How much of the picture itself stays.
pub(super) fn share(alpha: f64, rng: &mut Rng) -> f32 {
    Beta::new(alpha + 1.0, alpha).map_or(1.0, |beta| rng.sample(beta)) as f32
}

pub(super) fn mix(picture: &mut [f32], partner: &[f32], share: f32) {
    picture.iter_mut().zip(partner).for_each(|(value, other)| *value = *other + (*value - *other) * share);
}
