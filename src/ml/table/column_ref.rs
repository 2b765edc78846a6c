//! A column as those see it who only read it, wherever its values lie.

use super::{ColumnType, Values};
use crate::ml::picture::Pictures;

/// The values of one column.
#[derive(Debug, Clone, Copy)]
pub enum ColumnRef<'a> {
    Numeric(Numbers<'a>),
    /// As in [`Values::Categorical`].
    Categorical {
        codes: &'a [u32],
        levels: &'a [String],
    },
    Boolean(&'a [Option<bool>]),
    Pictures(&'a Pictures),
}

/// Numbers that lie a fixed distance apart; NaN is missing.
#[derive(Debug, Clone, Copy)]
pub struct Numbers<'a> {
    /// Begins with the first number.
    pub values: &'a [f64],
    /// At least 1.
    pub stride: usize,
}

impl<'a> Numbers<'a> {
    pub fn iter(self) -> impl Iterator<Item = f64> + use<'a> {
        self.values.iter().step_by(self.stride.max(1)).copied()
    }

    /// From the given number on.
    pub fn from(self, first: usize) -> Self {
        Self { values: self.values.get(first * self.stride..).unwrap_or_default(), ..self }
    }
}

impl<'a> From<&'a Values> for ColumnRef<'a> {
    fn from(values: &'a Values) -> Self {
        match values {
            Values::Numeric(values) => ColumnRef::Numeric(Numbers { values, stride: 1 }),
            Values::Categorical { codes, levels } => ColumnRef::Categorical { codes, levels },
            Values::Boolean(flags) => ColumnRef::Boolean(flags),
            Values::Pictures(pictures) => ColumnRef::Pictures(pictures),
        }
    }
}

impl ColumnRef<'_> {
    pub fn column_type(self) -> ColumnType {
        match self {
            ColumnRef::Numeric(_) => ColumnType::Numeric,
            ColumnRef::Categorical { .. } => ColumnType::Categorical,
            ColumnRef::Boolean(_) => ColumnType::Boolean,
            ColumnRef::Pictures(_) => ColumnType::Image,
        }
    }

    /// The first `rows` values, as a column of their own.
    pub fn to_values(self, rows: usize) -> Values {
        match self {
            ColumnRef::Numeric(numbers) => Values::Numeric(numbers.iter().take(rows).collect()),
            ColumnRef::Categorical { codes, levels } => {
                Values::Categorical { codes: codes.iter().take(rows).copied().collect(), levels: levels.to_vec() }
            }
            ColumnRef::Boolean(flags) => Values::Boolean(flags.iter().take(rows).copied().collect()),
            ColumnRef::Pictures(pictures) => Values::Pictures(pictures.select(&(0..rows).collect::<Vec<_>>())),
        }
    }
}
