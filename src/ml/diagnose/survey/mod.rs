//! What the checks go by, gathered from a table: cheap, from samples where there are many rows, and always the same
//! for the same rows and seed.

mod column;
mod encode;
mod likeness;
mod near;
mod order;
mod pictures;
mod repeats;
mod shift;

use rayon::prelude::*;

use crate::ml::config::AugmentStep;
use crate::ml::labels::ClassCounts;
use crate::ml::seed::Seed;
use crate::ml::table::Table;

pub use column::{ColumnFacts, Grouping, NumericFacts, Sentinel};
pub use likeness::{Alike, STRAIGHT, alike_columns};
pub use near::{MatrixFacts, matrix_facts};
pub use order::{Order, order_of};
pub use pictures::{Clue, Meaning, NearTwins, PictureSurvey, survey_pictures};
pub use repeats::{Conflicts, Repeats, Twins};
pub use shift::{ColumnShift, column_shifts};

/// Rows that columns are described by, at most.
const MAX_ROWS: usize = 20_000;
/// Rows that columns are described by even where there are very many columns.
const LEAST_ROWS: usize = 2_000;
/// Numbers looked at, about; beyond, fewer rows.
const MAX_CELLS: usize = 4_000_000;
/// Rows of the rarer class that are kept even where their share would be fewer.
const LEAST_OF_CLASS: usize = 1_000;

/// A part of the rows: the columns to learn from, and a label for each row.
#[derive(Debug, Clone, Copy)]
pub struct PartRows<'a> {
    pub features: &'a Table,
    pub labels: &'a [bool],
}

impl PartRows<'_> {
    pub fn counts(&self) -> ClassCounts {
        ClassCounts::of(self.labels)
    }
}

/// The three parts of the rows, in the order of the file each.
#[derive(Debug, Clone, Copy)]
pub struct SurveyInput<'a> {
    /// What training rows will be disturbed by.
    pub augment: &'a [AugmentStep],
    pub train: PartRows<'a>,
    pub validation: PartRows<'a>,
    pub test: PartRows<'a>,
    pub seed: Seed,
}

/// What is known of the rows before anything is learnt.
#[derive(Debug, Clone)]
pub struct Survey {
    /// Train, validation, test.
    pub parts: [ClassCounts; 3],
    /// Of the training rows.
    pub columns: Vec<ColumnFacts>,
    /// Columns that say what an earlier one says.
    pub alike: Vec<Alike>,
    /// Equal rows within the training part.
    pub repeats: Repeats,
    /// Validation and test rows that have an equal training row.
    pub twins: Twins,
    /// How the columns differ between the training part and the other two.
    pub shifts: Vec<ColumnShift>,
    /// Of a table with a column of pictures.
    pub pictures: Option<PictureSurvey>,
}

/// Looks at the parts.
pub fn survey(input: &SurveyInput<'_>) -> Survey {
    let SurveyInput { train, validation, test, seed, .. } = *input;
    let rows = sampled_rows(train.labels, train.features.columns().len(), seed);
    let labels: Vec<bool> = rows.iter().map(|&row| train.labels[row]).collect();
    let columns: Vec<ColumnFacts> = train
        .features
        .columns()
        .par_iter()
        .map(|column| ColumnFacts::of(column, &rows, &labels, train.features.rows()))
        .collect();
    let hashes = [train, validation, test].map(|part| repeats::row_hashes(part.features));
    let [train_rows, validation_rows, test_rows] = hashes;
    let train_rows = repeats::Labelled::new(train_rows, train.labels);
    let others = [(validation_rows, validation.labels), (test_rows, test.labels)];
    Survey {
        parts: [train, validation, test].map(|part| part.counts()),
        alike: alike_columns(train.features, &rows),
        repeats: train_rows.repeats(),
        twins: train_rows.twins(&others),
        shifts: column_shifts(train.features, &rows, [validation.features, test.features]),
        pictures: survey_pictures(input),
        columns,
    }
}

/// A random sample of each class, ascending; of all rows where they are few.
fn sampled_rows(labels: &[bool], columns: usize, seed: Seed) -> Vec<usize> {
    let wanted = (MAX_CELLS / columns.max(1)).clamp(LEAST_ROWS, MAX_ROWS);
    sample_of(labels, wanted, seed.derive("survey"))
}

/// About `wanted` rows, ascending, each class by its share but the rarer with at least some.
pub(super) fn sample_of(labels: &[bool], wanted: usize, seed: Seed) -> Vec<usize> {
    use rand::seq::SliceRandom;
    if labels.len() <= wanted {
        return (0..labels.len()).collect();
    }
    let share = wanted as f64 / labels.len() as f64;
    let mut rng = seed.stream("rows");
    let mut kept = Vec::with_capacity(wanted + LEAST_OF_CLASS);
    for class in [true, false] {
        let mut of_class: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == class).collect();
        let least = LEAST_OF_CLASS.min(wanted / 2);
        let take = ((of_class.len() as f64 * share) as usize).max(least).min(of_class.len());
        let (drawn, _) = of_class.partial_shuffle(&mut rng, take);
        kept.extend_from_slice(drawn);
    }
    kept.sort_unstable();
    kept
}
