//! From a column to two classes.

use crate::ml::labels::ClassNames;
use crate::ml::table::{MISSING, Table, Values};

/// The labels of the rows that have one.
#[derive(Debug)]
pub struct Target {
    pub classes: ClassNames,
    /// One per labelled row; `true` is the positive class.
    pub labels: Vec<bool>,
    /// The labelled rows of the table, ascending.
    pub rows: Vec<usize>,
    pub unlabelled_rows: usize,
}

/// The column is no target for two classes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("the data has no column {name:?} to predict")]
    MissingColumn { name: String },
    #[error("the target {name:?} has {found} distinct values; exactly two are needed")]
    NotBinary { name: String, found: usize },
    #[error("no row of the target {name:?} has the positive label {label:?}")]
    NoPositive { name: String, label: String },
}

impl Target {
    /// Reads the labels of `table` from the column `name`.
    ///
    /// # Errors
    /// If the column does not hold exactly two values, one of them `positive_label`.
    pub fn of(table: &Table, name: &str, positive_label: &str) -> Result<Self, TargetError> {
        let column = table.column(name).ok_or_else(|| TargetError::MissingColumn { name: name.to_owned() })?;
        let codes = codes(&column.values);
        let mut classes: Vec<(u64, usize)> = Vec::new();
        for (row, code) in codes.iter().enumerate() {
            let Some(code) = *code else { continue };
            if !classes.iter().any(|(known, _)| *known == code) {
                classes.push((code, row));
                if classes.len() > 2 {
                    break;
                }
            }
        }
        let labelled = |&(code, row): &(u64, usize)| column.values.text(row).map(|text| (code, text));
        let named: Vec<(u64, String)> = classes.iter().filter_map(labelled).collect();
        let [(first_code, first), (second_code, second)] = named.as_slice() else {
            return Err(TargetError::NotBinary { name: name.to_owned(), found: classes.len() });
        };
        let (positive_code, positive, negative) = if first == positive_label {
            (*first_code, first, second)
        } else if second == positive_label {
            (*second_code, second, first)
        } else {
            return Err(TargetError::NoPositive { name: name.to_owned(), label: positive_label.to_owned() });
        };
        let rows: Vec<usize> = (0..codes.len()).filter(|&row| codes[row].is_some()).collect();
        let labels = rows.iter().map(|&row| codes[row] == Some(positive_code)).collect();
        Ok(Self {
            classes: ClassNames { positive: positive.clone(), negative: negative.clone() },
            labels,
            unlabelled_rows: codes.len() - rows.len(),
            rows,
        })
    }
}

/// One number per distinct value, `None` where it is missing.
fn codes(values: &Values) -> Vec<Option<u64>> {
    match values {
        // Adding zero makes -0.0 and 0.0 one label, as they print.
        Values::Numeric(values) => values.iter().map(|v| (!v.is_nan()).then(|| (v + 0.0).to_bits())).collect(),
        Values::Categorical { codes, .. } => {
            codes.iter().map(|&code| (code != MISSING).then_some(u64::from(code))).collect()
        }
        Values::Boolean(values) => values.iter().map(|value| value.map(u64::from)).collect(),
        // A picture is no label.
        Values::Pictures(pictures) => vec![None; pictures.len()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::table::Column;

    fn table(values: Values) -> Table {
        Table::new(vec![Column { name: "y".to_owned(), values }]).unwrap()
    }

    #[test]
    fn numbers_text_and_booleans_are_labels_and_missing_ones_are_left_out() {
        let numeric = Target::of(&table(Values::Numeric(vec![0.0, f64::NAN, 1.0, -0.0])), "y", "1").unwrap();
        assert_eq!(numeric.labels, [false, true, false]);
        assert_eq!(numeric.rows, [0, 2, 3]);
        assert_eq!((numeric.unlabelled_rows, numeric.classes.negative.as_str()), (1, "0"));

        let levels = vec!["bad".to_owned(), "good".to_owned()];
        let text = table(Values::Categorical { codes: vec![1, 0, MISSING], levels });
        assert_eq!(Target::of(&text, "y", "bad").unwrap().labels, [false, true]);

        let flags = table(Values::Boolean(vec![Some(true), Some(false), None]));
        assert_eq!(Target::of(&flags, "y", "false").unwrap().labels, [false, true]);
    }

    #[test]
    fn other_than_two_classes_or_an_unknown_positive_label_is_refused() {
        let three = table(Values::Numeric(vec![0.0, 1.0, 2.0]));
        assert!(matches!(Target::of(&three, "y", "1"), Err(TargetError::NotBinary { found: 3, .. })));
        let one = table(Values::Numeric(vec![1.0, 1.0]));
        assert!(matches!(Target::of(&one, "y", "1"), Err(TargetError::NotBinary { found: 1, .. })));
        let two = table(Values::Numeric(vec![0.0, 1.0]));
        assert!(matches!(Target::of(&two, "y", "yes"), Err(TargetError::NoPositive { .. })));
        assert!(matches!(Target::of(&two, "z", "1"), Err(TargetError::MissingColumn { .. })));
    }
}
