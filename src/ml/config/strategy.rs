//! How much a resampling step is to do.

use serde::{Deserialize, Serialize};

/// How much to resample: a ratio minority/majority after the step, or a name.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SamplingStrategy {
    Ratio(f64),
    Named(NamedStrategy),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedStrategy {
    Auto,
    Minority,
    Majority,
    #[serde(rename = "not minority")]
    NotMinority,
    #[serde(rename = "not majority")]
    NotMajority,
    All,
}
