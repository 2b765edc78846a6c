//! Boolean columns: one output column of 0 and 1, and one that says "was missing" where some were.

use serde::{Deserialize, Serialize};

use super::transform::Feature;
use crate::ml::config::{CategoricalImpute, CategoricalPreprocess};

/// What was learnt about one boolean column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BooleanColumn {
    pub(super) name: String,
    /// What a missing value becomes.
    pub(super) fill: bool,
    /// Whether the value has an output column: not where it is the same in all training rows.
    pub(super) value: bool,
    /// Whether there is an output column that says "was missing".
    pub(super) indicator: bool,
}

impl BooleanColumn {
    /// Missing values become `false` beside an indicator; without one, the most frequent value (`false` of two
    /// equally frequent ones), or the configured constant if it is `true` or `false`.
    pub(super) fn fit(name: &str, flags: &[Option<bool>], config: &CategoricalPreprocess) -> Self {
        let count = |wanted: Option<bool>| flags.iter().filter(|flag| **flag == wanted).count();
        let (yes, no, missing) = (count(Some(true)), count(Some(false)), count(None));
        let constant = match config.impute {
            CategoricalImpute::Constant => config.fill_value.trim().to_ascii_lowercase().parse::<bool>().ok(),
            CategoricalImpute::Indicator | CategoricalImpute::MostFrequent => None,
        };
        let as_category = config.impute != CategoricalImpute::MostFrequent && constant.is_none();
        let indicator = as_category && missing > 0 && missing < flags.len();
        let fill = if indicator { false } else { constant.unwrap_or(yes > no) };
        let filled_yes = yes + if fill { missing } else { 0 };
        let value = filled_yes > 0 && filled_yes < flags.len();
        // Of two columns that are each other's complement, one would do; the value is the one to keep.
        let complement = value && indicator && no == 0;
        Self { name: name.to_owned(), fill, value, indicator: indicator && !complement }
    }

    pub(super) fn width(&self) -> usize {
        usize::from(self.value) + usize::from(self.indicator)
    }

    /// Fills the output columns of one row.
    pub(super) fn write<F: Feature>(&self, flag: Option<bool>, out: &mut [F]) {
        let number = |flag: bool| F::of(f64::from(u8::from(flag)));
        let value = self.value.then(|| number(flag.unwrap_or(self.fill)));
        let indicator = self.indicator.then(|| number(flag.is_none()));
        out.iter_mut().zip(value.into_iter().chain(indicator)).for_each(|(out, number)| *out = number);
    }
}
