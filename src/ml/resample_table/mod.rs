//! Resampling as an end in itself: a table in, a table out in which every row says where it comes from.
//!
//! In a training the rows of the training part are resampled as the model sees them, scaled and encoded. Here they are
//! resampled as they are: numbers in their units (unless the configuration asks for scaled distances), categories as
//! categories. The rows that stay are those of the old table, in its columns; a synthetic row has numbers between those
//! of its parents and categories that one of them has.

mod encode;
mod error;
mod estimate;
mod origin;

pub use error::ResampleTableError;
pub use estimate::estimate_resampling;
pub use origin::{RowOrigin, StepCounts};

use std::ops::ControlFlow;

use crate::ml::config::{ResampleConfig, ResampleMethod, ResampleStep};
use crate::ml::labels::{ClassCounts, ClassNames};
use crate::ml::observe::Stop;
use crate::ml::pipeline::Target;
use crate::ml::resample;
use crate::ml::seed::Seed;
use crate::ml::sets::TrainSet;
use crate::ml::table::{Column, Table, Values};
use encode::{Decode, Encoding};

/// A resampled table.
#[derive(Debug, Clone, PartialEq)]
pub struct ResampledTable {
    /// The columns of the old table but those excluded, in their order; the target among them.
    pub table: Table,
    /// One per row: first those that are there after the last step, in the order of the method, then those removed.
    pub origins: Vec<RowOrigin>,
    /// The rows of each class at the start and after each step.
    pub steps: Vec<StepCounts>,
    pub classes: ClassNames,
    /// Rows of the old table without a label, which are left out.
    pub unlabelled_rows: usize,
}

/// Resamples the rows of a table. `progress` is told the share of the work that is done.
///
/// # Errors
/// If the table does not allow what the configuration asks for, or `progress` ends the work.
pub fn resample_table(
    table: &Table,
    config: &ResampleConfig,
    progress: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<ResampledTable, ResampleTableError> {
    let target = Target::of(table, &config.target, &config.positive_label)?;
    let is_feature = |column: &&Column| column.name != config.target && !config.exclude.contains(&column.name);
    let features: Vec<&Column> = table.columns().iter().filter(is_feature).collect();
    refuse_missing(&features, &target.rows, config)?;
    let encoding = Encoding::fit(&features, &target.rows, &config.preprocess);
    let set = TrainSet::new(encoding.encode(&features, &target.rows), target.labels.clone());
    let set = TrainSet { kinds: encoding.kinds(), ..set };
    let counts = set.class_counts();
    let mut steps = vec![StepCounts { step: None, method: None, counts, notes: Vec::new() }];
    let (set, removed) = apply_steps(config, &target.classes, set, &mut steps, progress)?;
    let mut origins = origin::of_rows(&set, &target.rows, &config.resample);
    if config.keep_removed {
        origins.extend(origin::of_removed(&removed, &target.rows));
    }
    let columns = new_columns(table, config, &features, &encoding, &target, &set, &origins);
    let table = Table::new(columns).map_err(ResampleTableError::Table)?;
    Ok(ResampledTable { table, origins, steps, classes: target.classes, unlabelled_rows: target.unlabelled_rows })
}

fn apply_steps(
    config: &ResampleConfig,
    classes: &ClassNames,
    mut set: TrainSet,
    steps: &mut Vec<StepCounts>,
    progress: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<(TrainSet, Vec<resample::Removed>), ResampleTableError> {
    let mut removed = Vec::new();
    let count = config.resample.len() as f64;
    for (index, step) in config.resample.iter().enumerate() {
        let seed = step.seed.map_or_else(|| Seed(config.seed).derive(&format!("resample-{index}")), Seed);
        let step_progress = &mut |done| progress((index as f64 + done) / count);
        let step = ResampleStep { keep_integers: config.keeps_integers(index), ..step.clone() };
        let resampled = resample::apply_to_classes(index, &step, classes, set, seed, None, step_progress)
            .map_err(|source| ResampleTableError::step(index, step.method.name(), source))?;
        set = resampled.set;
        removed.extend(resampled.removed);
        let method = Some(step.method.name().to_owned());
        let notes = resampled.notes.iter().map(ToString::to_string).collect();
        steps.push(StepCounts { step: Some(index), method, counts: set.class_counts(), notes });
    }
    let ClassCounts { positive, negative } = set.class_counts();
    if positive == 0 || negative == 0 {
        return Err(ResampleTableError::ClassVanished { positive, negative });
    }
    Ok((set, removed))
}

/// Distances to a missing number are not defined. Categories may be missing: that is a category of its own.
fn refuse_missing(features: &[&Column], rows: &[usize], config: &ResampleConfig) -> Result<(), ResampleTableError> {
    if config.preprocess.numeric.impute.is_some() {
        return Ok(());
    }
    let missing = |column: &&&Column| match &column.values {
        Values::Numeric(values) => rows.iter().filter(|&&row| values.get(row).is_none_or(|v| v.is_nan())).count(),
        Values::Categorical { .. } | Values::Boolean(_) | Values::Pictures(_) => 0,
    };
    let counted = features.iter().map(|column| (column.name.clone(), missing(&column)));
    let columns: Vec<(String, usize)> = counted.filter(|(_, missing)| *missing > 0).collect();
    if columns.is_empty() { Ok(()) } else { Err(ResampleTableError::MissingNumbers { columns }) }
}

fn new_columns(
    table: &Table,
    config: &ResampleConfig,
    features: &[&Column],
    encoding: &Encoding,
    target: &Target,
    set: &TrainSet,
    origins: &[RowOrigin],
) -> Vec<Column> {
    let sources: Vec<Decode> = origins.iter().enumerate().map(|(row, origin)| origin.source(row, config)).collect();
    let labels = |column: &Column| {
        let old_rows: Vec<usize> = labelled_like(origins, target, set);
        column.values.select(&old_rows)
    };
    let mut index = 0;
    let mut columns = Vec::new();
    for column in table.columns() {
        if column.name == config.target {
            columns.push(Column { name: column.name.clone(), values: labels(column) });
        } else if features.iter().any(|feature| feature.name == column.name) {
            let values = encoding.decode(index, column, &sources, &set.features);
            columns.push(Column { name: column.name.clone(), values });
            index += 1;
        }
    }
    columns
}

/// For each row of the new table a row of the old one with the same label, so that labels keep their type.
fn labelled_like(origins: &[RowOrigin], target: &Target, set: &TrainSet) -> Vec<usize> {
    let example = |class: bool| {
        let position = target.labels.iter().position(|label| *label == class);
        position.and_then(|position| target.rows.get(position)).copied().unwrap_or(0)
    };
    let examples = [example(false), example(true)];
    let of = |(row, origin): (usize, &RowOrigin)| match origin {
        RowOrigin::Synthetic { .. } => examples[usize::from(set.labels.get(row).copied().unwrap_or(false))],
        RowOrigin::Kept { row } | RowOrigin::Copy { row, .. } | RowOrigin::Removed { row, .. } => *row,
    };
    origins.iter().enumerate().map(of).collect()
}

/// Whether a step draws rows more than once, so that copies are its work.
fn copies(method: &ResampleMethod) -> bool {
    matches!(
        method,
        ResampleMethod::RandomOverSampler { shrinkage: None, .. }
            | ResampleMethod::RandomUnderSampler { replacement: true, .. }
    )
}
