//! The labelled rows of a table, and the parts that they are divided into.

use super::error::TrainError;
use super::target::Target;
use crate::ml::config::TrainConfig;
use crate::ml::labels::ClassNames;
use crate::ml::preprocess::{FittedPreprocessor, PreprocessError};
use crate::ml::seed::Seed;
use crate::ml::sets::{EvalSet, TrainSet};
use crate::ml::split::{Parts, split};
use crate::ml::table::{Column, Table, Values};

/// Every row that has a label, before any division. Indices of rows count these, from 0.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) classes: ClassNames,
    /// One per row; `true` is the positive class.
    pub(super) labels: Vec<bool>,
    pub(super) unlabelled_rows: usize,
    /// The columns to learn from.
    features: Table,
    /// The column that steers the split.
    steering: Option<Values>,
    weights: Option<RowWeights>,
}

/// The column that says how much each training row counts.
#[derive(Debug)]
struct RowWeights {
    name: String,
    values: Vec<f64>,
    /// The row of the table that each labelled row was, to name it in an error.
    table_rows: Vec<usize>,
}

/// Some rows, not yet preprocessed.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) features: Table,
    pub(super) labels: Vec<bool>,
    /// Of a part that is learnt from, where the configuration weighs its rows.
    weights: Option<Vec<f32>>,
}

impl Rows {
    /// Reads target, features, steering column and weights as the configuration names them.
    ///
    /// # Errors
    /// If a column is missing, the target does not have two classes, or no column is left to learn from.
    pub(super) fn of(table: &Table, config: &TrainConfig) -> Result<Self, TrainError> {
        let target = Target::of(table, &config.target, &config.positive_label)?;
        let column = |name: &str| {
            let column = table.column(name).ok_or_else(|| TrainError::MissingColumn { name: name.to_owned() })?;
            Ok::<Values, TrainError>(column.values.select(&target.rows))
        };
        let steering = config.split.column().map(column).transpose()?;
        let weights = match &config.sample_weight {
            Some(name) => Some(RowWeights::of(name, column(name)?, &target.rows)?),
            None => None,
        };
        Ok(Self {
            features: feature_columns(table, config)?.select(&target.rows),
            steering,
            weights,
            classes: target.classes,
            labels: target.labels,
            unlabelled_rows: target.unlabelled_rows,
        })
    }

    /// The rows of training, validation and test.
    ///
    /// # Errors
    /// If they cannot be divided as the configuration asks.
    pub(super) fn split(&self, config: &TrainConfig, seed: Seed) -> Result<Parts, TrainError> {
        Ok(split(&config.split, &self.labels, self.steering.as_ref(), seed.derive("split"))?)
    }

    /// Rows to learn from, in the given order.
    ///
    /// # Errors
    /// If a weight is no weight, or a class has none at all.
    pub(super) fn learnt(&self, rows: &[usize]) -> Result<Part, TrainError> {
        let part = self.scored(rows);
        let weights = self.weights.as_ref().map(|weights| weights.of_rows(rows, &part.labels)).transpose()?;
        Ok(Part { weights, ..part })
    }

    /// Rows that are only scored, in the given order.
    pub(super) fn scored(&self, rows: &[usize]) -> Part {
        let labels = rows.iter().map(|&row| self.labels[row]).collect();
        Part { features: self.features.select(rows), labels, weights: None }
    }
}

impl Part {
    /// # Errors
    /// If a column is not as it was when the preprocessor was fitted.
    pub(super) fn into_train_set(self, preprocessor: &FittedPreprocessor) -> Result<TrainSet, PreprocessError> {
        let kinds = preprocessor.feature_kinds(&self.features);
        let set = TrainSet::new(preprocessor.transform(&self.features)?, self.labels);
        Ok(TrainSet { weights: self.weights, kinds, ..set })
    }

    /// # Errors
    /// If a column is not as it was when the preprocessor was fitted.
    pub(super) fn into_eval_set(self, preprocessor: &FittedPreprocessor) -> Result<EvalSet, PreprocessError> {
        Ok(EvalSet::new(preprocessor.transform(&self.features)?, self.labels))
    }
}

impl RowWeights {
    fn of(name: &str, values: Values, table_rows: &[usize]) -> Result<Self, TrainError> {
        let Values::Numeric(values) = values else {
            return Err(TrainError::SampleWeight { name: name.to_owned(), row: 0 });
        };
        Ok(Self { name: name.to_owned(), values, table_rows: table_rows.to_vec() })
    }

    /// The weights of the given rows, which have these labels.
    fn of_rows(&self, rows: &[usize], labels: &[bool]) -> Result<Vec<f32>, TrainError> {
        let weight = |&row: &usize| {
            let value = self.values.get(row).copied().filter(|value| (0.0..=1e9).contains(value));
            let shown = self.table_rows.get(row).map_or(0, |row| row + 1);
            let name = || self.name.clone();
            value.map(|value| value as f32).ok_or_else(|| TrainError::SampleWeight { name: name(), row: shown })
        };
        let weights = rows.iter().map(weight).collect::<Result<Vec<f32>, TrainError>>()?;
        for (class, is_positive) in [("positive", true), ("negative", false)] {
            let mut of_class = weights.iter().zip(labels).filter(|(_, label)| **label == is_positive);
            if of_class.all(|(&weight, _)| weight == 0.0) {
                return Err(TrainError::NoWeight { name: self.name.clone(), class });
            }
        }
        Ok(weights)
    }
}

/// The table without its target, the column that steers the split and what the configuration excludes.
fn feature_columns(table: &Table, config: &TrainConfig) -> Result<Table, TrainError> {
    let is_feature = |column: &&Column| {
        column.name != config.target
            && config.split.column() != Some(column.name.as_str())
            && config.sample_weight.as_deref() != Some(column.name.as_str())
            && !config.exclude.contains(&column.name)
    };
    let columns: Vec<Column> = table.columns().iter().filter(is_feature).cloned().collect();
    if columns.is_empty() {
        return Err(TrainError::NoFeatures);
    }
    Table::new(columns).map_err(TrainError::Table)
}
