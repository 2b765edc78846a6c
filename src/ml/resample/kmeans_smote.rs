//! KMeans-SMOTE: SMOTE within the clusters where the class is at home.
//!
//! G. Douzas, F. Bacao and F. Last, "Improving imbalanced learning through a heuristic oversampling method based on
//! k-means and SMOTE", Information Sciences 465, 2018. All rows are clustered. A cluster gets new rows if the class has
//! at least a share of `cluster_balance_threshold` of it (`auto`: one half) and more than k rows; how many is
//! proportional to its sparsity
//!
//! `(mean distance between its rows of the class)^e / (number of these rows)`,
//!
//! so that sparse clusters get more. `density_exponent` `auto` is `e = 0.16 (log_1.6 p)^1.8` with p the number of
//! features, as the paper wants it; imbalanced-learn puts the number of rows in place of p.
//!
//! The n rows that were asked for are made; imbalanced-learn rounds each cluster's part up. With `"rng": "numpy"` both
//! follow it, but the clusters are `kmeans`'s own, so that rows are not promised to be the same. Where no cluster is
//! good enough imbalanced-learn raises; here rows are made as SMOTE makes them.

use super::draws::Draws;
use super::kmeans::kmeans;
use super::lines::{Field, Lines, draw_lines, extend};
use super::share::apportion;
use super::smote;
use super::{Note, Outcome, RESAMPLED_ROWS_MAX, ResampleError, Task, check_size, report};
use crate::ml::config::{AutoOr, ResampleMethod};
use crate::ml::neighbours::Progress;
use crate::ml::observe::Stop;
use crate::ml::sets::TrainSet;

/// Distances that are averaged in one cluster; of more rows, pairs are drawn.
const MAX_PAIRS: usize = 50_000_000;

struct Settings {
    k: usize,
    clusters: usize,
    threshold: AutoOr,
    exponent: AutoOr,
}

pub(super) fn apply(task: &mut Task<'_>, set: TrainSet, method: &ResampleMethod) -> Result<Outcome, ResampleError> {
    let (class, count) = task.rows_to_add(&set)?;
    let ResampleMethod::KmeansSmote {
        k_neighbors: k,
        kmeans_estimator: clusters,
        cluster_balance_threshold: threshold,
        density_exponent: exponent,
    } = *method
    else {
        return Ok(Outcome::grown(set));
    };
    if count == 0 {
        return Ok(Outcome::grown(set));
    }
    let settings = Settings { k, clusters, threshold, exponent };
    let of = task.part(0.0..0.5, |task| {
        kmeans(set.features.view(), settings.clusters, task.draws, task.progress).map(|clusters| clusters.of)
    })?;
    let homes = homes(&set, &of, class, &settings);
    if homes.is_empty() {
        task.notes.push(Note::NoCluster);
        return task.part(0.5..1.0, |task| smote::add(task, set, class, count, k));
    }
    let lines = task.part(0.5..0.9, |task| within(task, &set, &homes, &settings, count))?;
    check_size(set.rows(), lines.lines.len(), RESAMPLED_ROWS_MAX)?;
    task.part(0.9..1.0, |task| Ok(Outcome::grown(extend(task, set, class, &lines)?)))
}

/// The rows of the class in each cluster that gets new ones.
fn homes(set: &TrainSet, of: &[u32], class: bool, settings: &Settings) -> Vec<Vec<usize>> {
    let threshold = match settings.threshold {
        _ if settings.clusters == 1 => f64::NEG_INFINITY,
        AutoOr::Number(number) => number,
        AutoOr::Auto(_) => 0.5,
    };
    let count = of.iter().max().map_or(0, |&largest| largest as usize + 1);
    let mut members = vec![(0_usize, Vec::new()); count];
    for (row, &cluster) in of.iter().enumerate() {
        let (rows, own) = &mut members[cluster as usize];
        *rows += 1;
        if set.labels[row] == class {
            own.push(row);
        }
    }
    let is_home =
        |(rows, own): &(usize, Vec<usize>)| own.len() > settings.k && own.len() as f64 / *rows as f64 >= threshold;
    members.into_iter().filter(is_home).map(|(_, own)| own).collect()
}

