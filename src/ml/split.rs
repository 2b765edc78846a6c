//! Which rows train, which validate and which test.
//!
//! Every part has rows of both classes, or the split is refused with the part, the class and the counts: a part
//! without positives has no recall, and a validation part without negatives no threshold. Rows with a missing
//! value in the column that steers the split are refused too; to guess where they belong could put rows of one
//! group, or of the future, on both sides.

mod cross;
mod folds;
mod given;
mod group;
mod stratified;
mod time;

pub use cross::{Fold, folds, hold_out};
pub use folds::stratified_folds;

use super::config::Split;
use super::labels::ClassCounts;
use super::seed::Seed;
use super::table::{MISSING, Values};

/// Row indices, ascending; each row of the table is in exactly one part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parts {
    pub train: Vec<usize>,
    pub validation: Vec<usize>,
    pub test: Vec<usize>,
}

/// One of the three parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Train,
    Validation,
    Test,
}

impl Part {
    pub const ALL: [Part; 3] = [Part::Train, Part::Validation, Part::Test];

    /// The name used in messages and in the column of a given split.
    pub fn as_str(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Validation => "validation",
            Part::Test => "test",
        }
    }
}

/// A split that cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SplitError {
    #[error("this split needs a column, and none was given")]
    NoColumn,
    #[error("the column has {found} rows where there are {expected} labels")]
    UnequalLengths { expected: usize, found: usize },
    #[error("the column of the split has no value in {missing} of {rows} rows; each row needs one")]
    MissingValues { missing: usize, rows: usize },
    #[error("the {class} class has {rows} rows; each of the parts train, validation and test needs at least 1")]
    TooFewOfClass { class: &'static str, rows: usize },
    #[error("the column of the split has {found} distinct values; three parts need at least 3")]
    TooFewValues { found: usize },
    #[error(
        "the {} part would have {} positive and {} negative rows; each part needs both classes",
        .part.as_str(), .counts.positive, .counts.negative
    )]
    PartLacksClass { part: Part, counts: ClassCounts },
    #[error("the column of the split has {found} distinct values among the rows to divide; {needed} are needed")]
    TooFewForFolds { found: usize, needed: usize },
    #[error("a split by column does not say which rows of a part belong together")]
    NoFolds,
    #[error("expected only train, validation and test in the column of the split, found {} in {rows} rows", .values.join(", "))]
    UnknownParts { values: Vec<String>, rows: usize },
}

/// Divides the rows. `labels` has one entry per row, `true` for the positive class; `column` holds the values of
/// [`Split::column`] where the strategy has one.
///
/// # Errors
/// If a part would lack a class, or the column is absent, has missing values or cannot be divided so.
pub fn split(split: &Split, labels: &[bool], column: Option<&Values>, seed: Seed) -> Result<Parts, SplitError> {
    let parts = match *split {
        Split::Stratified { test_fraction, validation_fraction } => {
            stratified::split(labels, Fractions { test: test_fraction, validation: validation_fraction }, seed)?
        }
        Split::Group { test_fraction, validation_fraction, .. } => {
            let fractions = Fractions { test: test_fraction, validation: validation_fraction };
            group::split(labels, complete(column, labels)?, fractions, seed)?
        }
        Split::Time { test_fraction, validation_fraction, .. } => {
            let fractions = Fractions { test: test_fraction, validation: validation_fraction };
            time::split(complete(column, labels)?, fractions)?
        }
        Split::Column { .. } => given::split(complete(column, labels)?)?,
    };
    check_classes(&parts, labels)?;
    Ok(parts)
}

/// The shares of the parts that are not for training.
#[derive(Debug, Clone, Copy)]
struct Fractions {
    test: f64,
    validation: f64,
}

impl Fractions {
    /// The share of the rows that a part should have.
    fn of(self, part: Part) -> f64 {
        match part {
            Part::Train => 1.0 - self.test - self.validation,
            Part::Validation => self.validation,
            Part::Test => self.test,
        }
    }
}

impl Parts {
    /// Puts each row where `part_of` says.
    fn by_row(rows: usize, part_of: impl Fn(usize) -> Part) -> Self {
        let mut parts = Parts::default();
        for row in 0..rows {
            match part_of(row) {
                Part::Train => parts.train.push(row),
                Part::Validation => parts.validation.push(row),
                Part::Test => parts.test.push(row),
            }
        }
        parts
    }

    /// Training and validation rows, ascending: all but those that test.
    pub fn development(&self) -> Vec<usize> {
        let mut rows: Vec<usize> = self.train.iter().chain(&self.validation).copied().collect();
        rows.sort_unstable();
        rows
    }

    /// The rows of a part.
    pub fn of(&self, part: Part) -> &[usize] {
        match part {
            Part::Train => &self.train,
            Part::Validation => &self.validation,
            Part::Test => &self.test,
        }
    }
}

/// The column, if it has a value for each label.
fn complete<'a>(column: Option<&'a Values>, labels: &[bool]) -> Result<&'a Values, SplitError> {
    let column = column.ok_or(SplitError::NoColumn)?;
    if column.len() != labels.len() {
        return Err(SplitError::UnequalLengths { expected: labels.len(), found: column.len() });
    }
    let missing = match column {
        Values::Numeric(values) => values.iter().filter(|value| value.is_nan()).count(),
        Values::Categorical { codes, .. } => codes.iter().filter(|&&code| code == MISSING).count(),
        Values::Boolean(values) => values.iter().filter(|value| value.is_none()).count(),
        Values::Pictures(_) => 0,
    };
    if missing > 0 { Err(SplitError::MissingValues { missing, rows: labels.len() }) } else { Ok(column) }
}

/// The rank of each row's value among the distinct values of a complete column, in the order of numbers and,
/// for text, of characters; and how many distinct values there are.
fn ranks(column: &Values) -> (Vec<usize>, usize) {
    match column {
        // Adding zero makes -0 and 0 one value.
        Values::Numeric(values) => rank_by(values.len(), |a, b| (values[a] + 0.0).total_cmp(&(values[b] + 0.0))),
        Values::Categorical { codes, levels } => {
            let level = |row: usize| levels.get(codes[row] as usize);
            rank_by(codes.len(), |a, b| level(a).cmp(&level(b)))
        }
        Values::Boolean(values) => rank_by(values.len(), |a, b| values[a].cmp(&values[b])),
        Values::Pictures(pictures) => rank_by(pictures.len(), |a, b| pictures.get(a).cmp(pictures.get(b))),
    }
}

fn rank_by(rows: usize, order: impl Fn(usize, usize) -> std::cmp::Ordering) -> (Vec<usize>, usize) {
    let mut sorted: Vec<usize> = (0..rows).collect();
    sorted.sort_by(|&a, &b| order(a, b));
    let mut ranks = vec![0; rows];
    let mut rank = 0;
    for pair in sorted.windows(2) {
        rank += usize::from(order(pair[0], pair[1]).is_ne());
        ranks[pair[1]] = rank;
    }
    (ranks, if rows == 0 { 0 } else { rank + 1 })
}

fn check_classes(parts: &Parts, labels: &[bool]) -> Result<(), SplitError> {
    for part in Part::ALL {
        let part_labels: Vec<bool> = parts.of(part).iter().map(|&row| labels[row]).collect();
        let counts = ClassCounts::of(&part_labels);
        if counts.positive == 0 || counts.negative == 0 {
            return Err(SplitError::PartLacksClass { part, counts });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
