//! Applying what was learnt, row by row.

use std::collections::HashMap;
use std::ops::Range;

use ndarray::Array2;

use super::boolean::BooleanColumn;
use super::numeric::NumericColumn;
use super::picture::PictureColumn;
use super::{FittedColumn, FittedPreprocessor, PreprocessError};
use crate::ml::picture::{PictureSet, Pictures};
use crate::ml::table::{Column, Table, Values};

/// Rows whose features stay in the cache while their columns are written one after the other.
const BLOCK_ROWS: usize = 256;

/// A number type that features are kept in.
pub trait Feature: Copy + Default {
    /// Rounded once, where it has fewer digits.
    fn of(value: f64) -> Self;
}

impl Feature for f64 {
    fn of(value: f64) -> Self {
        value
    }
}

impl Feature for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
}

/// Columns that are known to be those of a preprocessor, ready to be turned into features.
#[derive(Debug)]
pub struct Prepared<'a> {
    columns: Vec<PreparedColumn<'a>>,
}

#[derive(Debug)]
enum PreparedColumn<'a> {
    Numeric(&'a NumericColumn, &'a [f64]),
    Boolean(&'a BooleanColumn, &'a [Option<bool>]),
    Image(&'a PictureColumn, &'a Pictures),
    Categorical {
        width: usize,
        codes: &'a [u32],
        /// The output column of each level.
        positions: Vec<Option<usize>>,
        missing: Option<usize>,
    },
}

impl FittedPreprocessor {
    /// One row per row of `table`, one column per name in [`FittedPreprocessor::feature_names`]; every value is
    /// finite. Columns are found by name; others are ignored.
    ///
    /// # Errors
    /// If a column is missing or has another type than in training.
    pub fn transform(&self, table: &Table) -> Result<Array2<f64>, PreprocessError> {
        let prepared = self.prepare(&self.inputs_in(table)?)?;
        let width = self.width();
        let mut features = vec![0.0; table.rows() * width];
        for start in (0..table.rows()).step_by(BLOCK_ROWS) {
            let some = features.get_mut(start * width..).unwrap_or_default();
            prepared.write(start..table.rows().min(start + BLOCK_ROWS), some, width);
        }
        // The length is that of the shape.
        Ok(Array2::from_shape_vec((table.rows(), width), features).unwrap_or_default())
    }

    /// The pictures of a table, where a network reads them as such.
    ///
    /// # Errors
    /// If a column is missing, has another type than in training, or pictures of another shape.
    pub fn pictures(&self, table: &Table) -> Result<Option<PictureSet>, PreprocessError> {
        Ok(self.prepare(&self.inputs_in(table)?)?.pictures())
    }

    /// The inputs of a table, in the order of [`FittedPreprocessor::inputs`].
    ///
    /// # Errors
    /// If a column is missing.
    pub fn inputs_in<'t>(&self, table: &'t Table) -> Result<Vec<&'t Values>, PreprocessError> {
        let by_name: HashMap<&str, &Column> =
            table.columns().iter().map(|column| (column.name.as_str(), column)).collect();
        let find = |fitted: &FittedColumn| match by_name.get(fitted.name()) {
            Some(column) => Ok(&column.values),
            None => Err(PreprocessError::MissingColumn { column: fitted.name().to_owned() }),
        };
        self.columns.iter().map(find).collect()
    }

    /// Looks at columns, which are in the order of [`FittedPreprocessor::inputs`].
    ///
    /// # Errors
    /// If a column is missing or has another type than in training.
    pub fn prepare<'a>(&'a self, inputs: &[&'a Values]) -> Result<Prepared<'a>, PreprocessError> {
        let prepare = |(index, fitted): (usize, &'a FittedColumn)| match inputs.get(index) {
            Some(values) => fitted.prepare(values),
            None => Err(PreprocessError::MissingColumn { column: fitted.name().to_owned() }),
        };
        Ok(Prepared { columns: self.columns.iter().enumerate().map(prepare).collect::<Result<_, _>>()? })
    }

    /// The number of output columns.
    pub fn width(&self) -> usize {
        self.columns.iter().map(FittedColumn::width).sum()
    }
}

impl FittedColumn {
    fn prepare<'a>(&'a self, values: &'a Values) -> Result<PreparedColumn<'a>, PreprocessError> {
        match (self, values) {
            (FittedColumn::Numeric(column), Values::Numeric(values)) => Ok(PreparedColumn::Numeric(column, values)),
            (FittedColumn::Boolean(column), Values::Boolean(flags)) => Ok(PreparedColumn::Boolean(column, flags)),
            (FittedColumn::Categorical(column), Values::Categorical { codes, levels }) => {
                let positions = levels.iter().map(|level| column.position(level)).collect();
                let (width, missing) = (column.width(), column.missing_position());
                Ok(PreparedColumn::Categorical { width, codes, positions, missing })
            }
            (FittedColumn::Image(column), Values::Pictures(pictures)) => {
                let (expected, found) = (column.spec.shape, pictures.shape());
                if expected != found {
                    return Err(PreprocessError::WrongShape { column: column.name.clone(), expected, found });
                }
                Ok(PreparedColumn::Image(column, pictures))
            }
            (_, other) => Err(PreprocessError::WrongType {
                column: self.name().to_owned(),
                expected: self.column_type(),
                found: other.column_type(),
            }),
        }
    }
}

impl Prepared<'_> {
    /// The pictures, where a network reads them as such.
    pub fn pictures(&self) -> Option<PictureSet> {
        self.columns.iter().find_map(|column| match column {
            PreparedColumn::Image(column, pictures) => column.set(pictures),
            _ => None,
        })
    }

    /// Overwrites the features of some rows, each `stride` after the one before; what is between the features of two
    /// rows stays as it is.
    pub fn write<F: Feature>(&self, rows: Range<usize>, out: &mut [F], stride: usize) {
        let mut start = 0;
        for column in &self.columns {
            let out = out.get_mut(start..).unwrap_or_default();
            start += column.write(rows.clone(), out, stride);
        }
    }
}

impl PreparedColumn<'_> {
    /// Writes the output columns, which begin with `out`, and gives their number.
    fn write<F: Feature>(&self, rows: Range<usize>, out: &mut [F], stride: usize) -> usize {
        let features = out.chunks_mut(stride.max(1));
        match self {
            PreparedColumn::Numeric(column, values) => {
                let values = values.get(rows).unwrap_or_default();
                features.zip(values).for_each(|(out, value)| column.write(*value, out));
                column.width()
            }
            PreparedColumn::Boolean(column, flags) => {
                let flags = flags.get(rows).unwrap_or_default();
                features.zip(flags).for_each(|(out, flag)| column.write(*flag, out));
                column.width()
            }
            PreparedColumn::Image(column, pictures) => {
                features.zip(rows).for_each(|(out, row)| column.write(pictures.get(row), out));
                column.width()
            }
            PreparedColumn::Categorical { width, codes, positions, missing } => {
                let codes = codes.get(rows).unwrap_or_default();
                for (out, code) in features.zip(codes) {
                    out.iter_mut().take(*width).for_each(|out| *out = F::default());
                    let position = positions.get(*code as usize).unwrap_or(missing);
                    if let Some(one) = position.and_then(|position| out.get_mut(position)) {
                        *one = F::of(1.0);
                    }
                }
                *width
            }
        }
    }
}
