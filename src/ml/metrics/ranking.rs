//! Rows in the order of their scores, sorted once and then summed over many times.

use super::Undefined;

/// Labels by ascending score, with the rows of equal score known as one group.
///
/// A resample of the rows is a count per sorted row, so that a bootstrap replicate needs no sorting.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    scores: Vec<f64>,
    labels: Vec<bool>,
    /// The end (exclusive) of each group of tied rows.
    ends: Vec<usize>,
}

/// The rows that are predicted positive at one of the distinct scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cut {
    /// The lowest accepted score.
    pub score: f64,
    pub tp: u64,
    pub fp: u64,
}

impl Ranking {
    /// # Errors
    /// If there is not exactly one finite score for each label.
    pub fn new(labels: &[bool], scores: &[f64]) -> Result<Self, Undefined> {
        if labels.len() != scores.len() {
            return Err(Undefined::UnequalLengths { labels: labels.len(), scores: scores.len() });
        }
        if let Some(row) = scores.iter().position(|score| !score.is_finite()) {
            return Err(Undefined::NotFinite { row });
        }
        let mut rows: Vec<(f64, bool)> = scores.iter().copied().zip(labels.iter().copied()).collect();
        // The label breaks ties only so that the order does not depend on that of the input.
        rows.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let (scores, labels): (Vec<f64>, Vec<bool>) = rows.into_iter().unzip();
        let mut ends: Vec<usize> = (1..scores.len()).filter(|&row| scores[row] != scores[row - 1]).collect();
        if !scores.is_empty() {
            ends.push(scores.len());
        }
        Ok(Self { scores, labels, ends })
    }

    /// As [`Ranking::new`], for scores that are probabilities.
    ///
    /// # Errors
    /// Also if a score lies outside `0..=1`.
    pub fn of_probabilities(labels: &[bool], probabilities: &[f64]) -> Result<Self, Undefined> {
        let ranking = Self::new(labels, probabilities)?;
        match probabilities.iter().enumerate().find(|(_, value)| !(0.0..=1.0).contains(*value)) {
            Some((row, &value)) => Err(Undefined::NotAProbability { row, value }),
            None => Ok(ranking),
        }
    }

    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// Ascending.
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    /// By ascending score.
    pub fn labels(&self) -> &[bool] {
        &self.labels
    }

    /// How many distinct scores there are.
    pub fn distinct(&self) -> usize {
        self.ends.len()
    }

    /// One count of 1 per row: the rows as they are.
    pub fn unit_counts(&self) -> Vec<u32> {
        vec![1; self.rows()]
    }

    /// Rows per tie group as (positives, negatives), by ascending score; `counts` says how often each sorted
    /// row is taken.
    pub fn groups<'a>(&'a self, counts: &'a [u32]) -> impl DoubleEndedIterator<Item = (u64, u64)> + 'a {
        self.ends.iter().enumerate().map(move |(group, &end)| {
            let start = if group == 0 { 0 } else { self.ends[group - 1] };
            let mut rows = [0_u64; 2];
            for (&label, &count) in self.labels[start..end].iter().zip(&counts[start..end]) {
                rows[usize::from(label)] += u64::from(count);
            }
            (rows[1], rows[0])
        })
    }

    /// One cut per distinct score, from the highest, which accepts fewest rows, to the lowest, which accepts all.
    pub fn cuts(&self) -> Vec<Cut> {
        self.cuts_of(&self.unit_counts())
    }

    /// As [`Ranking::cuts`], of the sample that takes each sorted row as often as `counts` says; scores that the
    /// sample does not have are no cuts.
    pub fn cuts_of(&self, counts: &[u32]) -> Vec<Cut> {
        let (mut tp, mut fp) = (0, 0);
        let groups: Vec<(u64, u64)> = self.groups(counts).collect();
        let taken = self.ends.iter().zip(groups).rev().filter(|(_, (positives, negatives))| positives + negatives > 0);
        let accept = |(&end, (positives, negatives)): (&usize, (u64, u64))| {
            tp += positives;
            fp += negatives;
            Cut { score: self.scores[end - 1], tp, fp }
        };
        taken.map(accept).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tied_rows_are_one_cut() {
        let ranking = Ranking::new(&[true, false, false, true], &[0.3, 0.9, 0.3, 0.1]).unwrap();
        let cuts =
            [Cut { score: 0.9, tp: 0, fp: 1 }, Cut { score: 0.3, tp: 1, fp: 2 }, Cut { score: 0.1, tp: 2, fp: 2 }];
        assert_eq!(ranking.cuts(), cuts);
        assert_eq!(ranking.distinct(), 3);
    }

    #[test]
    fn scores_that_cannot_be_ranked_are_refused() {
        assert_eq!(Ranking::new(&[true], &[]), Err(Undefined::UnequalLengths { labels: 1, scores: 0 }));
        assert_eq!(Ranking::new(&[true, false], &[0.1, f64::NAN]), Err(Undefined::NotFinite { row: 1 }));
        let beyond = Ranking::of_probabilities(&[true], &[1.5]);
        assert_eq!(beyond, Err(Undefined::NotAProbability { row: 0, value: 1.5 }));
    }

    #[test]
    fn no_rows_have_no_groups() {
        assert_eq!(Ranking::new(&[], &[]).unwrap().cuts(), []);
    }
}
