//! One column of the training rows.

use std::collections::HashMap;

use super::encode::{binned, encoded_auc};
use crate::ml::metrics::roc_auc;
use crate::ml::table::stats::{mean_and_std, quantile_of_sorted};
use crate::ml::table::{Column, ColumnType, MISSING, Values};

/// Beyond this many robust standard deviations from the median a value is an outlier.
const OUTLIER: f64 = 10.0;
/// A group key has at least this many values.
const LEAST_GROUPS: usize = 20;

/// What a column of the training rows is like.
#[derive(Debug, Clone)]
pub struct ColumnFacts {
    pub name: String,
    pub column_type: ColumnType,
    /// The share of rows without a value.
    pub missing: f64,
    /// The share of rows with the most frequent value, missing counted as one.
    pub top: f64,
    /// Distinct values over rows that have one.
    pub unique: f64,
    /// How well the column alone ranks the rows, 1/2 to 1.
    pub auc: f64,
    /// How well it does by whether there is a value, 1/2 to 1.
    pub missing_auc: f64,
    /// The distance of `auc` from 1/2 in standard errors of a column that says nothing.
    pub z: f64,
    /// The correlation with the place in the file; of numbers.
    pub order: f64,
    pub numeric: Option<NumericFacts>,
    /// Of columns of categories with many values.
    pub grouping: Option<Grouping>,
    /// Categories with fewer than five rows that have one.
    pub rare_categories: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NumericFacts {
    pub mean: f64,
    pub std: f64,
    pub whole: bool,
    /// The share of values more than 10 robust standard deviations from the median.
    pub outliers: f64,
    /// The spread of the middle half over that of all values, both as normal standard deviations; small where a few
    /// values stretch the scale.
    pub bulk: f64,
    pub sentinel: Option<Sentinel>,
}

/// One extreme value that many rows share, far from all others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sentinel {
    pub value: f64,
    /// The share of rows that have it.
    pub share: f64,
    /// Its distance from the nearest other value, in interquartile ranges of the others.
    pub gap: f64,
}

/// How labels go with the values of a column as with groups.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grouping {
    pub groups: usize,
    pub mean_rows: f64,
    /// The variance of the positives per group over that of independent rows.
    pub overdispersion: f64,
    /// How far that is from 1, in its standard errors.
    pub z: f64,
}

impl ColumnFacts {
    /// `rows` are those looked at, ascending, of `total` rows; `labels` are theirs.
    pub fn of(column: &Column, rows: &[usize], labels: &[bool], total: usize) -> Self {
        let mut facts = match &column.values {
            Values::Numeric(values) => {
                let values: Vec<f64> = rows.iter().map(|&row| values[row]).collect();
                Self::of_numbers(&values, labels, rows)
            }
            Values::Categorical { codes, .. } => {
                Self::of_codes(rows.iter().map(|&row| codes[row]).collect(), labels, ColumnType::Categorical)
            }
            Values::Boolean(flags) => {
                let code = |&row: &usize| flags[row].map_or(MISSING, u32::from);
                Self::of_codes(rows.iter().map(code).collect(), labels, ColumnType::Boolean)
            }
            Values::Pictures(_) => Self::of_pictures(rows.len()),
        };
        // In a sample of the rows fewer categories are seen once than there are rows like them.
        if rows.len() < total {
            facts.rare_categories = 0;
        }
        facts.name.clone_from(&column.name);
        facts.missing_auc = missing_auc(&column.values, rows, labels);
        facts
    }

    /// Pictures are looked at otherwise; as values they are all there and tell nothing.
    fn of_pictures(rows: usize) -> Self {
        let codes = (0..rows as u32).collect();
        Self { rare_categories: 0, ..Self::of_codes(codes, &vec![false; rows], ColumnType::Image) }
    }

