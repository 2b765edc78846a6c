//! A stored preprocessor is input like any other: whoever wrote the file may not have been us.

use std::collections::HashSet;

use super::category::{CategoryColumn, MissingCategory};
use super::numeric::NumericColumn;
use super::picture::PictureColumn;
use super::{FittedColumn, FittedPreprocessor, MAX_FEATURES, PreprocessError};

/// Longer names and categories are refused; those of tables are shorter.
const MAX_TEXT_BYTES: usize = 1 << 20;
/// Dropped columns that are named.
const MAX_DROPPED: usize = 1_000_000;

impl FittedPreprocessor {
    /// Whether a training run can have made this.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), PreprocessError> {
        let width = self.width();
        let pictures = self.columns.iter().filter(|column| column.is_picture()).count();
        check(pictures <= 1, || format!("{pictures} columns of pictures"))?;
        check(width > 0 || pictures > 0, || "it has no output columns".to_owned())?;
        check(width == 0 || pictures == 0, || "it has pictures and features".to_owned())?;
        check(width <= MAX_FEATURES, || format!("{width} output columns; at most {MAX_FEATURES} are allowed"))?;
        check(self.dropped.len() <= MAX_DROPPED, || format!("{} dropped columns", self.dropped.len()))?;
        let mut names = HashSet::new();
        for name in self.columns.iter().map(FittedColumn::name).chain(self.dropped.iter().map(String::as_str)) {
            check(name.len() <= MAX_TEXT_BYTES, || format!("a name has {} bytes", name.len()))?;
            check(names.insert(name), || "two columns have the same name".to_owned())?;
        }
        for (index, column) in self.columns.iter().enumerate() {
            check(column.width() > 0 || column.is_picture(), || format!("column {index} has no output column"))?;
            match column {
                FittedColumn::Numeric(column) => validate_numeric(index, column)?,
                FittedColumn::Categorical(column) => validate_category(index, column)?,
                FittedColumn::Boolean(_) => {}
                FittedColumn::Image(column) => validate_pictures(index, column)?,
            }
        }
        Ok(())
    }
}

fn validate_numeric(index: usize, column: &NumericColumn) -> Result<(), PreprocessError> {
    check(column.fill.is_finite(), || format!("the fill value of column {index} is not finite"))?;
    let Some(scaling) = column.scaling else { return Ok(()) };
    check(scaling.center.is_finite(), || format!("the center of column {index} is not finite"))?;
    let positive = |number: f64| number.is_finite() && number > 0.0;
    check(positive(scaling.spread), || format!("the spread of column {index} is not positive and finite"))?;
    check(positive(scaling.limit), || format!("the limit of column {index} is not positive and finite"))
}

fn validate_category(index: usize, column: &CategoryColumn) -> Result<(), PreprocessError> {
    let ascending = column.categories.windows(2).all(|pair| pair[0] < pair[1]);
    check(ascending, || format!("the categories of column {index} are not in ascending order"))?;
    let fill = match &column.missing {
        MissingCategory::Fill(category) => Some(category),
        MissingCategory::Indicator | MissingCategory::Unseen => None,
    };
    let short = column.categories.iter().chain(fill).all(|category| category.len() <= MAX_TEXT_BYTES);
    check(short, || format!("a category of column {index} has more than {MAX_TEXT_BYTES} bytes"))
}

fn validate_pictures(index: usize, column: &PictureColumn) -> Result<(), PreprocessError> {
    let PictureColumn { spec, scaling, features, .. } = column;
    check(spec.shape.is_possible(), || format!("the pictures of column {index} have an impossible shape"))?;
    let channels = spec.shape.channels;
    let lengths = [scaling.mean.len(), scaling.spread.len()];
    check(lengths == [channels; 2], || format!("column {index} does not scale each of {channels} channels"))?;
    let finite = scaling.mean.iter().all(|mean| mean.is_finite());
    check(finite, || format!("a mean of column {index} is not finite"))?;
    let positive = scaling.spread.iter().all(|spread| spread.is_finite() && *spread > 0.0);
    check(positive, || format!("a spread of column {index} is not positive and finite"))?;
    let Some(features) = features else { return Ok(()) };
    let ascending = features.windows(2).all(|pair| pair[0] < pair[1]);
    let inside = features.last().is_none_or(|&last| (last as usize) < spec.shape.values());
    check(ascending && inside, || format!("the features of column {index} are not places in a picture, ascending"))
}

fn check(holds: bool, detail: impl FnOnce() -> String) -> Result<(), PreprocessError> {
    if holds { Ok(()) } else { Err(PreprocessError::Invalid { detail: detail() }) }
}
