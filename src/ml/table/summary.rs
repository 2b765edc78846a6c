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
    /// Of columns of pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageSummary>,
}

/// The pictures of a column, as they were uploaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageSummary {
    /// The most frequent sizes, most frequent first, at most twenty.
    pub sizes: Vec<ImageSize>,
    /// Pictures of any other size.
    pub other_sizes: u64,
    /// Pictures without any colour, those with colour, and those of both that have transparent pixels.
    pub grey: u64,
    pub color: u64,
    pub transparent: u64,
    /// Pictures per file format, by its usual name: `png`, `jpeg`, ...
    pub formats: std::collections::BTreeMap<String, u64>,
    /// Mean and population standard deviation of all pixel values, from 0 to 1.
    pub mean: f64,
    pub std: f64,
    /// Pictures of the same size and pixels as an earlier one, and those of them with another label: another value of the
    /// column `label`, or else of the last one.
    pub duplicates: u64,
    pub conflicting_duplicates: u64,
    /// Files that are no rows because they cannot be read.
    pub unreadable_count: u64,
    /// The first hundred of them.
    pub unreadable: Vec<ImageFile>,
    /// The file of the archive that names the pictures; without one their folders are their labels.
    #[serde(default)]
    pub manifest: Option<String>,
    /// Other files, which were left alone, and the first hundred of them.
    #[serde(default)]
    pub other_files_count: u64,
    #[serde(default)]
    pub other_files: Vec<ImageFile>,
}

/// Pictures of one size, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSize {
    pub height: u32,
    pub width: u32,
    pub count: u64,
}

/// A file of an archive, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFile {
    pub path: String,
    pub reason: String,
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