/// The lines of all clusters, one after the other.
fn within(
    task: &mut Task<'_>,
    set: &TrainSet,
    homes: &[Vec<usize>],
    settings: &Settings,
    count: usize,
) -> Result<Lines, Stop> {
    let counts = task.part(0.0..0.4, |task| parts(task, set, homes, settings, count))?;
    let categories = task.categories(set, 0.4)?;
    let mut all = Lines::none();
    for (index, (home, part)) in homes.iter().zip(counts).enumerate() {
        let at = |index: usize| 0.4 + 0.6 * index as f64 / homes.len() as f64;
        if part > 0 {
            let field = Field::of(set, home);
            all.append(task.part(at(index)..at(index + 1), |task| {
                draw_lines(task, &categories, home, &field, settings.k, part)
            })?);
        }
    }
    Ok(all)
}

/// How many new rows each cluster gets.
fn parts(
    task: &mut Task<'_>,
    set: &TrainSet,
    homes: &[Vec<usize>],
    settings: &Settings,
    count: usize,
) -> Result<Vec<usize>, Stop> {
    let is_numpy = task.is_numpy();
    let mut weights = Vec::with_capacity(homes.len());
    for (index, home) in homes.iter().enumerate() {
        let at = |index: usize| index as f64 / homes.len() as f64;
        let distance =
            task.part(at(index)..at(index + 1), |task| mean_distance(set, home, task.draws, task.progress))?;
        let auto = |size: usize| 0.16 * ((size as f64).ln() / 1.6_f64.ln()).powf(1.8);
        let exponent = match settings.exponent {
            AutoOr::Number(exponent) => exponent,
            AutoOr::Auto(_) => auto(if is_numpy { home.len() } else { set.features.ncols() }),
        };
        weights.push(exponent * distance.ln() - (home.len() as f64).ln());
    }
    // Only the proportions count, and powers of distances can be very large or small.
    let largest = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = weights.iter().map(|weight| (weight - largest).exp()).collect();
    if !is_numpy {
        return Ok(apportion(&weights, count));
    }
    let sum: f64 = weights.iter().sum();
    let parts: Vec<usize> = weights.iter().map(|weight| (count as f64 * (weight / sum)).ceil() as usize).collect();
    let made = parts.iter().sum();
    if made != count {
        task.notes.push(Note::OtherCount { asked: count, made });
    }
    Ok(parts)
}

/// The mean distance between two different rows; of very many pairs, that of some that are drawn.
fn mean_distance(set: &TrainSet, rows: &[usize], draws: &mut Draws, progress: &mut Progress<'_>) -> Result<f64, Stop> {
    let distance = |a: usize, b: usize| {
        let gaps = set.features.row(a).into_iter().zip(set.features.row(b)).map(|(a, b)| (a - b) * (a - b));
        gaps.sum::<f64>().sqrt()
    };
    let pairs = rows.len() * (rows.len() - 1) / 2;
    if pairs > MAX_PAIRS {
        report(progress, 0.0)?;
        let drawn = MAX_PAIRS / 100;
        let mut sum = 0.0;
        for _ in 0..drawn {
            let (a, b) = (draws.below(rows.len()), draws.below(rows.len() - 1));
            sum += distance(rows[a], rows[if b >= a { b + 1 } else { b }]);
        }
        return Ok(sum / drawn as f64);
    }
    let mut sum = 0.0;
    for (place, &row) in rows.iter().enumerate() {
        if place % 64 == 0 {
            report(progress, place as f64 / rows.len() as f64)?;
        }
        sum += rows[place + 1..].iter().map(|&other| distance(row, other)).sum::<f64>();
    }
    Ok(sum / pairs as f64)
}
