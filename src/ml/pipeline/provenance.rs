//! What the resampling of a training did, step by step, in numbers that a summary can carry.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use crate::ml::neighbours::{Neighbours, Reach};
use crate::ml::observe::Stop;
use crate::ml::resample::Removed;
use crate::ml::sets::{Origin, TrainSet};

/// Synthetic rows that are looked at, at most, evenly spread over all of them.
const MAX_CHECKED: usize = 2_000;
/// Removed rows that are looked at, as synthetic ones.
const MAX_LOOKED_AT: usize = 500;
/// Removed rows that are listed, of those looked at, per step.
const MAX_LISTED: usize = 10;
/// Products that comparing rows may take; fewer rows are looked at where each costs more.
const MAX_PRODUCTS: usize = 1_000_000_000;
/// Neighbours of a removed row that are asked for their class.
const NEIGHBOURS: usize = 5;

/// What one step did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepProvenance {
    /// Counts from 0.
    pub step: usize,
    pub method: String,
    /// Rows before the step and after it.
    pub rows_before: usize,
    pub rows_after: usize,
    /// Rows that the step removed, synthetic ones among them.
    pub removed: usize,
    /// Of the synthetic rows of this step that are there after the last one; `None` where there are none.
    pub synthetic: Option<SyntheticRows>,
    /// The removed rows of the data with the most neighbours of the other class, at most ten.
    pub removed_most_surely: Vec<RemovedRow>,
}

/// Where synthetic rows lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyntheticRows {
    pub rows: usize,
    /// How many of them were compared with the rows of the data.
    pub checked: usize,
    /// Of those checked: nearer to a row of the data of the other class than to any of their own.
    pub nearer_to_other_class: usize,
}

/// A row of the training part that a step removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedRow {
    /// In the dataset, counted from 1.
    pub row: usize,
    pub reason: String,
    /// How many of its five nearest training rows are of the other class.
    pub other_class_neighbours: usize,
}

/// Takes notes while steps are done.
pub(super) struct ResamplingLog {
    /// The training part before the first step.
    natural: Option<(Array2<f64>, Vec<bool>)>,
    steps: Vec<StepProvenance>,
    removed: Vec<Removed>,
}

impl ResamplingLog {
    /// Nobody reads them.
    pub(super) fn none() -> Self {
        Self { natural: None, steps: Vec::new(), removed: Vec::new() }
    }

    /// Copies the rows, if there is going to be any step.
    pub(super) fn of(set: &TrainSet, steps: usize) -> Self {
        let natural = (steps > 0).then(|| (set.features.clone(), set.labels.clone()));
        Self { natural, steps: Vec::new(), removed: Vec::new() }
    }

    pub(super) fn step(&mut self, method: &str, rows_before: usize, rows_after: usize, removed: Vec<Removed>) {
        self.steps.push(StepProvenance {
            step: self.steps.len(),
            method: method.to_owned(),
            rows_before,
            rows_after,
            removed: removed.len(),
            synthetic: None,
            removed_most_surely: Vec::new(),
        });
        if self.natural.is_some() {
            self.removed.extend(removed);
        }
    }

    /// What the steps did in numbers, without a look at the rows: those of a member of an ensemble are not those here.
    pub(super) fn numbers(self) -> Vec<StepProvenance> {
        self.steps
    }

    /// Compares what there is at the end with the rows of the data.
    ///
    /// # Errors
    /// If `progress` ends the run.
    pub(super) fn finish(
        mut self,
        set: &TrainSet,
        progress: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
    ) -> Result<Vec<StepProvenance>, Stop> {
        let Some((features, labels)) = self.natural.take() else { return Ok(self.steps) };
        for (step, rows) in synthetic_rows(set) {
            let found = nearness(set, &rows, &features, &labels, progress)?;
            if let Some(step) = self.steps.get_mut(step) {
                step.synthetic = Some(found);
            }
        }
        let mut by_step: BTreeMap<usize, Vec<(usize, &'static str)>> = BTreeMap::new();
        for removed in &self.removed {
            if let Origin::Row(row) = removed.origin {
                by_step.entry(removed.step.into()).or_default().push((row as usize, removed.reason.name()));
            }
        }
        for (step, rows) in by_step {
            let listed = most_surely(&rows, &features, &labels, progress)?;
            if let Some(step) = self.steps.get_mut(step) {
                step.removed_most_surely = listed;
            }
        }
        Ok(self.steps)
    }
}

fn synthetic_rows(set: &TrainSet) -> BTreeMap<usize, Vec<usize>> {
    let mut rows: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (row, origin) in set.origins.iter().enumerate() {
        if let Origin::Synthetic { step, .. } = origin {
            rows.entry((*step).into()).or_default().push(row);
        }
    }
    rows
}

/// At most `most` of the rows, and no more than the work allows, evenly spread.
fn sample<T: Copy>(rows: &[T], features: &Array2<f64>, most: usize) -> Vec<T> {
    let count = (MAX_PRODUCTS / features.len().max(1)).clamp(1, most).min(rows.len());
    (0..count).filter_map(|index| rows.get(index * rows.len() / count.max(1))).copied().collect()
}

fn nearness(
    set: &TrainSet,
    rows: &[usize],
    features: &Array2<f64>,
    labels: &[bool],
    progress: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<SyntheticRows, Stop> {
    let checked = sample(rows, features, MAX_CHECKED);
    let points = set.features.select(Axis(0), &checked);
    let mut distances = Vec::new();
    for class in [false, true] {
        let members: Vec<usize> = (0..labels.len()).filter(|&row| labels.get(row) == Some(&class)).collect();
        let members = features.select(Axis(0), &members);
        let found = Neighbours::new(members.view()).of_points(points.view(), 1, Reach::Nearest, progress)?;
        let nearest = |point: usize| found.of(point).first().map_or(f64::INFINITY, |near| near.squared_distance);
        distances.push((0..checked.len()).map(nearest).collect::<Vec<f64>>());
    }
    let [to_negative, to_positive] = distances.as_slice() else {
        return Ok(SyntheticRows { rows: rows.len(), checked: 0, nearer_to_other_class: 0 });
    };
    let nearer = checked.iter().zip(to_negative.iter().zip(to_positive)).filter(|&(&row, (negative, positive))| {
        let is_positive = set.labels.get(row).copied().unwrap_or(false);
        if is_positive { negative < positive } else { positive < negative }
    });
    Ok(SyntheticRows { rows: rows.len(), checked: checked.len(), nearer_to_other_class: nearer.count() })
}

/// Of the removed rows those with the most neighbours of the other class, the first in the data of equals. Their rows
/// are those of the training part.
fn most_surely(
    removed: &[(usize, &'static str)],
    features: &Array2<f64>,
    labels: &[bool],
    progress: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<Vec<RemovedRow>, Stop> {
    let looked_at = sample(removed, features, MAX_LOOKED_AT);
    let rows: Vec<usize> = looked_at.iter().map(|(row, _)| *row).collect();
    let found = Neighbours::new(features.view()).of_rows(&rows, NEIGHBOURS, progress)?;
    let mut listed: Vec<RemovedRow> = looked_at
        .iter()
        .enumerate()
        .map(|(query, &(row, reason))| {
            let others = found.of(query).iter().filter(|near| labels.get(near.row) != labels.get(row));
            RemovedRow { row, reason: reason.to_owned(), other_class_neighbours: others.count() }
        })
        .collect();
    listed.sort_by_key(|removed| (std::cmp::Reverse(removed.other_class_neighbours), removed.row));
    listed.truncate(MAX_LISTED);
    Ok(listed)
}
