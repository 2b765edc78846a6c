//! ProWSyn: more new rows from the part of the class that is nearer to the other.
//!
//! S. Barua, M. M. Islam and K. Murase, "ProWSyn: proximity weighted synthetic oversampling technique for imbalanced data
//! set learning", PAKDD 2013. The rows of the class that are among the k nearest of any row of the other class are level
//! 1 and are set aside; the same with those that are left gives level 2, and so on; after `levels` − 1 rounds the rest is
//! the last level. A level i gets new rows in proportion to `exp(−theta (i − 1))`, however many rows it has: each on the
//! line between two different rows of the level that are drawn, or a copy where the level has one row.
//!
//! Categories are those of the nearer end.

use super::draws::Draws;
use super::lines::{Line, Lines, extend};
use super::share::apportion;
use super::{Outcome, ResampleError, Task, rows_of};
use crate::ml::neighbours::{Neighbours, Reach};
use crate::ml::observe::Stop;
use crate::ml::sets::TrainSet;

pub(super) fn apply(
    task: &mut Task<'_>,
    set: TrainSet,
    k: usize,
    levels: usize,
    theta: f64,
) -> Result<Outcome, ResampleError> {
    let (class, count) = task.rows_to_add(&set)?;
    if count == 0 {
        return Ok(Outcome::grown(set));
    }
    let levels = task.part(0.0..0.9, |task| proximity_levels(task, &set, class, k, levels))?;
    let weights: Vec<f64> = (0..levels.len()).map(|level| (-theta * level as f64).exp()).collect();
    let groups = set.kinds.categories.len();
    let mut drawn = Vec::with_capacity(count);
    for (level, part) in levels.iter().zip(apportion(&weights, count)) {
        drawn.extend(task.part(0.9..0.9, |task| task.draw(part, |draws, _| draw_line(draws, level)))?);
    }
    let takes = drawn.iter().flat_map(|line| std::iter::repeat_n(line.nearer(), groups)).collect();
    let lines = Lines { lines: drawn, takes };
    task.part(0.9..1.0, |task| Ok(Outcome::grown(extend(task, set, class, &lines)?)))
}

fn draw_line(draws: &mut Draws, level: &[usize]) -> Line {
    let first = draws.below(level.len());
    let second = draws.below((level.len() - 1).max(1));
    let second = if second >= first { (second + 1).min(level.len() - 1) } else { second };
    Line { from: level[first], to: level[second], at: draws.uniform() }
}

/// The rows of the class, the level nearest to the other class first; no level is empty.
fn proximity_levels(
    task: &mut Task<'_>,
    set: &TrainSet,
    class: bool,
    k: usize,
    levels: usize,
) -> Result<Vec<Vec<usize>>, Stop> {
    let others = rows_of(&set.labels, !class);
    let mut left = rows_of(&set.labels, class);
    let mut found = Vec::new();
    for level in 1..levels {
        if left.len() <= k {
            break;
        }
        let at = |level: usize| level as f64 / levels as f64;
        let index = Neighbours::among(set.features.view(), &left);
        let near =
            task.part(at(level - 1)..at(level), |task| index.of_places(&others, k, Reach::Nearest, task.progress))?;
        drop(index);
        let mut is_near = vec![false; set.rows()];
        (0..others.len()).flat_map(|query| near.of(query)).for_each(|near| is_near[near.row] = true);
        let (nearer, rest) = left.into_iter().partition(|&row| is_near[row]);
        found.push(nearer);
        left = rest;
    }
    if !left.is_empty() {
        found.push(left);
    }
    Ok(found)
}
