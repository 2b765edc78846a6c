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

    /// The share of positive rows, in `0..=1`; 0 when there are no rows.
    pub fn prevalence(self) -> f64 {
        if self.total() == 0 { 0.0 } else { self.positive as f64 / self.total() as f64 }
    }
}
