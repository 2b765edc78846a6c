//! The labelled rows of a table, and the parts that they are divided into.

use super::error::TrainError;
use super::target::Target;
use crate::ml::config::TrainConfig;
use crate::ml::labels::{ClassCounts, ClassNames};
use crate::ml::picture::PictureSet;
use crate::ml::preprocess::{FittedPreprocessor, PreprocessError};
use crate::ml::seed::Seed;
use crate::ml::sets::{EvalSet, TrainSet};
use crate::ml::split::{self, Fold, Parts};
use crate::ml::table::{Column, Table, Values};

/// Every row that has a label, before any division. Indices of rows count these, from 0.
#[derive(Debug)]
pub(in crate::ml) struct Rows {
    pub(in crate::ml) classes: ClassNames,
    /// One per row; `true` is the positive class.
    pub(in crate::ml) labels: Vec<bool>,
    pub(in crate::ml) unlabelled_rows: usize,
    /// The row of the table that each labelled row was.
    pub(in crate::ml) table_rows: Vec<usize>,
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
    pub(in crate::ml) fn of(table: &Table, config: &TrainConfig) -> Result<Self, TrainError> {
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
            table_rows: target.rows,
        })
    }

    /// The rows of training, validation and test.
    ///
    /// # Errors
    /// If they cannot be divided as the configuration asks.
    pub(in crate::ml) fn split(&self, config: &TrainConfig, seed: Seed) -> Result<Parts, TrainError> {
        Ok(split::split(&config.split, &self.labels, self.steering.as_ref(), seed.derive("split"))?)
    }

    /// Divides some rows, given ascending, into folds as the split divides rows.
    ///
    /// # Errors
    /// If they cannot be divided so.
    pub(in crate::ml) fn folds(
        &self,
        config: &TrainConfig,
        rows: &[usize],
        folds: usize,
        seed: Seed,
    ) -> Result<Vec<Fold>, TrainError> {
        Ok(split::folds(&config.split, &self.labels, self.steering.as_ref(), rows, folds, seed)?)
    }

    /// Holds out a share of some rows, given ascending, as the split would.
    ///
    /// # Errors
    /// If they cannot be divided so.
    pub(in crate::ml) fn hold_out(
        &self,
        config: &TrainConfig,
        rows: &[usize],
        share: f64,
        seed: Seed,
    ) -> Result<Fold, TrainError> {
        Ok(split::hold_out(&config.split, &self.labels, self.steering.as_ref(), rows, share, seed)?)
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

    /// How many of some rows each class has.
    pub(super) fn class_counts(&self, rows: &[usize]) -> ClassCounts {
        let positive = rows.iter().filter(|&&row| self.labels[row]).count();
        ClassCounts { positive, negative: rows.len() - positive }
    }

    /// Rows that are only scored, in the given order.
    pub(super) fn scored(&self, rows: &[usize]) -> Part {
        let labels = rows.iter().map(|&row| self.labels[row]).collect();
        Part { features: self.features.select(rows), labels, weights: None }
    }
}

impl Part {
    /// Every k-th row, so that there are at most so many rows and about so many values.
    pub(super) fn sample(&self, max_rows: usize, max_cells: usize) -> Self {
        let wanted = (max_cells / self.features.columns().len().max(1)).clamp(1, max_rows);
        let step = self.labels.len().div_ceil(wanted).max(1);
        let rows: Vec<usize> = (0..self.labels.len()).step_by(step).collect();
        let labels = rows.iter().map(|&row| self.labels[row]).collect();
        Self { features: self.features.select(&rows), labels, weights: None }
    }

    /// The pictures of the rows, where a network reads them as such.
    ///
    /// # Errors
    /// If a column is not as it was when the preprocessor was fitted.
    pub(super) fn read_pictures(
        &self,
        preprocessor: &FittedPreprocessor,
    ) -> Result<Option<PictureSet>, PreprocessError> {
        preprocessor.pictures(&self.features)
    }

    /// The rows preprocessed, to be scored.
    ///
    /// # Errors
    /// If a column is not as it was when the preprocessor was fitted.
    pub(super) fn scored_by(&self, preprocessor: &FittedPreprocessor) -> Result<EvalSet, PreprocessError> {
        let pictures = preprocessor.pictures(&self.features)?;
        Ok(EvalSet::new(preprocessor.transform(&self.features)?, self.labels.clone()).with_pictures(pictures))
    }

    /// # Errors
    /// If a column is not as it was when the preprocessor was fitted.
    pub(super) fn into_train_set(self, preprocessor: &FittedPreprocessor) -> Result<TrainSet, PreprocessError> {
        let kinds = preprocessor.feature_kinds(&self.features);
        let set = TrainSet::new(preprocessor.transform(&self.features)?, self.labels);
        let pictures = preprocessor.pictures(&self.features)?;
        Ok(TrainSet { weights: self.weights, kinds, pictures, ..set })
    }

    /// # Errors
    /// If a column is not as it was when the preprocessor was fitted.
    pub(super) fn into_eval_set(self, preprocessor: &FittedPreprocessor) -> Result<EvalSet, PreprocessError> {
        let pictures = preprocessor.pictures(&self.features)?;
        Ok(EvalSet::new(preprocessor.transform(&self.features)?, self.labels).with_pictures(pictures))
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
