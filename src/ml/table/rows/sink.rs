//! A column that grows by whatever a quick reader of columns finds.

use crate::ml::table::cell::{Cell, MissingMarkers};
use crate::ml::table::read::ColumnBuilder;
use crate::ml::table::{ColumnType, TableLimits, Values};

/// One column. Numbers, which most columns are, need no builder.
pub(super) enum Sink {
    Numbers(Vec<f64>),
    Other(ColumnBuilder),
}

impl Sink {
    pub(super) fn new(column_type: ColumnType, limits: &TableLimits) -> Self {
        match column_type {
            ColumnType::Numeric => Sink::Numbers(Vec::new()),
            other => Sink::Other(ColumnBuilder::new(other, limits.max_levels)),
        }
    }

    /// Appends a cell, or nothing if it is wrong.
    pub(super) fn push(&mut self, cell: Cell<'_>) -> Option<()> {
        match self {
            Sink::Numbers(numbers) => numbers.push(cell.numeric().ok()?),
            Sink::Other(builder) => builder.push(cell).ok()?,
        }
        Some(())
    }

    /// Appends a text that a format with types has.
    pub(super) fn push_text(&mut self, text: &str, markers: &MissingMarkers, limits: &TableLimits) -> Option<()> {
        if text.len() > limits.max_field_bytes {
            return None;
        }
        self.push(markers.text(text))
    }

    pub(super) fn finish(self) -> Values {
        match self {
            Sink::Numbers(numbers) => Values::Numeric(numbers),
            Sink::Other(builder) => builder.finish(),
        }
    }
}
