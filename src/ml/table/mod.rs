//! Columns as they were uploaded: typed, named, missing values kept as missing.

mod blocks;
mod cell;
mod column_ref;
mod format;
mod read;
mod rows;
pub mod stats;
mod summary;
mod typed;
mod write;

pub use blocks::{ArrowBlocks, CsvBlocks, LineBlocks};
pub use column_ref::{ColumnRef, Numbers};
pub use format::TableFormat;
pub use read::{
    DEFAULT_MISSING, IMAGE_COLUMN, MemorySource, PATH_COLUMN, PictureArchive, PictureLimits, Profile, ReadError,
    ReadOptions, RowProblem, TableLimits, TableSource, TargetError, UnseenPictures, head, load, profile,
    target_classes,
};
pub use rows::{
    CellError, CsvBlock, CsvRows, ExpectedColumn, InputRows, Inputs, JsonRows, Parsed, from_csv, from_json_columns,
    from_json_rows, parquet_row_count, quick_json, read_batches, read_csv, read_ndjson, read_parquet, read_picture,
    read_pictures, with_picture_mistakes,
};
pub use summary::{ColumnSummary, ImageFile, ImageSize, ImageSummary, NumericSummary, TopCategory};
pub use typed::{TypedValue, ValueKind, typed_column};
pub use write::{WriteError, WriteFormat, write};

use serde::{Deserialize, Serialize};

use super::picture::Pictures;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    Numeric,
    Categorical,
    Boolean,
    /// Pictures, all of one shape.
    Image,
}

impl ColumnType {
    /// The name used in the API and in artifacts.
    pub fn as_str(self) -> &'static str {
        match self {
            ColumnType::Numeric => "numeric",
            ColumnType::Categorical => "categorical",
            ColumnType::Boolean => "boolean",
            ColumnType::Image => "image",
        }
    }
}

/// The code of a missing value in [`Values::Categorical`].
pub const MISSING: u32 = u32::MAX;

/// The values of one column.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// NaN is missing; every other value is finite.
    Numeric(Vec<f64>),
    /// Indices into `levels`, or [`MISSING`]. Levels are distinct; their order carries no meaning.
    Categorical {
        codes: Vec<u32>,
        levels: Vec<String>,
    },
    Boolean(Vec<Option<bool>>),
    /// None is missing.
    Pictures(Pictures),
}

impl Values {
    pub fn len(&self) -> usize {
        match self {
            Values::Numeric(values) => values.len(),
            Values::Categorical { codes, .. } => codes.len(),
            Values::Boolean(values) => values.len(),
            Values::Pictures(pictures) => pictures.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn column_type(&self) -> ColumnType {
        match self {
            Values::Numeric(_) => ColumnType::Numeric,
            Values::Categorical { .. } => ColumnType::Categorical,
            Values::Boolean(_) => ColumnType::Boolean,
            Values::Pictures(_) => ColumnType::Image,
        }
    }

    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        match self {
            Values::Numeric(values) => Values::Numeric(rows.iter().map(|&row| values[row]).collect()),
            Values::Categorical { codes, levels } => {
                Values::Categorical { codes: rows.iter().map(|&row| codes[row]).collect(), levels: levels.clone() }
            }
            Values::Boolean(values) => Values::Boolean(rows.iter().map(|&row| values[row]).collect()),
            Values::Pictures(pictures) => Values::Pictures(pictures.select(rows)),
        }
    }

    /// The value of a row as text, as labels and groups are compared; `None` if it is missing. Numbers print in
    /// their shortest form, so that `1`, `1.0` and `1e0` are one label. A picture has no text.
    pub fn text(&self, row: usize) -> Option<String> {
        match self {
            Values::Numeric(values) => values.get(row).filter(|value| !value.is_nan()).map(f64::to_string),
            Values::Categorical { codes, levels } => {
                codes.get(row).and_then(|&code| levels.get(code as usize)).cloned()
            }
            Values::Boolean(values) => values.get(row).copied().flatten().map(|value| value.to_string()),
            Values::Pictures(_) => None,
        }
    }
}

/// A named column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    pub values: Values,
}

/// Columns of equal length and distinct names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    columns: Vec<Column>,
    rows: usize,
}

/// Columns that do not form a table.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TableError {
    #[error("column {name:?} has {found} rows where the others have {expected}")]
    UnequalLengths { name: String, expected: usize, found: usize },
    #[error("two columns are called {name:?}")]
    DuplicateName { name: String },
}

impl Table {
    /// # Errors
    /// If the columns differ in length or two have the same name.
    pub fn new(columns: Vec<Column>) -> Result<Self, TableError> {
        let rows = columns.first().map_or(0, |column| column.values.len());
        let mut names = std::collections::HashSet::new();
        for column in &columns {
            if column.values.len() != rows {
                return Err(TableError::UnequalLengths {
                    name: column.name.clone(),
                    expected: rows,
                    found: column.values.len(),
                });
            }
            if !names.insert(column.name.as_str()) {
                return Err(TableError::DuplicateName { name: column.name.clone() });
            }
        }
        Ok(Self { columns, rows })
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// In the order of the file.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub fn into_columns(self) -> Vec<Column> {
        self.columns
    }

    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The given rows, in the given order.
    pub fn select(&self, rows: &[usize]) -> Self {
        let columns = self
            .columns
            .iter()
            .map(|column| Column { name: column.name.clone(), values: column.values.select(rows) })
            .collect();
        Self { columns, rows: rows.len() }
    }
}
