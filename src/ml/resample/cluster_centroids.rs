//! Cluster centroids: as many clusters as rows are wanted, and one row for each.
//!
//! S.-J. Yen and Y.-S. Lee, "Cluster-based under-sampling approaches for imbalanced data distributions", Expert Systems
//! with Applications 36(3), 2009. With `soft` (and `auto`) the row is the centre of the cluster, a new row whose
//! categories are those that most rows of the cluster have and whose parents are the two rows nearest to the centre; with
//! `hard` it is the nearest row of the cluster. imbalanced-learn's `hard` looks among all rows of the class and can take
//! a row twice.
//!
//! The clusters are `kmeans`'s own, so that rows are not promised to be imbalanced-learn's.

use ndarray::Axis;

use super::categories::Categories;
use super::grow::Growing;
use super::kmeans::{Clusters, kmeans};
use super::{Outcome, RemovalReason, ResampleError, Task, keep, rows_of};
use crate::ml::config::Voting;
use crate::ml::observe::Stop;
use crate::ml::sets::TrainSet;

pub(super) fn apply(task: &mut Task<'_>, set: TrainSet, voting: Voting) -> Result<Outcome, ResampleError> {
    let wanted = task.plan.rows_to_keep()?;
    let mut kept = [Vec::new(), Vec::new()];
    let mut centred = Vec::new();
    for (index, class) in [false, true].into_iter().enumerate() {
        let members = rows_of(&set.labels, class);
        match wanted[index] {
            Some(count) if count < members.len() => {
                let stretch = 0.45 * index as f64..0.45 * (index + 1) as f64;
                let clusters = task.part(stretch, |task| cluster(task, &set, &members, count))?;
                if voting == Voting::Hard {
                    kept[index] = clusters.iter().map(|cluster| cluster.nearest[0]).collect();
                } else {
                    centred.push((class, clusters));
                }
            }
            _ => kept[index] = members,
        }
    }
    let categories = task.categories(&set, 0.9)?;
    let mut set = set;
    for (class, clusters) in centred {
        let first = set.rows();
        let from = if class { 0.95 } else { 0.9 };
        set = task.part(from..from + 0.05, |task| add_centres(task, set, &categories, class, &clusters))?;
        kept[usize::from(class)].extend(first..set.rows());
    }
    Ok(keep(task, set, &kept.concat(), |_| RemovalReason::Clustered)?)
}

/// One cluster of rows.
struct Cluster {
    centre: Vec<f64>,
    /// Its rows, the nearest to the centre first.
    nearest: Vec<usize>,
}

fn cluster(task: &mut Task<'_>, set: &TrainSet, members: &[usize], count: usize) -> Result<Vec<Cluster>, Stop> {
    let features = set.features.select(Axis(0), members);
    let Clusters { centres, of } = kmeans(features.view(), count, task.draws, task.progress)?;
    let empty = |centre: ndarray::ArrayView1<'_, f64>| Cluster { centre: centre.to_vec(), nearest: Vec::new() };
    let mut clusters: Vec<Cluster> = centres.rows().into_iter().map(empty).collect();
    members.iter().zip(of).for_each(|(&row, cluster)| clusters[cluster as usize].nearest.push(row));
    for Cluster { centre, nearest } in &mut clusters {
        let distance = |row: usize| {
            let gaps = set.features.row(row).into_iter().zip(centre.iter()).map(|(a, b)| (a - b) * (a - b));
            gaps.sum::<f64>()
        };
        nearest.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)).then(a.cmp(&b)));
    }
    Ok(clusters)
}

/// Appends the centre of each cluster of rows.
fn add_centres(
    task: &mut Task<'_>,
    set: TrainSet,
    categories: &Categories,
    class: bool,
    clusters: &[Cluster],
) -> Result<TrainSet, ResampleError> {
    let mut growing = Growing::new(set, class, clusters.len());
    for cluster in clusters {
        let takes = categories.vote(cluster.nearest[0], &cluster.nearest);
        let parents = [cluster.nearest[0], cluster.nearest.get(1).copied().unwrap_or(cluster.nearest[0])];
        growing.push(task, parents, |rows, out| {
            out.copy_from_slice(&cluster.centre);
            Categories::take(categories.groups(), rows, &takes, out);
        })?;
    }
    Ok(growing.finish())
}
