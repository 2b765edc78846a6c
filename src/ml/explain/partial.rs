//! Partial dependence: the mean probability over test rows if a column had one value in all of them (Friedman 2001,
//! section 8.2). It mixes values that never occur together where columns depend on each other.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use ndarray::{Array2, Axis, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::sample::stratified;
use super::{ExplainInput, Importance, InputRange};
use crate::ml::observe::Stop;
use crate::ml::table::stats::quantile_of_sorted;
use crate::ml::table::{Column, ColumnType, MISSING, Table, Values};

/// Columns that are looked at, the most important first.
const MAX_COLUMNS: usize = 50;
/// Values of one column, besides a missing one.
const MAX_POINTS: usize = 20;
/// Rows that every value is put into.
const MAX_ROWS: usize = 500;
const MIN_ROWS: usize = 50;
/// Multiplications and additions for all columns together.
const WORK: u64 = 5_000_000_000;
const OVERHEAD: u64 = 200;

/// How each of the most important columns moves the probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartialDependence {
    /// Always `test`.
    pub computed_on: String,
    pub rows: usize,
    pub columns: Vec<Dependence>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dependence {
    pub column: String,
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    pub points: Vec<DependencePoint>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DependencePoint {
    pub value: GridValue,
    /// Over the rows.
    pub mean_probability: f64,
    /// The central 80 % of the rows: how differently they respond.
    pub low: f64,
    pub high: f64,
}

/// A value of a column; `null` is a missing one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum GridValue {
    Number(f64),
    Flag(bool),
    Text(String),
    Missing(()),
}

