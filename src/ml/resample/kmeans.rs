//! k-means: rows in clusters around their means.
//!
//! S. P. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28(2), 1982, from centres that
//! are drawn with a chance proportional to the squared distance from those drawn before: D. Arthur and S. Vassilvitskii,
//! "k-means++: the advantages of careful seeding", SODA 2007; of very many rows, from those that lie evenly spread among
//! them ([`SAMPLED`]). Stops when the centres move less than 10⁻⁴ of the mean variance of the columns, or after 300
//! rounds. A cluster that loses all its rows takes the row farthest from its centre.
//!
//! scikit-learn's `KMeans` tries several candidates for each first centre, and its `MiniBatchKMeans` looks at samples;
//! clusters are alike, not equal.
//!
//! Memory: 40 bytes a row.

use ndarray::{Array2, ArrayView2, ArrayViewMut1};
use rayon::prelude::*;

use super::draws::Draws;
use super::nearest_centre::NearestCentres;
use super::report;
use crate::ml::neighbours::Progress;
use crate::ml::observe::Stop;

const MAX_ROUNDS: usize = 300;
const TOLERANCE: f64 = 1e-4;
/// First centres between two calls of the progress.
const BLOCK_CENTRES: usize = 8;
/// First centres are drawn from so many rows, or three for each centre, as `MiniBatchKMeans` has it.
const SAMPLED: usize = 65_536;
const SAMPLED_PER_CENTRE: usize = 3;

/// Rows in clusters.
pub(super) struct Clusters {
    /// Clusters by features.
    pub(super) centres: Array2<f64>,
    /// The cluster of each row.
    pub(super) of: Vec<u32>,
}

/// Divides rows into `count` clusters, or as many as there are rows.
pub(super) fn kmeans(
    features: ArrayView2<'_, f64>,
    count: usize,
    draws: &mut Draws,
    progress: &mut Progress<'_>,
) -> Result<Clusters, Stop> {
    let count = count.min(features.nrows());
    let first = first_centres(features, count, draws, &mut |share| progress(0.2 * share))?;
    let mut clusters = Clusters { centres: features.select(ndarray::Axis(0), &first), of: Vec::new() };
    let mut nearest = NearestCentres::new(features);
    let tolerance = TOLERANCE * mean_variance(features);
    for round in 0..MAX_ROUNDS {
        // Most of the way is in the first rounds.
        let done = |round: usize| 0.2 + 0.8 * (1.0 - 1.0 / (1.0 + round as f64 / 10.0));
        let (from, to) = (done(round), done(round + 1));
        let mut within = |share: f64| progress(from + (to - from) * share);
        nearest.find(&clusters.centres, &mut within)?;
        clusters.of.clone_from(&nearest.of);
        let centres = clusters.means(features);
        let moved = (&centres - &clusters.centres).mapv(|gap| gap * gap).sum();
        clusters.centres = centres;
        if moved <= tolerance {
            break;
        }
    }
    Ok(clusters)
}

/// Rows as first centres, by their squared distance from those before.
fn first_centres(
    features: ArrayView2<'_, f64>,
    count: usize,
    draws: &mut Draws,
    progress: &mut Progress<'_>,
) -> Result<Vec<usize>, Stop> {
    let rows = features.nrows();
    let sampled = rows.min(SAMPLED.max(SAMPLED_PER_CENTRE * count));
    let row = |place: usize| (place as u64 * rows as u64 / sampled as u64) as usize;
    let mut centres = Vec::with_capacity(count);
    let mut nearest = vec![f64::INFINITY; sampled];
    while centres.len() < count {
        if centres.len() % BLOCK_CENTRES == 0 {
            report(progress, centres.len() as f64 / count as f64)?;
        }
        let centre = if centres.is_empty() { draws.below(sampled) } else { draw_by_weight(&nearest, draws) };
        centres.push(row(centre));
        let point = features.row(row(centre));
        nearest.par_iter_mut().enumerate().with_min_len(1024).for_each(|(place, nearest)| {
            let gaps = features.row(row(place)).into_iter().zip(point).map(|(a, b)| (a - b) * (a - b));
            *nearest = nearest.min(gaps.sum());
        });
    }
    Ok(centres)
}

/// An index, with a chance proportional to its weight; any index where all weigh nothing.
fn draw_by_weight(weights: &[f64], draws: &mut Draws) -> usize {
    let total: f64 = weights.iter().sum();
    if !(total > 0.0 && total.is_finite()) {
        return draws.below(weights.len());
    }
    let mut left = draws.uniform() * total;
    let last = weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0);
    weights
        .iter()
        .position(|weight| {
            left -= weight;
            left < 0.0
        })
        .unwrap_or(last)
}

