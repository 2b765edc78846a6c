//! SMOTE: new rows on the lines between a minority row and its nearest minority rows.
//!
//! `x_new = x + u (x_nn − x)`, `u ~ U[0, 1)`, with x a minority row and x_nn one of its k nearest rows of the same
//! class, both drawn uniformly: N. V. Chawla, K. W. Bowyer, L. O. Hall and W. P. Kegelmeyer, "SMOTE: synthetic
//! minority over-sampling technique", JAIR 16, 2002.
//!
//! A class of m rows allows at most m − 1 neighbours; one row alone is copied. Columns of categories count in the
//! distance as they are and are voted on, where imbalanced-learn interpolates them into values that nothing has.

use super::lines::{Field, draw_lines, extend};
use super::{Note, Outcome, ResampleError, Task, random_over, rows_of};
use crate::ml::sets::TrainSet;

pub(super) fn apply(task: &mut Task<'_>, set: TrainSet, k: usize) -> Result<Outcome, ResampleError> {
    let (class, count) = task.rows_to_add(&set)?;
    if count == 0 {
        return Ok(Outcome::grown(set));
    }
    if !set.kinds.categories.is_empty() {
        task.notes.push(Note::CategoriesVoted);
    }
    add(task, set, class, count, k)
}

/// Adds `count` rows to a class.
pub(super) fn add(
    task: &mut Task<'_>,
    set: TrainSet,
    class: bool,
    count: usize,
    k: usize,
) -> Result<Outcome, ResampleError> {
    let members = rows_of(&set.labels, class);
    let Some(k) = fitting_k(task, "k_neighbors", members.len(), k) else {
        return random_over::copy(task, set, class, count);
    };
    let categories = task.categories(&set, 0.0)?;
    let lines =
        task.part(0.0..0.9, |task| draw_lines(task, &categories, &members, &Field::of(&set, &members), k, count))?;
    task.part(0.9..1.0, |task| Ok(Outcome::grown(extend(task, set, class, &lines)?)))
}

/// The number of neighbours that a class of `rows` rows allows; `None` if it has one row, which is noted.
pub(super) fn fitting_k(task: &mut Task<'_>, parameter: &str, rows: usize, k: usize) -> Option<usize> {
    if rows < 2 {
        task.notes.push(Note::OneRow);
        return None;
    }
    Some(task.at_most(parameter, k.max(1), rows - 1, rows))
}
