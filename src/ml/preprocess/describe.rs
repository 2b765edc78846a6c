//! What was learnt, in words: names of output columns, and how inputs are treated.

use std::ops::Range;

use super::boolean::BooleanColumn;
use super::category::{CategoryColumn, MissingCategory};
use super::numeric::NumericColumn;
use super::{FittedColumn, FittedPreprocessor};
use crate::ml::config::NumericImpute;
use crate::ml::picture::{PictureShape, PictureSpec};
use crate::ml::table::ColumnType;

/// A column that the model reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputColumn {
    pub name: String,
    pub column_type: ColumnType,
    /// The categories with an output column of their own, ascending; of categorical columns.
    pub categories: Option<Vec<String>>,
    /// What happens to a missing value, in one sentence.
    pub missing_policy: String,
    /// What happens to a category never seen in training, in one sentence; of categorical columns.
    pub unseen_policy: Option<String>,
    /// What pictures are turned into before they are read; of columns of pictures.
    pub picture: Option<PictureSpec>,
}

/// A column that the model reads and the range of output columns that it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputRange {
    pub name: String,
    pub columns: Range<usize>,
}

impl FittedPreprocessor {
    /// The shape of the pictures that the model reads as such.
    pub fn picture_shape(&self) -> Option<PictureShape> {
        self.columns.iter().find_map(|column| match column {
            FittedColumn::Image(column) if column.features.is_none() => Some(column.spec.shape),
            _ => None,
        })
    }

    /// The columns that the model reads with their output columns, which follow each other without a gap.
    pub fn input_ranges(&self) -> Vec<InputRange> {
        let mut start = 0;
        let range = |column: &FittedColumn| {
            let columns = start..start + column.width();
            start = columns.end;
            InputRange { name: column.name().to_owned(), columns }
        };
        self.columns.iter().map(range).collect()
    }

    /// For each output column the value of the input that becomes 0, and how much of it becomes 1: centre and spread of
    /// scaled numbers, 0 and 1 for indicators and categories.
    pub fn scalings(&self) -> Vec<(f64, f64)> {
        let mut scalings = Vec::with_capacity(self.width());
        for column in &self.columns {
            if let FittedColumn::Image(column) = column {
                scalings.extend(column.features.iter().flatten().map(|&value| column.scaling_of(value)));
                continue;
            }
            let scaling = match column {
                FittedColumn::Numeric(column) => column.scaling.map(|scaling| (scaling.center, scaling.spread)),
                FittedColumn::Boolean(_) | FittedColumn::Categorical(_) | FittedColumn::Image(_) => None,
            };
            scalings.extend(scaling);
            scalings.extend((usize::from(scaling.is_some())..column.width()).map(|_| (0.0, 1.0)));
        }
        scalings
    }

    /// The names of the output columns: `age`, `age_missing`, `job=clerk`, `job=<rare>`, `job=<missing>`.
    pub fn feature_names(&self) -> Vec<String> {
        let mut names = Vec::with_capacity(self.width());
        for column in &self.columns {
            match column {
                FittedColumn::Numeric(column) => {
                    names.extend(column.scaling.map(|_| column.name.clone()));
                    names.extend(column.indicator.then(|| format!("{}_missing", column.name)));
                }
                FittedColumn::Boolean(column) => {
                    names.extend(column.value.then(|| column.name.clone()));
                    names.extend(column.indicator.then(|| format!("{}_missing", column.name)));
                }
                FittedColumn::Categorical(column) => names.extend(category_names(column)),
                FittedColumn::Image(column) => {
                    names.extend(column.features.iter().flatten().map(|&value| column.feature_name(value)));
                }
            }
        }
        names
    }

    /// Columns without any variation in the training rows, in their order there; the model does not read them.
    pub fn dropped_columns(&self) -> &[String] {
        &self.dropped
    }

    /// Which output columns are scaled numbers, neither indicators nor categories, or pixels: those that noise
    /// may be added to.
    pub fn noise_columns(&self) -> Vec<bool> {
        let mut noisy = Vec::with_capacity(self.width());
        for column in &self.columns {
            let first = matches!(column, FittedColumn::Numeric(column) if column.scaling.is_some());
            let all = matches!(column, FittedColumn::Image(_));
            noisy.extend((0..column.width()).map(|position| all || (first && position == 0)));
        }
        noisy
    }

    /// What pictures are turned into before they are read, if there are any.
    pub fn picture_spec(&self) -> Option<PictureSpec> {
        self.columns.iter().find_map(FittedColumn::picture_spec)
    }

    /// The columns that the model reads.
    pub fn inputs(&self) -> Vec<InputColumn> {
        self.columns.iter().map(FittedColumn::describe).collect()
    }
}

impl FittedColumn {
    fn picture_spec(&self) -> Option<PictureSpec> {
        match self {
            FittedColumn::Image(column) => Some(column.spec),
            FittedColumn::Numeric(_) | FittedColumn::Categorical(_) | FittedColumn::Boolean(_) => None,
        }
    }

    fn describe(&self) -> InputColumn {
        let (categories, missing_policy, unseen_policy) = match self {
            FittedColumn::Numeric(column) => (None, numeric_missing(column), None),
            FittedColumn::Boolean(column) => (None, boolean_missing(column), None),
            FittedColumn::Image(_) => (None, "A picture cannot be missing.".to_owned(), None),
            FittedColumn::Categorical(column) => {
                let unseen = format!("A category never seen in training {}.", unseen(column));
                (Some(column.categories.clone()), category_missing(column), Some(unseen))
            }
        };
        let name = self.name().to_owned();
        let picture = self.picture_spec();
        InputColumn { name, column_type: self.column_type(), categories, missing_policy, unseen_policy, picture }
    }
}

fn category_names(column: &CategoryColumn) -> Vec<String> {
    let name = &column.name;
    let mut names: Vec<String> = column.categories.iter().map(|category| format!("{name}={category}")).collect();
    names.extend(column.rare.then(|| format!("{name}=<rare>")));
    names.extend((column.missing == MissingCategory::Indicator).then(|| format!("{name}=<missing>")));
    names
}

fn numeric_missing(column: &NumericColumn) -> String {
    let origin = match column.impute {
        NumericImpute::Median => "the median of the training rows",
        NumericImpute::Mean => "the mean of the training rows",
        NumericImpute::MostFrequent => "the most frequent value of the training rows",
        NumericImpute::Constant => "the configured constant",
    };
    format!("A missing value becomes {}, {origin}{}.", column.fill, marked(&column.name, column.indicator))
}

fn boolean_missing(column: &BooleanColumn) -> String {
    format!("A missing value becomes {}{}.", column.fill, marked(&column.name, column.indicator))
}

fn marked(name: &str, indicator: bool) -> String {
    if indicator { format!(", and {name}_missing becomes 1") } else { String::new() }
}

fn category_missing(column: &CategoryColumn) -> String {
    match &column.missing {
        MissingCategory::Indicator => "A missing value is a category of its own.".to_owned(),
        MissingCategory::Fill(category) => format!("A missing value is treated as the category {category:?}."),
        MissingCategory::Unseen => {
            format!("No training row had a missing value; one {}, as an unseen category is.", unseen(column))
        }
    }
}

fn unseen(column: &CategoryColumn) -> &'static str {
    if column.rare { "counts as one of the rare categories" } else { "is none of the known categories: all zeros" }
}
