//! A checked configuration for resampling a whole table, without any training.

use serde::{Deserialize, Serialize};

use super::{NumericImpute, ResampleStep, Scale};
use crate::ml::table::WriteFormat;

/// Everything that defines the resampling of a table besides its rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResampleConfig {
    /// All chance comes from it, as from that of a training. At most 2^53 - 1.
    pub seed: u64,
    pub target: String,
    pub positive_label: String,
    /// Columns that are neither measured nor written.
    pub exclude: Vec<String>,
    /// Applied in this order; at least one.
    pub resample: Vec<ResampleStep>,
    pub preprocess: ResamplePreprocess,
    /// Whether every step keeps whole numbers whole, as if each said `keep_integers`.
    pub round_integers: bool,
    /// Whether rows that a step removed are written too, marked as removed.
    pub keep_removed: bool,
    /// The first of the columns that say where a row comes from; the others begin with its name.
    pub origin_column: String,
    pub format: WriteFormat,
}

/// How rows are measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResamplePreprocess {
    pub numeric: ResampleNumeric,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResampleNumeric {
    /// What a missing number becomes, in the new table too; `null`: a table with missing numbers is refused.
    pub impute: Option<NumericImpute>,
    /// Of the distances only; the new table has the units of the old one.
    pub scale: Scale,
}

impl ResampleConfig {
    /// Whether a step rounds new values of columns of whole numbers; steps count from 0.
    pub fn keeps_integers(&self, step: usize) -> bool {
        self.round_integers || self.resample.get(step).is_some_and(|step| step.keep_integers)
    }

    /// The names of the columns that say where a row comes from, in their order.
    pub fn origin_columns(&self) -> Vec<String> {
        let name = &self.origin_column;
        let further = ["row", "other_row", "step", "method"].into_iter().chain(self.keep_removed.then_some("reason"));
        std::iter::once(name.clone()).chain(further.map(|part| format!("{name}_{part}"))).collect()
    }
}
