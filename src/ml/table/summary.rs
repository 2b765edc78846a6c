//! What a column holds, over all rows.

use serde::{Deserialize, Serialize};

use super::ColumnType;

/// One column of a dataset, summarised over all its rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnSummary {
    pub name: String,
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    pub missing: u64,
    /// Distinct values, missing not counted.
    pub distinct: u64,
    /// False where there were too many values to count; `distinct` is then a lower bound.
    pub distinct_exact: bool,
    /// Of numeric columns with at least one value.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub numeric: Option<NumericSummary>,
    /// The most frequent values, most frequent first, at most ten; of categorical and boolean columns, and of
    /// numeric ones with at most ten distinct values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<TopCategory>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumericSummary {
    pub min: f64,
    pub max: f64,
    pub mean: f64,
    /// Population standard deviation.
    pub std: f64,
    pub q25: f64,
    pub median: f64,
    pub q75: f64,
    /// False where the quartiles come from a uniform sample of the rows.
    pub quartiles_exact: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopCategory {
    pub value: String,
    pub count: u64,
}
