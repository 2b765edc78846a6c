//! Rows as matrices, kept apart by what may be done with them.
//!
//! Resampling and augmentation take a [`TrainSet`] and nothing else; metrics, calibration and thresholds take
//! an [`EvalSet`] and nothing else. A program that resamples evaluation rows does not compile.

use std::ops::Range;

use ndarray::Array2;

use super::in_place::{Halt, Moves, into_values};
use super::labels::ClassCounts;
use super::observe::Stop;
use super::picture::PictureSet;

/// Where a training row came from. There is one for each row, so that they are kept small: rows are counted in 32 bits,
/// and four billion of them are beyond every limit on data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A row of the training part, by its index there. A row drawn more than once appears more than once.
    Row(u32),
    /// A row that a resampling or augmentation step made; `step` counts all steps of the job from 0, and the
    /// parents are indices into the training part (of parents that were themselves synthetic, their first
    /// parent).
    Synthetic { step: u16, parents: [u32; 2] },
}

/// What the feature columns mean, as far as making new rows must know it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FeatureKinds {
    /// Neighbouring columns that say one thing together, such as the one-hot columns of one column of categories.
    /// Their values belong together and are never computed. Ascending, without overlap; all others are numbers.
    pub categories: Vec<Range<usize>>,
    /// Columns of numbers that were whole in all training rows, ascending.
    pub whole: Vec<WholeColumn>,
}

/// A column whose values are `(whole number - center) / spread`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WholeColumn {
    pub column: usize,
    pub center: f64,
    /// Positive.
    pub spread: f64,
}

impl WholeColumn {
    /// Moves a value to the nearest one that a whole number has.
    pub fn round(&self, value: &mut f64) {
        *value = ((*value * self.spread + self.center).round() - self.center) / self.spread;
    }
}

impl FeatureKinds {
    /// The columns that are numbers, of `columns` in all.
    pub fn numeric_columns(&self, columns: usize) -> Vec<usize> {
        let mut numeric = Vec::with_capacity(columns);
        let mut start = 0;
        for group in &self.categories {
            numeric.extend(start..group.start.min(columns));
            start = group.end;
        }
        numeric.extend(start..columns);
        numeric
    }
}

/// Rows that may be resampled, augmented and learnt from.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainSet {
    /// One row per example, one column per preprocessed feature; every value finite.
    pub features: Array2<f64>,
    /// One per row; `true` is the positive class.
    pub labels: Vec<bool>,
    /// One per row.
    pub origins: Vec<Origin>,
    /// How much each row counts in the loss; `None`: all the same. A set that is resampled has none.
    pub weights: Option<Vec<f32>>,
    pub kinds: FeatureKinds,
    /// One per row, where a network reads pictures; there are no features then.
    pub pictures: Option<PictureSet>,
}

impl TrainSet {
    /// The training part as it was split off: every row its own origin, every feature a number.
    pub fn new(features: Array2<f64>, labels: Vec<bool>) -> Self {
        debug_assert_eq!(features.nrows(), labels.len());
        let origins = (0..labels.len() as u32).map(Origin::Row).collect();
        Self { features, labels, origins, weights: None, kinds: FeatureKinds::default(), pictures: None }
    }

    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    pub fn class_counts(&self) -> ClassCounts {
        ClassCounts::of(&self.labels)
    }

    /// The rows, leaving none behind.
    pub fn take(&mut self) -> Self {
        let columns = self.features.ncols();
        let nothing = TrainSet { kinds: self.kinds.clone(), ..TrainSet::new(Array2::zeros((0, columns)), Vec::new()) };
        std::mem::replace(self, nothing)
    }

    /// The given rows, in the given order; an index may appear more than once.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            features: self.features.select(ndarray::Axis(0), rows),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            origins: rows.iter().map(|&row| self.origins[row]).collect(),
            weights: self.weights.as_ref().map(|weights| rows.iter().map(|&row| weights[row]).collect()),
            kinds: self.kinds.clone(),
            pictures: self.pictures.as_ref().map(|pictures| pictures.select(rows)),
        }
    }

    /// [`TrainSet::select`], without a second copy of the rows in memory unless they are few or one is asked for twice.
    ///
    /// # Errors
    /// The reason why `halt` ended it, which is asked every few thousandths of a second.
    pub fn into_selected(mut self, rows: &[usize], halt: &mut Halt<'_>) -> Result<Self, Stop> {
        const FEW: usize = 8;
        let is_worth_moving = rows.len() > self.rows() / FEW;
        let Some(moves) = Moves::new(rows, self.rows()).filter(|_| is_worth_moving) else {
            return Ok(self.select(rows));
        };
        let columns = self.features.ncols();
        let mut values = into_values(std::mem::take(&mut self.features));
        moves.apply(&mut values, columns, halt)?;
        self.features = Array2::from_shape_vec((rows.len(), columns), values).unwrap_or_default();
        moves.apply(&mut self.labels, 1, halt)?;
        moves.apply(&mut self.origins, 1, halt)?;
        if let Some(weights) = &mut self.weights {
            moves.apply(weights, 1, halt)?;
        }
        self.pictures = self.pictures.map(|pictures| pictures.select(rows));
        Ok(self)
    }

    /// What a model reads of the rows.
    pub fn examples(&self) -> Examples<'_> {
        Examples { features: &self.features, pictures: self.pictures.as_ref() }
    }
}

/// What a model reads of some rows: features, or pictures beside a matrix without columns.
#[derive(Debug, Clone, Copy)]
pub struct Examples<'a> {
    pub features: &'a Array2<f64>,
    pub pictures: Option<&'a PictureSet>,
}

impl Examples<'_> {
    /// Values that a model reads of a row.
    pub fn width(&self) -> usize {
        self.pictures.map_or(self.features.ncols(), |pictures| pictures.shape().values())
    }
}

impl<'a> From<&'a Array2<f64>> for Examples<'a> {
    fn from(features: &'a Array2<f64>) -> Self {
        Self { features, pictures: None }
    }
}

/// Rows that may only be scored: validation and test, at the data's natural prevalence.
#[derive(Debug, Clone, PartialEq)]
pub struct EvalSet {
    features: Array2<f64>,
    labels: Vec<bool>,
    pictures: Option<PictureSet>,
}

impl EvalSet {
    pub fn new(features: Array2<f64>, labels: Vec<bool>) -> Self {
        debug_assert_eq!(features.nrows(), labels.len());
        Self { features, labels, pictures: None }
    }

    /// The same rows with a picture for each.
    pub fn with_pictures(self, pictures: Option<PictureSet>) -> Self {
        debug_assert!(pictures.as_ref().is_none_or(|pictures| pictures.len() == self.labels.len()));
        Self { pictures, ..self }
    }

    /// One per row, where a network reads pictures; there are no features then.
    pub fn pictures(&self) -> Option<&PictureSet> {
        self.pictures.as_ref()
    }

    /// What a model reads of the rows.
    pub fn examples(&self) -> Examples<'_> {
        Examples { features: &self.features, pictures: self.pictures.as_ref() }
    }

    pub fn features(&self) -> &Array2<f64> {
        &self.features
    }

    /// One per row; `true` is the positive class.
    pub fn labels(&self) -> &[bool] {
        &self.labels
    }

    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    pub fn class_counts(&self) -> ClassCounts {
        ClassCounts::of(&self.labels)
    }
}
