//! SVM-SMOTE: new rows from the minority's support vectors.
//!
//! H. M. Nguyen, E. W. Cooper and K. Kamei, "Borderline over-sampling for imbalanced data classification", IJKESDP 3(1),
//! 2011. Of the support vectors of the class (an RBF machine, see `support_vectors`), those amid the other class are
//! left out as noise. A share f ~ Beta(10, 10) of the new rows lies between support vectors in danger (as Borderline-SMOTE
//! has it) and their neighbours of the class; the others lie beyond safe support vectors, at most `out_step` times the
//! way away from the neighbour.
//!
//! If there are only rows in danger or only safe ones, they make all new rows; imbalanced-learn then makes one part only
//! and leaves the classes unbalanced, which `"rng": "numpy"` follows. If all support vectors are noise it raises; here
//! rows are made as SMOTE makes them. Rows beyond the class can lie outside the range of the data.

use super::borderline::{Standing, standing};
use super::lines::{Field, Lines, draw_lines, extend};
use super::smote::{self, fitting_k};
use super::support_vectors::support_vectors;
use super::{Note, Outcome, ResampleError, Task, random_over, rows_of};
use crate::ml::observe::Stop;
use crate::ml::sets::TrainSet;

pub(super) fn apply(
    task: &mut Task<'_>,
    set: TrainSet,
    k: usize,
    m: usize,
    out_step: f64,
) -> Result<Outcome, ResampleError> {
    let (class, count) = task.rows_to_add(&set)?;
    if count == 0 {
        return Ok(Outcome::grown(set));
    }
    let members = rows_of(&set.labels, class);
    let Some(k) = fitting_k(task, "k_neighbors", members.len(), k) else {
        return random_over::copy(task, set, class, count);
    };
    let vectors = task.part(0.0..0.7, |task| support_vectors(&set, task.progress))?;
    let vectors: Vec<usize> = vectors.into_iter().filter(|&row| set.labels[row] == class).collect();
    let standing = task.part(0.7..0.8, |task| standing(task, &set, &vectors, m))?;
    let those = |wanted: Standing| -> Vec<usize> {
        vectors.iter().zip(&standing).filter(|&(_, own)| *own == wanted).map(|(&row, _)| row).collect()
    };
    let (danger, safe) = (those(Standing::Danger), those(Standing::Safe));
    if danger.is_empty() && safe.is_empty() {
        task.notes.push(Note::OnlyNoise);
        return task.part(0.8..1.0, |task| smote::add(task, set, class, count, k));
    }
    let counts = divide(task, count, [danger.is_empty(), safe.is_empty()]);
    let lines = task.part(0.8..0.9, |task| both_parts(task, &set, &members, [&danger, &safe], k, counts, out_step))?;
    task.part(0.9..1.0, |task| Ok(Outcome::grown(extend(task, set, class, &lines)?)))
}

/// How many rows come from rows in danger and from safe ones.
fn divide(task: &mut Task<'_>, count: usize, empty: [bool; 2]) -> [usize; 2] {
    let share = task.draws.beta(10.0, 10.0);
    let inside = (share * (count + 1) as f64) as usize;
    match empty {
        [false, false] => [inside, count - inside],
        [no_danger, _] if task.is_numpy() => {
            let counts = if no_danger { [0, count - inside] } else { [inside, 0] };
            task.notes.push(Note::OtherCount { asked: count, made: counts[0] + counts[1] });
            counts
        }
        [true, _] => [0, count],
        [_, true] => [count, 0],
    }
}

fn both_parts(
    task: &mut Task<'_>,
    set: &TrainSet,
    members: &[usize],
    bases: [&[usize]; 2],
    k: usize,
    counts: [usize; 2],
    out_step: f64,
) -> Result<Lines, Stop> {
    let categories = task.categories(set, 0.0)?;
    let field = Field::of(set, members);
    let mut all = Lines::none();
    for (part, step) in [1.0, -out_step].into_iter().enumerate() {
        if counts[part] > 0 {
            let stretch = 0.5 * part as f64..0.5 * (part + 1) as f64;
            let mut lines =
                task.part(stretch, |task| draw_lines(task, &categories, bases[part], &field, k, counts[part]))?;
            lines.lines.iter_mut().for_each(|line| line.at *= step);
            all.append(lines);
        }
    }
    Ok(all)
}
