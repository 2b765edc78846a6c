//! How much a resampling step is to do.

use serde::{Deserialize, Serialize};

/// How much to resample: a ratio minority/majority after the step, or a name.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SamplingStrategy {
    Ratio(f64),
    Named(NamedStrategy),
}

impl SamplingStrategy {
    /// The ratio minority/majority that an over- or under-sampler reaches.
    pub fn ratio(self) -> f64 {
        match self {
            SamplingStrategy::Ratio(ratio) => ratio,
            SamplingStrategy::Named(
                NamedStrategy::Auto
                | NamedStrategy::Minority
                | NamedStrategy::NotMajority
                | NamedStrategy::All
                | NamedStrategy::NotMinority
                | NamedStrategy::Majority,
            ) => 1.0,
        }
    }
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
