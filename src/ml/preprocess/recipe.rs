//! What was learnt, laid open for those who write it down in another language.

use super::{FittedColumn, FittedPreprocessor};
use crate::ml::picture::{PictureScaling, PictureSpec};

/// How one column of the table becomes features.
#[derive(Debug, Clone, PartialEq)]
pub enum Recipe<'a> {
    /// The scaled value, then whether it was missing; either may be left out.
    Numeric {
        name: &'a str,
        /// What a missing value becomes before scaling.
        fill: f64,
        /// `(value - center) / spread`, cut at `±limit`.
        scaling: Option<NumberScaling>,
        indicator: bool,
    },
    /// 1 for true and 0 for false, then whether it was missing; either may be left out.
    Boolean { name: &'a str, fill: bool, value: bool, indicator: bool },
    /// One feature per category, one for rare and unseen ones, one for missing values; exactly one of them is 1, or none.
    Categorical {
        name: &'a str,
        /// Those with a feature of their own, in the order of the features.
        categories: &'a [String],
        /// The feature of any other category; `None` if all are 0.
        other: Option<usize>,
        /// The feature of a missing value; `None` if all are 0.
        missing: Option<usize>,
        /// The number of features.
        width: usize,
    },
    /// Scaled pixel values: those that are features, or the picture as such.
    Image {
        name: &'a str,
        spec: PictureSpec,
        scaling: &'a PictureScaling,
        /// Places in the picture, ascending; `None`: a network reads the picture.
        features: Option<&'a [u32]>,
    },
}

/// Centre and positive spread of a scaled number, and where it ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NumberScaling {
    pub center: f64,
    pub spread: f64,
    pub limit: f64,
}

impl Recipe<'_> {
    /// The name of the column.
    pub fn name(&self) -> &str {
        match self {
            Recipe::Numeric { name, .. }
            | Recipe::Boolean { name, .. }
            | Recipe::Categorical { name, .. }
            | Recipe::Image { name, .. } => name,
        }
    }
}

impl FittedPreprocessor {
    /// One recipe per column that the model reads, in the order of the features.
    pub fn recipes(&self) -> Vec<Recipe<'_>> {
        self.columns.iter().map(FittedColumn::recipe).collect()
    }
}

impl FittedColumn {
    fn recipe(&self) -> Recipe<'_> {
        match self {
            FittedColumn::Numeric(column) => Recipe::Numeric {
                name: &column.name,
                fill: column.fill,
                scaling: column.scaling.map(|scaling| NumberScaling {
                    center: scaling.center,
                    spread: scaling.spread,
                    limit: scaling.limit,
                }),
                indicator: column.indicator,
            },
            FittedColumn::Boolean(column) => Recipe::Boolean {
                name: &column.name,
                fill: column.fill,
                value: column.value,
                indicator: column.indicator,
            },
            FittedColumn::Image(column) => Recipe::Image {
                name: &column.name,
                spec: column.spec,
                scaling: &column.scaling,
                features: column.features.as_deref(),
            },
            FittedColumn::Categorical(column) => Recipe::Categorical {
                name: &column.name,
                categories: &column.categories,
                other: column.rare.then_some(column.categories.len()),
                missing: column.missing_position(),
                width: column.width(),
            },
        }
    }
}
