//! Augmentation: rows are disturbed in place as they are learnt from. It adds no rows, so counts and origins stay.
//!
//! A network sees a fresh disturbance of each row every epoch ([`Augmenter::disturb`]); a convex solver sees one
//! ([`apply_once`]).

mod flat;
mod picture;

use ndarray::{ArrayViewMut1, ArrayViewMut2};
use rand::Rng as _;
use rand_distr::StandardNormal;

use super::config::{AugmentClasses, AugmentMethod, AugmentStep};
use super::picture::FlatPictures;
use super::seed::{Rng, Seed};
use super::sets::TrainSet;

pub use picture::{AugmentScratch, PictureAugmenter, PictureChance, Sheet, SheetRow, contact_sheet};

/// The steps of a job, ready to be applied to any rows.
#[derive(Debug, Clone)]
pub struct Augmenter {
    steps: Vec<AugmentStep>,
    /// The columns that may be disturbed, with their standard deviations over the training rows.
    columns: Vec<(usize, f64)>,
    minority_is_positive: bool,
}

impl Augmenter {
    /// `noise_scale` has the standard deviation of each feature column, 0 for a column that is never touched.
    /// `minority_is_positive` tells which class was rarer before resampling.
    pub fn new(steps: &[AugmentStep], noise_scale: &[f64], minority_is_positive: bool) -> Self {
        let columns = noise_scale.iter().copied().enumerate().filter(|(_, scale)| *scale > 0.0).collect();
        Self { steps: steps.to_vec(), columns, minority_is_positive }
    }

    /// Disturbs `rows`, whose labels are `labels`, by every step in turn.
    pub fn disturb(&self, mut rows: ArrayViewMut2<'_, f32>, labels: &[bool], rng: &mut Rng) {
        if self.columns.is_empty() {
            return;
        }
        for step in &self.steps {
            for (row, &label) in rows.outer_iter_mut().zip(labels) {
                if self.chooses(step, label, rng) {
                    self.change(step, row, |value, noise| *value += noise as f32, rng);
                }
            }
        }
    }

    /// [`Augmenter::disturb`] in f64.
    fn disturb_exactly(&self, mut rows: ArrayViewMut2<'_, f64>, labels: &[bool], rng: &mut Rng) {
        for step in &self.steps {
            for (row, &label) in rows.outer_iter_mut().zip(labels) {
                if self.chooses(step, label, rng) {
                    self.change(step, row, |value, noise| *value += noise, rng);
                }
            }
        }
    }

    /// Whether a row is changed. A row of a class that is left alone takes no draw.
    fn chooses(&self, step: &AugmentStep, label: bool, rng: &mut Rng) -> bool {
        let meant = step.classes == AugmentClasses::All || label == self.minority_is_positive;
        meant && (step.probability >= 1.0 || rng.random::<f64>() < step.probability)
    }

    fn change<T>(&self, step: &AugmentStep, mut row: ArrayViewMut1<'_, T>, add: impl Fn(&mut T, f64), rng: &mut Rng) {
        let AugmentMethod::GaussianNoise { std } = step.method else { return };
        for &(column, scale) in &self.columns {
            if let Some(value) = row.get_mut(column) {
                add(value, std * scale * rng.sample::<f64, _>(StandardNormal));
            }
        }
    }
}

/// What one draw for a whole set goes by, besides its rows.
#[derive(Debug, Clone, Copy)]
pub struct Once<'a> {
    pub steps: &'a [AugmentStep],
    /// The standard deviation of each feature column, 0 for a column that is never touched.
    pub noise_scale: &'a [f64],
    /// The pictures that features were taken from, by the numbers that rows had before resampling.
    pub flat: Option<&'a FlatPictures>,
    pub minority_is_positive: bool,
    pub seed: Seed,
}

/// One draw for the whole set, for models that are fitted to fixed rows. Labels and origins stay as they are. The pixels of
/// a row are drawn anew from its disturbed picture; those of a row that resampling computed stay as they are.
pub fn apply_once(mut set: TrainSet, once: &Once<'_>) -> TrainSet {
    let Once { steps, flat, minority_is_positive, seed, .. } = *once;
    let mut scale = once.noise_scale.to_vec();
    for &(column, _) in flat.iter().flat_map(|flat| &flat.columns) {
        if let Some(scale) = scale.get_mut(column) {
            *scale = 0.0;
        }
    }
    let augmenter = Augmenter::new(steps, &scale, minority_is_positive);
    augmenter.disturb_exactly(set.features.view_mut(), &set.labels, &mut seed.stream("augment"));
    if let Some(flat) = flat.filter(|_| !steps.is_empty()) {
        flat::disturb(&mut set, flat, once);
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    fn noise(std: f64, probability: f64, classes: AugmentClasses) -> Vec<AugmentStep> {
        vec![AugmentStep { method: AugmentMethod::GaussianNoise { std }, probability, classes }]
    }

    fn zeros() -> TrainSet {
        let labels = (0..4_000).map(|row| row % 4 == 0).collect();
        TrainSet::new(Array2::zeros((4_000, 2)), labels)
    }

    fn once(steps: &[AugmentStep], noise_scale: &[f64], minority_is_positive: bool, seed: u64) -> TrainSet {
        let seed = Seed(seed);
        apply_once(zeros(), &Once { steps, noise_scale, flat: None, minority_is_positive, seed })
    }

    #[test]
    fn noise_has_the_stated_deviation_and_leaves_columns_of_scale_zero() {
        let set = once(&noise(0.5, 1.0, AugmentClasses::All), &[3.0, 0.0], true, 1);
        let variance = set.features.column(0).iter().map(|value| value * value).sum::<f64>() / 4_000.0;
        // Five standard errors of a normal variance: 5 * sqrt(2 / 4000) = 11 %.
        assert!((variance / 2.25 - 1.0).abs() < 0.11, "{variance}");
        assert!(set.features.column(1).iter().all(|&value| value == 0.0));
        assert_eq!((set.labels, set.origins), (zeros().labels, zeros().origins));
    }

    #[test]
    fn only_the_named_class_is_changed_and_only_as_often_as_stated() {
        for minority_is_positive in [true, false] {
            let steps = noise(1.0, 0.25, AugmentClasses::Minority);
            let set = once(&steps, &[1.0, 1.0], minority_is_positive, 2);
            let changed = |class: bool| {
                let rows = set.features.outer_iter().zip(&set.labels).filter(|(_, label)| **label == class);
                rows.filter(|(row, _)| row[0] != 0.0).count() as f64
            };
            assert_eq!(changed(!minority_is_positive), 0.0);
            let share = changed(minority_is_positive) / if minority_is_positive { 1_000.0 } else { 3_000.0 };
            // Five standard errors of a share of 0.25 in 1000 rows.
            assert!((share - 0.25).abs() < 0.07, "{share}");
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_noise_and_batches_draw_afresh() {
        let steps = noise(1.0, 1.0, AugmentClasses::All);
        let drawn = |seed: u64| once(&steps, &[1.0, 1.0], true, seed).features;
        assert_eq!(drawn(3), drawn(3));
        assert_ne!(drawn(3), drawn(4));
        let augmenter = Augmenter::new(&steps, &[1.0, 1.0], true);
        let mut rng = Seed(3).stream("augment");
        let mut draw = || {
            let mut rows = Array2::<f32>::zeros((4, 2));
            augmenter.disturb(rows.view_mut(), &[true; 4], &mut rng);
            rows
        };
        assert_ne!(draw(), draw());
    }
}
