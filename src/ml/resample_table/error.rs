//! Why a table could not be resampled.

use crate::ml::observe::Stop;
use crate::ml::pipeline::TargetError;
use crate::ml::resample::ResampleError;
use crate::ml::table::TableError;

/// Every variant but [`ResampleTableError::Stopped`] is an answer about the table or the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ResampleTableError {
    #[error("stopped before the end: {0:?}")]
    Stopped(Stop),
    #[error("the target has no two classes")]
    Target(#[from] TargetError),
    #[error(
        "distances need every number, and these columns have missing ones: {}; set preprocess.numeric.impute, or \
         exclude them",
        listed(columns)
    )]
    MissingNumbers { columns: Vec<(String, usize)> },
    #[error("resampling step {step} ({method}) cannot be applied")]
    Resample { step: usize, method: &'static str, source: ResampleError },
    #[error("resampling leaves {positive} positive and {negative} negative rows; both classes need some")]
    ClassVanished { positive: usize, negative: usize },
    #[error("the table is not well formed")]
    Table(#[source] TableError),
}

impl ResampleTableError {
    /// A stable name, as `failure.code` of a job shows it.
    pub fn code(&self) -> &'static str {
        match self {
            ResampleTableError::Stopped(_) => "stopped",
            ResampleTableError::Target(_)
            | ResampleTableError::MissingNumbers { .. }
            | ResampleTableError::Table(_) => "invalid-data",
            ResampleTableError::Resample { .. } | ResampleTableError::ClassVanished { .. } => "resampling-failed",
        }
    }

    pub(super) fn step(step: usize, method: &'static str, source: ResampleError) -> Self {
        match source {
            ResampleError::Stopped(stop) => ResampleTableError::Stopped(stop),
            source => ResampleTableError::Resample { step, method, source },
        }
    }
}

/// The first columns with their counts.
fn listed(columns: &[(String, usize)]) -> String {
    const SHOWN: usize = 20;
    let shown: Vec<String> =
        columns.iter().take(SHOWN).map(|(name, missing)| format!("{name:?} ({missing})")).collect();
    let more = columns.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}
