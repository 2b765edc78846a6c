//! Location and spread of finite numbers, safe at any magnitude.

/// Beyond this magnitude squares are formed in units of the largest value, so that they cannot overflow.
const LARGE: f64 = 1e100;

/// The mean and the population standard deviation, in two passes; `None` of nothing.
pub fn mean_and_std(values: &[f64]) -> Option<(f64, f64)> {
    if values.is_empty() {
        return None;
    }
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let unit = if largest > LARGE { largest } else { 1.0 };
    let count = values.len() as f64;
    let mean = values.iter().map(|value| value / unit).sum::<f64>() / count;
    let squares = values.iter().map(|value| (value / unit - mean).powi(2)).sum::<f64>();
    Some((finite(mean * unit), finite((squares / count).sqrt() * unit)))
}

/// The quantile `share` (in `0..=1`) of values in ascending order, between two values by linear interpolation as
/// `numpy.quantile` does by default; `None` of nothing.
pub fn quantile_of_sorted(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = share * last as f64;
    let below = sorted.get(position.floor() as usize)?;
    let above = sorted.get((position.floor() as usize + 1).min(last))?;
    let weight = position.fract();
    let gap = above - below;
    if !gap.is_finite() {
        return Some(below * (1.0 - weight) + above * weight);
    }
    // NumPy starts from the nearer end; the same order of operations gives the same bits.
    Some(if weight >= 0.5 { above - gap * (1.0 - weight) } else { below + gap * weight })
}

/// Mean and squared deviations of a growing set of numbers, merged block by block (Chan, Golub and LeVeque 1983),
/// which keeps the accuracy of Welford's update without a division per value.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunningMoments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl RunningMoments {
    /// Takes in one block of finite numbers.
    pub fn add(&mut self, block: &[f64]) {
        if block.is_empty() {
            return;
        }
        let count = block.len() as f64;
        let mean = block.iter().sum::<f64>() / count;
        let squares = block.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
        let total = self.count + count;
        let gap = mean - self.mean;
        self.mean += gap * (count / total);
        self.squares += squares + gap * gap * (self.count * (count / total));
        self.count = total;
    }

    /// The mean; a sum beyond the range of `f64` saturates.
    pub fn mean(&self) -> f64 {
        finite(self.mean)
    }

    /// The population standard deviation; saturates like [`RunningMoments::mean`].
    pub fn std(&self) -> f64 {
        if self.count == 0.0 { 0.0 } else { finite((self.squares / self.count).sqrt()) }
    }
}

/// JSON has no infinity: what overflowed becomes the largest number of its sign.
fn finite(value: f64) -> f64 {
    if value.is_nan() { f64::MAX } else { value.clamp(f64::MIN, f64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::{RunningMoments, mean_and_std, quantile_of_sorted};

    #[test]
    fn quantiles_are_numpys() {
        // numpy.quantile([1, 2, 4, 8, 16.5], [0.1, 0.25, 0.3, 0.5, 0.9, 1]) -> 1.4, 2, 2.4, 4, 13.1, 16.5
        let sorted = [1.0, 2.0, 4.0, 8.0, 16.5];
        for (share, expected) in [(0.1, 1.4), (0.25, 2.0), (0.3, 2.4), (0.5, 4.0), (0.9, 13.1), (1.0, 16.5)] {
            let found = quantile_of_sorted(&sorted, share).unwrap();
            assert!((found - expected).abs() < 1e-14, "{share}: {found}");
        }
        assert_eq!(quantile_of_sorted(&[], 0.5), None);
    }

    #[test]
    fn moments_by_blocks_equal_those_at_once() {
        let values: Vec<f64> = (0..1000).map(|row| 1e6 + f64::from(row * row % 37)).collect();
        let (mean, std) = mean_and_std(&values).unwrap();
        let mut moments = RunningMoments::default();
        values.chunks(7).for_each(|block| moments.add(block));
        assert!((moments.mean() - mean).abs() < 1e-8);
        assert!((moments.std() - std).abs() < 1e-8);
    }

    #[test]
    fn extremes_stay_finite() {
        let values = [f64::MAX, f64::MIN, f64::MAX];
        let (mean, std) = mean_and_std(&values).unwrap();
        assert!((mean / f64::MAX - 1.0 / 3.0).abs() < 1e-12);
        assert!(std.is_finite() && std > 1e308);
        let mut moments = RunningMoments::default();
        moments.add(&values);
        assert!(moments.mean().is_finite() && moments.std().is_finite());
        assert!(quantile_of_sorted(&[f64::MIN, f64::MAX], 0.25).unwrap().is_finite());
    }
}
