//! SMOTEN: SMOTE for categories alone.
//!
//! N. V. Chawla, K. W. Bowyer, L. O. Hall and W. P. Kegelmeyer, "SMOTE: synthetic minority over-sampling technique", JAIR
//! 16, 2002, section 6.2, with the value difference metric of C. Stanfill and D. Waltz, CACM 29(12), 1986. With P(c | v)
//! the share of class c among all rows whose column has the category v,
//!
//! `d(x, y) = Σ_columns ( Σ_c |P(c | x) − P(c | y)| )²`
//!
//! For two classes that is the squared Euclidean distance between vectors of 2 P(positive | v), so that no matrix of
//! distances is needed. A new row takes in each column the category that most of the k + 1 rows nearest to a drawn row
//! have, that row being one of them; of tied ones the first in order of their values, as in imbalanced-learn.

use ndarray::Array2;

use super::categories::Categories;
use super::grow::Growing;
use super::smote::fitting_k;
use super::{Outcome, ResampleError, Task, random_over, rows_of};
use crate::ml::neighbours::{Neighbours, Reach};
use crate::ml::sets::TrainSet;

pub(super) fn apply(task: &mut Task<'_>, set: TrainSet, k: usize) -> Result<Outcome, ResampleError> {
    let numbers = set.kinds.numeric_columns(set.features.ncols()).len();
    if numbers > 0 {
        return Err(ResampleError::NumbersAmongCategories { numbers });
    }
    let (class, count) = task.rows_to_add(&set)?;
    if count == 0 {
        return Ok(Outcome::grown(set));
    }
    let members = rows_of(&set.labels, class);
    let Some(k) = fitting_k(task, "k_neighbors", members.len(), k) else {
        return random_over::copy(task, set, class, count);
    };
    let categories = task.categories(&set, 0.0)?;
    let space = space(&set, &members, &categories);
    let drawn = task.draw(count, |draws, _| draws.below(members.len()))?;
    let found = task.part(0.0..0.8, |task| {
        Neighbours::new(space.view()).of_points(space.view(), k + 1, Reach::Nearest, task.progress)
    })?;
    let voters = |member: usize| found.of(member).iter().map(|near| members[near.row]).collect::<Vec<_>>();
    let groups = categories.groups().to_vec();
    task.part(0.8..1.0, |task| {
        let mut growing = Growing::new(set, class, count);
        for member in drawn {
            let voters = voters(member);
            let takes: Vec<usize> = (0..groups.len()).map(|group| first_most(&categories, group, &voters)).collect();
            let parents = [
                members[member],
                voters.iter().copied().find(|&row| row != members[member]).unwrap_or(members[member]),
            ];
            growing.push(task, parents, |rows, out| Categories::take(&groups, rows, &takes, out))?;
        }
        Ok(Outcome::grown(growing.finish()))
    })
}

/// Where the members lie.
fn space(set: &TrainSet, members: &[usize], categories: &Categories) -> Array2<f64> {
    let groups = categories.groups().len();
    let mut space = Array2::zeros((members.len(), groups));
    for group in 0..groups {
        let mut rows = vec![(0_usize, 0_usize); categories.levels(group)];
        for (row, &label) in set.labels.iter().enumerate() {
            let of = &mut rows[categories.code(row, group)];
            *of = (of.0 + 1, of.1 + usize::from(label));
        }
        for (place, &row) in members.iter().enumerate() {
            let (all, positive) = rows[categories.code(row, group)];
            space[[place, group]] = 2.0 * positive as f64 / all as f64;
        }
    }
    space
}

/// A voter with the category that most have; of several the one that is first by its value.
fn first_most(categories: &Categories, group: usize, voters: &[usize]) -> usize {
    let counts = categories.count(group, voters);
    let most = counts.iter().copied().max().unwrap_or(0);
    let code = counts.iter().position(|&count| count == most).unwrap_or(0);
    voters.iter().copied().find(|&voter| categories.code(voter, group) == code).unwrap_or(voters[0])
}
