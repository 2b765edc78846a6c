//! How columns differ between the training rows and those that are judged on.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::ml::table::stats::quantile_of_sorted;
use crate::ml::table::{Column, MISSING, Table, Values};

/// Bins of a numeric column, besides one for missing values; the categories that are told apart.
const BINS: usize = 10;

/// One column in the training part against validation and test together.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnShift {
    pub name: String,
    /// The population stability index: the sum of (p - q) ln(p / q) over the bins.
    pub psi: f64,
    /// What sampling alone makes of it on average.
    pub psi_expected: f64,
    /// Bins less one: over `psi_expected`, the index is about as chi-squared of this many degrees of freedom.
    pub degrees: usize,
    /// The share of the judged rows whose category no training row has.
    pub unseen: f64,
}

impl ColumnShift {
    /// As a chi-squared number of `degrees` degrees of freedom.
    pub fn chi_squared(&self) -> f64 {
        if self.psi_expected > 0.0 { self.psi / self.psi_expected * self.degrees as f64 } else { 0.0 }
    }
}

/// All columns; `rows` are the training rows looked at. Nothing without judged rows.
pub fn column_shifts(train: &Table, rows: &[usize], others: [&Table; 2]) -> Vec<ColumnShift> {
    if others.iter().all(|part| part.rows() == 0) || rows.is_empty() {
        return Vec::new();
    }
    train
        .columns()
        .par_iter()
        .filter_map(|column| {
            let others: Vec<&Column> = others.iter().filter_map(|part| part.column(&column.name)).collect();
            shift_of(column, rows, &others)
        })
        .collect()
}

fn shift_of(column: &Column, rows: &[usize], others: &[&Column]) -> Option<ColumnShift> {
    let bins = Bins::of(column, rows);
    let train = bins.tally(&column.values, rows.iter().copied());
    let mut judged = vec![0.0; train.len()];
    for other in others {
        let more = bins.tally(&other.values, 0..other.values.len());
        judged.iter_mut().zip(more).for_each(|(sum, count)| *sum += count);
    }
    let (train_rows, judged_rows) = (train.iter().sum::<f64>(), judged.iter().sum::<f64>());
    let used = train.iter().zip(&judged).filter(|(a, b)| **a + **b > 0.0).count();
    if used < 2 {
        return None;
    }
    // Half a row in each bin keeps the logarithm finite.
    let share = |count: f64, rows: f64| (count + 0.5) / (rows + 0.5 * used as f64);
    let terms = train.iter().zip(&judged).filter(|(a, b)| **a + **b > 0.0).map(|(&a, &b)| {
        let (p, q) = (share(a, train_rows), share(b, judged_rows));
        (p - q) * (p / q).ln()
    });
    let degrees = used - 1;
    Some(ColumnShift {
        name: column.name.clone(),
        psi: terms.sum(),
        psi_expected: degrees as f64 * (1.0 / train_rows + 1.0 / judged_rows),
        degrees,
        unseen: unseen(column, others),
    })
}

/// What values are told apart by.
enum Bins {
    /// Upper edges, ascending.
    Edges(Vec<f64>),
    /// The most frequent codes.
    Codes(HashMap<u32, usize>),
    Flags,
}

impl Bins {
    fn of(column: &Column, rows: &[usize]) -> Self {
        match &column.values {
            Values::Numeric(values) => {
                let mut sorted: Vec<f64> = rows.iter().map(|&row| values[row]).filter(|v| !v.is_nan()).collect();
                sorted.sort_unstable_by(f64::total_cmp);
                let edge = |bin: usize| quantile_of_sorted(&sorted, bin as f64 / BINS as f64);
                let mut edges: Vec<f64> = (1..BINS).filter_map(edge).collect();
                edges.dedup();
                Bins::Edges(edges)
            }
            Values::Categorical { codes, .. } => {
                let mut counts: HashMap<u32, usize> = HashMap::new();
                rows.iter().map(|&row| codes[row]).for_each(|code| *counts.entry(code).or_default() += 1);
                counts.remove(&MISSING);
                let mut ranked: Vec<(usize, u32)> = counts.into_iter().map(|(code, count)| (count, code)).collect();
                ranked.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
                Bins::Codes(ranked.into_iter().take(BINS - 1).enumerate().map(|(bin, (_, code))| (code, bin)).collect())
            }
            // Pictures are all there, which is what flags tell of them.
            Values::Boolean(_) | Values::Pictures(_) => Bins::Flags,
        }
    }

    /// Rows per bin; the last is that of missing values, the one before it that of all other codes.
    fn tally(&self, values: &Values, rows: impl Iterator<Item = usize>) -> Vec<f64> {
        let mut counts = vec![0.0; BINS + 1];
        for row in rows {
            let bin = match (self, values) {
                (Bins::Edges(edges), Values::Numeric(values)) if !values[row].is_nan() => {
                    edges.partition_point(|&edge| edge < values[row])
                }
                (Bins::Codes(bins), Values::Categorical { codes, .. }) if codes[row] != MISSING => {
                    bins.get(&codes[row]).copied().unwrap_or(BINS - 1)
                }
                (Bins::Flags, Values::Boolean(flags)) => flags[row].map_or(BINS, usize::from),
                _ => BINS,
            };
            counts[bin] += 1.0;
        }
        counts
    }
}

/// The share of the judged rows whose category no training row has; the codes of all parts are those of one table.
fn unseen(column: &Column, others: &[&Column]) -> f64 {
    let Values::Categorical { codes, levels } = &column.values else { return 0.0 };
    let mut known = vec![false; levels.len()];
    codes.iter().filter(|&&code| code != MISSING).for_each(|&code| known[code as usize] = true);
    let (mut rows, mut found) = (0, 0);
    for other in others {
        let Values::Categorical { codes, .. } = &other.values else { continue };
        rows += codes.len();
        let is_unseen = |&&code: &&u32| code != MISSING && !known.get(code as usize).copied().unwrap_or(false);
        found += codes.iter().filter(is_unseen).count();
    }
    found as f64 / f64::from(rows.max(1) as u32)
}
