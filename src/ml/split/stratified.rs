//! Rows drawn by the seed so that each part has its share of each class.

use rand::seq::SliceRandom;

use super::{Fractions, Part, Parts, SplitError};
use crate::ml::seed::Seed;

pub(super) fn split(labels: &[bool], fractions: Fractions, seed: Seed) -> Result<Parts, SplitError> {
    let mut chance = seed.stream("split stratified");
    let mut part_of = vec![Part::Train; labels.len()];
    for class in [false, true] {
        let mut rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == class).collect();
        let (test, validation) = counts(rows.len(), fractions).ok_or(SplitError::TooFewOfClass {
            class: if class { "positive" } else { "negative" },
            rows: rows.len(),
        })?;
        rows.shuffle(&mut chance);
        for (place, &row) in rows.iter().enumerate().take(test + validation) {
            part_of[row] = if place < test { Part::Test } else { Part::Validation };
        }
    }
    Ok(Parts::by_row(labels.len(), |row| part_of[row]))
}

/// How many of a class's rows test and validate: the nearest whole numbers that leave no part empty; `None`
/// where that cannot be.
fn counts(rows: usize, fractions: Fractions) -> Option<(usize, usize)> {
    if rows < 3 {
        return None;
    }
    let share = |fraction: f64| ((rows as f64 * fraction).round() as usize).max(1);
    let (mut test, mut validation) = (share(fractions.test), share(fractions.validation));
    while test + validation >= rows {
        // Rounding up both took the last training row; the larger part can spare one.
        if test >= validation { test -= 1 } else { validation -= 1 }
    }
    Some((test, validation))
}

#[cfg(test)]
mod tests {
    use super::{Fractions, counts};

    #[test]
    fn shares_are_rounded_and_no_part_is_empty() {
        let fractions = |test, validation| Fractions { test, validation };
        assert_eq!(counts(100, fractions(0.2, 0.1)), Some((20, 10)));
        assert_eq!(counts(7, fractions(0.2, 0.2)), Some((1, 1)));
        assert_eq!(counts(3, fractions(0.01, 0.01)), Some((1, 1)));
        assert_eq!(counts(5, fractions(0.5, 0.45)), Some((2, 2)));
        assert_eq!(counts(2, fractions(0.2, 0.2)), None);
    }
}
