//! SMOTE: new rows on the lines between a minority row and its nearest minority rows.
//!
//! `x_new = x + u (x_nn − x)`, `u ~ U[0, 1)`, with x a minority row and x_nn one of its k nearest rows of the same
//! class, both drawn uniformly: N. V. Chawla, K. W. Bowyer, L. O. Hall and W. P. Kegelmeyer, "SMOTE: synthetic
//! minority over-sampling technique", JAIR 16, 2002.
//!
//! Order of draws: for all new rows an integer s below m k (base row s div k, neighbour s mod k), then all u.
//! A row is kept from being its own neighbour by its index; imbalanced-learn drops the nearest candidate, which
//! differs for duplicated rows.

use ndarray::{Array2, Axis};

use super::{RESAMPLED_ROWS_MAX, ResampleError, Resampled, Task, check_size, report, root, rows_of, with_room};
use crate::ml::neighbours::{Found, Neighbours};
use crate::ml::sets::{Origin, TrainSet};

/// Rows between two calls of the task's progress.
const BLOCK_ROWS: usize = 16_384;

pub(super) fn apply(task: &mut Task<'_>, set: TrainSet, k: usize) -> Result<Resampled, ResampleError> {
    let wanted = task.plan.rows_to_add()?;
    let count = wanted[0] + wanted[1];
    check_size(set.rows(), count, RESAMPLED_ROWS_MAX)?;
    if count == 0 {
        return Ok(Resampled { set, removed: Vec::new() });
    }
    // Only one of two classes can lack rows, so that one class has all of `count`.
    let class = wanted[1] > 0;
    let members = rows_of(&set.labels, class);
    check_neighbours(members.len(), k)?;
    let lines = draw_lines(task, &set.features, &members, k, count)?;
    Ok(Resampled { set: extend(task, set, class, &lines)?, removed: Vec::new() })
}

/// Where a new row lies.
struct Line {
    from: usize,
    to: usize,
    /// The share of the way.
    at: f64,
}

fn check_neighbours(rows: usize, k: usize) -> Result<(), ResampleError> {
    match rows {
        1 => Err(ResampleError::OneMinorityRow),
        _ if k == 0 || k >= rows => Err(ResampleError::TooFewRows {
            class: "minority",
            rows,
            parameter: "k_neighbors",
            most: rows - 1,
            found: k,
        }),
        _ => Ok(()),
    }
}

fn draw_lines(
    task: &mut Task<'_>,
    features: &Array2<f64>,
    members: &[usize],
    k: usize,
    count: usize,
) -> Result<Vec<Line>, ResampleError> {
    let drawn = task.draws.many_below(members.len() * k, count);
    let (bases, found) = neighbours_of_bases(task, features, members, &drawn, k)?;
    let lines = drawn.into_iter().map(|index| {
        let neighbour = found.of(bases[index / k])[index % k].row;
        Line { from: members[index / k], to: members[neighbour], at: task.draws.uniform() }
    });
    Ok(lines.collect())
}

/// The neighbours of the members that were drawn, and for each member its place among them.
fn neighbours_of_bases(
    task: &mut Task<'_>,
    features: &Array2<f64>,
    members: &[usize],
    drawn: &[usize],
    k: usize,
) -> Result<(Vec<usize>, Found), ResampleError> {
    let mut places = vec![0; members.len()];
    for &index in drawn {
        places[index / k] = 1;
    }
    let queries: Vec<usize> = (0..members.len()).filter(|&member| places[member] == 1).collect();
    for (place, &member) in queries.iter().enumerate() {
        places[member] = place;
    }
    let class_features = features.select(Axis(0), members);
    // The search is most of the work; interpolation has the rest of the progress.
    let found =
        Neighbours::new(class_features.view()).of_rows(&queries, k, &mut |share| (task.progress)(0.9 * share))?;
    Ok((places, found))
}

fn extend(task: &mut Task<'_>, set: TrainSet, class: bool, lines: &[Line]) -> Result<TrainSet, ResampleError> {
    let TrainSet { features, mut labels, mut origins, .. } = set;
    let rows = features.nrows();
    let mut larger = with_room(&features, lines.len());
    for (index, line) in lines.iter().enumerate() {
        if index.is_multiple_of(BLOCK_ROWS) {
            report(task.progress, 0.9 + 0.1 * index as f64 / lines.len() as f64)?;
        }
        let ends = features.row(line.from).into_iter().zip(features.row(line.to));
        for (value, (&from, &to)) in larger.row_mut(rows + index).iter_mut().zip(ends) {
            *value = between(from, to, line.at);
        }
        labels.push(class);
        let parents = [root(origins[line.from]), root(origins[line.to])];
        origins.push(Origin::Synthetic { step: task.step, parents });
    }
    Ok(TrainSet { features: larger, labels, origins, weights: None })
}

fn between(from: f64, to: f64, at: f64) -> f64 {
    let value = from + at * (to - from);
    // Only a difference of two huge numbers overflows; the weighted mean of the two does not.
    if value.is_finite() { value } else { (1.0 - at) * from + at * to }
}

#[cfg(test)]
mod tests {
    use super::{between, check_neighbours};

    #[test]
    fn too_few_rows_are_refused_with_the_numbers() {
        let refused = |rows, k| check_neighbours(rows, k).unwrap_err().to_string();
        assert_eq!(refused(3, 5), "the minority class has 3 rows; k_neighbors must be at most 2, found 5");
        assert_eq!(refused(1, 1), "the minority class has 1 row; SMOTE needs at least 2 to draw between");
        assert!(check_neighbours(3, 2).is_ok());
    }

    #[test]
    fn a_point_between_huge_ends_is_finite() {
        assert_eq!(between(1.0, 3.0, 0.25), 1.5);
        assert_eq!(between(-1.6e308, 1.6e308, 0.5), 0.0);
    }
}
