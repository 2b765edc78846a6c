//! From `sampling_strategy` and the class counts to numbers of rows, once for all methods.
//!
//! The rules are imbalanced-learn's for two classes, with N₋ and N₊ the counts of minority and majority:
//!
//! | strategy | rows to add | rows to keep | classes to clean |
//! |---|---|---|---|
//! | `auto` | as `not majority` | as `not minority` | as `not minority` |
//! | `minority` | minority: N₊ − N₋ | refused | refused |
//! | `majority` | refused | majority: N₋ | majority |
//! | `not minority` | majority: 0 | majority: N₋ | majority |
//! | `not majority` | minority: N₊ − N₋ | minority: N₋ | minority |
//! | `all` | minority: N₊ − N₋ | both: N₋ | both |
//! | ratio r | minority: ⌊N₊ r − N₋⌋ | majority: ⌊N₋ / r⌋ | refused |
//! | rows n of a class | that class: n − its rows | that class: n | refused |
//! | classes | refused | refused | those |
//!
//! Two differences. A ratio equal to the present one changes nothing, where imbalanced-learn raises: a
//! configuration should not fail because the data already is as it asks. And on equal counts the positive class
//! is taken as the minority, so that Tomek links after SMOTE remove negative rows; imbalanced-learn then takes
//! the lower label as minority and as majority, which `"rng": "numpy"` follows with negative below positive.

use crate::ml::config::{NamedStrategy, RngKind, SamplingStrategy, UnknownClass};
use crate::ml::labels::ClassCounts;

/// Which class is which, and what the strategy asks of them. `true` is the positive class.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SamplingPlan {
    pub(super) strategy: SamplingStrategy,
    counts: ClassCounts,
    pub(super) minority: bool,
    pub(super) majority: bool,
}