    fn of_numbers(values: &[f64], labels: &[bool], rows: &[usize]) -> Self {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let known: Vec<(f64, bool)> =
            values.iter().zip(labels).filter(|(value, _)| !value.is_nan()).map(|(v, l)| (*v, *l)).collect();
        let (scores, known_labels): (Vec<f64>, Vec<bool>) = known.into_iter().unzip();
        let ranked = roc_auc(&known_labels, &scores).map(|area| (area, known_labels));
        let runs = || sorted.chunk_by(|a, b| a == b);
        let missing = values.len() - sorted.len();
        let top = runs().map(<[f64]>::len).max().unwrap_or(0).max(missing);
        let distinct = runs().count();
        let mut facts = Self::shared(&binned(values, &sorted), labels, missing, top, distinct);
        if let Some((area, labels)) = ranked {
            facts.take_auc(0.5 + (area - 0.5).abs(), &labels);
        }
        facts.order = correlation(values, rows);
        facts.numeric = NumericFacts::of(&sorted);
        facts
    }

    fn of_codes(codes: Vec<u32>, labels: &[bool], column_type: ColumnType) -> Self {
        let mut counts: HashMap<u32, usize> = HashMap::new();
        codes.iter().for_each(|&code| *counts.entry(code).or_default() += 1);
        let missing = counts.get(&MISSING).copied().unwrap_or(0);
        let top = counts.values().copied().max().unwrap_or(0);
        let distinct = counts.keys().filter(|&&code| code != MISSING).count();
        // Codes from 0 on, in the order in which they appear.
        let mut order: HashMap<u32, u32> = HashMap::new();
        let dense: Vec<u32> = codes
            .iter()
            .map(|&code| {
                let next = order.len() as u32;
                *order.entry(code).or_insert(next)
            })
            .collect();
        let mut facts = Self::shared(&dense, labels, missing, top, distinct);
        facts.column_type = column_type;
        facts.grouping = Grouping::of(&dense, labels);
        facts.rare_categories = counts.iter().filter(|&(&code, &count)| code != MISSING && count < 5).count();
        facts
    }

    fn shared(codes: &[u32], labels: &[bool], missing: usize, top: usize, distinct: usize) -> Self {
        let rows = codes.len().max(1) as f64;
        let mut facts = Self {
            name: String::new(),
            column_type: ColumnType::Numeric,
            missing: missing as f64 / rows,
            top: top as f64 / rows,
            unique: distinct as f64 / (codes.len() - missing).max(1) as f64,
            auc: 0.5,
            missing_auc: 0.5,
            z: 0.0,
            order: 0.0,
            numeric: None,
            grouping: None,
            rare_categories: 0,
        };
        if let Some(area) = encoded_auc(codes, labels) {
            facts.take_auc(area, labels);
        }
        facts
    }

    /// Keeps the larger of two areas.
    fn take_auc(&mut self, area: f64, labels: &[bool]) {
        let positives = labels.iter().filter(|&&label| label).count() as f64;
        let negatives = labels.len() as f64 - positives;
        let error = ((positives + negatives + 1.0) / (12.0 * positives * negatives)).sqrt();
        self.auc = self.auc.max(area);
        self.z = self.z.max((area - 0.5) / error);
    }
}

/// How well rows are ranked by whether they have a value.
fn missing_auc(values: &Values, rows: &[usize], labels: &[bool]) -> f64 {
    let is_missing = |row: usize| match values {
        Values::Numeric(values) => values[row].is_nan(),
        Values::Categorical { codes, .. } => codes[row] == MISSING,
        Values::Boolean(flags) => flags[row].is_none(),
        Values::Pictures(_) => false,
    };
    let mut tallies = [[0.0_f64; 2]; 2];
    for (&row, &label) in rows.iter().zip(labels) {
        let tally = &mut tallies[usize::from(label)];
        tally[0] += 1.0;
        tally[1] += f64::from(u8::from(is_missing(row)));
    }
    let [negative, positive] = tallies.map(|[rows, missing]| missing / rows.max(1.0));
    0.5 + (positive - negative).abs() / 2.0
}

