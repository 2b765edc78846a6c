//! What the output columns mean to whoever makes new rows from them.

use super::{FittedColumn, FittedPreprocessor};
use crate::ml::sets::{FeatureKinds, WholeColumn};
use crate::ml::table::{Table, Values};

impl FittedPreprocessor {
    /// Which output columns belong to one column of categories, and which hold numbers that are whole in all rows of
    /// `table`, the training rows.
    pub fn feature_kinds(&self, table: &Table) -> FeatureKinds {
        let mut kinds = FeatureKinds::default();
        let mut start = 0;
        for column in &self.columns {
            let end = start + column.width();
            match column {
                FittedColumn::Numeric(numeric) => {
                    if let Some(scaling) = numeric.scaling {
                        if table.column(&numeric.name).is_some_and(|column| is_whole(&column.values)) {
                            let (center, spread) = (scaling.center, scaling.spread);
                            kinds.whole.push(WholeColumn { column: start, center, spread });
                        }
                        start += 1;
                    }
                    // Whether a value was missing is a category of its own.
                    if start < end {
                        kinds.categories.push(start..end);
                    }
                }
                FittedColumn::Image(_) => {}
                FittedColumn::Categorical(_) | FittedColumn::Boolean(_) => kinds.categories.push(start..end),
            }
            start = end;
        }
        kinds
    }
}

fn is_whole(values: &Values) -> bool {
    let Values::Numeric(values) = values else { return false };
    values.iter().all(|value| value.is_nan() || value.fract() == 0.0)
}
