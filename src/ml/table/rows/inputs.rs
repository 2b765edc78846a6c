//! The columns that a model reads, found by name.

use std::collections::HashMap;
use std::ops::Deref;

use super::ExpectedColumn;

/// The columns of a model, made once and asked for every row.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    columns: Vec<ExpectedColumn>,
    by_name: HashMap<String, usize>,
}

impl Inputs {
    pub fn new(columns: Vec<ExpectedColumn>) -> Self {
        let by_name = columns.iter().enumerate().map(|(index, column)| (column.name.clone(), index)).collect();
        Self { columns, by_name }
    }

    /// The place of a column. `guess` is where it is likely to be: names usually come in the same order.
    pub(super) fn position(&self, name: &str, guess: usize) -> Option<usize> {
        if self.columns.get(guess).is_some_and(|column| column.name == name) {
            return Some(guess);
        }
        self.by_name.get(name).copied()
    }
}

impl Deref for Inputs {
    type Target = [ExpectedColumn];

    fn deref(&self) -> &[ExpectedColumn] {
        &self.columns
    }
}
