//! The one order in which a training job happens.

use serde::{Deserialize, Serialize};

use super::labels::ClassCounts;

/// Rows per class after a stage of the training part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageCounts {
    /// `train`, `validation` and `test` for the parts, then the name of each resampling step.
    pub stage: String,
    #[serde(flatten)]
    pub counts: ClassCounts,
}
