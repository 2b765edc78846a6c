//! Equal rows, by a hash of their values: within the training part, and between it and the others.

use rayon::prelude::*;

use crate::ml::metrics::base_rate_entropy;
use crate::ml::table::{Table, Values};

/// Equal rows among the training rows.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Repeats {
    pub rows: usize,
    /// Rows that have an equal one before them.
    pub repeated: usize,
    /// The share of positives, and of negatives, that are equal to another of their class.
    pub positives: f64,
    pub negatives: f64,
    pub conflicts: Conflicts,
}

/// Equal rows with different labels.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Conflicts {
    /// Rows that have an equal one of the other class.
    pub rows: usize,
    /// The share of rows that any model must get wrong.
    pub error_floor: f64,
    /// The log loss, in nats, that no model can go below.
    pub entropy_floor: f64,
}

/// Rows of validation and test that are equal to a training row.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Twins {
    /// Rows of both parts.
    pub rows: usize,
    pub twins: usize,
    /// Positives of both parts.
    pub positives: usize,
    pub positive_twins: usize,
    /// The share of positives with a twin whose twins are mostly positive.
    pub positive_agreement: f64,
}

/// One number per row; equal rows have equal numbers.
pub(super) fn row_hashes(table: &Table) -> Vec<u64> {
    let mut hashes = vec![0x9e37_79b9_7f4a_7c15_u64; table.rows()];
    for column in table.columns() {
        match &column.values {
            // Adding zero makes -0 and 0 one value; all missing values are one.
            Values::Numeric(values) => {
                fold(
                    &mut hashes,
                    values,
                    |value| {
                        if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() }
                    },
                )
            }
            Values::Categorical { codes, .. } => fold(&mut hashes, codes, |&code| u64::from(code)),
            Values::Boolean(flags) => fold(&mut hashes, flags, |flag| flag.map_or(2, u64::from)),
            Values::Pictures(pictures) => {
                let rows: Vec<usize> = (0..pictures.len()).collect();
                fold(&mut hashes, &rows, |&row| pictures.hash_of(row));
            }
        }
    }
    hashes
}

fn fold<T: Sync>(hashes: &mut [u64], values: &[T], bits: impl Fn(&T) -> u64 + Sync) {
    hashes.par_iter_mut().zip(values).with_min_len(4_096).for_each(|(hash, value)| *hash = mixed(*hash ^ bits(value)));
}

/// SplitMix64, which leaves no two numbers alike.
fn mixed(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The rows of a part by their hash, ascending.
pub(super) struct Labelled(Vec<(u64, bool)>);

impl Labelled {
    pub(super) fn new(hashes: Vec<u64>, labels: &[bool]) -> Self {
        let mut rows: Vec<(u64, bool)> = hashes.into_iter().zip(labels.iter().copied()).collect();
        rows.par_sort_unstable();
        Self(rows)
    }

    pub(super) fn repeats(&self) -> Repeats {
        let rows = self.0.len();
        let (mut repeated, mut classes, mut alike) = (0, [0_usize; 2], [0_usize; 2]);
        let (mut conflicting, mut errors, mut entropy) = (0, 0, 0.0);
        for group in self.0.chunk_by(|a, b| a.0 == b.0) {
            let positive = group.iter().filter(|row| row.1).count();
            let counts = [group.len() - positive, positive];
            repeated += group.len() - 1;
            for (class, &count) in counts.iter().enumerate() {
                classes[class] += count;
                alike[class] += if count > 1 { count } else { 0 };
            }
            if counts[0] > 0 && counts[1] > 0 {
                conflicting += group.len();
                errors += counts[0].min(counts[1]);
                entropy += group.len() as f64 * base_rate_entropy(positive as f64 / group.len() as f64);
            }
        }
        let share = |class: usize| alike[class] as f64 / classes[class].max(1) as f64;
        let all = rows.max(1) as f64;
        let conflicts = Conflicts { rows: conflicting, error_floor: errors as f64 / all, entropy_floor: entropy / all };
        Repeats { rows, repeated, positives: share(1), negatives: share(0), conflicts }
    }

    /// Looks the rows of the other parts up.
    pub(super) fn twins(&self, others: &[(Vec<u64>, &[bool])]) -> Twins {
        let mut found = Twins::default();
        let mut agreeing = 0;
        for (hashes, labels) in others {
            for (&hash, &label) in hashes.iter().zip(*labels) {
                let start = self.0.partition_point(|row| row.0 < hash);
                let group = self.0[start..].iter().take_while(|row| row.0 == hash);
                let (rows, positive) = group.fold((0, 0), |(rows, sum), row| (rows + 1, sum + usize::from(row.1)));
                found.rows += 1;
                found.positives += usize::from(label);
                if rows > 0 {
                    found.twins += 1;
                    found.positive_twins += usize::from(label);
                    agreeing += usize::from(label && 2 * positive > rows);
                }
            }
        }
        found.positive_agreement = f64::from(agreeing as u32) / found.positive_twins.max(1) as f64;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::table::Column;

    fn table(numbers: &[f64], codes: &[u32]) -> Table {
        let levels = vec!["a".to_owned(), "b".to_owned()];
        let columns = vec![
            Column { name: "x".to_owned(), values: Values::Numeric(numbers.to_vec()) },
            Column { name: "c".to_owned(), values: Values::Categorical { codes: codes.to_vec(), levels } },
        ];
        Table::new(columns).unwrap()
    }

    #[test]
    fn equal_rows_have_equal_hashes_and_others_do_not() {
        let hashes = row_hashes(&table(&[0.0, -0.0, 1.0, f64::NAN, f64::NAN], &[1, 1, 1, 0, 0]));
        assert!(hashes[0] == hashes[1] && hashes[3] == hashes[4]);
        assert!(hashes[1] != hashes[2] && hashes[2] != hashes[3]);
        // A value is not mistaken for that of another column.
        assert_ne!(row_hashes(&table(&[0.0], &[1])), row_hashes(&table(&[1.0], &[0])));
    }

    #[test]
    fn conflicts_bound_what_can_be_learnt() {
        // One group of three with one positive, one pair of positives, three rows alone.
        let rows = Labelled::new(vec![1, 1, 1, 2, 2, 3, 4, 5], &[true, false, false, true, true, false, false, true]);
        let found = rows.repeats();
        assert_eq!((found.rows, found.repeated), (8, 3));
        assert_eq!((found.positives, found.negatives), (0.5, 0.5));
        assert_eq!((found.conflicts.rows, found.conflicts.error_floor), (3, 0.125));
        assert!((found.conflicts.entropy_floor - 3.0 / 8.0 * base_rate_entropy(1.0 / 3.0)).abs() < 1e-15);
    }

    #[test]
    fn twins_are_looked_up_across_parts() {
        let train = Labelled::new(vec![1, 1, 2], &[true, true, false]);
        let twins = train.twins(&[(vec![1, 2, 9], &[true, true, true]), (vec![2], &[false])]);
        let expected = Twins { rows: 4, twins: 3, positives: 3, positive_twins: 2, positive_agreement: 0.5 };
        assert_eq!(twins, expected);
    }
}