fn mean_variance(features: ArrayView2<'_, f64>) -> f64 {
    if features.is_empty() {
        return 0.0;
    }
    features.columns().into_iter().map(|column| column.var(0.0)).sum::<f64>() / features.ncols() as f64
}

impl Clusters {
    /// The mean of each cluster.
    fn means(&mut self, features: ArrayView2<'_, f64>) -> Array2<f64> {
        let mut counts = vec![0_usize; self.centres.nrows()];
        self.of.iter().for_each(|&cluster| counts[cluster as usize] += 1);
        self.fill_empty(&mut counts, features);
        let rows = by_cluster(&self.of, &counts);
        let mut means = Array2::zeros(self.centres.dim());
        let values = means.as_slice_mut().unwrap_or_default();
        values.par_chunks_exact_mut(features.ncols().max(1)).zip(rows).for_each(|(mean, rows)| {
            let share = 1.0 / rows.len() as f64;
            let mut mean = ArrayViewMut1::from(mean);
            rows.iter().for_each(|&row| mean.scaled_add(share, &features.row(row as usize)));
        });
        means
    }

    /// Gives each empty cluster the farthest row of a cluster that has others.
    fn fill_empty(&mut self, rows: &mut [usize], features: ArrayView2<'_, f64>) {
        if rows.iter().all(|&rows| rows > 0) {
            return;
        }
        let distance = |row: usize| {
            let centre = self.centres.row(self.of[row] as usize);
            features.row(row).into_iter().zip(centre).map(|(a, b)| (a - b) * (a - b)).sum::<f64>()
        };
        let distances: Vec<f64> = (0..features.nrows()).into_par_iter().map(distance).collect();
        let mut far: Vec<usize> = (0..distances.len()).collect();
        far.sort_by(|&a, &b| distances[b].total_cmp(&distances[a]).then(a.cmp(&b)));
        let mut far = far.into_iter();
        for cluster in 0..rows.len() {
            if rows[cluster] == 0
                && let Some(row) = far.find(|&row| rows[self.of[row] as usize] > 1)
            {
                rows[self.of[row] as usize] -= 1;
                self.of[row] = cluster as u32;
                rows[cluster] = 1;
            }
        }
    }
}

/// The rows of each cluster, ascending.
fn by_cluster(of: &[u32], counts: &[usize]) -> Vec<Vec<u32>> {
    let mut rows: Vec<Vec<u32>> = counts.iter().map(|&count| Vec::with_capacity(count)).collect();
    of.iter().enumerate().for_each(|(row, &cluster)| rows[cluster as usize].push(row as u32));
    rows
}

#[cfg(test)]
mod tests {
    use super::kmeans;
    use crate::ml::config::{NamedStrategy, ResampleMethod, ResampleStep, RngKind, SamplingStrategy};
    use crate::ml::resample::draws::Draws;
    use crate::ml::seed::Seed;
    use ndarray::{Array2, array};
    use std::ops::ControlFlow;

    fn draws(seed: u64) -> Draws {
        let sampling_strategy = SamplingStrategy::Named(NamedStrategy::Auto);
        let method = ResampleMethod::TomekLinks;
        let step = ResampleStep {
            method,
            sampling_strategy,
            seed: None,
            rng: RngKind::Default,
            keep_integers: false,
            space: None,
        };
        Draws::new(&step, 0, Seed(seed)).unwrap()
    }

    #[test]
    fn clouds_far_apart_are_clusters_whose_centres_are_their_means() {
        let features = Array2::from_shape_fn((60, 2), |(row, column)| {
            100.0 * (row % 3) as f64 + ((row * 7 + column * 3) % 11) as f64 * 0.1
        });
        for seed in 0..20 {
            let clusters = kmeans(features.view(), 3, &mut draws(seed), &mut |_| ControlFlow::Continue(())).unwrap();
            for row in 0..60 {
                assert_eq!(clusters.of[row], clusters.of[row % 3]);
                let mean = features.slice(ndarray::s![row % 3..;3, ..]).mean_axis(ndarray::Axis(0)).unwrap();
                let gap = (&clusters.centres.row(clusters.of[row] as usize) - &mean).mapv(f64::abs).sum();
                assert!(gap < 1e-9, "{gap}");
            }
        }
    }

    #[test]
    fn every_cluster_has_a_row_even_of_equal_rows() {
        let features = array![[1.0], [1.0], [1.0], [1.0], [2.0]];
        let clusters = kmeans(features.view(), 4, &mut draws(1), &mut |_| ControlFlow::Continue(())).unwrap();
        let mut found = clusters.of.clone();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, [0, 1, 2, 3]);
        assert!(clusters.centres.iter().all(|value| value.is_finite()));
    }
}