/// Tries a grid of values for each column: quantiles from 1 % to 99 % of the test rows, or their most frequent
/// categories; a missing value too if a test row has one.
///
/// # Errors
/// If `step`, which is told the share of the columns that are done, ends the run.
pub fn partial_dependence(
    input: &ExplainInput<'_>,
    importance: &Importance,
    step: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<PartialDependence, Stop> {
    let columns = most_important(input.inputs(), importance);
    let evaluation = input.predictor.multiply_adds().saturating_add(OVERHEAD);
    let each = evaluation.saturating_mul((columns.len() * (MAX_POINTS + 1)).max(1) as u64);
    let allowed = usize::try_from(WORK / each.max(1)).unwrap_or(MAX_ROWS).min(MAX_ROWS);
    if allowed < MIN_ROWS || input.test.rows() == 0 {
        return Ok(PartialDependence::none(0));
    }
    let rows = stratified(input.test.labels(), allowed, input.seed.derive("dependence rows"));
    let features = input.test.features().select(Axis(0), &rows);
    let mut found = Vec::with_capacity(columns.len());
    for block in columns.chunks(2 * rayon::current_num_threads()) {
        found.par_extend(block.par_iter().filter_map(|column| dependence(input, &features, column)));
        if let ControlFlow::Break(stop) = step(found.len() as f64 / columns.len().max(1) as f64) {
            return Err(stop);
        }
    }
    Ok(PartialDependence { columns: found, ..PartialDependence::none(rows.len()) })
}

impl PartialDependence {
    /// No columns, looked at on so many rows.
    pub fn none(rows: usize) -> Self {
        Self { computed_on: "test".to_owned(), rows, columns: Vec::new() }
    }
}

fn most_important(mut columns: Vec<InputRange>, importance: &Importance) -> Vec<InputRange> {
    let drops: BTreeMap<&str, f64> =
        importance.columns.iter().map(|column| (column.column.as_str(), column.log_loss.value)).collect();
    let drop = |column: &InputRange| drops.get(column.name.as_str()).copied().unwrap_or(0.0);
    columns.sort_by(|a, b| drop(b).total_cmp(&drop(a)));
    columns.truncate(MAX_COLUMNS);
    columns
}

fn dependence(input: &ExplainInput<'_>, features: &Array2<f64>, column: &InputRange) -> Option<Dependence> {
    let raw = &input.table.column(&column.name)?.values;
    let (grid, values) = grid(raw);
    if grid.is_empty() {
        return None;
    }
    let replaced = preprocessed(input, column, values)?;
    let mut changed = features.clone();
    let point = |(index, value): (usize, GridValue)| {
        let one = replaced.row(index);
        changed.slice_mut(s![.., column.columns.clone()]).rows_mut().into_iter().for_each(|mut row| row.assign(&one));
        let mut probabilities = input.probabilities(&changed);
        let mean_probability = probabilities.iter().sum::<f64>() / probabilities.len() as f64;
        probabilities.sort_unstable_by(f64::total_cmp);
        let [low, high] = [0.1, 0.9].map(|share| quantile_of_sorted(&probabilities, share));
        Some(DependencePoint { value, mean_probability, low: low?, high: high? })
    };
    let points = grid.into_iter().enumerate().map(point).collect::<Option<Vec<_>>>()?;
    Some(Dependence { column: column.name.clone(), column_type: raw.column_type(), points })
}

/// What preprocessing makes of each value of the grid: the first test row with that value in the column.
fn preprocessed(input: &ExplainInput<'_>, column: &InputRange, values: Values) -> Option<Array2<f64>> {
    let template = input.table.select(&vec![0; values.len()]);
    let replace = |one: &Column| match one.name == column.name {
        true => Column { name: one.name.clone(), values: values.clone() },
        false => one.clone(),
    };
    let table = Table::new(template.columns().iter().map(replace).collect()).ok()?;
    let features = input.preprocessor.transform(&table).ok()?;
    Some(features.slice(s![.., column.columns.clone()]).to_owned())
}

/// The values to try, for people and for preprocessing.
fn grid(raw: &Values) -> (Vec<GridValue>, Values) {
    match raw {
        Values::Numeric(values) => {
            let mut grid = quantiles(values);
            let mut shown: Vec<GridValue> = grid.iter().map(|&value| GridValue::Number(value)).collect();
            if values.iter().any(|value| value.is_nan()) {
                grid.push(f64::NAN);
                shown.push(GridValue::Missing(()));
            }
            (shown, Values::Numeric(grid))
        }
        Values::Boolean(values) => {
            let found: Vec<Option<bool>> =
                [Some(false), Some(true), None].into_iter().filter(|value| values.contains(value)).collect();
            let shown = found.iter().map(|value| value.map_or(GridValue::Missing(()), GridValue::Flag)).collect();
            (shown, Values::Boolean(found))
        }
        Values::Pictures(pictures) => (Vec::new(), Values::Pictures(pictures.select(&[]))),
        Values::Categorical { codes, levels } => {
            let codes = most_frequent(codes);
            let text = |code: &u32| levels.get(*code as usize).cloned().map_or(GridValue::Missing(()), GridValue::Text);
            (codes.iter().map(text).collect(), Values::Categorical { codes, levels: levels.clone() })
        }
    }
}

/// All distinct numbers if they are few, else quantiles from 1 % to 99 %, ascending and distinct.
fn quantiles(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut distinct = sorted.clone();
    distinct.dedup();
    if distinct.len() <= MAX_POINTS {
        return distinct;
    }
    let share = |point: usize| 0.01 + 0.98 * point as f64 / (MAX_POINTS - 1) as f64;
    let mut grid: Vec<f64> = (0..MAX_POINTS).filter_map(|point| quantile_of_sorted(&sorted, share(point))).collect();
    grid.dedup();
    grid
}

/// The most frequent categories first, a missing value last.
fn most_frequent(codes: &[u32]) -> Vec<u32> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    codes.iter().for_each(|&code| *counts.entry(code).or_default() += 1);
    let missing = counts.remove(&MISSING).map(|_| MISSING);
    let mut found: Vec<(u32, usize)> = counts.into_iter().collect();
    found.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    found.truncate(MAX_POINTS);
    found.into_iter().map(|(code, _)| code).chain(missing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_tried_at_quantiles_or_all_of_them() {
        assert_eq!(quantiles(&[2.0, f64::NAN, 1.0, 2.0]), [1.0, 2.0]);
        let many: Vec<f64> = (0..=1_000).map(f64::from).collect();
        let grid = quantiles(&many);
        assert_eq!((grid.len(), grid[0]), (20, 10.0));
        assert!((grid[19] - 990.0).abs() < 1e-9);
        assert_eq!(quantiles(&[f64::NAN]), [0.0_f64; 0]);
    }

    #[test]
    fn categories_come_by_frequency_and_a_missing_value_last() {
        let levels = vec!["a".to_owned(), "b".to_owned()];
        let (shown, _) = grid(&Values::Categorical { codes: vec![MISSING, MISSING, MISSING, 1, 0, 1], levels });
        assert_eq!(shown, [GridValue::Text("b".into()), GridValue::Text("a".into()), GridValue::Missing(())]);
        let (shown, _) = grid(&Values::Boolean(vec![None, Some(true)]));
        assert_eq!(serde_json::to_string(&shown).unwrap(), "[true,null]");
    }
}
