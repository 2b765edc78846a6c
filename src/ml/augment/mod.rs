//! Augmentation: rows are disturbed in place as they are learnt from. It adds no rows, so counts and origins stay.
//!
//! A network sees a fresh disturbance of each row every epoch ([`Augmenter::disturb`]); a convex solver sees one
//! ([`apply_once`]).

use ndarray::{ArrayViewMut1, ArrayViewMut2};
use rand::Rng as _;
use rand_distr::StandardNormal;

use super::config::{AugmentClasses, AugmentMethod, AugmentStep};
use super::seed::{Rng, Seed};
use super::sets::TrainSet;

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
        let AugmentMethod::GaussianNoise { std } = step.method;
        for &(column, scale) in &self.columns {
            if let Some(value) = row.get_mut(column) {
                add(value, std * scale * rng.sample::<f64, _>(StandardNormal));
            }
        }
    }
}

/// One draw for the whole set, for models that are fitted to fixed rows. Labels and origins stay as they are.
pub fn apply_once(
    mut set: TrainSet,
    steps: &[AugmentStep],
    noise_scale: &[f64],
    minority_is_positive: bool,
    seed: Seed,
) -> TrainSet {
    let augmenter = Augmenter::new(steps, noise_scale, minority_is_positive);
    augmenter.disturb_exactly(set.features.view_mut(), &set.labels, &mut seed.stream("augment"));
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

    #[test]
    fn noise_has_the_stated_deviation_and_leaves_columns_of_scale_zero() {
        let set = apply_once(zeros(), &noise(0.5, 1.0, AugmentClasses::All), &[3.0, 0.0], true, Seed(1));
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
            let set = apply_once(zeros(), &steps, &[1.0, 1.0], minority_is_positive, Seed(2));
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
        let once = |seed: u64| apply_once(zeros(), &steps, &[1.0, 1.0], true, Seed(seed)).features;
        assert_eq!(once(3), once(3));
        assert_ne!(once(3), once(4));
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
