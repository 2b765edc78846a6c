//! Applying what was learnt, row by row.

use std::collections::HashMap;
use std::ops::Range;

use ndarray::Array2;

use super::boolean::BooleanColumn;
use super::numeric::NumericColumn;
use super::picture::PictureColumn;
use super::{FittedColumn, FittedPreprocessor, PreprocessError};
use crate::ml::kernel::{Standards, standardize};
use crate::ml::picture::{FlatPictures, PictureSet, Pictures};
use crate::ml::table::{Column, ColumnRef, Numbers, Table};

/// Rows whose features stay in the cache while their columns are written one after the other.
const BLOCK_ROWS: usize = 256;

/// A number type that features are kept in.
pub trait Feature: Copy + Default {
    /// Rounded once, where it has fewer digits.
    fn of(value: f64) -> Self;

    /// The features themselves, where they are of single precision.
    fn singles(features: &mut [Self]) -> Option<&mut [f32]>;
}

impl Feature for f64 {
    fn of(value: f64) -> Self {
        value
    }

    fn singles(_: &mut [Self]) -> Option<&mut [f32]> {
        None
    }
}

impl Feature for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }

    fn singles(features: &mut [Self]) -> Option<&mut [f32]> {
        Some(features)
    }
}

/// Columns that are known to be those of a preprocessor, ready to be turned into features.
#[derive(Debug)]
pub struct Prepared<'a> {
    columns: Vec<PreparedColumn<'a>>,
    grid: Option<Grid<'a>>,
}

/// Columns of numbers that lie side by side and each become one feature, so that whole rows are turned at a time.
#[derive(Debug)]
struct Grid<'a> {
    numbers: &'a [f64],
    standards: Standards,
}

impl<'a> Grid<'a> {
    /// `None` for other columns.
    fn of(columns: &[PreparedColumn<'a>]) -> Option<Self> {
        let mut standards = Standards::default();
        let numbers = match columns.first()? {
            PreparedColumn::Numeric(_, numbers) => numbers.values,
            _ => return None,
        };
        for (place, column) in columns.iter().enumerate() {
            let PreparedColumn::Numeric(column, values) = column else { return None };
            let is_beside = values.stride == columns.len() && std::ptr::eq(numbers.get(place..)?, values.values);
            let (fill, scaling) = column.standard().filter(|_| is_beside)?;
            standards.fills.push(fill);
            standards.centers.push(scaling.center);
            standards.spreads.push(scaling.spread);
            standards.limits.push(scaling.limit);
        }
        Some(Self { numbers, standards })
    }

    /// As [`Prepared::write`]. Whether it could be done this way.
    fn write(&self, rows: Range<usize>, out: &mut [f32], stride: usize) -> bool {
        let width = self.standards.fills.len();
        let numbers = self.numbers.get(rows.start * width..rows.end * width);
        numbers.is_some_and(|numbers| standardize(numbers, width, &self.standards, out, stride.max(1)))
    }
}

#[derive(Debug)]
enum PreparedColumn<'a> {
    Numeric(&'a NumericColumn, Numbers<'a>),
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

    /// The pictures of a table whose values are features, if there are any.
    ///
    /// # Errors
    /// As [`FittedPreprocessor::pictures`].
    pub fn flat_pictures(&self, table: &Table) -> Result<Option<FlatPictures>, PreprocessError> {
        let prepared = self.prepare(&self.inputs_in(table)?)?;
        let mut start = 0;
        for (fitted, prepared) in self.columns.iter().zip(&prepared.columns) {
            if let PreparedColumn::Image(PictureColumn { features: Some(places), scaling, .. }, pictures) = prepared {
                let columns = (start..).zip(places.iter().copied()).collect();
                let (pictures, scaling) = ((*pictures).clone(), scaling.clone());
                return Ok(Some(FlatPictures { pictures, scaling, columns }));
            }
            start += fitted.width();
        }
        Ok(None)
    }

    /// The inputs of a table, in the order of [`FittedPreprocessor::inputs`].
    ///
    /// # Errors
    /// If a column is missing.
    pub fn inputs_in<'t>(&self, table: &'t Table) -> Result<Vec<ColumnRef<'t>>, PreprocessError> {
        let by_name: HashMap<&str, &Column> =
            table.columns().iter().map(|column| (column.name.as_str(), column)).collect();
        let find = |fitted: &FittedColumn| match by_name.get(fitted.name()) {
            Some(column) => Ok(ColumnRef::from(&column.values)),
            None => Err(PreprocessError::MissingColumn { column: fitted.name().to_owned() }),
        };
        self.columns.iter().map(find).collect()
    }

    /// Looks at columns, which are in the order of [`FittedPreprocessor::inputs`].
    ///
    /// # Errors
    /// If a column is missing or has another type than in training.
    pub fn prepare<'a>(&'a self, inputs: &[ColumnRef<'a>]) -> Result<Prepared<'a>, PreprocessError> {
        let prepare = |(index, fitted): (usize, &'a FittedColumn)| match inputs.get(index) {
            Some(values) => fitted.prepare(*values),
            None => Err(PreprocessError::MissingColumn { column: fitted.name().to_owned() }),
        };
        let columns = self.columns.iter().enumerate().map(prepare).collect::<Result<Vec<_>, _>>()?;
        Ok(Prepared { grid: Grid::of(&columns), columns })
    }

    /// The number of output columns.
    pub fn width(&self) -> usize {
        self.columns.iter().map(FittedColumn::width).sum()
    }
}

