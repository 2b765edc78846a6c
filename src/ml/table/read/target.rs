//! Whether a column can be a target, and with which classes.

use std::collections::BTreeMap;

use super::profile::Profile;
use crate::ml::table::{ColumnType, TopCategory};

/// Why a column is no target of a binary classifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("no column is called {target:?}")]
    UnknownColumn { target: String },
    #[error("the target {target:?} is a column of pictures; classes are in another")]
    Pictures { target: String },
    #[error("the target {target:?} has no value in {missing} rows; every row needs its class")]
    MissingLabels { target: String, missing: u64 },
    /// `values` are the most frequent ones with their counts, at most twenty.
    #[error(
        "the target {target:?} has {}{distinct} distinct values; exactly two are needed: {}",
        if *distinct_exact { "" } else { "at least " },
        listed(values)
    )]
    NotTwoClasses { target: String, distinct: u64, distinct_exact: bool, values: Vec<TopCategory> },
}

/// The two classes of the target with their counts.
///
/// # Errors
/// If there is no such column, it has missing values, or has not exactly two distinct ones.
pub fn target_classes(profile: &Profile, target: &str) -> Result<BTreeMap<String, u64>, TargetError> {
    let columns = profile.columns.iter().zip(&profile.frequent);
    let Some((column, frequent)) = columns.into_iter().find(|(column, _)| column.name == target) else {
        return Err(TargetError::UnknownColumn { target: target.to_owned() });
    };
    if column.column_type == ColumnType::Image {
        return Err(TargetError::Pictures { target: target.to_owned() });
    }
    if column.distinct != 2 || !column.distinct_exact {
        return Err(TargetError::NotTwoClasses {
            target: target.to_owned(),
            distinct: column.distinct,
            distinct_exact: column.distinct_exact,
            values: frequent.iter().map(TopCategory::cut).collect(),
        });
    }
    if column.missing > 0 {
        return Err(TargetError::MissingLabels { target: target.to_owned(), missing: column.missing });
    }
    Ok(frequent.iter().map(|value| (value.value.clone(), value.count)).collect())
}

fn listed(values: &[TopCategory]) -> String {
    let values: Vec<String> = values.iter().map(|value| format!("{:?} ({})", value.value, value.count)).collect();
    if values.is_empty() { "too many to list".to_owned() } else { values.join(", ") }
}
