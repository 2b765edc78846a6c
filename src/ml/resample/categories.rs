//! Columns of categories as codes, and votes on them.

use std::collections::BTreeMap;
use std::ops::Range;

use ndarray::{Array2, ArrayView2};

use crate::ml::sets::TrainSet;

/// The categories of every row as whole numbers, column by column of categories.
pub(super) struct Categories {
    groups: Vec<Range<usize>>,
    /// Rows by groups.
    codes: Array2<u32>,
    /// How many categories each group has.
    levels: Vec<usize>,
}

impl Categories {
    /// A category is what the columns of its group say together; codes follow its values, ascending.
    pub(super) fn of(set: &TrainSet) -> Self {
        let groups = set.kinds.categories.clone();
        let mut codes = Array2::zeros((set.rows(), groups.len()));
        let mut levels = Vec::with_capacity(groups.len());
        for (group, range) in groups.iter().enumerate() {
            let known = known_categories(set.features.view(), range);
            for (row, mut own) in codes.rows_mut().into_iter().enumerate() {
                own[group] = known.get(&values(set.features.view(), row, range)).copied().unwrap_or(0);
            }
            levels.push(known.len());
        }
        Self { groups, codes, levels }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    pub(super) fn groups(&self) -> &[Range<usize>] {
        &self.groups
    }

    /// The number of categories of a group.
    pub(super) fn levels(&self, group: usize) -> usize {
        self.levels[group]
    }

    pub(super) fn code(&self, row: usize, group: usize) -> usize {
        self.codes[[row, group]] as usize
    }

    /// How many of `voters` have each category of a group.
    pub(super) fn count(&self, group: usize, voters: &[usize]) -> Vec<usize> {
        let mut counts = vec![0; self.levels[group]];
        voters.iter().for_each(|&voter| counts[self.code(voter, group)] += 1);
        counts
    }

    /// For each group the voter whose category most of `voters` have. Of categories with as many voters, `own`'s
    /// wins if it is among them, then that of the first voter.
    pub(super) fn vote(&self, own: usize, voters: &[usize]) -> Vec<usize> {
        (0..self.groups.len()).map(|group| self.vote_on(group, own, voters)).collect()
    }

    fn vote_on(&self, group: usize, own: usize, voters: &[usize]) -> usize {
        let counts = self.count(group, voters);
        let most = counts.iter().copied().max().unwrap_or(0);
        if counts.get(self.code(own, group)).is_none_or(|&count| count == most) {
            return own;
        }
        voters.iter().copied().find(|&voter| counts[self.code(voter, group)] == most).unwrap_or(own)
    }

    /// Writes into a row the categories of the given rows, one for each group.
    pub(super) fn take(groups: &[Range<usize>], rows: ArrayView2<'_, f64>, takes: &[usize], out: &mut [f64]) {
        for (range, &row) in groups.iter().zip(takes) {
            range.clone().for_each(|column| out[column] = rows[[row, column]]);
        }
    }
}

/// The values of a category that sort as numbers do.
fn values(features: ArrayView2<'_, f64>, row: usize, range: &Range<usize>) -> Vec<u64> {
    let ordered = |value: f64| {
        // -0 and 0 are one category; negative numbers sort below positive ones.
        let bits = (value + 0.0).to_bits();
        if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
    };
    range.clone().map(|column| ordered(features[[row, column]])).collect()
}

fn known_categories(features: ArrayView2<'_, f64>, range: &Range<usize>) -> BTreeMap<Vec<u64>, u32> {
    let mut known: BTreeMap<Vec<u64>, u32> = BTreeMap::new();
    for row in 0..features.nrows() {
        known.entry(values(features, row, range)).or_default();
    }
    known.values_mut().zip(0..).for_each(|(code, place)| *code = place);
    known
}

#[cfg(test)]
mod tests {
    use super::Categories;
    use crate::ml::sets::{FeatureKinds, TrainSet};
    use ndarray::array;

    #[test]
    fn codes_follow_the_values_and_votes_prefer_the_row_itself() {
        // A number as a category, then one-hot columns of three categories.
        let features = array![
            [-2.0, 1.0, 0.0, 0.0],
            [7.0, 0.0, 1.0, 0.0],
            [0.0, 0.0, 0.0, 1.0],
            [-0.0, 0.0, 1.0, 0.0],
            [7.0, 1.0, 0.0, 0.0],
        ];
        let kinds = FeatureKinds { categories: vec![0..1, 1..4], whole: Vec::new() };
        let set = TrainSet { kinds, ..TrainSet::new(features, vec![true; 5]) };
        let categories = Categories::of(&set);
        assert_eq!((0..5).map(|row| categories.code(row, 0)).collect::<Vec<_>>(), [0, 2, 1, 1, 2]);
        assert_eq!((categories.levels(0), categories.levels(1)), (3, 3));
        // Most voters say 0 and the second category.
        assert_eq!(categories.vote(0, &[1, 2, 3]), [2, 1]);
        // One vote each: the row's own category where a voter has it, else that of the first voter.
        assert_eq!(categories.vote(0, &[1, 2]), [1, 1]);
        assert_eq!(categories.vote(4, &[3, 1, 2]), [3, 3]);
        assert_eq!(categories.vote(1, &[2, 4]), [1, 2]);
        let mut out = [9.0; 4];
        Categories::take(categories.groups(), set.features.view(), &[1, 2], &mut out);
        assert_eq!(out, [7.0, 0.0, 0.0, 1.0]);
    }
}
