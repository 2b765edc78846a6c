//! Aliases: names that are moved from one model to another, and how their shadows compare.

use super::ids::{AliasId, ModelId};
use crate::clock::Timestamp;

/// A name that callers ask for in place of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct AliasRecord {
    /// Another one if the name is taken anew after a deletion.
    pub id: AliasId,
    pub name: String,
    /// Grows with every change; no two changes of any aliases have the same.
    pub revision: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Who set it last.
    pub updated_by: String,
    /// Who answers; never empty.
    pub targets: Vec<AliasTarget>,
    /// Also asked, after the answer.
    pub shadow: Option<NamedModel>,
    /// The share of positives that probabilities are to hold at, unless a request gives its own.
    pub prevalence: Option<f64>,
}

/// A model that answers for an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasTarget {
    pub model: NamedModel,
    /// At least 1. Its share of the requests is its weight over the sum of all.
    pub weight: u32,
}

/// A model version by all its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedModel {
    pub id: ModelId,
    pub name: String,
    pub version: u32,
}

impl AliasRecord {
    /// The sum of the weights.
    pub fn total_weight(&self) -> u64 {
        self.targets.iter().map(|target| u64::from(target.weight)).sum()
    }

    /// Who answers at a point of the line from 0 to 2⁶⁴, which the targets divide in their order by their weights: the
    /// target whose part begins at or before `point`. As long as the order stays and weights only move from one
    /// neighbour to another, no point between other targets changes hands.
    pub fn target_at(&self, point: u64) -> Option<&AliasTarget> {
        let scaled = (u128::from(point) * u128::from(self.total_weight())) >> 64;
        let mut end = 0;
        self.targets.iter().find(|target| {
            end += u128::from(target.weight);
            scaled < end
        })
    }

    /// Whether the alias names a model, as a target or as its shadow.
    pub fn names(&self, id: ModelId) -> bool {
        self.models().any(|model| model.id == id)
    }

    /// Every model that the alias names.
    pub fn models(&self) -> impl Iterator<Item = &NamedModel> {
        self.targets.iter().map(|target| &target.model).chain(&self.shadow)
    }
}

/// Whose answers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShadowPair {
    pub alias: AliasId,
    /// Answered.
    pub model: ModelId,
    /// Was asked as well.
    pub shadow: ModelId,
}

/// How far two models are apart, summed over requests.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ShadowCounts {
    /// Requests that were compared.
    pub requests: u64,
    /// Their rows.
    pub rows: u64,
    /// Rows that only the answer calls positive.
    pub only_model_positive: u64,
    /// Rows that only the shadow calls positive.
    pub only_shadow_positive: u64,
    /// Of the shadow's probability less the answer's.
    pub difference_sum: f64,
    /// Of its absolute value.
    pub absolute_difference_sum: f64,
    /// Of its absolute values.
    pub largest_difference: f64,
    /// Requests that were not compared, for want of room or because they were too large.
    pub dropped: u64,
    /// Requests that the shadow could not answer.
    pub failed: u64,
}

impl ShadowCounts {
    /// A request that both have answered, row by row as probability and label; labels are `true` for positive.
    pub fn of(answered: &[(f64, bool)], shadow: &[(f64, bool)]) -> Self {
        let mut counts = Self { requests: 1, ..Self::default() };
        for (&(answered, positive), &(shadow, shadow_positive)) in answered.iter().zip(shadow) {
            let difference = shadow - answered;
            counts.rows += 1;
            counts.only_model_positive += u64::from(positive && !shadow_positive);
            counts.only_shadow_positive += u64::from(shadow_positive && !positive);
            counts.difference_sum += difference;
            counts.absolute_difference_sum += difference.abs();
            counts.largest_difference = counts.largest_difference.max(difference.abs());
        }
        counts
    }

    /// A request that was not compared.
    pub fn dropped() -> Self {
        Self { dropped: 1, ..Self::default() }
    }

    /// A request that the shadow could not answer.
    pub fn failed() -> Self {
        Self { failed: 1, ..Self::default() }
    }

    /// Adds what others have counted.
    pub fn add(&mut self, other: &Self) {
        let Self {
            requests,
            rows,
            only_model_positive,
            only_shadow_positive,
            difference_sum,
            absolute_difference_sum,
            largest_difference,
            dropped,
            failed,
        } = other;
        self.requests += requests;
        self.rows += rows;
        self.only_model_positive += only_model_positive;
        self.only_shadow_positive += only_shadow_positive;
        self.difference_sum += difference_sum;
        self.absolute_difference_sum += absolute_difference_sum;
        self.largest_difference = self.largest_difference.max(*largest_difference);
        self.dropped += dropped;
        self.failed += failed;
    }

    /// Rows with another label.
    pub fn disagreements(&self) -> u64 {
        self.only_model_positive + self.only_shadow_positive
    }
}

/// How a shadow and a model that answered compare.
#[derive(Debug, Clone, PartialEq)]
pub struct ShadowComparison {
    pub model: NamedModel,
    pub shadow: NamedModel,
    /// When counting began.
    pub first_at: Timestamp,
    pub counts: ShadowCounts,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(weights: &[u32]) -> AliasRecord {
        let target = |&weight: &u32| AliasTarget {
            model: NamedModel { id: ModelId::new(), name: "fraud".to_owned(), version: weight },
            weight,
        };
        let at = Timestamp::from_micros(0);
        AliasRecord {
            id: AliasId::new(),
            name: "champion".to_owned(),
            revision: 1,
            created_at: at,
            updated_at: at,
            updated_by: "anyone".to_owned(),
            targets: weights.iter().map(target).collect(),
            shadow: None,
            prevalence: None,
        }
    }

    fn weight_at(alias: &AliasRecord, point: u64) -> u32 {
        alias.target_at(point).unwrap().weight
    }

    #[test]
    fn the_line_is_divided_by_weight_and_has_no_gap() {
        let split = alias(&[3, 1]);
        let border = (1_u64 << 63) + (1 << 62);
        assert_eq!([0, border - 1, border, u64::MAX].map(|point| weight_at(&split, point)), [3, 3, 1, 1]);
        let heavy = alias(&[u32::MAX, u32::MAX - 1]);
        assert_eq!(weight_at(&heavy, u64::MAX), u32::MAX - 1);
        assert_eq!(weight_at(&alias(&[1]), u64::MAX), 1);
    }

    #[test]
    fn counts_say_who_called_what_positive_and_how_far_apart() {
        let answered = [(0.75, true), (0.25, false), (0.5, true)];
        let shadow = [(0.25, false), (0.75, true), (0.75, true)];
        let mut counts = ShadowCounts::of(&answered, &shadow);
        assert_eq!((counts.rows, counts.only_model_positive, counts.only_shadow_positive), (3, 1, 1));
        assert_eq!(
            (counts.difference_sum, counts.absolute_difference_sum, counts.largest_difference),
            (0.25, 1.25, 0.5)
        );
        counts.add(&ShadowCounts::dropped());
        counts.add(&ShadowCounts::failed());
        assert_eq!((counts.requests, counts.dropped, counts.failed, counts.disagreements()), (1, 1, 1, 2));
    }
}
