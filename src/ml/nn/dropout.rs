//! Inverted dropout: while training, a unit is left out with a given chance and the others are scaled up, so that
//! the expected output is that of the whole layer and prediction needs no correction.

use ndarray::{ArrayViewMut2, Zip};
use rand::RngCore;

use crate::ml::seed::Rng;

/// Leaves units out; see the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// A unit is left out if a uniform `u32` is below this.
    threshold: u32,
    /// `1 / (1 - probability)`.
    scale: f32,
}

impl Dropout {
    /// `None` where nothing would be left out. `probability` is in `0..1`.
    pub fn new(probability: f64) -> Option<Self> {
        let threshold = (probability * f64::from(u32::MAX)) as u32;
        (threshold > 0).then(|| Self { threshold, scale: (1.0 / (1.0 - probability)) as f32 })
    }

    /// Drops or scales each value, and its slope alike, so that the backward pass needs no mask.
    pub fn apply(self, values: ArrayViewMut2<'_, f32>, slopes: ArrayViewMut2<'_, f32>, rng: &mut Rng) {
        Zip::from(values).and(slopes).for_each(|value, slope| {
            let factor = if rng.next_u32() < self.threshold { 0.0 } else { self.scale };
            *value *= factor;
            *slope *= factor;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::Dropout;
    use crate::ml::seed::Seed;
    use ndarray::Array2;

    #[test]
    fn the_share_left_out_and_the_expected_value_are_as_configured() {
        let (mut values, mut slopes) = (Array2::ones((200, 100)), Array2::from_elem((200, 100), 2.0));
        let dropout = Dropout::new(0.3).expect("0.3 leaves units out");
        dropout.apply(values.view_mut(), slopes.view_mut(), &mut Seed(7).stream("dropout"));

        let dropped = values.iter().filter(|&&value| value == 0.0).count() as f64 / 20_000.0;
        // Five standard errors of a share of 0.3 in 20 000 draws: 5 * sqrt(0.3 * 0.7 / 20000) = 0.0162.
        assert!((dropped - 0.3).abs() < 0.0162, "{dropped}");
        let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / 20_000.0;
        assert!((mean - 1.0).abs() < 0.0162 / 0.7, "{mean}");
        assert_eq!(slopes, values.mapv(|value: f32| 2.0 * value));
    }

    #[test]
    fn the_same_stream_leaves_out_the_same_units_and_zero_none() {
        let draw = |seed: u64| {
            let (mut values, mut slopes) = (Array2::ones((9, 5)), Array2::ones((9, 5)));
            let dropout = Dropout::new(0.5).expect("0.5 leaves units out");
            dropout.apply(values.view_mut(), slopes.view_mut(), &mut Seed(seed).stream("dropout"));
            values
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_eq!(Dropout::new(0.0), None);
    }
}
