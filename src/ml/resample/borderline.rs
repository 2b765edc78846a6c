//! Borderline-SMOTE: as SMOTE, from the minority rows near the border only.
//!
//! H. Han, W.-Y. Wang and B.-H. Mao, "Borderline-SMOTE: a new over-sampling method in imbalanced data sets learning",
//! ICIC 2005. A minority row with a of its m nearest rows in the other class is in **danger** if m/2 ≤ a < m, noise if
//! a = m, safe otherwise. New rows start from rows in danger. With `borderline-1` they end at one of the k nearest rows
//! of the class; with `borderline-2` at one of the k nearest of all rows, and if that is of the other class, the way is
//! first cut to a share ~ U[0, 1/2).
//!
//! Without any row in danger, rows are made as SMOTE makes them, and a note says so; imbalanced-learn then silently adds
//! none, which `"rng": "numpy"` follows.

use super::lines::{Field, draw_lines, extend};
use super::smote::{self, fitting_k};
use super::{Note, Outcome, ResampleError, Task, random_over, rows_of};
use crate::ml::config::BorderlineKind;
use crate::ml::observe::Stop;
use crate::ml::sets::TrainSet;

pub(super) fn apply(
    task: &mut Task<'_>,
    set: TrainSet,
    k: usize,
    m: usize,
    kind: BorderlineKind,
) -> Result<Outcome, ResampleError> {
    let (class, count) = task.rows_to_add(&set)?;
    if count == 0 {
        return Ok(Outcome::grown(set));
    }
    let members = rows_of(&set.labels, class);
    let danger = task.part(0.0..0.5, |task| standing(task, &set, &members, m))?;
    let danger: Vec<usize> =
        members.iter().zip(danger).filter(|(_, standing)| *standing == Standing::Danger).map(|(&row, _)| row).collect();
    if danger.is_empty() && task.is_numpy() {
        task.notes.push(Note::NothingAdded);
        return Ok(Outcome::grown(set));
    } else if danger.is_empty() {
        task.notes.push(Note::NoneInDanger);
        return task.part(0.5..1.0, |task| smote::add(task, set, class, count, k));
    }
    let rows_at_hand = if kind == BorderlineKind::One { members.len() } else { set.rows() };
    let Some(k) = fitting_k(task, "k_neighbors", rows_at_hand, k) else {
        return random_over::copy(task, set, class, count);
    };
    let categories = task.categories(&set, 0.5)?;
    let mut lines = task.part(0.5..0.9, |task| {
        let field = if kind == BorderlineKind::One { Field::of(&set, &members) } else { Field::all(&set) };
        draw_lines(task, &categories, &danger, &field, k, count)
    })?;
    if kind == BorderlineKind::Two {
        task.draws.restart();
        for line in lines.lines.iter_mut().filter(|line| set.labels[line.to] != class) {
            line.at *= 0.5 * task.draws.uniform();
        }
    }
    task.part(0.9..1.0, |task| Ok(Outcome::grown(extend(task, set, class, &lines)?)))
}

/// How a row of a class lies among the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Standing {
    Safe,
    Danger,
    /// Amid the other class.
    Noise,
}

/// How each of the rows lies among its `m` nearest.
pub(super) fn standing(task: &mut Task<'_>, set: &TrainSet, rows: &[usize], m: usize) -> Result<Vec<Standing>, Stop> {
    let m = task.at_most("m_neighbors", m, set.rows() - 1, set.rows());
    let found = Field::all(set).neighbours(task, rows, m)?;
    let standing = |query: usize| {
        let class = set.labels[rows[query]];
        match found.of(query).iter().filter(|near| set.labels[near.row] != class).count() {
            others if others == m => Standing::Noise,
            others if 2 * others >= m => Standing::Danger,
            _ => Standing::Safe,
        }
    };
    Ok((0..rows.len()).map(standing).collect())
}
