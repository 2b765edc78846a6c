//! Isotonic regression: the rising step function nearest to the labels, by pooling adjacent violators
//! (Ayer et al. 1955), with straight lines between its ends of steps, as scikit-learn's `IsotonicRegression`.

/// Positions nearer to each other than this are one, as in scikit-learn.
const RESOLUTION: f64 = 1e-15;

/// The corners of a rising curve of straight pieces.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Knots {
    /// Rising, at least one.
    positions: Vec<f64>,
    /// Never falling, in `0..=1`; one per position.
    shares: Vec<f64>,
}

/// Neighbouring positions with one share.
struct Block {
    first: f64,
    last: f64,
    rows: f64,
    positives: f64,
}

impl Block {
    fn share(&self) -> f64 {
        self.positives / self.rows
    }
}

impl Knots {
    /// Fits the share of positives as a rising function of the position; `None` without rows.
    pub fn fit(positions: &[f64], labels: &[bool]) -> Option<Self> {
        let mut blocks: Vec<Block> = Vec::new();
        for block in distinct(positions, labels) {
            blocks.push(block);
            while let [.., before, last] = blocks.as_mut_slice()
                && before.share() >= last.share()
            {
                before.last = last.last;
                before.rows += last.rows;
                before.positives += last.positives;
                blocks.pop();
            }
        }
        let mut knots = Knots::default();
        for block in &blocks {
            knots.push(block.first, block.share());
            if block.last > block.first {
                knots.push(block.last, block.share());
            }
        }
        (!knots.positions.is_empty()).then_some(knots)
    }

    /// Knots as they were stored. They may be invalid; see [`Knots::is_valid`].
    pub fn from_parts(positions: Vec<f64>, shares: Vec<f64>) -> Self {
        Self { positions, shares }
    }

    pub fn positions(&self) -> &[f64] {
        &self.positions
    }

    pub fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// The share at a position: interpolated between two knots, that of the last one beyond either end.
    pub fn at(&self, position: f64) -> f64 {
        let above = self.positions.partition_point(|&knot| knot < position);
        let share = |index: usize| self.shares.get(index).copied();
        match (above.checked_sub(1), self.positions.get(above)) {
            _ if position.is_nan() => f64::NAN,
            (None, _) => share(0).unwrap_or(f64::NAN),
            (Some(below), None) => share(below).unwrap_or(f64::NAN),
            (Some(below), Some(&end)) => {
                let (Some(low), Some(high), Some(&start)) = (share(below), share(above), self.positions.get(below))
                else {
                    return f64::NAN;
                };
                // Rounding must not lead beyond the next knot.
                ((high - low) / (end - start)).mul_add(position - start, low).clamp(low, high)
            }
        }
    }

    /// Whether knots that were read from somewhere can be used.
    pub fn is_valid(&self) -> bool {
        let rising = |values: &[f64]| values.iter().all(|value| value.is_finite()) && values.is_sorted();
        let parted = self.positions.windows(2).all(|pair| pair[0] < pair[1]);
        !self.positions.is_empty()
            && self.positions.len() == self.shares.len()
            && parted
            && rising(&self.positions)
            && rising(&self.shares)
            && self.shares.iter().all(|share| (0.0..=1.0).contains(share))
    }

    /// Whether all positions have one share.
    pub(super) fn is_level(&self) -> bool {
        self.shares.first() == self.shares.last()
    }

    fn push(&mut self, position: f64, share: f64) {
        self.positions.push(position);
        self.shares.push(share);
    }
}

/// One block per distinct position, ascending.
fn distinct(positions: &[f64], labels: &[bool]) -> Vec<Block> {
    let mut rows: Vec<(f64, bool)> = positions.iter().copied().zip(labels.iter().copied()).collect();
    rows.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut blocks: Vec<Block> = Vec::new();
    for (position, label) in rows {
        let positive = f64::from(u8::from(label));
        match blocks.last_mut() {
            Some(block) if position - block.first < RESOLUTION => {
                block.rows += 1.0;
                block.positives += positive;
            }
            _ => blocks.push(Block { first: position, last: position, rows: 1.0, positives: positive }),
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```python
    /// from sklearn.isotonic import IsotonicRegression
    /// r = IsotonicRegression(out_of_bounds="clip").fit([1, 2, 2, 3, 4, 5], [0, 1, 0, 0, 1, 1])
    /// print(r.X_thresholds_, r.y_thresholds_, r.predict([0, 1.5, 3.5, 9]))
    /// ```
    #[test]
    fn violators_are_pooled_and_the_curve_is_clipped() {
        let labels = [false, true, false, false, true, true];
        let knots = Knots::fit(&[1.0, 2.0, 2.0, 3.0, 4.0, 5.0], &labels).unwrap();
        assert_eq!(knots.positions(), [1.0, 2.0, 3.0, 4.0, 5.0]);
        let third = 1.0 / 3.0;
        assert_eq!(knots.shares(), [0.0, third, third, 1.0, 1.0]);
        let found = [0.0, 1.5, 3.5, 9.0].map(|position| knots.at(position));
        for (found, expected) in found.iter().zip([0.0, third / 2.0, 2.0 * third, 1.0]) {
            assert!((found - expected).abs() < 1e-15, "{found} {expected}");
        }
        assert!(knots.is_valid() && knots.at(f64::NAN).is_nan());
    }

    #[test]
    fn forged_knots_are_refused() {
        for (positions, shares) in [
            (vec![], vec![]),
            (vec![1.0], vec![]),
            (vec![1.0, 1.0], vec![0.0, 1.0]),
            (vec![1.0, 2.0], vec![0.5, 0.4]),
            (vec![1.0, 2.0], vec![0.5, 1.5]),
            (vec![1.0, f64::NAN], vec![0.5, 0.6]),
        ] {
            assert!(!Knots::from_parts(positions, shares).is_valid());
        }
    }
}
