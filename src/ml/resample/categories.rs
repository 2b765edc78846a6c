//! Columns of categories as codes, and votes on them.

use std::collections::HashMap;
use std::ops::{ControlFlow, Range};

use ndarray::ArrayView2;

use crate::ml::in_place::Halt;
use crate::ml::observe::Stop;
use crate::ml::sets::TrainSet;

/// Rows between two times that it may be ended.
const ROWS_AT_ONCE: usize = 1 << 16;

/// The categories of every row as whole numbers, column by column of categories.
pub(super) struct Categories {
    groups: Vec<Range<usize>>,
    /// Of each group the code of every row, and how many there are.
    codes: Vec<Codes>,
}

struct Codes {
    of: Vec<u32>,
    levels: usize,
}

impl Categories {
    /// A category is what the columns of its group say together; codes follow its values, ascending.
    ///
    /// # Errors
    /// The reason why `halt` ended it.
    pub(super) fn of(set: &TrainSet, halt: &mut Halt<'_>) -> Result<Self, Stop> {
        let groups = set.kinds.categories.clone();
        let codes = groups.iter().map(|range| Codes::of(set.features.view(), range, halt));
        Ok(Self { codes: codes.collect::<Result<_, Stop>>()?, groups })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    pub(super) fn groups(&self) -> &[Range<usize>] {
        &self.groups
    }

    /// The number of categories of a group.
    pub(super) fn levels(&self, group: usize) -> usize {
        self.codes[group].levels
    }

    pub(super) fn code(&self, row: usize, group: usize) -> usize {
        self.codes[group].of[row] as usize
    }

    /// How many of `voters` have each category of a group.
    pub(super) fn count(&self, group: usize, voters: &[usize]) -> Vec<usize> {
        let mut counts = vec![0; self.levels(group)];
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

impl Codes {
    fn of(features: ArrayView2<'_, f64>, range: &Range<usize>, halt: &mut Halt<'_>) -> Result<Self, Stop> {
        // The first row of each category; categories are numbered as they are met and sorted in the end.
        let mut firsts: Vec<usize> = Vec::new();
        let mut known: HashMap<u64, Vec<u32>> = HashMap::new();
        let same = |a: usize, b: usize| values(features, a, range).eq(values(features, b, range));
        let mut of = Vec::with_capacity(features.nrows());
        for row in 0..features.nrows() {
            if row.is_multiple_of(ROWS_AT_ONCE)
                && let ControlFlow::Break(stop) = halt()
            {
                return Err(stop);
            }
            let alike = known.entry(mixed(values(features, row, range))).or_default();
            let code = alike.iter().copied().find(|&code| same(firsts[code as usize], row)).unwrap_or_else(|| {
                alike.push(firsts.len() as u32);
                firsts.push(row);
                firsts.len() as u32 - 1
            });
            of.push(code);
        }
        let mut order: Vec<usize> = (0..firsts.len()).collect();
        order.sort_by(|&a, &b| values(features, firsts[a], range).cmp(values(features, firsts[b], range)));
        let mut places = vec![0; firsts.len()];
        order.into_iter().zip(0..).for_each(|(code, place)| places[code] = place);
        of.iter_mut().for_each(|code| *code = places[*code as usize]);
        Ok(Self { of, levels: firsts.len() })
    }
}

/// The values of a category, as whole numbers that sort as the values do.
fn values<'a>(features: ArrayView2<'a, f64>, row: usize, range: &Range<usize>) -> impl Iterator<Item = u64> + use<'a> {
    let ordered = |value: f64| {
        // -0 and 0 are one category; negative numbers sort below positive ones.
        let bits = (value + 0.0).to_bits();
        if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
    };
    range.clone().map(move |column| ordered(features[[row, column]]))
}

/// A number for the values that few others have.
fn mixed(values: impl Iterator<Item = u64>) -> u64 {
    values.fold(0, |mixed: u64, value| (mixed.rotate_left(5) ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

#[cfg(test)]
mod tests {
    use super::Categories;
    use crate::ml::sets::{FeatureKinds, TrainSet};
    use ndarray::array;
    use std::ops::ControlFlow;

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
        let categories = Categories::of(&set, &mut || ControlFlow::Continue(())).unwrap();
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
