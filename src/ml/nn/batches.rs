//! Mini-batches: which rows a step learns from, drawn anew each epoch.

use rand::seq::SliceRandom;

use crate::ml::config::BatchKind;
use crate::ml::labels::ClassCounts;
use crate::ml::seed::Rng;

/// Row indices cut into batches.
#[derive(Debug, Clone)]
pub struct Batches {
    kind: BatchKind,
    /// The rows of each class, negatives first.
    classes: [Vec<u32>; 2],
    order: Vec<u32>,
    size: usize,
    /// A last batch with fewer rows is joined to the one before it.
    minimum: usize,
}

impl Batches {
    /// `size` is at least 1. With `minimum` 2 no batch is a single row unless all are: batch normalization has
    /// nothing to normalize in one row.
    pub fn new(labels: &[bool], size: usize, kind: BatchKind, minimum: usize) -> Self {
        let of_class = |class: bool| {
            let rows = labels.iter().enumerate().filter(|(_, label)| **label == class);
            rows.map(|(row, _)| row as u32).collect::<Vec<u32>>()
        };
        let size = size.max(1);
        let mut batches = Self { kind, classes: [of_class(false), of_class(true)], order: Vec::new(), size, minimum };
        batches.minimum = minimum.min(size);
        let rows = match kind {
            BatchKind::Shuffled | BatchKind::Stratified => labels.len(),
            // Each row of the larger class once, beside as many of the other.
            BatchKind::Balanced => 2 * batches.classes.iter().map(Vec::len).max().unwrap_or(0),
        };
        batches.order = (0..rows as u32).collect();
        batches
    }

    /// Draws the next epoch; the same `rng` gives the same epoch whatever came before.
    pub fn draw(&mut self, rng: &mut Rng) {
        for rows in &mut self.classes {
            rows.sort_unstable();
        }
        match self.kind {
            BatchKind::Shuffled => {
                self.order.iter_mut().zip(0..).for_each(|(slot, row)| *slot = row);
                self.order.shuffle(rng);
            }
            BatchKind::Stratified => {
                self.classes.iter_mut().for_each(|rows| rows.shuffle(rng));
                self.interleave();
            }
            BatchKind::Balanced => {
                self.classes.iter_mut().for_each(|rows| rows.shuffle(rng));
                self.alternate(rng);
            }
        }
    }

    /// Spreads the positives evenly over the order, so that every stretch has its share of them.
    fn interleave(&mut self) {
        let [negatives, positives] = &self.classes;
        let (total, share) = (self.order.len(), positives.len());
        let (mut negatives, mut positives) = (negatives.iter(), positives.iter());
        for (place, slot) in self.order.iter_mut().enumerate() {
            let is_positive = (place + 1) * share / total > place * share / total;
            let next = if is_positive { positives.next() } else { negatives.next() };
            *slot = next.copied().unwrap_or_default();
        }
    }

    /// One row of each class in turn; the smaller class starts over, newly shuffled, as often as it has to.
    fn alternate(&mut self, rng: &mut Rng) {
        let [negatives, positives] = &mut self.classes;
        for (class, rows) in [negatives, positives].into_iter().enumerate() {
            if rows.is_empty() {
                continue;
            }
            for (turn, slot) in self.order.iter_mut().skip(class).step_by(2).enumerate() {
                let place = turn % rows.len();
                if turn > 0 && place == 0 {
                    rows.shuffle(rng);
                }
                *slot = rows[place];
            }
        }
    }

    pub fn count(&self) -> usize {
        let (whole, rest) = (self.order.len() / self.size, self.order.len() % self.size);
        if rest > 0 && (whole == 0 || rest >= self.minimum) { whole + 1 } else { whole }
    }

    /// Rows of an epoch, counted as often as they are learnt from.
    pub fn rows(&self) -> usize {
        self.order.len()
    }

    /// Rows per class of an epoch, counted as often as they are learnt from.
    pub fn class_counts(&self) -> ClassCounts {
        match self.kind {
            BatchKind::Shuffled | BatchKind::Stratified => {
                ClassCounts { negative: self.classes[0].len(), positive: self.classes[1].len() }
            }
            BatchKind::Balanced => ClassCounts { negative: self.order.len() / 2, positive: self.order.len() / 2 },
        }
    }

    /// The most rows that a batch has.
    pub fn largest(&self) -> usize {
        (0..self.count()).map(|batch| self.get(batch).len()).max().unwrap_or(0)
    }

    /// The rows of a batch, counted from 0; empty past the last.
    pub fn get(&self, batch: usize) -> &[u32] {
        let last = batch + 1 == self.count();
        let end = if last { self.order.len() } else { (batch + 1) * self.size };
        self.order.get(batch * self.size..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::seed::Seed;
    use proptest::prelude::*;

    fn sizes(rows: usize, size: usize, minimum: usize) -> Vec<usize> {
        let batches = Batches::new(&vec![true; rows], size, BatchKind::Shuffled, minimum);
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

    #[test]
    fn an_epoch_depends_on_its_stream_alone() {
        for kind in [BatchKind::Shuffled, BatchKind::Stratified, BatchKind::Balanced] {
            let labels: Vec<bool> = (0..50).map(|row| row % 7 == 0).collect();
            let mut batches = Batches::new(&labels, 8, kind, 1);
            batches.draw(&mut Seed(1).stream("a"));
            let first = batches.order.clone();
            batches.draw(&mut Seed(1).stream("b"));
            assert_ne!(first, batches.order);
            batches.draw(&mut Seed(1).stream("a"));
            assert_eq!(first, batches.order);
        }
    }

    #[test]
    fn a_balanced_batch_is_half_of_each_class_and_no_row_is_favoured() {
        let labels: Vec<bool> = (0..103).map(|row| row < 3).collect();
        let mut batches = Batches::new(&labels, 20, BatchKind::Balanced, 1);
        batches.draw(&mut Seed(1).stream("shuffle"));
        assert_eq!((batches.rows(), batches.count()), (200, 10));
        for batch in 0..10 {
            assert_eq!(batches.get(batch).iter().filter(|&&row| row < 3).count(), 10);
        }
        let times = |row: u32| batches.order.iter().filter(|&&drawn| drawn == row).count();
        assert!((0..3).all(|row| (33..=34).contains(&times(row))) && (3..103).all(|row| times(row) == 1));
    }

    proptest! {
        #[test]
        fn every_row_comes_exactly_once_per_epoch(
            rows in 1_usize..200, size in 1_usize..70, minimum in 1_usize..3, stratified: bool,
        ) {
            let labels: Vec<bool> = (0..rows).map(|row| row % 9 == 1).collect();
            let kind = if stratified { BatchKind::Stratified } else { BatchKind::Shuffled };
            let mut batches = Batches::new(&labels, size, kind, minimum);
            batches.draw(&mut Seed(1).stream("shuffle"));
            let mut seen: Vec<u32> = (0..batches.count()).flat_map(|batch| batches.get(batch).to_vec()).collect();
            prop_assert!((0..batches.count()).all(|batch| !batches.get(batch).is_empty()));
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..rows as u32).collect::<Vec<_>>());
            if stratified {
                let share = labels.iter().filter(|&&label| label).count() as f64 / rows as f64;
                for batch in 0..batches.count() {
                    let batch = batches.get(batch);
                    let positives = batch.iter().filter(|&&row| labels[row as usize]).count() as f64;
                    prop_assert!((positives - share * batch.len() as f64).abs() <= 1.0);
                }
            }
        }
    }
}