impl NumericFacts {
    fn of(sorted: &[f64]) -> Option<Self> {
        let (mean, std) = mean_and_std(sorted)?;
        let median = quantile_of_sorted(sorted, 0.5)?;
        let mut distances: Vec<f64> = sorted.iter().map(|value| (value - median).abs()).collect();
        distances.sort_unstable_by(f64::total_cmp);
        let robust = 1.4826 * quantile_of_sorted(&distances, 0.5)?;
        let near = distances.partition_point(|&distance| distance <= OUTLIER * robust);
        let outliers = if robust > 0.0 { (sorted.len() - near) as f64 / sorted.len() as f64 } else { 0.0 };
        let range = quantile_of_sorted(sorted, 0.75)? - quantile_of_sorted(sorted, 0.25)?;
        let bulk = if std > 0.0 && range > 0.0 { range / 1.349 / std } else { 1.0 };
        let whole = sorted.iter().all(|value| value.fract() == 0.0);
        Some(Self { mean, std, whole, outliers, bulk, sentinel: Sentinel::of(sorted) })
    }
}

impl Sentinel {
    /// The least or the greatest value, if many rows share it and it lies apart.
    fn of(sorted: &[f64]) -> Option<Self> {
        let (first, last) = (*sorted.first()?, *sorted.last()?);
        let low = sorted.partition_point(|&value| value <= first);
        let high = sorted.partition_point(|&value| value < last);
        let candidates = [(first, &sorted[low..], low), (last, &sorted[..high], sorted.len() - high)];
        let sentinels = candidates.into_iter().filter_map(|(value, others, count)| {
            let range = quantile_of_sorted(others, 0.75)? - quantile_of_sorted(others, 0.25)?;
            let nearest = if value == first { *others.first()? } else { *others.last()? };
            let gap = (value - nearest).abs() / range;
            let share = count as f64 / sorted.len() as f64;
            // A value that only a few rows have is an outlier; two values only are a flag.
            let distinct = others.first() != others.last();
            (gap.is_finite() && count >= 3 && distinct).then_some(Self { value, share, gap })
        });
        sentinels.max_by(|a, b| a.gap.total_cmp(&b.gap))
    }
}

impl Grouping {
    fn of(codes: &[u32], labels: &[bool]) -> Option<Self> {
        let groups = codes.iter().max().map_or(0, |&most| most as usize + 1);
        let mean_rows = codes.len() as f64 / groups.max(1) as f64;
        if groups < LEAST_GROUPS || mean_rows < 1.5 {
            return None;
        }
        let mut tallies = vec![[0.0_f64; 2]; groups];
        for (&code, &label) in codes.iter().zip(labels) {
            tallies[code as usize][0] += 1.0;
            tallies[code as usize][1] += f64::from(u8::from(label));
        }
        let share = labels.iter().filter(|&&label| label).count() as f64 / labels.len() as f64;
        let variance = share * (1.0 - share);
        if variance == 0.0 {
            return None;
        }
        let rows = codes.len() as f64;
        let found: f64 = tallies.iter().map(|[count, positive]| (positive - count * share).powi(2)).sum();
        let error = tallies.iter().map(|[count, _]| 2.0 * count * (count - 1.0)).sum::<f64>().sqrt() / rows;
        let overdispersion = found / (rows * variance);
        Some(Self { groups, mean_rows, overdispersion, z: (overdispersion - 1.0) / error.max(1e-12) })
    }
}

/// Pearson's correlation of the values that are there with the places of their rows.
fn correlation(values: &[f64], rows: &[usize]) -> f64 {
    let pairs: Vec<(f64, f64)> =
        values.iter().zip(rows).filter(|(value, _)| !value.is_nan()).map(|(v, &row)| (*v, row as f64)).collect();
    let count = pairs.len().max(1) as f64;
    let mean = pairs.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0 / count, sum.1 + pair.1 / count));
    let mut sums = [0.0; 3];
    for (value, row) in &pairs {
        let (a, b) = (value - mean.0, row - mean.1);
        sums = [sums[0] + a * b, sums[1] + a * a, sums[2] + b * b];
    }
    let found = sums[0] / (sums[1] * sums[2]).sqrt();
    if found.is_finite() { found } else { 0.0 }
}
