//! polynom-fit-SMOTE: new rows on a figure that is laid through the class.
//!
//! S. Gazzah and N. E. Ben Amara, "New oversampling approaches based on polynomial fitting for imbalanced data sets", DAS
//! 2008; the best on average of the 85 methods in G. Kovács, Applied Soft Computing 83, 2019, by a small margin.
//!
//! - `star`: on the lines from each row to the mean of the class; c new rows at j / (c + 1) of the way, j = 1..c;
//! - `bus`: the same between each row and the next of the class;
//! - `mesh`: the midpoints of pairs that are drawn.
//!
//! n new rows over m lines: n div m for each, one more for as many lines as are left over, which are drawn. The paper
//! and smote_variants make a multiple of m rows instead. Polynomials of a degree, the paper's fourth figure, depend on the
//! order of the rows and are left out. Categories are those of the nearer end; the mean has none.
//!
//! A star draws a class of several clouds towards the empty middle between them.

use ndarray::Array1;

use super::categories::Categories;
use super::grow::{Growing, between};
use super::{Outcome, ResampleError, Task, rows_of};
use crate::ml::config::Topology;
use crate::ml::observe::Stop;
use crate::ml::sets::TrainSet;

pub(super) fn apply(task: &mut Task<'_>, set: TrainSet, topology: Topology) -> Result<Outcome, ResampleError> {
    let (class, count) = task.rows_to_add(&set)?;
    let members = rows_of(&set.labels, class);
    let places = match topology {
        Topology::Mesh => midpoints(task, &members, count)?,
        Topology::Bus | Topology::Star => steps(task, &members, count, topology),
    };
    let mean = mean(&set, &members);
    let groups = set.kinds.categories.clone();
    let mut growing = Growing::new(set, class, count);
    for Place { from, to, at } in places {
        let parents = [from, to.unwrap_or(from)];
        growing.push(task, parents, |rows, out| {
            let end = to.map_or(mean.view(), |to| rows.row(to));
            out.iter_mut()
                .zip(rows.row(from).into_iter().zip(end))
                .for_each(|(out, (&a, &b))| *out = between(a, b, at));
            let nearer = parents[usize::from(at > 0.5)];
            Categories::take(&groups, rows, &vec![nearer; groups.len()], out);
        })?;
    }
    Ok(Outcome::grown(growing.finish()))
}

/// Where a new row lies: `at` of the way from a row to another, or to the mean.
struct Place {
    from: usize,
    to: Option<usize>,
    at: f64,
}

fn steps(task: &mut Task<'_>, members: &[usize], count: usize, topology: Topology) -> Vec<Place> {
    // A row has no next one to be joined with if it is the last.
    let lines = if topology == Topology::Bus { (members.len() - 1).max(1) } else { members.len() };
    let mut of_line = vec![count / lines; lines];
    task.draws.permutation(lines).into_iter().take(count % lines).for_each(|line| of_line[line] += 1);
    let end = |line: usize| match topology {
        Topology::Bus => Some(members[(line + 1).min(members.len() - 1)]),
        _ => None,
    };
    let on = |(line, &count): (usize, &usize)| {
        let at = move |step: usize| step as f64 / (count + 1) as f64;
        (1..=count).map(move |step| (line, at(step))).collect::<Vec<_>>()
    };
    let places = of_line.iter().enumerate().flat_map(on);
    places.map(|(line, at)| Place { from: members[line], to: end(line), at }).collect()
}

fn midpoints(task: &mut Task<'_>, members: &[usize], count: usize) -> Result<Vec<Place>, Stop> {
    task.draw(count, |draws, _| {
        let first = draws.below(members.len());
        let second = draws.below((members.len() - 1).max(1));
        let second = if second >= first { (second + 1).min(members.len() - 1) } else { second };
        Place { from: members[first], to: Some(members[second]), at: 0.5 }
    })
}

fn mean(set: &TrainSet, members: &[usize]) -> Array1<f64> {
    let mut mean = Array1::zeros(set.features.ncols());
    members.iter().for_each(|&row| mean.scaled_add(1.0 / members.len() as f64, &set.features.row(row)));
    mean
}
