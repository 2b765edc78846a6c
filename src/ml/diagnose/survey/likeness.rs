//! Columns that say what another says: the same values, the same categories under other names, or a straight line.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::ml::table::{Column, MISSING, Table, Values};

/// Numeric columns that are compared pair by pair, at most; equal ones are found among any number.
const MAX_COMPARED: usize = 300;
/// Rows that pairs are compared on.
const MAX_ROWS: usize = 1_000;
/// Correlations above this are a straight line.
pub const STRAIGHT: f64 = 0.9999;

/// A column that says what an earlier one says.
#[derive(Debug, Clone, PartialEq)]
pub struct Alike {
    pub name: String,
    /// The earlier column.
    pub other: String,
    /// The size of their correlation; 1 of equal columns.
    pub correlation: f64,
}

/// Columns without which nothing would be lost, in the order of the table.
pub fn alike_columns(table: &Table, rows: &[usize]) -> Vec<Alike> {
    let columns = table.columns();
    let mut found: Vec<Option<Alike>> = vec![None; columns.len()];
    let prints: Vec<Vec<u64>> = columns.par_iter().map(|column| print(column, rows)).collect();
    let mut first: HashMap<&[u64], usize> = HashMap::new();
    for (index, print) in prints.iter().enumerate().filter(|(_, print)| !is_constant(print)) {
        let earlier = *first.entry(print).or_insert(index);
        if earlier < index {
            found[index] = Some(alike(columns, index, earlier, 1.0));
        }
    }
    for (earlier, later, correlation) in straight_pairs(columns, rows) {
        if found[later].is_none() && found[earlier].is_none() {
            found[later] = Some(alike(columns, later, earlier, correlation));
        }
    }
    found.into_iter().flatten().collect()
}

fn alike(columns: &[Column], index: usize, other: usize, correlation: f64) -> Alike {
    Alike { name: columns[index].name.clone(), other: columns[other].name.clone(), correlation }
}

/// Equal for columns with the same numbers, or the same categories whatever their names.
fn print(column: &Column, rows: &[usize]) -> Vec<u64> {
    let mut order: HashMap<u32, u64> = HashMap::new();
    let mut by_appearance = |code: u32| {
        let next = order.len() as u64;
        *order.entry(code).or_insert(next)
    };
    match &column.values {
        Values::Numeric(values) => rows.iter().map(|&row| (values[row] + 0.0).to_bits()).collect(),
        Values::Categorical { codes, .. } => rows.iter().map(|&row| by_appearance(codes[row])).collect(),
        Values::Boolean(flags) => {
            rows.iter().map(|&row| by_appearance(flags[row].map_or(MISSING, u32::from))).collect()
        }
        Values::Pictures(pictures) => rows.iter().map(|&row| pictures.hash_of(row)).collect(),
    }
}

fn is_constant(print: &[u64]) -> bool {
    print.windows(2).all(|pair| pair[0] == pair[1])
}

/// Pairs of numeric columns on a straight line, the earlier first.
fn straight_pairs(columns: &[Column], rows: &[usize]) -> Vec<(usize, usize, f64)> {
    let step = rows.len().div_ceil(MAX_ROWS).max(1);
    let rows: Vec<usize> = rows.iter().copied().step_by(step).collect();
    let numeric = columns.iter().enumerate().filter_map(|(index, column)| match &column.values {
        Values::Numeric(values) => Some((index, unit(values, &rows)?)),
        _ => None,
    });
    let numeric: Vec<(usize, Vec<f64>)> = numeric.take(MAX_COMPARED).collect();
    let pairs = numeric.par_iter().enumerate().flat_map_iter(|(place, (later, b))| {
        numeric[..place].iter().filter_map(move |(earlier, a)| {
            let correlation: f64 = a.iter().zip(b).map(|(x, y)| x * y).sum();
            (correlation.abs() > STRAIGHT).then_some((*earlier, *later, correlation.abs().min(1.0)))
        })
    });
    pairs.collect()
}

/// Centred and of length 1, missing values at the mean; `None` of a column that does not vary.
fn unit(values: &[f64], rows: &[usize]) -> Option<Vec<f64>> {
    let known: Vec<f64> = rows.iter().map(|&row| values[row]).filter(|value| !value.is_nan()).collect();
    let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
    let centred = |&row: &usize| if values[row].is_nan() { 0.0 } else { values[row] - mean };
    let centred: Vec<f64> = rows.iter().map(centred).collect();
    let length = centred.iter().map(|value| value * value).sum::<f64>().sqrt();
    (length > 0.0 && length.is_finite()).then(|| centred.iter().map(|value| value / length).collect())
}
