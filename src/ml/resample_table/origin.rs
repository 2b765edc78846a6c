//! Where each row of a resampled table comes from.

use serde::{Deserialize, Serialize};

use super::encode::Decode;
use super::{ResampledTable, copies};
use crate::ml::config::{ResampleConfig, ResampleStep};
use crate::ml::labels::ClassCounts;
use crate::ml::resample::Removed;
use crate::ml::sets::{Origin, TrainSet};
use crate::ml::table::{Column, MISSING, Table, TableError, Values};

/// Where a row comes from; rows are those of the old table, counted from 0.
#[derive(Debug, Clone, PartialEq)]
pub enum RowOrigin {
    Kept {
        row: usize,
    },
    /// A row that is there already; `step` is `None` where several steps make copies.
    Copy {
        row: usize,
        step: Option<usize>,
    },
    Synthetic {
        step: usize,
        parents: [usize; 2],
    },
    /// A row that a step removed, why, and the row of the table that had to do with it, if one had.
    Removed {
        row: usize,
        step: usize,
        reason: &'static str,
        other: Option<usize>,
    },
}

/// The rows of each class after a step; at the start there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepCounts {
    pub step: Option<usize>,
    pub method: Option<String>,
    #[serde(flatten)]
    pub counts: ClassCounts,
    /// Where the step did something else than it was asked for.
    pub notes: Vec<String>,
}

impl RowOrigin {
    /// Where the values of this row of the new table are.
    pub(super) fn source(&self, new_row: usize, config: &ResampleConfig) -> Decode {
        match *self {
            RowOrigin::Kept { row } | RowOrigin::Copy { row, .. } | RowOrigin::Removed { row, .. } => Decode::Old(row),
            RowOrigin::Synthetic { step, parents } => {
                Decode::New { row: new_row, parents, keep_integers: config.keeps_integers(step) }
            }
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            RowOrigin::Kept { .. } => "kept",
            RowOrigin::Copy { .. } => "copy",
            RowOrigin::Synthetic { .. } => "synthetic",
            RowOrigin::Removed { .. } => "removed",
        }
    }

    fn step(&self) -> Option<usize> {
        match *self {
            RowOrigin::Kept { .. } => None,
            RowOrigin::Copy { step, .. } => step,
            RowOrigin::Synthetic { step, .. } | RowOrigin::Removed { step, .. } => Some(step),
        }
    }

    /// Its row of the old table, or that of its first parent, counted from 1 as people do.
    fn row(&self) -> f64 {
        match *self {
            RowOrigin::Kept { row } | RowOrigin::Copy { row, .. } | RowOrigin::Removed { row, .. } => row as f64 + 1.0,
            RowOrigin::Synthetic { parents: [first, _], .. } => first as f64 + 1.0,
        }
    }

    /// That of its other parent, or of the row that had it removed.
    fn other_row(&self) -> f64 {
        let other = match *self {
            RowOrigin::Synthetic { parents: [_, other], .. } => Some(other),
            RowOrigin::Removed { other, .. } => other,
            RowOrigin::Kept { .. } | RowOrigin::Copy { .. } => None,
        };
        other.map_or(f64::NAN, |other| other as f64 + 1.0)
    }

    fn reason(&self) -> Option<&'static str> {
        match *self {
            RowOrigin::Removed { reason, .. } => Some(reason),
            RowOrigin::Kept { .. } | RowOrigin::Copy { .. } | RowOrigin::Synthetic { .. } => None,
        }
    }
}

/// The row of the table that a row of the first set was.
fn table_row(table_rows: &[usize], index: u32) -> usize {
    table_rows.get(index as usize).copied().unwrap_or(index as usize)
}

/// The origins of the rows of a set; `table_rows` says which row of the table each row of the first set was.
pub(super) fn of_rows(set: &TrainSet, table_rows: &[usize], steps: &[ResampleStep]) -> Vec<RowOrigin> {
    let row = |index: u32| table_row(table_rows, index);
    let mut copying = (0..steps.len()).filter(|&index| steps.get(index).is_some_and(|step| copies(&step.method)));
    let step = match (copying.next(), copying.next()) {
        (Some(step), None) => Some(step),
        _ => None,
    };
    let mut seen = vec![false; table_rows.len()];
    let origin = |origin: &Origin| match *origin {
        Origin::Synthetic { step, parents } => RowOrigin::Synthetic { step: step.into(), parents: parents.map(row) },
        Origin::Row(index) => match seen.get_mut(index as usize) {
            Some(seen) if *seen => RowOrigin::Copy { row: row(index), step },
            Some(seen) => {
                *seen = true;
                RowOrigin::Kept { row: row(index) }
            }
            None => RowOrigin::Kept { row: row(index) },
        },
    };
    set.origins.iter().map(origin).collect()
}

/// The rows of the table that steps removed. Synthetic rows that a later step removed were never in the table.
pub(super) fn of_removed(removed: &[Removed], table_rows: &[usize]) -> Vec<RowOrigin> {
    let row = |index: u32| table_row(table_rows, index);
    let shown = |removed: &Removed| match removed.origin {
        Origin::Row(index) => {
            let other = match removed.reason.other() {
                Some(Origin::Row(other)) => Some(row(other)),
                Some(Origin::Synthetic { .. }) | None => None,
            };
            Some(RowOrigin::Removed {
                row: row(index),
                step: removed.step.into(),
                reason: removed.reason.name(),
                other,
            })
        }
        Origin::Synthetic { .. } => None,
    };
    removed.iter().filter_map(shown).collect()
}

impl ResampledTable {
    /// The table with the columns that say where its rows come from behind its own.
    ///
    /// # Errors
    /// If the table has columns of these names.
    pub fn with_origins(&self, config: &ResampleConfig) -> Result<Table, TableError> {
        let origins = &self.origins;
        let numbers = |number: fn(&RowOrigin) -> f64| Values::Numeric(origins.iter().map(number).collect());
        let methods: Vec<&str> = config.resample.iter().map(|step| step.method.name()).collect();
        let method = |origin: &RowOrigin| origin.step().and_then(|step| methods.get(step).copied());
        let values = [
            categories(origins.iter().map(|origin| Some(origin.kind()))),
            numbers(RowOrigin::row),
            numbers(RowOrigin::other_row),
            numbers(|origin| origin.step().map_or(f64::NAN, |step| step as f64)),
            categories(origins.iter().map(method)),
            categories(origins.iter().map(RowOrigin::reason)),
        ];
        let new = config.origin_columns().into_iter().zip(values).map(|(name, values)| Column { name, values });
        Table::new(self.table.columns().iter().cloned().chain(new).collect())
    }
}

/// A column of a few different texts.
fn categories<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Values {
    let mut levels: Vec<String> = Vec::new();
    let mut code = |text: Option<&str>| {
        let Some(text) = text else { return MISSING };
        let known = levels.iter().position(|level| level == text).unwrap_or_else(|| {
            levels.push(text.to_owned());
            levels.len() - 1
        });
        known as u32
    };
    let codes = texts.map(&mut code).collect();
    Values::Categorical { codes, levels }
}
