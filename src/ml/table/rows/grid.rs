//! The columns of a request: numbers, which most are, side by side in one piece of memory, row after row.

use super::{ExpectedColumn, Inputs};
use crate::ml::table::cell::{Cell, MissingMarkers};
use crate::ml::table::read::ColumnBuilder;
use crate::ml::table::{ColumnRef, ColumnType, Numbers, TableLimits, Values};

/// Columns that grow by whatever a quick reader finds, a row at a time. A row is begun, each of its values put in its place
/// once, in any order, and then the next is begun.
pub(super) struct GridBuilder {
    /// The places of the numbers of a row.
    width: usize,
    numbers: Vec<f64>,
    /// Where the last row begins.
    row: usize,
    columns: Vec<Growing>,
}

/// Where the values of a column go.
enum Growing {
    /// The place in each row of numbers.
    Number(usize),
    Other(ColumnType, ColumnBuilder),
}

/// What a column takes.
pub(super) enum Slot<'a> {
    Number(&'a mut f64),
    Other(ColumnType, &'a mut ColumnBuilder),
}

impl GridBuilder {
    /// For the inputs of a model, and about so many rows.
    pub(super) fn new(inputs: &Inputs, limits: &TableLimits, rows: usize) -> Self {
        let mut width = 0;
        let columns = inputs.iter().map(|ExpectedColumn { column_type, .. }| match column_type {
            ColumnType::Numeric => {
                width += 1;
                Growing::Number(width - 1)
            }
            other => Growing::Other(*other, ColumnBuilder::new(*other, limits.max_levels)),
        });
        let columns = columns.collect();
        Self { width, numbers: Vec::with_capacity(width * rows), row: 0, columns }
    }

    /// Begins a row.
    #[inline]
    pub(super) fn begin_row(&mut self) {
        self.row = self.numbers.len();
        self.numbers.resize(self.row + self.width, f64::NAN);
    }

    /// Where the value goes that the last row has in a column; `None` where there is no such column.
    #[inline]
    pub(super) fn slot(&mut self, column: usize) -> Option<Slot<'_>> {
        match self.columns.get_mut(column)? {
            Growing::Number(place) => self.numbers.get_mut(self.row + *place).map(Slot::Number),
            Growing::Other(column_type, builder) => Some(Slot::Other(*column_type, builder)),
        }
    }

    /// Takes rows of numbers, where a model has no other columns: the place of each column is its index.
    pub(super) fn only_numbers(&mut self) -> Option<&mut Vec<f64>> {
        (self.width == self.columns.len()).then_some(&mut self.numbers)
    }

    pub(super) fn finish(self) -> Columns {
        let Self { width, numbers, columns, .. } = self;
        let columns = columns.into_iter().map(|column| match column {
            Growing::Number(place) => Kept::Number(place),
            Growing::Other(_, builder) => Kept::Whole(builder.finish()),
        });
        Columns { columns: columns.collect(), numbers, width }
    }
}

impl Slot<'_> {
    /// Puts a cell in; `None` if it is wrong.
    pub(super) fn put(self, cell: Cell<'_>) -> Option<()> {
        match self {
            Slot::Number(number) => *number = cell.numeric().ok()?,
            Slot::Other(_, builder) => builder.push(cell).ok()?,
        }
        Some(())
    }

    /// Puts a text in that a format with types has.
    pub(super) fn put_text(self, text: &str, markers: &MissingMarkers, limits: &TableLimits) -> Option<()> {
        if text.len() > limits.max_field_bytes {
            return None;
        }
        self.put(markers.text(text))
    }
}

/// The columns of a request, in the order of the model's inputs.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Columns {
    columns: Vec<Kept>,
    numbers: Vec<f64>,
    width: usize,
}

#[derive(Debug, Clone, PartialEq)]
enum Kept {
    /// The place in each row of numbers.
    Number(usize),
    Whole(Values),
}

impl Columns {
    pub(super) fn iter(&self) -> impl Iterator<Item = ColumnRef<'_>> {
        self.columns.iter().map(|column| match column {
            Kept::Number(place) => {
                let values = self.numbers.get(*place..).unwrap_or_default();
                ColumnRef::Numeric(Numbers { values, stride: self.width.max(1) })
            }
            Kept::Whole(values) => ColumnRef::from(values),
        })
    }
}

impl From<Vec<Values>> for Columns {
    fn from(columns: Vec<Values>) -> Self {
        Self { columns: columns.into_iter().map(Kept::Whole).collect(), ..Self::default() }
    }
}
