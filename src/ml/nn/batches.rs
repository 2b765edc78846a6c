//! Mini-batches: every row once per epoch, in an order drawn anew each epoch.

use rand::seq::SliceRandom;

use crate::ml::seed::Rng;

/// Row indices cut into batches.
#[derive(Debug, Clone)]
pub struct Batches {
    order: Vec<usize>,
    size: usize,
    /// A last batch with fewer rows is joined to the one before it.
    minimum: usize,
}

impl Batches {
    /// `size` is at least 1. With `minimum` 2 no batch is a single row unless all are: batch normalization has
    /// nothing to normalize in one row.
    pub fn new(rows: usize, size: usize, minimum: usize) -> Self {
        let size = size.max(1);
        Self { order: (0..rows).collect(), size, minimum: minimum.min(size) }
    }

    /// Draws the order of the next epoch.
    pub fn shuffle(&mut self, rng: &mut Rng) {
        self.order.shuffle(rng);
    }

    pub fn count(&self) -> usize {
        let (whole, rest) = (self.order.len() / self.size, self.order.len() % self.size);
        if rest > 0 && (whole == 0 || rest >= self.minimum) { whole + 1 } else { whole }
    }

    /// The most rows that a batch has.
    pub fn largest(&self) -> usize {
        (0..self.count()).map(|batch| self.get(batch).len()).max().unwrap_or(0)
    }

    /// The rows of a batch, counted from 0; empty past the last.
    pub fn get(&self, batch: usize) -> &[usize] {
        let last = batch + 1 == self.count();
        let end = if last { self.order.len() } else { (batch + 1) * self.size };
        self.order.get(batch * self.size..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Batches;
    use crate::ml::seed::Seed;
    use proptest::prelude::*;

    fn sizes(rows: usize, size: usize, minimum: usize) -> Vec<usize> {
        let batches = Batches::new(rows, size, minimum);
        (0..batches.count()).map(|batch| batches.get(batch).len()).collect()
    }

    #[test]
    fn a_last_batch_of_one_row_joins_the_batch_before_it() {
        assert_eq!(sizes(9, 4, 1), [4, 4, 1]);
        assert_eq!(sizes(9, 4, 2), [4, 5]);
        assert_eq!(sizes(10, 4, 2), [4, 4, 2]);
        assert_eq!(sizes(1, 4, 2), [1]);
        assert_eq!(sizes(3, 1, 2), [1, 1, 1]);
    }

    proptest! {
        #[test]
        fn every_row_comes_exactly_once_per_epoch(rows in 1_usize..200, size in 1_usize..70, minimum in 1_usize..3) {
            let mut batches = Batches::new(rows, size, minimum);
            batches.shuffle(&mut Seed(1).stream("shuffle"));
            let mut seen: Vec<usize> = (0..batches.count()).flat_map(|batch| batches.get(batch).to_vec()).collect();
            prop_assert!((0..batches.count()).all(|batch| !batches.get(batch).is_empty()));
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..rows).collect::<Vec<_>>());
        }
    }
}
