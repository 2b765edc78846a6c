//! The two classes of a dataset.

use serde::{Deserialize, Serialize};

/// The names of the two classes. `positive` is the user's choice and is what probabilities speak of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassNames {
    pub positive: String,
    pub negative: String,
}

impl ClassNames {
    /// The name of a class: `true` is the positive one.
    pub fn name(&self, positive: bool) -> &str {
        if positive { &self.positive } else { &self.negative }
    }
}

/// How many rows each class has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassCounts {
    pub positive: usize,
    pub negative: usize,
}

impl ClassCounts {
    /// No rows at all.
    pub const NONE: ClassCounts = ClassCounts { positive: 0, negative: 0 };

    /// Counts the labels; `true` is the positive class.
    pub fn of(labels: &[bool]) -> Self {
        let positive = labels.iter().filter(|&&label| label).count();
        Self { positive, negative: labels.len() - positive }
    }

    /// All rows.
    pub fn total(self) -> usize {
        self.positive + self.negative
    }

    /// Rows of one class; `true` is the positive one.
    pub fn of_class(self, positive: bool) -> usize {
        if positive { self.positive } else { self.negative }
    }

    /// Whether the positive class is the rarer one; on equal counts it is taken to be.
    pub fn minority_is_positive(self) -> bool {
        self.positive <= self.negative
    }

    /// `ln(positive / negative)`; infinite if a class has no rows.
    pub fn log_odds(self) -> f64 {
        (self.positive as f64).ln() - (self.negative as f64).ln()
    }

    /// The share of positive rows, in `0..=1`; 0 when there are no rows.
    pub fn prevalence(self) -> f64 {
        if self.total() == 0 { 0.0 } else { self.positive as f64 / self.total() as f64 }
    }
}

/// How much a row of each class counts in a loss: by class, never by position in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassWeights {
    pub positive: f64,
    pub negative: f64,
}

impl ClassWeights {
    /// `(1 - β) / (1 - β^n_c)`, normalized to a sum of 2 (Cui et al. 2019).
    pub fn class_balanced(counts: ClassCounts, beta: f64) -> Self {
        let weight = |count: usize| (1.0 - beta) / (1.0 - beta.powf(count.max(1) as f64));
        let (positive, negative) = (weight(counts.positive), weight(counts.negative));
        let unit = 2.0 / (positive + negative);
        Self { positive: unit * positive, negative: unit * negative }
    }

    /// Every row counts once.
    pub const EQUAL: ClassWeights = ClassWeights { positive: 1.0, negative: 1.0 };

    /// `N / (2 N_c)`: both classes weigh the same in total and the mean weight is 1 (scikit-learn's `balanced`).
    /// A class without rows gets the weight of a class with one.
    pub fn balanced(counts: ClassCounts) -> Self {
        let of = |rows: usize| counts.total() as f64 / (2.0 * rows.max(1) as f64);
        Self { positive: of(counts.positive), negative: of(counts.negative) }
    }

    /// The weight of a row; `true` is the positive class.
    pub fn of(self, positive: bool) -> f64 {
        if positive { self.positive } else { self.negative }
    }

    /// The sum of the weights of all rows.
    pub fn total(self, counts: ClassCounts) -> f64 {
        self.positive * counts.positive as f64 + self.negative * counts.negative as f64
    }
}