/// A strategy that cannot be followed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    #[error(
        "resampling needs training rows of both classes; there are {} positive and {} negative rows",
        .counts.positive, .counts.negative
    )]
    OneClass { counts: ClassCounts },
    #[error("expected a ratio minority/majority above 0 and at most 1, found {found}")]
    RatioOutOfRange { found: f64 },
    #[error(
        "the classes have {minority} and {majority} rows, a ratio of {present:.6}; expected a ratio above it, found \
         {found}"
    )]
    RatioBelowPresent { found: f64, present: f64, minority: usize, majority: usize },
    #[error("sampling_strategy {strategy:?} is not for methods that {family}")]
    NotForFamily { strategy: &'static str, family: &'static str },
    #[error("the {class} class has {present} rows; a method that adds rows cannot leave it {wanted}")]
    MoreThanWanted { class: &'static str, present: usize, wanted: usize },
    #[error("the {class} class has {present} rows; a method that removes rows cannot leave it {wanted}")]
    FewerThanWanted { class: &'static str, present: usize, wanted: usize },
    #[error("the step would add rows to both classes; expected a step for each of them")]
    BothGrow,
    #[error(transparent)]
    UnknownClass(#[from] UnknownClass),
    #[error("sampling_strategy names classes by labels, which are not known here")]
    NoLabels,
}

impl SamplingPlan {
    /// # Errors
    /// If a class has no rows or the ratio is no ratio.
    pub(super) fn new(strategy: SamplingStrategy, counts: ClassCounts, rng: RngKind) -> Result<Self, PlanError> {
        if counts.positive == 0 || counts.negative == 0 {
            return Err(PlanError::OneClass { counts });
        }
        if let SamplingStrategy::Rows(_) | SamplingStrategy::Classes(_) = strategy {
            return Err(PlanError::NoLabels);
        }
        if let SamplingStrategy::Ratio(ratio) = strategy
            && !(ratio > 0.0 && ratio <= 1.0)
        {
            return Err(PlanError::RatioOutOfRange { found: ratio });
        }
        let (minority, majority) = match rng {
            RngKind::Numpy if counts.positive == counts.negative => (false, false),
            _ => (counts.minority_is_positive(), !counts.minority_is_positive()),
        };
        Ok(Self { strategy, counts, minority, majority })
    }

    /// How many rows an over-sampler adds to each class, negative first.
    pub(super) fn rows_to_add(&self) -> Result<[usize; 2], PlanError> {
        let named = match self.strategy {
            SamplingStrategy::Ratio(ratio) => return self.add_to_ratio(ratio),
            SamplingStrategy::RowsOf(wanted) => return self.add_to_rows(wanted),
            SamplingStrategy::Named(NamedStrategy::Auto) => NamedStrategy::NotMajority,
            SamplingStrategy::Named(NamedStrategy::Majority) => return Err(not_for("majority", "add rows")),
            SamplingStrategy::Named(named) => named,
            _ => return Err(not_for("a list of classes", "add rows")),
        };
        let most = self.of_majority();
        Ok([false, true].map(|class| if self.targets(named, class) { most - self.counts.of_class(class) } else { 0 }))
    }

    /// How many rows an under-sampler keeps of each class, negative first; `None`: all, as they are.
    pub(super) fn rows_to_keep(&self) -> Result<[Option<usize>; 2], PlanError> {
        let named = match self.strategy {
            SamplingStrategy::Ratio(ratio) => return self.keep_to_ratio(ratio),
            SamplingStrategy::RowsOf(wanted) => return self.keep_to_rows(wanted),
            SamplingStrategy::Named(NamedStrategy::Auto) => NamedStrategy::NotMinority,
            SamplingStrategy::Named(NamedStrategy::Minority) => return Err(not_for("minority", "remove rows")),
            SamplingStrategy::Named(named) => named,
            _ => return Err(not_for("a list of classes", "remove rows")),
        };
        Ok([false, true].map(|class| self.targets(named, class).then_some(self.of_minority())))
    }

    /// Which classes a cleaning method may remove rows from, negative first.
    pub(super) fn classes_to_clean(&self) -> Result<[bool; 2], PlanError> {
        let named = match self.strategy {
            SamplingStrategy::Ratio(_) => return Err(not_for("a ratio", "clean")),
            SamplingStrategy::Cleaned(cleaned) => return Ok(cleaned),
            SamplingStrategy::Named(NamedStrategy::Auto) => NamedStrategy::NotMinority,
            SamplingStrategy::Named(NamedStrategy::Minority) => return Err(not_for("minority", "clean")),
            SamplingStrategy::Named(named) => named,
            _ => return Err(not_for("numbers of rows", "clean")),
        };
        Ok([false, true].map(|class| self.targets(named, class)))
    }

    pub(super) fn of_minority(&self) -> usize {
        self.counts.positive.min(self.counts.negative)
    }

    fn of_majority(&self) -> usize {
        self.counts.positive.max(self.counts.negative)
    }

    fn targets(&self, named: NamedStrategy, class: bool) -> bool {
        match named {
            NamedStrategy::Auto | NamedStrategy::All => true,
            NamedStrategy::Minority => class == self.minority,
            NamedStrategy::Majority => class == self.majority,
            NamedStrategy::NotMinority => class != self.minority,
            NamedStrategy::NotMajority => class != self.majority,
        }
    }

    /// The conversions truncate and the ratio is never divided out first: 100 · 0.29 is 28.999999999999996 and
    /// adds up to 28 rows, as it does in imbalanced-learn.
    fn add_to_ratio(&self, ratio: f64) -> Result<[usize; 2], PlanError> {
        if self.check_ratio(ratio)? {
            return Ok([0, 0]);
        }
        let wanted = (self.of_majority() as f64 * ratio - self.of_minority() as f64) as usize;
        Ok([false, true].map(|class| if class == self.majority { 0 } else { wanted }))
    }

    fn keep_to_ratio(&self, ratio: f64) -> Result<[Option<usize>; 2], PlanError> {
        if self.check_ratio(ratio)? {
            return Ok([None, None]);
        }
        let wanted = (self.of_minority() as f64 / ratio) as usize;
        Ok([false, true].map(|class| (class != self.minority).then_some(wanted.min(self.of_majority()))))
    }

    fn add_to_rows(&self, wanted: [Option<usize>; 2]) -> Result<[usize; 2], PlanError> {
        let [negative, positive] = self.sides(wanted).map(|side| {
            let Some((class, present, wanted)) = side else { return Ok(0) };
            wanted.checked_sub(present).ok_or(PlanError::MoreThanWanted { class, present, wanted })
        });
        Ok([negative?, positive?])
    }

    fn keep_to_rows(&self, wanted: [Option<usize>; 2]) -> Result<[Option<usize>; 2], PlanError> {
        let [negative, positive] = self.sides(wanted).map(|side| match side {
            Some((class, present, wanted)) if wanted > present => {
                Err(PlanError::FewerThanWanted { class, present, wanted })
            }
            side => Ok(side.map(|(_, _, wanted)| wanted)),
        });
        Ok([negative?, positive?])
    }

    /// Name, present and wanted rows of each class for which a number is wanted.
    fn sides(&self, [negative, positive]: [Option<usize>; 2]) -> [Option<(&'static str, usize, usize)>; 2] {
        [
            negative.map(|wanted| ("negative", self.counts.negative, wanted)),
            positive.map(|wanted| ("positive", self.counts.positive, wanted)),
        ]
    }

    /// Whether the ratio is the present one, up to rounding.
    fn check_ratio(&self, ratio: f64) -> Result<bool, PlanError> {
        let (minority, majority) = (self.of_minority(), self.of_majority());
        let present = minority as f64 / majority as f64;
        if (ratio - present).abs() <= 1e-12 * present {
            return Ok(true);
        }
        if ratio < present {
            return Err(PlanError::RatioBelowPresent { found: ratio, present, minority, majority });
        }
        Ok(false)
    }
}

fn not_for(strategy: &'static str, family: &'static str) -> PlanError {
    PlanError::NotForFamily { strategy, family }
}

#[cfg(test)]
mod tests {
    use super::{PlanError, SamplingPlan};
    use crate::ml::config::{NamedStrategy as Name, RngKind, SamplingStrategy};
    use crate::ml::labels::ClassCounts;

    fn plan(strategy: SamplingStrategy, negative: usize, positive: usize) -> SamplingPlan {
        SamplingPlan::new(strategy, ClassCounts { positive, negative }, RngKind::Default).unwrap()
    }

    fn named(name: Name) -> SamplingPlan {
        plan(SamplingStrategy::Named(name), 70, 30)
    }

    // from imblearn.utils import check_sampling_strategy as c; y = [0] * 70 + [1] * 30
    // [c(s, y, "over-sampling") for s in ("auto", "minority", "not minority", "not majority", "all")]
    #[test]
    fn names_say_what_an_over_sampler_adds() {
        assert_eq!(named(Name::Auto).rows_to_add(), Ok([0, 40]));
        assert_eq!(named(Name::Minority).rows_to_add(), Ok([0, 40]));
        assert_eq!(named(Name::NotMinority).rows_to_add(), Ok([0, 0]));
        assert_eq!(named(Name::NotMajority).rows_to_add(), Ok([0, 40]));
        assert_eq!(named(Name::All).rows_to_add(), Ok([0, 40]));
        assert!(matches!(named(Name::Majority).rows_to_add(), Err(PlanError::NotForFamily { .. })));
    }

    // [c(s, y, "under-sampling") for s in ("auto", "majority", "not minority", "not majority", "all")]
    #[test]
    fn names_say_what_an_under_sampler_keeps() {
        assert_eq!(named(Name::Auto).rows_to_keep(), Ok([Some(30), None]));
        assert_eq!(named(Name::Majority).rows_to_keep(), Ok([Some(30), None]));
        assert_eq!(named(Name::NotMinority).rows_to_keep(), Ok([Some(30), None]));
        assert_eq!(named(Name::NotMajority).rows_to_keep(), Ok([None, Some(30)]));
        assert_eq!(named(Name::All).rows_to_keep(), Ok([Some(30), Some(30)]));
        assert!(matches!(named(Name::Minority).rows_to_keep(), Err(PlanError::NotForFamily { .. })));
    }

    #[test]
    fn names_say_what_is_cleaned() {
        assert_eq!(named(Name::Auto).classes_to_clean(), Ok([true, false]));
        assert_eq!(named(Name::All).classes_to_clean(), Ok([true, true]));
        assert_eq!(named(Name::NotMajority).classes_to_clean(), Ok([false, true]));
        let ratio = plan(SamplingStrategy::Ratio(0.5), 70, 30);
        assert!(matches!(ratio.classes_to_clean(), Err(PlanError::NotForFamily { .. })));
    }

    // c(0.29, [0] * 100 + [1] * 3, "over-sampling") == {1: 25}
    // c(0.7, [0] * 70 + [1] * 30, "under-sampling") == {0: 42}
    #[test]
    fn ratios_truncate() {
        assert_eq!(plan(SamplingStrategy::Ratio(0.29), 100, 3).rows_to_add(), Ok([0, 25]));
        assert_eq!(plan(SamplingStrategy::Ratio(0.7), 70, 30).rows_to_keep(), Ok([Some(42), None]));
        assert_eq!(plan(SamplingStrategy::Ratio(0.7), 30, 70).rows_to_keep(), Ok([None, Some(42)]));
    }

    // c({1: 50}, y, "over-sampling") == {1: 20}; c({0: 75, 1: 50}, y, "over-sampling") == {0: 5, 1: 20}
    // c({0: 40}, y, "under-sampling") == {0: 40}; c({1: 20}, y, "over-sampling") raises ValueError
    #[test]
    fn rows_are_those_after_the_step() {
        let rows = |negative, positive| plan(SamplingStrategy::RowsOf([negative, positive]), 70, 30);
        assert_eq!(rows(None, Some(50)).rows_to_add(), Ok([0, 20]));
        assert_eq!(rows(Some(75), Some(50)).rows_to_add(), Ok([5, 20]));
        assert_eq!(rows(Some(40), None).rows_to_keep(), Ok([Some(40), None]));
        let fewer = rows(None, Some(20)).rows_to_add().unwrap_err().to_string();
        assert_eq!(fewer, "the positive class has 30 rows; a method that adds rows cannot leave it 20");
        let more = rows(Some(71), None).rows_to_keep().unwrap_err().to_string();
        assert_eq!(more, "the negative class has 70 rows; a method that removes rows cannot leave it 71");
        assert!(matches!(rows(Some(40), None).classes_to_clean(), Err(PlanError::NotForFamily { .. })));
        let classes = plan(SamplingStrategy::Cleaned([false, true]), 70, 30);
        assert_eq!(classes.classes_to_clean(), Ok([false, true]));
        assert!(matches!(classes.rows_to_keep(), Err(PlanError::NotForFamily { .. })));
    }

    #[test]
    fn the_present_ratio_changes_nothing_and_one_below_is_refused_with_the_numbers() {
        let present = plan(SamplingStrategy::Ratio(20.0 / 67.0), 67, 20);
        assert_eq!(present.rows_to_add(), Ok([0, 0]));
        assert_eq!(present.rows_to_keep(), Ok([None, None]));
        let refused = plan(SamplingStrategy::Ratio(0.2), 70, 30).rows_to_add().unwrap_err().to_string();
        assert_eq!(
            refused,
            "the classes have 30 and 70 rows, a ratio of 0.428571; expected a ratio above it, found 0.2"
        );
    }

    #[test]
    fn equal_counts_take_the_positive_class_as_minority_and_numpy_the_negative_as_both() {
        let counts = ClassCounts { positive: 5, negative: 5 };
        let clean =
            |rng| SamplingPlan::new(SamplingStrategy::Named(Name::Auto), counts, rng).unwrap().classes_to_clean();
        assert_eq!(clean(RngKind::Default), Ok([true, false]));
        // c("auto", [0] * 5 + [1] * 5, "clean-sampling") == {1: 5}
        assert_eq!(clean(RngKind::Numpy), Ok([false, true]));
    }

    #[test]
    fn one_class_and_impossible_ratios_are_refused() {
        let one =
            SamplingPlan::new(SamplingStrategy::Ratio(0.5), ClassCounts { positive: 0, negative: 9 }, RngKind::Default);
        assert!(matches!(one, Err(PlanError::OneClass { .. })));
        for ratio in [0.0, -1.0, 1.5, f64::NAN] {
            let counts = ClassCounts { positive: 3, negative: 9 };
            let refused = SamplingPlan::new(SamplingStrategy::Ratio(ratio), counts, RngKind::Default);
            assert!(matches!(refused, Err(PlanError::RatioOutOfRange { .. })), "{ratio}");
        }
    }
}
