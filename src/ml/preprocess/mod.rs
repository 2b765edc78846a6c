//! From columns to numbers: learnt from training rows, applied to any row by itself.
//!
//! [`fit()`] sees the training rows and nothing else; [`FittedPreprocessor::transform`] treats each row alone, so
//! a row has the same numbers in a batch and by itself. Order: imputation, then the scale of the imputed values,
//! as a scikit-learn pipeline of `SimpleImputer` and a scaler has it. Output columns without any variation in
//! the training rows are left out; a column of which nothing is left is dropped and named.

mod boolean;
mod category;
mod describe;
mod fit;
mod kinds;
mod numeric;
mod picture;
mod recipe;
mod transform;
mod validate;

pub use describe::{InputColumn, InputRange};
pub use fit::fit;
pub(in crate::ml) use numeric::Measure;
pub use recipe::{NumberScaling, Recipe};
pub use transform::{Feature, Prepared};

use serde::{Deserialize, Serialize};

use boolean::BooleanColumn;
use category::CategoryColumn;
use numeric::NumericColumn;
use picture::PictureColumn;

use crate::ml::picture::PictureShape;
use crate::ml::table::ColumnType;

/// Output columns, at most.
pub const MAX_FEATURES: usize = 100_000;

/// What was learnt from the training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedPreprocessor {
    /// In the order of the training table; none of them without an output column.
    columns: Vec<FittedColumn>,
    dropped: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum FittedColumn {
    Numeric(NumericColumn),
    Categorical(CategoryColumn),
    Boolean(BooleanColumn),
    Image(PictureColumn),
}

/// Why columns could not be turned into numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PreprocessError {
    #[error("there are no training rows to fit the preprocessing on")]
    NoRows,
    #[error("no feature is left: all {dropped} columns are constant in the training rows")]
    NoFeatures { dropped: usize },
    #[error("the columns would become {found} features; at most {limit} are allowed")]
    TooManyFeatures { found: usize, limit: usize },
    #[error("the column {column:?} is not there")]
    MissingColumn { column: String },
    #[error("the column {column:?} is {}; expected {}", found.as_str(), expected.as_str())]
    WrongType { column: String, expected: ColumnType, found: ColumnType },
    #[error(
        "the pictures of the column {column:?} have {} × {} × {} values; expected {} × {} × {}",
        found.height, found.width, found.channels, expected.height, expected.width, expected.channels
    )]
    WrongShape { column: String, expected: PictureShape, found: PictureShape },
    #[error("the configuration does not say how the pictures of the column {column:?} are read")]
    UnreadPictures { column: String },
    /// A stored preprocessor that no training run can have made.
    #[error("the stored preprocessing is not valid: {detail}")]
    Invalid { detail: String },
}

impl FittedColumn {
    fn name(&self) -> &str {
        match self {
            FittedColumn::Numeric(column) => &column.name,
            FittedColumn::Categorical(column) => &column.name,
            FittedColumn::Boolean(column) => &column.name,
            FittedColumn::Image(column) => &column.name,
        }
    }

    fn column_type(&self) -> ColumnType {
        match self {
            FittedColumn::Numeric(_) => ColumnType::Numeric,
            FittedColumn::Categorical(_) => ColumnType::Categorical,
            FittedColumn::Boolean(_) => ColumnType::Boolean,
            FittedColumn::Image(_) => ColumnType::Image,
        }
    }

    /// The number of its output columns.
    fn width(&self) -> usize {
        match self {
            FittedColumn::Numeric(column) => column.width(),
            FittedColumn::Categorical(column) => column.width(),
            FittedColumn::Boolean(column) => column.width(),
            FittedColumn::Image(column) => column.width(),
        }
    }

    /// Whether the model reads it as a picture, not as features.
    fn is_picture(&self) -> bool {
        matches!(self, FittedColumn::Image(PictureColumn { features: None, .. }))
    }
}
