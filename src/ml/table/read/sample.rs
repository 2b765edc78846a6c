//! The quartiles of a column of any length in bounded memory.

use rand::Rng as _;

use crate::ml::seed::{Rng, Seed};
use crate::ml::table::stats::quantile_of_sorted;

/// Numbers kept per column, at most.
const MAX_KEPT: usize = 100_000;
/// Numbers kept over all columns together, about: 26 MB.
const MAX_KEPT_TOGETHER: usize = 3_200_000;
/// Numbers kept of each column however many columns there are.
const MIN_KEPT: usize = 1_000;
/// Numbers in one piece of memory.
const BLOCK: usize = 4_096;

/// All numbers while they are few, then a uniform sample of them (Vitter 1985, algorithm R). The draws come from a
/// fixed seed: the same column always has the same sample.
pub(super) struct Sample {
    /// In blocks: memory that small things gave back is used again, where long vectors would need new memory.
    kept: Vec<Vec<f64>>,
    capacity: usize,
    seen: u64,
    rng: Rng,
}

impl Sample {
    /// For one of `columns` columns.
    pub(super) fn new(columns: usize) -> Self {
        let capacity = (MAX_KEPT_TOGETHER / columns.max(1)).clamp(MIN_KEPT, MAX_KEPT);
        Self { kept: Vec::new(), capacity, seen: 0, rng: Seed(0).stream("quartiles") }
    }

    pub(super) fn add(&mut self, numbers: &[f64]) {
        for &number in numbers {
            self.seen += 1;
            if self.seen <= self.capacity as u64 {
                self.keep(number);
                continue;
            }
            let place = self.rng.random_range(0..self.seen) as usize;
            if place < self.capacity
                && let Some(kept) = self.kept.get_mut(place / BLOCK).and_then(|block| block.get_mut(place % BLOCK))
            {
                *kept = number;
            }
        }
    }

    fn keep(&mut self, number: f64) {
        match self.kept.last_mut().filter(|block| block.len() < BLOCK) {
            Some(block) => block.push(number),
            None => {
                let mut block = Vec::with_capacity(BLOCK.min(self.capacity));
                block.push(number);
                self.kept.push(block);
            }
        }
    }

    /// The three quartiles, and whether they are those of all numbers; `None` of nothing.
    pub(super) fn quartiles(self) -> Option<([f64; 3], bool)> {
        let mut kept = self.kept.concat();
        kept.sort_unstable_by(f64::total_cmp);
        let quantile = |share| quantile_of_sorted(&kept, share);
        Some(([quantile(0.25)?, quantile(0.5)?, quantile(0.75)?], self.seen == kept.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::Sample;

    #[test]
    fn a_long_column_is_sampled_evenly() {
        let mut sample = Sample::new(1);
        let numbers: Vec<f64> = (0..400_000).map(f64::from).collect();
        numbers.chunks(8192).for_each(|block| sample.add(block));
        let ([q25, median, q75], exact) = sample.quartiles().unwrap();
        assert!(!exact);
        // The standard error of a quartile of 100,000 uniform draws is 400,000 * 0.43 / 316 = 550.
        for (found, expected) in [(q25, 1e5), (median, 2e5), (q75, 3e5)] {
            assert!((found - expected).abs() < 3000.0, "{found}");
        }
    }

    #[test]
    fn a_short_column_is_kept_whole() {
        let mut sample = Sample::new(1_000_000);
        sample.add(&[4.0, 1.0, 3.0, 2.0]);
        // numpy.quantile([4, 1, 3, 2], [.25, .5, .75]) -> 1.75, 2.5, 3.25
        assert_eq!(sample.quartiles().unwrap(), ([1.75, 2.5, 3.25], true));
    }
}