impl FittedColumn {
    fn prepare<'a>(&'a self, values: ColumnRef<'a>) -> Result<PreparedColumn<'a>, PreprocessError> {
        match (self, values) {
            (FittedColumn::Numeric(column), ColumnRef::Numeric(values)) => Ok(PreparedColumn::Numeric(column, values)),
            (FittedColumn::Boolean(column), ColumnRef::Boolean(flags)) => Ok(PreparedColumn::Boolean(column, flags)),
            (FittedColumn::Categorical(column), ColumnRef::Categorical { codes, levels }) => {
                let positions = levels.iter().map(|level| column.position(level)).collect();
                let (width, missing) = (column.width(), column.missing_position());
                Ok(PreparedColumn::Categorical { width, codes, positions, missing })
            }
            (FittedColumn::Image(column), ColumnRef::Pictures(pictures)) => {
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
        let whole = self.grid.as_ref().zip(F::singles(out));
        if whole.is_some_and(|(grid, out)| grid.write(rows.clone(), out, stride)) {
            return;
        }
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
                let values = values.from(rows.start).iter().take(rows.len());
                features.zip(values).for_each(|(out, value)| column.write(value, out));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::config::{NumericImpute, NumericPreprocess, Scale};
    use crate::ml::preprocess::numeric::NumericColumn;

    const CONFIG: NumericPreprocess = NumericPreprocess {
        impute: NumericImpute::Median,
        fill_value: 0.0,
        missing_indicator: false,
        scale: Scale::Standard,
    };

    /// Numbers of three columns row by row, and what of them is written by whole rows and by columns.
    fn both_ways(numbers: &[f64]) -> [Vec<u32>; 2] {
        let fitted = |step: f64| {
            let values: Vec<f64> = (0..50).map(|row| (f64::from(row) * step).sin() * 1e3 * step).collect();
            FittedColumn::Numeric(NumericColumn::fit("x", &values, &CONFIG))
        };
        let preprocessor =
            FittedPreprocessor { columns: vec![fitted(0.1), fitted(1.7), fitted(1e-3)], dropped: Vec::new() };
        let column = |place: usize| ColumnRef::Numeric(Numbers { values: &numbers[place..], stride: 3 });
        let columns = [column(0), column(1), column(2)];
        let mut prepared = preprocessor.prepare(&columns).unwrap();
        assert!(prepared.grid.is_some());
        [true, false].map(|by_rows| {
            if !by_rows {
                prepared.grid = None;
            }
            let (rows, stride) = (numbers.len() / 3, 16);
            let mut out = vec![0.0_f32; rows * stride];
            prepared.write(0..rows, &mut out, stride);
            prepared.write(rows / 2..rows, &mut out[rows / 2 * stride..], stride);
            out.into_iter().map(f32::to_bits).collect()
        })
    }

    #[test]
    fn rows_have_the_same_bits_by_rows_and_by_columns() {
        let plain: Vec<f64> = (0..300).map(|index| (f64::from(index) * 0.7).tan() * 1e4).collect();
        let edges = [f64::NAN, 0.0, -0.0, 1e300, -1e300, 5e-324, f64::MAX, f64::MIN, f64::NAN, 1e6, -1e6, 0.1];
        for numbers in [plain.clone(), edges.to_vec(), [plain.as_slice(), &edges, &plain].concat()] {
            let [by_rows, by_columns] = both_ways(&numbers);
            assert_eq!(by_rows, by_columns);
        }
    }

    #[test]
    fn columns_that_do_not_lie_side_by_side_are_taken_one_by_one() {
        let (one, other) = (vec![1.0; 4], vec![2.0; 4]);
        let fitted = || FittedColumn::Numeric(NumericColumn::fit("x", &[1.0, 2.0, 4.0], &CONFIG));
        let preprocessor = FittedPreprocessor { columns: vec![fitted(), fitted()], dropped: Vec::new() };
        let apart = [&one, &other].map(|values| ColumnRef::Numeric(Numbers { values, stride: 1 }));
        assert!(preprocessor.prepare(&apart).unwrap().grid.is_none());
        let twisted = [1, 0].map(|first| ColumnRef::Numeric(Numbers { values: &one[first..], stride: 2 }));
        assert!(preprocessor.prepare(&twisted).unwrap().grid.is_none());
    }
}
